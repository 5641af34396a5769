"""How bridges are laid, without any framework: that a module has arrived, and what a call is labelled with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from anthropic import Anthropic

from claude_telemetry.bridges import framework_labels, pydantic_ai
from claude_telemetry.bridges.arrivals import Arrivals
from claude_telemetry.bridges.runs import look_at, look_at_none, run_labels
from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from tests.support.recorded import recording


@pytest.fixture
def arrivals() -> Iterator[Arrivals]:
    arrivals = Arrivals()
    yield arrivals
    arrivals.expect_none()


@pytest.fixture(autouse=True)
def _no_bridges() -> Iterator[None]:
    yield
    look_at_none()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a module `expected_one` that can be imported."""
    file = tmp_path / "expected_one.py"
    file.write_text("whole = False\nwhole = True\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    invalidate_caches()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield file
    sys.modules.pop("expected_one", None)


def test_an_import_is_told_once_the_module_is_whole(arrivals: Arrivals, module: Path) -> None:
    told: list[tuple[str, bool]] = []
    arrivals.expect("expected_one", lambda name: told.append((name, sys.modules[name].whole)))
    import_module("json")
    assert told == []
    import_module("expected_one")
    import_module("expected_one")
    assert told == [("expected_one", True)]


def test_a_module_is_the_same_as_without_us(arrivals: Arrivals, module: Path) -> None:
    arrivals.expect("expected_one", lambda _: None)
    imported = import_module("expected_one")
    assert imported.__file__ == str(module)
    assert imported.__spec__ is not None
    loader = imported.__spec__.loader
    assert type(loader).__name__ == "SourceFileLoader"
    assert "exec_module" not in vars(loader)


def test_who_expects_nothing_more_is_out_of_the_way(arrivals: Arrivals, module: Path) -> None:
    before = list(sys.meta_path)
    arrivals.expect("expected_one", lambda _: None)
    arrivals.expect("not_there_at_all", lambda _: None)
    import_module("expected_one")
    assert arrivals in sys.meta_path
    arrivals.expect_none()
    assert sys.meta_path == before


def test_a_module_that_is_not_there_is_missed_as_ever(arrivals: Arrivals) -> None:
    arrivals.expect("not_there_at_all", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there_at_all'"):
        import_module("not_there_at_all")


def test_a_module_that_breaks_is_told_when_it_works(arrivals: Arrivals, module: Path) -> None:
    told: list[str] = []
    arrivals.expect("expected_one", told.append)
    module.write_text("raise LookupError('not today')")
    with pytest.raises(LookupError, match="not today"):
        import_module("expected_one")
    assert told == []
    module.write_text("")
    import_module("expected_one")
    assert told == ["expected_one"]


def test_without_a_framework_there_are_no_labels() -> None:
    assert framework_labels() == {}


def test_the_first_that_knows_the_run_is_believed() -> None:
    look_at(lambda: {"framework": "outer"}, last=True)
    look_at(lambda: {"framework": "inner"})
    look_at(lambda: None)
    assert framework_labels() == {"framework": "inner"}


def test_a_bridge_that_breaks_costs_the_labels_and_nothing_else(claude: FakeClaude) -> None:
    def breaks() -> None:
        raise LookupError

    before = slips().get("find a framework's run", 0)
    look_at(breaks)
    assert framework_labels() == {}
    assert slips()["find a framework's run"] == before + 1


def test_names_are_cut_and_what_is_not_known_is_left_out() -> None:
    assert run_labels("langchain", "n" * 600, None) == {"framework": "langchain", "run_name": "n" * 512}
    assert run_labels("langchain", None, 7, reask=0) == {"framework": "langchain", "run_id": "7", "reask": 0}


def test_what_a_bridge_says_is_on_the_call(claude: FakeClaude) -> None:
    with recording() as recorded, Anthropic(base_url=claude.url, api_key="any") as client:
        look_at(lambda: run_labels("pydantic-ai", "poet", "run_1", 2))
        client.messages.create(model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Hello."}])
        call = recorded.only().call
    assert (call.framework, call.run_name, call.run_id, call.reask) == ("pydantic-ai", "poet", "run_1", 2)


def test_the_run_that_pydantic_ai_says_goes_on() -> None:
    module, context = ModuleType("pydantic_ai._run_context"), SimpleNamespace(agent=None, run_id="run_1", retry=1)
    here: list[SimpleNamespace | None] = [None]
    vars(module)["get_current_run_context"] = lambda: here[0]
    pydantic_ai.lay(module)
    assert framework_labels() == {}
    here[0] = context
    assert framework_labels() == {"framework": "pydantic-ai", "run_id": "run_1", "reask": 1}
    context.agent = SimpleNamespace(name="poet")
    assert framework_labels()["run_name"] == "poet"
