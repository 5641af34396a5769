"""Settings come from an argument, else the environment, else the default; a bad one is told with the way out."""

from __future__ import annotations

import argparse

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import SETTINGS, Address, add_flags, address, settle


def test_an_argument_beats_the_environment_and_the_environment_beats_the_default() -> None:
    environ = {"CLAUDE_TELEMETRY_ALERT_P95_MS": "5000"}
    assert settle("collect", {}, {})["alert_p95_ms"] == 30000
    assert settle("collect", {}, environ)["alert_p95_ms"] == 5000
    assert settle("collect", {"alert_p95_ms": 7000}, environ)["alert_p95_ms"] == 7000


def test_an_empty_variable_says_nothing() -> None:
    assert settle("collect", {}, {"CLAUDE_TELEMETRY_ALERT_P95_MS": " "})["alert_p95_ms"] == 30000


def test_a_part_gets_its_own_settings_only() -> None:
    assert "otlp_http" in settle("collect", {}, {})
    assert "otlp_http" not in settle("instrument", {}, {})


@pytest.mark.parametrize(
    ("variable", "value", "way_out"),
    [
        ("CLAUDE_TELEMETRY_OTLP_HTTP", "4318", "give HOST:PORT"),
        ("CLAUDE_TELEMETRY_OTLP_HTTP", "127.0.0.1:99999", "give HOST:PORT"),
        ("CLAUDE_TELEMETRY_ALERT_P95_MS", "soon", "give a whole number"),
        ("CLAUDE_TELEMETRY_ALERT_INTERVAL", "-1", "give a number of seconds above zero"),
        ("CLAUDE_TELEMETRY_ALERT_INTERVAL", "nan", "give a number of seconds above zero"),
        ("CLAUDE_TELEMETRY_MEMORY_LIMIT", "lots", "give an amount of memory"),
    ],
)
def test_a_bad_value_is_told_with_its_variable_and_the_way_out(variable: str, value: str, way_out: str) -> None:
    with pytest.raises(SettingsError, match=rf"{variable} is '{value}': {way_out}"):
        settle("collect", {}, {variable: value})


def test_addresses_are_loopback_when_no_host_is_said_and_know_ipv6() -> None:
    assert address(":4318") == Address("127.0.0.1", 4318)
    assert address("[::1]:4318") == Address("::1", 4318)
    assert str(Address("::1", 4318)) == "[::1]:4318"


def test_a_flag_is_as_good_as_a_variable_and_a_bad_one_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, "collect")
    assert parser.parse_args(["--otlp-http", "127.0.0.1:1"]).otlp_http == Address("127.0.0.1", 1)
    with pytest.raises(SystemExit):
        parser.parse_args(["--otlp-http", "nowhere"])
    assert "give HOST:PORT" in capsys.readouterr().err


def test_a_secret_has_no_flag_since_arguments_can_be_seen_by_everybody() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, "collect")
    assert "slack" not in parser.format_help()


def test_every_default_can_be_used() -> None:
    for part in {part for setting in SETTINGS for part in setting.parts}:
        settle(part, {}, {})


def test_an_empty_folder_flag_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, "collect")
    with pytest.raises(SystemExit):
        parser.parse_args(["--data", ""])
    assert "argument --data: '': give a folder, such as" in capsys.readouterr().err


def test_a_user_without_a_home_is_told_to_give_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: str) -> str:
        return path

    # What `expanduser` leaves as it is when there is neither HOME nor an entry for the user.
    monkeypatch.setattr("os.path.expanduser", homeless)
    with pytest.raises(SettingsError, match=r"--data \(CLAUDE_TELEMETRY_DATA\) is not given: this user has no home"):
        settle("collect", {}, {})
    assert settle("collect", {}, {"CLAUDE_TELEMETRY_DATA": "/somewhere"})["data"].is_absolute()


def test_help_says_what_a_flag_wants() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, "collect")
    said = parser.format_help()
    for flag in ("--otlp-http HOST:PORT", "--data DIR", "--memory-limit SIZE", "--alert-daily-cost-usd USD"):
        assert f"  {flag}" in said
