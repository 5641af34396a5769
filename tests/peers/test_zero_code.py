"""`opentelemetry-instrument python app.py`: recorded without a line in the application."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam

from claude_telemetry.fake import FakeClaude
from claude_telemetry.instrumentor import ClaudeTelemetryInstrumentor
from claude_telemetry.record import Call
from tests.frameworks.environments import interpreter_of, ran_in
from tests.matrix.environments import ROOT
from tests.scenarios.delivered import Receiver
from tests.support.recorded import recording

APP = str(Path(__file__).with_name("app_without_a_line.py"))
ALONE = {
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "anthropic",  # what others call theirs
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs, entry points included."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    return folder


def ran(installed: Path, claude: FakeClaude, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The application, started by `opentelemetry-instrument`."""
    python = interpreter_of("peers")
    sdk = {"ANTHROPIC_BASE_URL": claude.url, "ANTHROPIC_API_KEY": "sk-ant-canary"}
    # By its path: an environment that was moved has scripts that look for their Python where it was.
    start = [str(python.with_name("opentelemetry-instrument")), str(python), APP, *arguments]
    return ran_in("peers", *start, PYTHONPATH=str(installed), **sdk, **variables)


def calls_in(receiver: Receiver) -> list[Call]:
    """Each once, though it may come both from our delivery and from the application's exporter."""
    by_span = {record.call.span_id: record.call for _, record in receiver.got}
    return sorted(by_span.values(), key=lambda call: call.started_at)


@pytest.mark.matrix
def test_an_application_without_a_line_is_recorded(installed: Path, claude: FakeClaude) -> None:
    receiver = Receiver()
    app = ran(installed, claude, **ALONE, CLAUDE_TELEMETRY_ENDPOINT=receiver.url, OTEL_SERVICE_NAME="shop")
    assert (app.returncode, app.stdout, app.stderr) == (0, "Hello! How can I help you today?\n", "")
    assert [(call.message_id, call.input_tokens, call.output_tokens, call.stream) for call in calls_in(receiver)] == [
        (served.message_id, served.usage["input_tokens"], served.usage["output_tokens"], served.stream)
        for served in claude.ledger
    ]
    assert len(receiver.got) == len(claude.ledger) == 2


@pytest.mark.matrix
def test_beside_every_other_instrumentation_and_exporter_each_call_is_there_once(
    installed: Path, claude: FakeClaude
) -> None:
    receiver = Receiver()
    exporting = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    nothing_else = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    app = ran(installed, claude, **exporting, **nothing_else, CLAUDE_TELEMETRY_ENDPOINT=receiver.url)
    assert (app.returncode, app.stdout) == (0, "Hello! How can I help you today?\n")
    assert [call.message_id for call in calls_in(receiver)] == [served.message_id for served in claude.ledger]
    assert len(receiver.got) == 4


@pytest.mark.matrix
def test_an_application_that_switches_it_on_as_well_is_recorded_once(installed: Path, claude: FakeClaude) -> None:
    receiver = Receiver()
    app = ran(installed, claude, "shop", **ALONE, CLAUDE_TELEMETRY_ENDPOINT=receiver.url)
    assert (app.returncode, app.stderr) == (0, "")
    assert len(receiver.got) == len(claude.ledger) == 2


@pytest.mark.matrix
def test_a_setting_that_cannot_be_used_is_told_and_the_application_runs(installed: Path, claude: FakeClaude) -> None:
    app = ran(installed, claude, **ALONE, CLAUDE_TELEMETRY_QUEUE="many")
    assert (app.returncode, app.stdout) == (0, "Hello! How can I help you today?\n")
    assert "CLAUDE_TELEMETRY_QUEUE is 'many': give a whole number" in app.stderr


def test_a_loader_may_hand_over_its_provider(claude: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_TELEMETRY_ENDPOINT", Receiver().url)
    with recording() as recorded, anthropic.Anthropic(base_url=claude.url, api_key="any", **_UNTRACED) as client:

        def spans() -> list[str]:
            question: MessageParam = {"role": "user", "content": "Say hello."}
            client.messages.create(model="claude-haiku-5-5", max_tokens=50, messages=[question])
            return [span.name for span in recorded.spans()]

        instrumentor = ClaudeTelemetryInstrumentor()
        instrumentor.instrument(tracer_provider=recorded.provider, skip_dep_check=True)
        assert spans() == ["anthropic.messages.create"]
        instrumentor.uninstrument()
        assert spans() == []


_UNTRACED: dict[str, Any] = {"open_telemetry": {"traces": False}}


def test_it_is_for_the_sdk_versions_that_we_support() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    (asked_for,) = ClaudeTelemetryInstrumentor().instrumentation_dependencies()
    assert asked_for.replace(" ", "") in dependencies
