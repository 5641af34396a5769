"""Every setting in one table: name, environment variable, default, meaning, and which parts read it.

A *part* is what a person starts: `instrument` in an application, and the commands `collect`, `dashboard`, `query`,
`doctor`, `fake-claude`. `up` and `demo` take the settings of the parts that they start. An argument beats the
environment, the environment beats the default. Settings are read once, when a part starts; deeper code receives values.

OpenTelemetry's own variables (`OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_ENDPOINT`, …) keep their meaning.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from claude_telemetry.errors import SettingsError


class Address(NamedTuple):
    """Where a part listens. Port 0 means any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it. A name other than `localhost` counts as reachable."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """`HOST:PORT`, `[IPV6]:PORT` or `:PORT` (loopback). Raises `ValueError` that says what to give."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:4318")
    return Address(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))


def whole(text: str) -> int:
    """A whole number, zero or more. Raises `ValueError` that says what to give."""
    if not text.strip().isdigit():
        raise ValueError("give a whole number, such as 1000")
    return int(text)


def seconds(text: str) -> float:
    """Seconds, more than zero. Raises `ValueError` that says what to give."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError("give a number of seconds above zero, such as 15")
    return value


def switch(text: str) -> bool:
    """`on` or `off`. Raises `ValueError` that says what to give."""
    value = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}.get(text.strip().lower())
    if value is None:
        raise ValueError("give on or off")
    return value


def names(text: str) -> tuple[str, ...]:
    """Names between commas; `none` for none."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    return () if [name.lower() for name in found] == ["none"] else found


def memory(text: str) -> str:
    """An amount of memory as DuckDB reads it. Raises `ValueError` that says what to give."""
    if not re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?)?B", text.strip(), re.IGNORECASE):
        raise ValueError("give an amount of memory, such as 512MB or 2GB")
    return text.strip()


def folder(text: str) -> Path:
    """A folder; `~` is the user's home. Raises `ValueError` that says what to give."""
    # An empty text is what an unset variable of a shell leaves behind, and would mean the current folder.
    if not text.strip():
        raise ValueError("give a folder, such as ~/claude-calls")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(
            "this user has no home folder that ~ could mean: give a folder, such as /var/tmp/calls"
        ) from None


def spool_folder(text: str) -> Path:
    """A folder that is needed only when the collector is away. Raises `ValueError` that says what to give.

    `~` stays as it is until then: a user without a home has no spool, and is recorded all the same.
    """
    if not text.strip():
        raise ValueError("give a folder, such as ~/claude-spool")
    return Path(text)


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


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "data",
        "~/.local/share/claude-telemetry",
        folder,
        "folder of the database and the segments",
        ("collect", "dashboard", "query", "doctor"),
    ),
    Setting(
        "otlp_http",
        "127.0.0.1:4318",
        address,
        "where the collector listens for OTLP over HTTP",
        ("collect", "dashboard"),
    ),
    Setting(
        "read", "127.0.0.1:0", address, "where the collector answers questions; port 0 takes a free one", ("collect",)
    ),
    Setting("dashboard", "127.0.0.1:8501", address, "where the dashboard listens", ("dashboard",)),
    Setting(
        "dashboard_url",
        "http://127.0.0.1:8501",
        str,
        "the dashboard's address as people reach it: where Slack's links lead, and a name that it answers to",
        ("collect", "dashboard"),
    ),
    Setting("slack_webhook_url", None, str, "the Slack incoming webhook that alerts go to", ("collect",), secret=True),
    Setting("alert_interval", "15", seconds, "seconds between two looks at every alert rule", ("collect",)),
    Setting("alert_daily_cost_usd", "100", str, "a UTC day's cost in USD above which to alert", ("collect",)),
    Setting("alert_error_ratio", "0.05", str, "share of failed calls in 5 minutes above which to alert", ("collect",)),
    Setting("alert_p95_ms", "30000", whole, "P95 latency in ms over 5 minutes above which to alert", ("collect",)),
    Setting("alert_call_cost_usd", "5", str, "cost of one call in USD above which to alert", ("collect",)),
    Setting("alert_call_tokens", "500000", whole, "tokens of one call above which to alert", ("collect",)),
    Setting(
        "alert_no_data_minutes",
        "60",
        whole,
        "minutes without any call after which to alert; 0 turns it off",
        ("collect",),
    ),
    Setting(
        "backlog_bytes", "2147483648", whole, "bytes waiting to be landed above which new data is put off", ("collect",)
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
        ("instrument", "collect", "doctor"),
    ),
    Setting(
        "spool_bytes",
        "268435456",
        whole,
        "bytes that may wait on disk, of all processes together; beyond it the oldest go; 0 keeps nothing on disk",
        ("instrument",),
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


def settle(
    part: str, given: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The values of all settings of `part`: from `given` (already of their kind; `None` is not given), else the
    environment, else the default.

    Raises `SettingsError` that names the variable, its value and what to give.
    """
    given = given or {}
    environ = os.environ if environ is None else environ
    return {
        setting.name: _value_of(setting, given.get(setting.name), environ)
        for setting in SETTINGS
        if part in setting.parts
    }


def data_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """What the `data` setting says, for a part that has no such argument. `None` when there is no such folder: this
    user has no home, and the environment names none."""
    setting = next(setting for setting in SETTINGS if setting.name == "data")
    try:
        found: Path = _value_of(setting, None, os.environ if environ is None else environ)
    except SettingsError:
        return None
    return found


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


def _value_of(setting: Setting, given: Any, environ: Mapping[str, str]) -> Any:
    if given is not None:
        return given
    text = environ.get(setting.variable)
    if text is not None and text.strip():
        try:
            return setting.kind(text)
        except ValueError as error:
            shown = "set" if setting.secret else repr(text)
            raise SettingsError(f"{setting.variable} is {shown}: {error}") from None
    if setting.default is None:
        return None
    try:
        return setting.kind(setting.default)
    except ValueError as error:
        raise SettingsError(f"{setting.flag} ({setting.variable}) is not given: {error}") from None


_VALUES: Mapping[Callable[[str], Any], str] = {
    address: "HOST:PORT",
    folder: "DIR",
    memory: "SIZE",
    seconds: "SECONDS",
    spool_folder: "DIR",
    switch: "on|off",
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
