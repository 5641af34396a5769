"""The file of settings, `claude-telemetry.toml`: each setting that is no secret, by its name.

It is the file that the setting `config` names, else the user's own, `~/.config/claude-telemetry.toml`. The folder that
a program is started in is not looked at: it may be somebody else's, and whoever wrote a file there would say where
calls are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_telemetry.errors import SettingsError

FILE_NAME = "claude-telemetry.toml"


def users_own(environ: Mapping[str, str]) -> Path | None:
    """The user's file, as `environ` says where such files are. `None` when there is none."""
    configuration = environ.get("XDG_CONFIG_HOME", "")
    # As the specification of these variables has it, a path that is not absolute counts as none.
    folder = Path(configuration) if configuration.startswith("/") else Path(environ.get("HOME", ""), ".config")
    try:
        return folder / FILE_NAME if folder.is_absolute() and (folder / FILE_NAME).is_file() else None
    except OSError:  # a home that this process may not look into has no settings for it
        return None


def read(path: Path) -> dict[str, Any]:
    """What stands in the file, its fractions as exact `Decimal`s. Raises `SettingsError` that says what is wrong."""
    import tomllib

    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError(
            f"the settings in {path} cannot be read ({error.strerror}): give another file with --config "
            "(CLAUDE_TELEMETRY_CONFIG)"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no TOML: it is not in UTF-8") from None
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, ArithmeticError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML: {error or 'it is nested too deep'}") from None


def as_text(value: object) -> str | None:
    """A value of the file as a person would write it in a variable; `None` for what no variable could hold."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, list):
        names = [name for name in value if isinstance(name, str)]  # pyright: ignore[reportUnknownVariableType]
        return ",".join(names) or "none" if len(names) == len(value) else None  # pyright: ignore[reportUnknownArgumentType]
    return None
