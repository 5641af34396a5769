"""Every setting in one table: name, environment variable, default, meaning, and which parts read it.

A *part* is what a person starts: `instrument` in an application, and the commands `collect`, `dashboard`, `query`,
`price`, `reconcile`, `reprice`, `what-if`, `token`, `status`, `doctor`, `fake-claude`. `up` and `demo` take the
settings of the parts that they start. An argument beats the environment, the environment beats the file
(`settings_file`), the file beats the default. Settings are read once, when a part starts; deeper code receives values.

OpenTelemetry's own variables (`OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_ENDPOINT`, …) keep their meaning.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_telemetry import settings_file
from claude_telemetry.errors import SettingsError
from claude_telemetry.setting_kinds import (
    Address,
    address,
    file,
    folder,
    memory,
    minutes,
    names,
    seconds,
    share,
    spool_folder,
    switch,
    url,
    usd,
    whole,
    word,
)

__all__ = [
    "SETTINGS",
    "Address",
    "Setting",
    "Settled",
    "add_flags",
    "address",
    "data_folder",
    "file_in_use",
    "seconds",
    "settle",
    "settled",
    "share",
    "usd",
    "whole",
]

log = logging.getLogger("claude_telemetry")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    default: str | None
    """As text, as a person would write it. `None` means not set."""
    kind: Callable[[str], Any]
    meaning: str
    parts: tuple[str, ...]
    secret: bool = False
    """A secret has no flag: arguments are visible to every user of a machine."""

    @property
    def variable(self) -> str:
        return "CLAUDE_TELEMETRY_" + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def shown(self, value: object) -> str:
        """`value` for people. Of a secret only whether it is set."""
        if value is None:
            return "not set"
        if self.secret:
            return "set"
        return str(value) if not isinstance(value, bool) else "on" if value else "off"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "config",
        None,
        file,
        "a TOML file of settings; else `claude-telemetry.toml` in the user's configuration folder, if it is there",
        (
            "instrument",
            "collect",
            "dashboard",
            "query",
            "price",
            "reconcile",
            "reprice",
            "what-if",
            "token",
            "status",
            "doctor",
            "fake-claude",
        ),
    ),
    Setting(
        "data",
        "~/.local/share/claude-telemetry",
        folder,
        "folder of the database and the segments",
        ("collect", "dashboard", "query", "reconcile", "reprice", "what-if", "token", "status", "doctor"),
    ),
    Setting(
        "otlp_http",
        "127.0.0.1:4318",
        address,
        "where the collector listens for OTLP over HTTP",
        ("collect", "dashboard"),
    ),
    Setting(
        "otlp_grpc",
        None,
        address,
        "where the collector listens for OTLP over gRPC, such as 127.0.0.1:4317; needs the extra `grpc`",
        ("collect",),
    ),
    Setting(
        "tls_cert",
        None,
        file,
        "the certificate, with its chain, that senders see; needed beyond loopback",
        ("collect",),
    ),
    Setting("tls_key", None, file, "the certificate's private key", ("collect",)),
    Setting(
        "require_token",
        None,
        switch,
        "whether senders need a token; else they do where others than this machine can reach the collector",
        ("collect",),
    ),
    Setting(
        "read", "127.0.0.1:0", address, "where the collector answers questions; port 0 takes a free one", ("collect",)
    ),
    Setting("dashboard", "127.0.0.1:8501", address, "where the dashboard listens", ("dashboard",)),
    Setting(
        "dashboard_url",
        "http://127.0.0.1:8501",
        url,
        "the dashboard's address as people reach it: where Slack's links lead, and a name that it answers to",
        ("collect", "dashboard"),
    ),
    Setting(
        "login_metadata_url",
        None,
        url,
        "the metadata of the OpenID Connect provider that people log in to the dashboard with, such as "
        "https://accounts.google.com/.well-known/openid-configuration; needs the extra `auth`",
        ("dashboard",),
    ),
    Setting("login_client_id", None, word, "the dashboard's client id at that provider", ("dashboard",)),
    Setting("login_client_secret", None, str, "the secret of that client", ("dashboard",), secret=True),
    Setting(
        "login_viewers",
        "none",
        names,
        "who sees the pages, with other names for people: e-mail addresses, @domains, or claim=value; separated by "
        "commas",
        ("dashboard",),
    ),
    Setting(
        "login_operators",
        "none",
        names,
        "who may also have things done, such as pricing past calls again; written as `login_viewers`",
        ("dashboard",),
    ),
    Setting(
        "login_admins",
        "none",
        names,
        "who may also see people's own names and raw attributes; written as `login_viewers`",
        ("dashboard",),
    ),
    Setting(
        "prices",
        None,
        file,
        "a TOML file of your own prices, names and discounts, over the price book",
        ("instrument", "collect", "dashboard", "price", "reconcile", "reprice", "what-if"),
    ),
    Setting("slack_webhook_url", None, str, "the Slack incoming webhook that alerts go to", ("collect",), secret=True),
    Setting("alert_interval", "15", seconds, "seconds between two looks at every alert rule", ("collect",)),
    Setting("alert_daily_cost_usd", "100", usd, "a UTC day's cost in USD above which to alert", ("collect",)),
    Setting(
        "alert_unpriced_call_usd",
        "0",
        usd,
        "what each unpriced call counts towards the day's cost, in USD; with 0 it adds nothing",
        ("collect",),
    ),
    Setting(
        "alert_error_ratio", "0.05", share, "share of failed calls in 5 minutes above which to alert", ("collect",)
    ),
    Setting("alert_p95_ms", "30000", whole, "P95 latency in ms over 5 minutes above which to alert", ("collect",)),
    Setting("alert_call_cost_usd", "5", usd, "cost of one call in USD above which to alert", ("collect",)),
    Setting("alert_call_tokens", "500000", whole, "tokens of one call above which to alert", ("collect",)),
    Setting(
        "alert_no_data_minutes",
        "60",
        minutes,
        "minutes without any call after which to alert; 0 turns it off",
        ("collect",),
    ),
    Setting(
        "alert_unpriced_calls",
        "1",
        whole,
        "calls of one model in 30 days that used tokens and have no price, from which on to alert; 0 turns it off",
        ("collect",),
    ),
    Setting(
        "alert_coverage_ratio",
        "0.95",
        share,
        "share of the billed tokens that telemetry has to have seen, below which to alert; 0 turns it off",
        ("collect", "dashboard", "reconcile"),
    ),
    Setting(
        "alert_price_error_ratio",
        "0.001",
        share,
        "share of the billed list money by which prices may be off, above which to alert; 0 turns it off",
        ("collect", "dashboard", "reconcile"),
    ),
    Setting(
        "backlog_bytes", "2147483648", whole, "bytes waiting to be landed above which new data is put off", ("collect",)
    ),
    Setting(
        "forward_endpoint",
        None,
        str,
        "another OTLP/HTTP endpoint that everything received is sent on to, such as https://otlp.example.com",
        ("collect",),
    ),
    Setting(
        "forward_headers",
        None,
        str,
        "headers for it, as in OTEL_EXPORTER_OTLP_HEADERS: name=value, separated by commas",
        ("collect",),
        secret=True,
    ),
    Setting(
        "forward_bytes",
        "1073741824",
        whole,
        "bytes that may wait on disk to be forwarded; beyond it the oldest go",
        ("collect",),
    ),
    Setting(
        "min_free_bytes",
        "268435456",
        whole,
        "bytes to be left free on the disk; below it new data is put off",
        ("collect", "doctor"),
    ),
    Setting("memory_limit", "1GB", memory, "the most memory that DuckDB may use", ("collect",)),
    Setting(
        "max_body_bytes", "33554432", whole, "the largest request body, before and after decompression", ("collect",)
    ),
    Setting("service", None, str, "the application's name; else what OTEL_SERVICE_NAME says", ("instrument",)),
    Setting(
        "environment",
        None,
        str,
        "where it runs, such as production; else what OTEL_RESOURCE_ATTRIBUTES says",
        ("instrument",),
    ),
    Setting(
        "export",
        "on",
        switch,
        "whether calls are delivered; off only completes the spans that the application exports itself",
        ("instrument",),
    ),
    Setting(
        "endpoint",
        None,
        str,
        "where to send calls; else OTEL_EXPORTER_OTLP_ENDPOINT, else http://127.0.0.1:4318",
        ("instrument", "doctor"),
    ),
    Setting(
        "token",
        None,
        word,
        "what `claude-telemetry token add` has shown, for a collector that wants one; sent where `endpoint` says, and "
        "never where OpenTelemetry's variables do, which have headers of their own",
        ("instrument", "doctor"),
        secret=True,
    ),
    Setting(
        "certificate",
        None,
        file,
        "the certificate that has signed the one of the collector at `endpoint`, in PEM; else what the system trusts",
        ("instrument", "doctor"),
    ),
    Setting(
        "queue",
        "8192",
        whole,
        "calls that may wait in memory while the collector is away; beyond it the oldest go",
        ("instrument",),
    ),
    Setting("flush_interval", "1", seconds, "seconds between two deliveries", ("instrument",)),
    Setting(
        "spool",
        "~/.local/share/claude-telemetry/spool",
        spool_folder,
        "folder where calls wait on disk while the collector is away; a collector picks up there what was sent to it "
        "by processes that are gone",
        ("instrument", "collect", "dashboard", "status", "doctor"),
    ),
    Setting(
        "spool_bytes",
        "268435456",
        whole,
        "bytes that may wait on disk, of all processes together; beyond it the oldest go; 0 keeps nothing on disk",
        ("instrument", "doctor"),
    ),
    Setting("spool_days", "30", whole, "days after which what waits on disk is given up", ("instrument",)),
    Setting(
        "baggage",
        "user.id,session.id,claude.*",
        names,
        "names in incoming baggage that label calls, separated by commas; none for none",
        ("instrument",),
    ),
    Setting(
        "fingerprint", "on", switch, "whether calls get a keyed hash of their prompt's fixed parts", ("instrument",)
    ),
    Setting(
        "fingerprint_key",
        None,
        str,
        "the key of these hashes, the same wherever they are to be compared; else one of this user, made once",
        ("instrument",),
        secret=True,
    ),
    Setting(
        "capture_content",
        None,
        str,
        "where to record prompts and answers: NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT; "
        "else OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, else NO_CONTENT",
        ("instrument",),
    ),
    Setting(
        "content_bytes",
        "131072",
        whole,
        "bytes of content recorded with a call: half of them for the question, half for the answer",
        ("instrument",),
    ),
    Setting(
        "fake_claude", "127.0.0.1:4380", address, "where the stand-in for the Claude API listens", ("fake-claude",)
    ),
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a setting is, and who says so."""

    setting: Setting
    value: Any
    origin: str
    """`argument`, the name of the variable, the path of the file, or `default`."""


def settle(
    part: str,
    given: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    use_file: bool = True,
) -> dict[str, Any]:
    """The values of all settings of `part`: from `given` (already of their kind; `None` is not given), else the
    environment, else the file, unless it is not to be used, else the default.

    Raises `SettingsError` that names the variable, or the file and the key, with the value and what to give.
    """
    return {one.setting.name: one.value for one in settled(part, given, environ, use_file=use_file)}


def settled(
    part: str,
    given: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    use_file: bool = True,
) -> Iterator[Settled]:
    """The same, with who says so."""
    given = given or {}
    environ = os.environ if environ is None else environ
    source = _file_for(part, given, environ) if use_file else None
    for setting in SETTINGS:
        if part in setting.parts:
            yield _settled(setting, given.get(setting.name), environ, source)


def data_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """What the `data` setting says, for a part that has no such argument. `None` when there is no such folder: this
    user has no home, and nothing else names one."""
    environ = os.environ if environ is None else environ
    try:
        found: Path = _settled(_named("data"), None, environ, _file_for("instrument", {}, environ)).value
    except SettingsError:
        return None
    return found


def file_in_use(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file of settings that holds, when `given` is the `--config` argument. `None` when there is none."""
    path: Path | None = _settled(_named("config"), given, environ, None).value
    return path or settings_file.users_own(environ)


def add_flags(parser: argparse.ArgumentParser, *parts: str) -> None:
    """A flag for each setting of `parts`, without defaults, so that `settle` can tell what was given."""
    for setting in SETTINGS:
        if setting.secret or not set(parts) & set(setting.parts):
            continue
        shown = f" (default {setting.default})" if setting.default is not None else ""
        help_text = f"{setting.meaning}{shown} [{setting.variable}]".replace("%", "%%")
        parser.add_argument(
            setting.flag,
            dest=setting.name,
            type=_for_argparse(setting),
            metavar=_VALUES.get(setting.kind, setting.name.rpartition("_")[2].upper()),
            default=None,
            help=help_text,
        )


@dataclass(frozen=True, slots=True)
class _File:
    """A file of settings that has been read."""

    path: Path
    values: Mapping[str, Any]

    def text_of(self, setting: Setting) -> str | None:
        """What it says about a setting, as a variable would. `None` when it says nothing.

        Raises `SettingsError` for a value that is not written as this setting's are.
        """
        value = self.values.get(setting.name)
        text = settings_file.as_text(value)
        if value is None or (text is not None and not text.strip()):
            return None
        accepted, advice = _WRITTEN.get(setting.kind, ((str,), "give a text, in quotation marks"))
        if text is None or not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
            raise SettingsError(f"{self.path}: {setting.name} is {value!r}: {advice}")
        if setting.kind in (file, folder, spool_folder) and not text.startswith("~"):
            # Whoever writes a file thinks of what lies beside it.
            text = str(self.path.absolute().parent / text)
        return text


def _file_for(part: str, given: Mapping[str, Any], environ: Mapping[str, str]) -> _File | None:
    """The file that holds for `part`. Raises `SettingsError` when it cannot be used."""
    path = file_in_use(given.get("config"), environ)
    if path is None:
        return None
    found = _File(path, settings_file.read(path))
    problems = [problem for key in found.values if (problem := _problem_of(key)) is not None]
    if problems and part == "instrument":
        # The file may be a newer version's, whose other parts know the key: no reason to record nothing.
        log.warning("%s: %s", path, "; ".join(problems))
    elif problems:
        raise SettingsError(f"{path}: {'; '.join(problems)}")
    return found


def _problem_of(key: str) -> str | None:
    """Why a key cannot stand in a file. Never with its value, which may be a secret."""
    setting = next((setting for setting in SETTINGS if setting.name == key), None)
    if setting is None:
        import difflib

        near = difflib.get_close_matches(key.replace("-", "_"), [row.name for row in SETTINGS if not row.secret], n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/reference/settings.md has those that there are"
        return f"there is no setting {key!r}: {hint}"
    if setting.secret:
        return f"{key} is a secret, which no file may hold: set {setting.variable}, and take it out"
    return "config names this file, and cannot stand in it: take it out" if key == "config" else None


def _named(name: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.name == name)


def _settled(setting: Setting, given: Any, environ: Mapping[str, str], source: _File | None) -> Settled:
    if given is not None:
        return Settled(setting, given, "argument")
    text = environ.get(setting.variable)
    if text is not None and text.strip():
        try:
            return Settled(setting, setting.kind(text), setting.variable)
        except ValueError as error:
            shown = "set" if setting.secret else repr(text)
            raise SettingsError(f"{setting.variable} is {shown}: {error}") from None
    text = None if source is None or setting.secret else source.text_of(setting)
    if source is not None and text is not None:
        try:
            return Settled(setting, setting.kind(text), str(source.path))
        except ValueError as error:
            raise SettingsError(f"{source.path}: {setting.name} is {text!r}: {error}") from None
    if setting.default is None:
        return Settled(setting, None, "default")
    try:
        return Settled(setting, setting.kind(setting.default), "default")
    except ValueError as error:
        raise SettingsError(f"{setting.flag} ({setting.variable}) is not given: {error}") from None


_NUMBER = ((int, Decimal), "give a number, without quotation marks")
_WHOLE = ((int,), "give a whole number, without quotation marks")
_WRITTEN: Mapping[Callable[[str], Any], tuple[tuple[type, ...], str]] = {
    minutes: _WHOLE,
    names: ((list, str), 'give a list of names, such as ["user.id", "claude.*"]'),
    seconds: _NUMBER,
    share: _NUMBER,
    switch: ((bool,), "give true or false"),
    usd: _NUMBER,
    whole: _WHOLE,
}
"""How a setting's value is written in a file; of other kinds, as text."""

_VALUES: Mapping[Callable[[str], Any], str] = {
    address: "HOST:PORT",
    file: "FILE",
    folder: "DIR",
    memory: "SIZE",
    minutes: "MINUTES",
    seconds: "SECONDS",
    spool_folder: "DIR",
    share: "RATIO",
    switch: "on|off",
    url: "URL",
    usd: "USD",
    whole: "N",
}
"""What a flag's help shows for its value; for other kinds the last word of the name, such as `URL` or `USD`."""


def _for_argparse(setting: Setting) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return setting.kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None

    return parse
