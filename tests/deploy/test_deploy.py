"""What is in `deploy/` is true: every command, flag, variable and setting in it exists, and the files fit together."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.cli import COMMANDS
from claude_telemetry.cli import main as cli
from claude_telemetry.settings import SETTINGS, settle
from claude_telemetry_collector.service.guarding import guarding
from claude_telemetry_collector.tokens import add_token, tokens_path

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
UNITS = ("claude-telemetry.service", "claude-telemetry-dashboard.service")
VARIABLES = {setting.variable: setting for setting in SETTINGS}


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def yaml(name: str) -> list[dict[str, Any]]:
    return list(pytest.importorskip("yaml").safe_load_all(text(name)))


def compose() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml("compose.yaml")[0]["services"]
    return services


def pod() -> dict[str, Any]:
    deployment = next(part for part in yaml("kubernetes-sidecar.yaml") if part["kind"] == "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def unit(name: str) -> dict[str, list[str]]:
    """The lines of a unit by their names. Sections do not share any."""
    found: dict[str, list[str]] = {}
    for line in text(name).splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def commands() -> Iterator[list[str]]:
    """Every command line of ours, without `claude-telemetry`."""
    for name in UNITS:
        words = shlex.split(unit(name)["ExecStart"][0])
        assert words[0] == "/opt/claude-telemetry/bin/claude-telemetry"
        yield words[1:]
    for form in re.findall(r"^(?:CMD|HEALTHCHECK .*CMD) \[(.*)\]$", text("Dockerfile"), re.MULTILINE):
        words = [word.strip().strip('"') for word in form.split(",")]
        yield words[1:] if words[0] == "claude-telemetry" else words
    for words in re.findall(
        r"(?:command|args): \[(.*)\]$", text("compose.yaml") + text("kubernetes-sidecar.yaml"), re.M
    ):
        yield [word.strip().strip('"') for word in words.split(",")]


def test_all_files_are_looked_at() -> None:
    assert [path.name for path in FILES] == [
        "Caddyfile",
        "Dockerfile",
        "Dockerfile.dockerignore",
        "claude-telemetry-dashboard.service",
        "claude-telemetry.service",
        "claude-telemetry.toml",
        "compose.yaml",
        "kubernetes-sidecar.yaml",
    ]
    assert len(list(commands())) == 8


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_a_command_exists_with_its_flags_and_takes_their_values(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert words[0] in {command.name for command in COMMANDS}
    with pytest.raises(SystemExit) as left:
        cli([*words, "--help"])  # which is answered once what stands before it is understood
    assert left.value.code == 0
    described = capsys.readouterr().out
    assert [word for word in words if word.startswith("--") and word not in described] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting_and_no_secret_stands_there(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert set(re.findall(r"CLAUDE_TELEMETRY_[A-Z_]+", content)) <= set(VARIABLES)
    for name, setting in VARIABLES.items():
        if setting.secret:
            # Only as the name of what is to be given, never with a value.
            assert not re.search(rf"{name}[=:] *\S", content)
            assert not re.search(rf"name: {name}\n\s+value:", content)


def test_the_settings_are_those_of_the_file() -> None:
    kept = tomllib.loads(text("claude-telemetry.toml"))
    environ = {"CLAUDE_TELEMETRY_CONFIG": str(DEPLOY / "claude-telemetry.toml"), "CLAUDE_TELEMETRY_DATA": "/data"}
    for part in ("collect", "dashboard", "status", "doctor"):
        settled = settle(part, {}, environ)
        for name in set(kept) & set(settled):
            assert str(settled[name]) == str(kept[name])


def test_kubernetes_settings_are_settings(tmp_path: Path) -> None:
    config = next(part for part in yaml("kubernetes-sidecar.yaml") if part["kind"] == "ConfigMap")
    ((name, content),) = config["data"].items()
    (tmp_path / name).write_text(content)
    environ = {"CLAUDE_TELEMETRY_CONFIG": str(tmp_path / name), "CLAUDE_TELEMETRY_DATA": "/data"}
    assert settle("collect", {}, environ)["dashboard_url"] == "http://localhost:8501"
    (sidecar, dashboard) = pod()["initContainers"]
    for container in (sidecar, dashboard):
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert variables["CLAUDE_TELEMETRY_CONFIG"] == f"/etc/claude-telemetry/{name}"


def test_containers_of_the_pod_find_each_other_and_may_do_little() -> None:
    spec = pod()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert f"--uid {spec['securityContext']['runAsUser']} " in text("Dockerfile")
    volumes = {volume["name"] for volume in spec["volumes"]}
    for container in (*spec["initContainers"], *spec["containers"]):
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounted) <= volumes
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        spool = variables["CLAUDE_TELEMETRY_SPOOL"]
        assert spool == "/var/spool/claude-telemetry" == mounted["waiting"]  # the same for all
    for container in spec["initContainers"]:
        assert container["restartPolicy"] == "Always"  # what makes it a sidecar
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert variables["CLAUDE_TELEMETRY_DATA"].startswith("/var/lib/claude-telemetry/")
    claims = {part["metadata"]["name"] for part in yaml("kubernetes-sidecar.yaml") if part["kind"] != "Deployment"}
    assert claims == {"claude-telemetry"}


def test_the_services_fit_together() -> None:
    services = compose()
    known = {
        *("image", "build", "command", "environment", "env_file", "volumes", "ports", "network_mode", "healthcheck"),
        *("depends_on", "restart", "read_only", "tmpfs", "cap_drop", "security_opt", "mem_limit", "stop_grace_period"),
    }
    named = set(yaml("compose.yaml")[0]["volumes"])
    for service in services.values():
        assert set(service) <= known
        assert set(service.get("depends_on", ())) <= set(services)
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert source in named or source.startswith("./")
            beside = DEPLOY / source
            assert source in named or beside.exists() or source.startswith("./certificates")
    assert services["dashboard"]["network_mode"] == services["door"]["network_mode"] == "service:collector"
    assert "depends_on" not in services["app"]


def test_the_collector_of_compose_takes_what_the_application_sends_and_refuses_without_a_token(tmp_path: Path) -> None:
    services = compose()
    environ: dict[str, str] = services["collector"]["environment"] | {
        "CLAUDE_TELEMETRY_CONFIG": str(DEPLOY / "claude-telemetry.toml"),
        "CLAUDE_TELEMETRY_DATA": str(tmp_path),
        "CLAUDE_TELEMETRY_TLS_CERT": str(tmp_path / "cert.pem"),
        "CLAUDE_TELEMETRY_TLS_KEY": str(tmp_path / "key.pem"),
    }
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    make = f"req -x509 -newkey rsa:2048 -nodes -keyout {tmp_path}/key.pem -out {tmp_path}/cert.pem -days 2 -subj /CN=c"
    subprocess.run([openssl, *make.split()], check=True, capture_output=True)
    settings = settle("collect", {}, environ)
    with pytest.raises(Exception, match="make a token with `claude-telemetry token add NAME`"):
        guarding(settings)
    add_token(tokens_path(tmp_path), "app")
    guard = guarding(settings)
    assert (guard.scheme, guard.token_required) == ("https", True)
    port = settings["otlp_http"].port
    assert settle("instrument", {}, services["app"]["environment"])["endpoint"] == f"{guard.scheme}://collector:{port}"


def test_the_door_leads_to_the_dashboard() -> None:
    services = compose()
    dashboard = settle("dashboard", {}, {**services["dashboard"]["environment"], "CLAUDE_TELEMETRY_CONFIG": ""})
    assert f"reverse_proxy {dashboard['dashboard']}\n" in text("Caddyfile")
    assert services["collector"]["ports"] == ["127.0.0.1:8501:8080"]
    assert "\n:8080 {\n\tbasic_auth {\n" in text("Caddyfile")
    assert dashboard["dashboard_url"] == "http://localhost:8501"


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_what_systemd_understands(name: str, tmp_path: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("needs systemd-analyze")
    for other in UNITS:  # the program has to be there, too
        installed = text(other).replace("/opt/claude-telemetry/bin/claude-telemetry", sys.executable)
        (tmp_path / other).write_text(installed)
    run = subprocess.run(
        [systemd, "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_both_units_are_one_user_with_one_folder() -> None:
    collector, dashboard = (unit(name) for name in UNITS)
    for key in ("User", "DynamicUser", "StateDirectory", "CapabilityBoundingSet", "SystemCallFilter", "ProtectSystem"):
        assert collector[key] == dashboard[key]
    data = "CLAUDE_TELEMETRY_DATA=%S/claude-telemetry"
    assert data in collector["Environment"]
    assert data in dashboard["Environment"]


def test_the_image_has_what_the_package_is_built_of() -> None:
    dockerfile = text("Dockerfile")
    copied = {word for line in re.findall(r"^COPY (?!--)(.*)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]}
    assert {
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "telemetry",
        "collector",
        "dashboard",
    } == copied
    assert all((DEPLOY.parent / name).exists() for name in copied)
    assert {line[1:] for line in text("Dockerfile.dockerignore").splitlines() if line.startswith("!")} == copied
    assert re.search(r"^USER claude-telemetry$", dockerfile, re.MULTILINE)
    assert dockerfile.index("USER claude-telemetry") < dockerfile.index("ENTRYPOINT")
    base = re.findall(r"^FROM python:(\S+)-slim", dockerfile, re.MULTILINE)
    assert f"Programming Language :: Python :: {base[0]}" in (DEPLOY.parent / "pyproject.toml").read_text()
