"""LangChain, Instructor and pydantic-ai, each with its newest release: in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.frameworks.environments import ASKED_FOR, pins_of, ran_in
from tests.matrix.environments import ROOT

WITHIN = "tests/frameworks/within"

# What others warn of is theirs, and they leave clients open.
_OPTIONS = [
    "-m", "pytest", "--quiet", "--tb=short", "-p", "no:cacheprovider",
    "-W", "default", "-W", "ignore::ResourceWarning",
]  # fmt: skip


def assert_passed(ran: subprocess.CompletedProcess[str], at_least: int) -> None:
    """Fails with what pytest said in there, or if it ran fewer tests than that."""
    if ran.returncode != 0:
        pytest.fail(f"{ran.stdout}{ran.stderr}", pytrace=False)
    passed = ran.stdout.rpartition(" passed")[0].rpartition("\n")[2].split()[-1]
    assert int(passed) >= at_least


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("framework", "environment", "at_least"),
    [("langchain", "frameworks", 13), ("pydantic_ai", "frameworks", 6), ("instructor", "instructor", 11)],
)
def test_the_runs_of(framework: str, environment: str, at_least: int) -> None:
    assert_passed(ran_in(environment, *_OPTIONS, f"{WITHIN}/runs_of_{framework}.py"), at_least)


IMPORTED_LATER = """
import claude_telemetry
from tests.support.recorded import recording
from claude_telemetry.fake import FakeClaude

with FakeClaude() as claude, recording() as recorded:
    from langchain_anthropic import ChatAnthropic
    model = ChatAnthropic(model="claude-haiku-5-5", base_url=claude.url, api_key="any")
    model.invoke("Say hello.", config={"run_name": "first"})
    print(recorded.only().call.run_name)
"""


@pytest.mark.matrix
def test_a_framework_that_is_imported_after_instrument_is_known_from_its_first_call() -> None:
    ran = ran_in("frameworks", "-c", IMPORTED_LATER)
    assert ran.stdout == "first\n", ran.stderr


def test_the_environments_have_what_they_are_for() -> None:
    for name, asked_for in ASKED_FOR.items():
        pinned = {pin.partition("==")[0] for pin in pins_of(name)}
        assert {package.partition("[")[0] for package in asked_for} <= pinned
    assert "anthropic==0.93.0" in pins_of("instructor")


def test_frameworks_and_peers_meet_the_sdk_that_everybody_gets() -> None:
    pinned = (ROOT / "constraints.txt").read_text("utf-8")
    for name in ("frameworks", "peers"):
        newest = next(pin for pin in pins_of(name) if pin.startswith("anthropic=="))
        assert f"{newest} \\" in pinned, "run `make pins`"


def test_every_module_within_is_run() -> None:
    assert sorted(path.stem for path in Path(ROOT / WITHIN).glob("runs_of_*.py")) == [
        "runs_of_instructor",
        "runs_of_langchain",
        "runs_of_pydantic_ai",
    ]
