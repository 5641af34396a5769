"""Settings come from an argument, else the environment, else the default; a bad one is told with the way out."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import SETTINGS, Address, add_flags, address, data_folder, settle, settled


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
        ("CLAUDE_TELEMETRY_DASHBOARD_URL", "claude.example.com", "give an address such as https://claude.example.com"),
        ("CLAUDE_TELEMETRY_DASHBOARD_URL", "http://box:port", "give an address such as https://claude.example.com"),
        ("CLAUDE_TELEMETRY_ALERT_INTERVAL", "1e300", "give a number of seconds above zero"),
        ("CLAUDE_TELEMETRY_ALERT_DAILY_COST_USD", "nan", "give an amount in USD, such as 12.50"),
        ("CLAUDE_TELEMETRY_ALERT_DAILY_COST_USD", "-1", "give an amount in USD, such as 12.50"),
        ("CLAUDE_TELEMETRY_ALERT_ERROR_RATIO", "nan", "give a share from 0 to below 1"),
        ("CLAUDE_TELEMETRY_ALERT_NO_DATA_MINUTES", "999999999999", "give a whole number of minutes up to 525600"),
        ("CLAUDE_TELEMETRY_ALERT_P95_MS", "²", "give a whole number"),
        ("CLAUDE_TELEMETRY_BACKLOG_BYTES", "9" * 5000, "give a whole number"),
    ],
)
def test_a_bad_value_is_told_with_its_variable_and_the_way_out(variable: str, value: str, way_out: str) -> None:
    with pytest.raises(SettingsError, match=rf"{variable} is '{value}': {way_out}"):
        settle("collect", {}, {variable: value})


def test_addresses_are_loopback_when_no_host_is_said_and_know_ipv6() -> None:
    assert address(":4318") == Address("127.0.0.1", 4318)
    assert address("[::1]:4318") == Address("::1", 4318)
    assert str(Address("::1", 4318)) == "[::1]:4318"


def test_who_listens_everywhere_is_asked_on_loopback() -> None:
    assert address("0.0.0.0:1").nearby == Address("127.0.0.1", 1)
    assert address("[::]:1").nearby == Address("::1", 1)
    assert address("10.0.0.1:1").nearby == Address("10.0.0.1", 1)


def test_a_flag_is_as_good_as_a_variable_and_a_bad_one_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, "collect")
    assert parser.parse_args(["--otlp-http", "127.0.0.1:1"]).otlp_http == Address("127.0.0.1", 1)
    for flag, value, way_out in (
        ("--otlp-http", "nowhere", "give HOST:PORT"),
        ("--alert-error-ratio", "7", "give a share from 0 to below 1"),
        ("--alert-daily-cost-usd", "lots", "give an amount in USD"),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args([flag, value])
        assert f"argument {flag}: '{value}': {way_out}" in capsys.readouterr().err


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


def in_a_file(folder: Path, text: str, part: str = "collect", **given: Any) -> dict[str, Any]:
    path = folder / "settings.toml"
    path.write_text(text)
    return settle(part, given, {"CLAUDE_TELEMETRY_CONFIG": str(path)})


def test_a_setting_may_stand_in_a_file_which_the_environment_and_an_argument_beat(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("alert_p95_ms = 4000")
    environ = {"CLAUDE_TELEMETRY_CONFIG": str(path)}
    assert settle("collect", {}, environ)["alert_p95_ms"] == 4000
    assert settle("collect", {}, {**environ, "CLAUDE_TELEMETRY_ALERT_P95_MS": "5000"})["alert_p95_ms"] == 5000
    assert settle("collect", {"alert_p95_ms": 7000}, environ)["alert_p95_ms"] == 7000
    assert settle("collect", {"config": path}, {})["alert_p95_ms"] == 4000
    assert settle("collect", {}, environ, use_file=False)["alert_p95_ms"] == 30000


def test_it_is_told_who_says_so(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("alert_p95_ms = 4000")
    environ = {"CLAUDE_TELEMETRY_CONFIG": str(path), "CLAUDE_TELEMETRY_READ": ":1"}
    origins = {one.setting.name: one.origin for one in settled("collect", {"memory_limit": "2GB"}, environ)}
    names = ("alert_p95_ms", "read", "memory_limit", "alert_call_tokens")
    assert [origins[name] for name in names] == [str(path), "CLAUDE_TELEMETRY_READ", "argument", "default"]


def test_values_of_every_kind_stand_in_a_file_as_toml_has_them(tmp_path: Path) -> None:
    text = """
        data = "calls"
        otlp_http = ":4320"
        alert_daily_cost_usd = 0.1
        alert_interval = 2.5
        alert_call_tokens = 1_000
        require_token = true
        memory_limit = "2GB"
        baggage = ["user.id", "claude.*"]
        service = ""
    """
    of_collector, of_application = in_a_file(tmp_path, text), in_a_file(tmp_path, text, "instrument")
    assert of_collector["data"] == tmp_path / "calls"  # beside the file
    assert of_collector["otlp_http"] == Address("127.0.0.1", 4320)
    assert of_collector["alert_daily_cost_usd"] == Decimal("0.1")  # exactly
    assert (of_collector["alert_interval"], of_collector["alert_call_tokens"]) == (2.5, 1000)
    assert (of_collector["require_token"], of_collector["memory_limit"]) == (True, "2GB")
    assert (of_application["baggage"], of_application["service"]) == (("user.id", "claude.*"), None)
    assert in_a_file(tmp_path, "baggage = []", "instrument")["baggage"] == ()
    assert in_a_file(tmp_path, 'data = "/calls"')["data"] == Path("/calls")
    assert in_a_file(tmp_path, 'data = "~/calls"')["data"] == Path.home() / "calls"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("otlp_htp = 1", "there is no setting 'otlp_htp': did you mean otlp_http?"),
        ('otlp-http = ":1"', "there is no setting 'otlp-http': did you mean otlp_http?"),
        ("[collect]", "there is no setting 'collect'"),
        ('alert_p95_ms = "5"', "alert_p95_ms is '5': give a whole number, without quotation marks"),
        ("alert_p95_ms = true", "alert_p95_ms is True: give a whole number, without quotation marks"),
        ("alert_p95_ms = 1.5", "alert_p95_ms is Decimal('1.5'): give a whole number"),
        ("alert_p95_ms = -5", "alert_p95_ms is '-5': give a whole number, such as 1000"),
        ('alert_error_ratio = "5 %"', "alert_error_ratio is '5 %': give a number, without quotation marks"),
        ("alert_error_ratio = nan", "alert_error_ratio is 'NaN': give a share"),
        ('require_token = "on"', "require_token is 'on': give true or false"),
        ("require_token = 1", "require_token is 1: give true or false"),
        ("otlp_http = 4318", "otlp_http is 4318: give a text, in quotation marks"),
        ('otlp_http = "4318"', "otlp_http is '4318': give HOST:PORT"),
        ("memory_limit = 2020-01-01", "memory_limit is datetime.date(2020, 1, 1): give a text"),
        ('config = "other.toml"', "config names this file, and cannot stand in it"),
        ("alert_p95_ms =", "is no TOML: Invalid value"),
        ("a = 1\na = 2", "is no TOML: Cannot overwrite a value"),
    ],
)
def test_what_cannot_be_used_in_a_file_is_told_with_file_and_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as told:
        in_a_file(tmp_path, text)
    assert str(told.value).startswith(str(tmp_path / "settings.toml"))
    assert problem in str(told.value)


def test_a_secret_is_refused_in_a_file_and_not_repeated(tmp_path: Path) -> None:
    for setting in SETTINGS:
        if setting.secret:
            with pytest.raises(SettingsError, match=f"{setting.name} is a secret.*set {setting.variable}") as told:
                in_a_file(tmp_path, f'{setting.name} = "hush-hush"')
            assert "hush" not in str(told.value)


def test_a_file_that_cannot_be_read_is_told_and_one_that_is_not_in_utf_8_too(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"gone\.toml cannot be read \(No such file or directory\): give another file"
    ):
        settle("collect", {}, {"CLAUDE_TELEMETRY_CONFIG": str(tmp_path / "gone.toml")})
    (tmp_path / "latin.toml").write_bytes(b'service = "caf\xe9"')
    with pytest.raises(SettingsError, match=r"latin\.toml is no TOML: it is not in UTF-8"):
        settle("collect", {}, {"CLAUDE_TELEMETRY_CONFIG": str(tmp_path / "latin.toml")})


def test_the_users_own_file_is_found_and_one_where_the_program_starts_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config/claude-telemetry.toml").write_text("alert_p95_ms = 1")
    (tmp_path / "claude-telemetry.toml").write_text("alert_p95_ms = 2")
    monkeypatch.chdir(tmp_path)
    assert settle("collect", {}, {})["alert_p95_ms"] == 30000
    assert settle("collect", {}, {"HOME": str(tmp_path)})["alert_p95_ms"] == 1
    assert settle("collect", {}, {"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path)})["alert_p95_ms"] == 2
    assert settle("collect", {}, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "."})["alert_p95_ms"] == 1


def test_an_application_is_recorded_though_its_file_has_settings_of_a_newer_version(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = 'alert_of_the_future = 1\nservice = "shop"\nalert_p95_ms = "not mine"'
    assert in_a_file(tmp_path, text, "instrument")["service"] == "shop"
    assert "there is no setting 'alert_of_the_future'" in caplog.text


def test_where_data_is_may_stand_in_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('data = "calls"')
    assert data_folder({"CLAUDE_TELEMETRY_CONFIG": str(path)}) == tmp_path / "calls"
    assert data_folder({"CLAUDE_TELEMETRY_CONFIG": str(tmp_path / "gone")}) is None


def test_every_value_is_the_same_again_after_it_was_handed_on_as_text() -> None:
    for setting in SETTINGS:
        if setting.default is not None:
            value = setting.kind(setting.default)
            assert setting.kind(str(value)) == value
