"""Commands that run other commands: children, and what becomes of them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import Address
from claude_telemetry.up import Child, ChildFailed, Stack, flags_of

PATIENCE_S = 30.0


def never(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()


def is_running(pid: int) -> bool:
    """A process that has ended but was not waited for by its parent counts as ended."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Writes a module `told` and gives the environment in which it is found."""

    def write(source: str) -> dict[str, str]:
        (tmp_path / "told.py").write_text(source)
        return {"PYTHONPATH": str(tmp_path)}

    return write


def test_a_child_is_ready_when_it_says_so_and_stops_when_asked(
    module: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    mark = tmp_path / "ready"
    child = Child(
        "told",
        "told",
        [str(mark)],
        module("import sys, time, pathlib\npathlib.Path(sys.argv[1]).touch()\ntime.sleep(600)"),
    )
    try:
        assert child.wait_until(mark.exists, within_s=PATIENCE_S, stop=never)
        assert child.exit_code is None
    finally:
        child.stop()
    assert child.exit_code is not None


def test_a_child_that_ends_at_start_leaves_its_last_words(module: Callable[[str], dict[str, str]]) -> None:
    child = Child("told", "told", [], module("import sys\nprint('port 4318 is taken', file=sys.stderr)\nsys.exit(3)"))
    with pytest.raises(ChildFailed) as failed:
        child.wait_until(lambda: False, within_s=PATIENCE_S, stop=never)
    child.stop()
    assert str(failed.value) == "told ended with exit code 3; it said:\n  port 4318 is taken"


def test_a_command_that_knows_what_is_wrong_is_quoted_and_nothing_more(
    module: Callable[[str], dict[str, str]],
) -> None:
    said = "import sys\nprint('claude-telemetry told: that folder is taken', file=sys.stderr)\nsys.exit(1)"
    child = Child("told", "told", [], module(said))
    with pytest.raises(ChildFailed, match=r"^that folder is taken$"):
        child.wait_until(lambda: False, within_s=PATIENCE_S, stop=never)
    child.stop()


def test_a_child_that_does_not_listen_is_killed_with_its_own_children(
    module: Callable[[str], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claude_telemetry.up.child._STOP_WITHIN_S", 0.5)
    pid_file = tmp_path / "pid"
    child = Child(
        "told",
        "told",
        [str(pid_file)],
        module(
            "import pathlib, signal, subprocess, sys, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "pathlib.Path(sys.argv[1]).write_text(f'{grandchild.pid} ')\n"
            "time.sleep(600)"
        ),
    )
    assert eventually(lambda: pid_file.exists() and pid_file.read_text().endswith(" "))
    child.stop()
    assert child.exit_code == -signal.SIGKILL
    assert eventually(lambda: not is_running(int(pid_file.read_text())))


def test_a_child_ends_with_its_parent_even_when_that_is_killed(
    module: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    environment = module(
        "import os, pathlib, sys, time\npathlib.Path(sys.argv[1]).write_text(f'{os.getpid()} ')\ntime.sleep(600)"
    )
    program = (
        "import sys, time\nfrom claude_telemetry.up import Child\nChild('told', 'told', [sys.argv[1]])\ntime.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(pid_file)], env={**os.environ, **environment})
    try:
        assert eventually(lambda: pid_file.exists() and pid_file.read_text().endswith(" "))
        pid = int(pid_file.read_text())
        assert is_running(pid)
    finally:
        parent.kill()
        parent.wait()
    assert eventually(lambda: not is_running(pid))


def test_a_child_is_quiet_until_it_is_let_speak(
    module: Callable[[str], dict[str, str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    go, said = tmp_path / "go", tmp_path / "said"
    source = (
        "import sys, time, pathlib\ngo, said = map(pathlib.Path, sys.argv[1:])\n"
        "print('banner', flush=True)\nsaid.touch()\n"
        "while not go.exists(): time.sleep(0.02)\nprint('chatter', flush=True)\n"
        "print('a warning', file=sys.stderr, flush=True)\ntime.sleep(600)"
    )
    child = Child("told", "told", [str(go), str(said)], module(source))
    try:
        assert child.wait_until(lambda: said.exists() and "banner" in child.last_words, within_s=PATIENCE_S, stop=never)
        child.aloud = True
        go.touch()
        assert eventually(lambda: "a warning" in child.last_words)
    finally:
        child.stop()
    said_aloud = capsys.readouterr()
    assert (said_aloud.out, said_aloud.err) == ("", "told: a warning\n")


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            Stack({"otlp_http": Address("127.0.0.1", port), "data": tmp_path, "dashboard": Address("127.0.0.1", 0)})
    assert f"cannot listen on 127.0.0.1:{port}" in str(refused.value)
    assert "Give another --otlp-http" in str(refused.value)


def test_given_settings_reach_the_children_as_flags_and_secrets_do_not() -> None:
    given = {
        "otlp_http": Address("127.0.0.1", 1),
        "data": Path("/d"),
        "alert_p95_ms": 9,
        "slack_webhook_url": "https://x",
        "read": None,
    }
    assert flags_of("collect", given) == ["--data=/d", "--otlp-http=127.0.0.1:1", "--alert-p95-ms=9"]
    assert "--data=/d" in flags_of("dashboard", given)
    assert "--alert-p95-ms=9" not in flags_of("dashboard", given)


def run(*arguments: str) -> subprocess.Popen[str]:
    """`claude-telemetry` as a terminal would start it: in a process group of its own, which Ctrl-C goes to."""
    return subprocess.Popen(
        [sys.executable, "-m", "claude_telemetry", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [further for child in children for further in descendants(child)]


def told(started: subprocess.Popen[str], mark: str) -> str:
    """What it says, up to the line that has `mark`."""
    assert started.stdout is not None
    said: list[str] = []
    for line in started.stdout:
        said.append(line)
        if mark in line:
            return "".join(said)
    assert started.stderr is not None
    raise AssertionError("".join(said) + started.stderr.read())


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
        text: str = response.read().decode()
        return text


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """A running `claude-telemetry up` on free ports, what it said until it was ready, and its data folder."""
    data = tmp_path_factory.mktemp("up")
    started = run("up", "--data", str(data), "--otlp-http", "127.0.0.1:0", "--dashboard", "127.0.0.1:0")
    try:
        yield started, told(started, "Ctrl-C stops"), data
    finally:
        started.kill()
        started.communicate()


def test_up_tells_where_everything_is_and_what_to_paste(up: tuple[subprocess.Popen[str], str, Path]) -> None:
    _, said, data = up
    dashboard, collector = re.findall(r"http://127\.0\.0\.1:\d+", said)[:2]
    assert get(f"{dashboard}/_stcore/health") == "ok"
    assert get(f"{collector}/healthz")
    assert f"keeps calls in {data}" in said
    assert f'import claude_telemetry\n      claude_telemetry.instrument(endpoint="{collector}")' in said


def test_up_stops_everything_on_ctrl_c_and_says_nothing_of_it(up: tuple[subprocess.Popen[str], str, Path]) -> None:
    started, _, data = up
    family = descendants(started.pid)
    assert len(family) >= 2
    os.killpg(started.pid, signal.SIGINT)
    out, err = started.communicate(timeout=PATIENCE_S)
    assert (started.returncode, out.split(), err) == (0, ["stopping", "…"], "")
    assert not any(is_running(pid) for pid in family)
    assert not (data / "reader.json").exists()


def test_up_on_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = run("up", "--data", str(tmp_path), "--dashboard", place, "--otlp-http", "127.0.0.1:0")
        out, err = refused.communicate(timeout=PATIENCE_S)
    assert (refused.returncode, out) == (1, "")
    assert err.startswith(f"claude-telemetry up: cannot listen on {place} (")
    assert err.endswith("Give another --dashboard\n")
    assert err.count("\n") == 1


def test_up_on_a_host_that_is_not_there_does_not_ask_whether_it_runs_already(tmp_path: Path) -> None:
    refused = run("up", "--data", str(tmp_path), "--otlp-http", "192.0.2.1:4318", "--dashboard", "127.0.0.1:0")
    _, err = refused.communicate(timeout=PATIENCE_S)
    assert refused.returncode == 1
    assert err.startswith("claude-telemetry up: cannot listen on 192.0.2.1:4318 (")
    assert err.endswith("): give another --otlp-http\n")


def test_up_says_in_one_sentence_why_a_part_cannot_start(tmp_path: Path) -> None:
    not_a_folder = tmp_path / "file"
    not_a_folder.write_text("")
    failed = run("up", "--data", str(not_a_folder), "--dashboard", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0")
    out, err = failed.communicate(timeout=PATIENCE_S)
    assert (failed.returncode, out) == (1, "starting collector and dashboard …\n")
    assert err.startswith(
        f"claude-telemetry up: --data (CLAUDE_TELEMETRY_DATA) is {not_a_folder}, which cannot be written"
    )
    assert err.count("\n") == 1


def test_up_ends_when_a_part_ends_and_starts_nothing_anew(tmp_path: Path) -> None:
    started = run("up", "--data", str(tmp_path), "--dashboard", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0")
    try:
        told(started, "Ctrl-C stops")
        family = descendants(started.pid)
        collector = next(pid for pid in family if b"\0collect\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(collector, signal.SIGKILL)
        _, err = started.communicate(timeout=PATIENCE_S)
    finally:
        started.kill()
        started.communicate()
    assert started.returncode == 1
    assert "claude-telemetry up: collect was killed by SIGKILL" in err
    assert eventually(lambda: not any(is_running(pid) for pid in family))


def test_up_names_its_data_folder_so_that_it_is_found_from_elsewhere_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    anywhere = Address("127.0.0.1", 0)
    assert Stack({"data": Path("calls"), "otlp_http": anywhere, "dashboard": anywhere}).data == tmp_path / "calls"


def test_the_demo_heeds_a_threshold_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 5 is no share, so whoever reads it says so.
    monkeypatch.setenv("CLAUDE_TELEMETRY_ALERT_ERROR_RATIO", "5")
    anywhere = ("--otlp-http", "127.0.0.1:0", "--dashboard", "127.0.0.1:0", "--fake-claude", "127.0.0.1:0")
    demo = run("demo", "--data", str(tmp_path), "--for", "1", *anywhere)
    _, err = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 1
    assert "CLAUDE_TELEMETRY_ALERT_ERROR_RATIO is '5'" in err


def test_the_demo_shows_calls_and_ends_cleanly_by_itself(tmp_path: Path) -> None:
    anywhere = ("--otlp-http", "127.0.0.1:0", "--dashboard", "127.0.0.1:0", "--fake-claude", "127.0.0.1:0")
    demo = run("demo", "--data", str(tmp_path), "--for", "8", *anywhere)
    try:
        told(demo, "Ctrl-C stops")
        family = descendants(demo.pid)
        assert eventually(lambda: calls_in(tmp_path) > 0)
        _, err = demo.communicate(timeout=PATIENCE_S)
    finally:
        demo.kill()
        demo.communicate()
    assert (demo.returncode, "Traceback" in err) == (0, False)
    assert not any(is_running(pid) for pid in family)


def calls_in(data: Path) -> int:
    from claude_telemetry_collector import queries

    return int(queries.connect(data).ask("SELECT count(*) AS calls FROM calls").column("calls")[0].as_py())
