"""Capture is right with every SDK and every OpenTelemetry that we say we support, not only with today's."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.matrix.environments import (
    ASKED_FOR,
    OLDEST_OPENTELEMETRY,
    ROOT,
    SDKS,
    Environment,
    environments,
    hashes,
    made,
    pins_of,
)

WORKERS = 2
THOROUGH = (f"anthropic-{SDKS[0]}", f"opentelemetry-{OLDEST_OPENTELEMETRY}")
MANY_PASS = 400
"""Fewer tests than this, and something has kept the scenarios from being played."""

each_environment = pytest.mark.parametrize("environment", environments(), ids=lambda environment: environment.name)


class Runs:
    """Runs of the scenarios in their environments, two at a time. Each begins when it is first asked for, or before."""

    def __init__(self, wanted: list[Environment]) -> None:
        self._pool = ThreadPoolExecutor(WORKERS)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._futures = {environment.name: self._pool.submit(self._run, environment) for environment in wanted}

    def of(self, environment: Environment) -> Future[tuple[int, str]]:
        return self._futures[environment.name]

    def stop(self) -> None:
        """Ends what still runs."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()
        self._pool.shutdown(cancel_futures=True)

    def _run(self, environment: Environment) -> tuple[int, str]:
        """The exit code of pytest, and what it said."""
        command = [str(made(environment)), "-m", "pytest", *_tests(environment), *_OPTIONS, *_fewer(environment)]
        variables = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        variables["PYTHONPATH"] = os.pathsep.join([str(ROOT / "telemetry"), str(ROOT)])
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with self._lock:
            self._running.add(process)
            if self._stopped:
                process.kill()
        said, _ = process.communicate()
        with self._lock:
            self._running.discard(process)
        return process.returncode, said


# An old SDK may warn of what is new in Python; what our own tests must never do stays an error.
_OPTIONS = [
    "--quiet",
    "--tb=short",
    "-p", "no:cacheprovider",
    "-W", "default",
    "-W", "error::pytest.PytestUnraisableExceptionWarning",
    "-W", "error::pytest.PytestUnhandledThreadExceptionWarning",
]  # fmt: skip
_NOT_PASSED_ON = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")


def _tests(environment: Environment) -> list[str]:
    """The scenarios, and the tests of capture: of the latter some are about what older SDKs do not have."""
    modern = environment.pins not in {f"anthropic-{version}" for version in SDKS[: SDKS.index("1.17.0")]}
    capture = sorted((ROOT / "tests" / "telemetry").glob("test_capture*.py" if modern else "test_capture.py"))
    return ["tests/scenarios", *(str(path.relative_to(ROOT)) for path in capture)]


def _fewer(environment: Environment) -> list[str]:
    """What becomes of calls on their way out is no affair of the SDK's: the oldest shows it for all, as the suite
    itself does with the newest."""
    if environment.name in THOROUGH:
        return []
    if environment.pins == "newest":  # another Python
        return ["-k", "own"]
    return ["-k", "not unsampled and not delivered and not alone"]


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    asked_for = " ".join(item.name for item in request.session.items if "runs" in getattr(item, "fixturenames", ()))
    runs = Runs([environment for environment in environments() if f"[{environment.name}]" in asked_for])
    yield runs
    runs.stop()


@pytest.mark.matrix
@pytest.mark.timeout(600)  # it waits for those before it, and for packages
@each_environment
def test_every_scenario_is_right_with(environment: Environment, runs: Runs) -> None:
    code, said = runs.of(environment).result()
    if code != 0:
        pytest.fail(f"with {environment.name}:\n{said}", pytrace=False)
    assert int(said.rpartition(" passed")[0].rpartition(" ")[2].rpartition("\n")[2]) >= MANY_PASS


def test_each_environment_has_what_it_is_named_after() -> None:
    for version in SDKS:
        assert f"anthropic=={version}" in pins_of(f"anthropic-{version}")
    for package in ("api", "sdk", "exporter-otlp-proto-common"):
        name = f"opentelemetry-{OLDEST_OPENTELEMETRY}"
        assert f"opentelemetry-{package}=={OLDEST_OPENTELEMETRY}" in pins_of(name)


def test_the_newest_is_what_everybody_gets() -> None:
    pinned = (ROOT / "constraints.txt").read_text("utf-8")
    newest = next(pin for pin in pins_of("newest") if pin.startswith("anthropic=="))
    assert f"{newest} \\" in pinned, "run `make pins`"


def test_every_pin_has_hashes() -> None:
    pins = {pin.partition(" ;")[0] for name in ASKED_FOR for pin in pins_of(name)}
    assert pins - hashes().keys() == set(), "run `make pins`"
