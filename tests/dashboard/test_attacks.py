"""Names that want to be more than names are text on every page, and change no question."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import DIMENSIONS, Segment, Window, breakdown, choices, readings
from claude_telemetry_collector.store import LocalReader, open_database
from claude_telemetry_dashboard.app import GROUPS
from tests.dashboard.conftest import Store
from tests.support import filled, hostile
from tests.support.calls import NOON, a_call, land
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

ENTRIES = [entry for group in GROUPS.values() for entry in group]

NAMES = tuple(name for name in hostile.NAMES if "\u0000" not in name)


def filled_with_names(store: Store) -> None:
    store.land(*filled.calls(150, names=NAMES))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.url_path))
def test_names_are_text_on_every_page(store: Store, open_page: OpenPage, entry: Any) -> None:
    filled_with_names(store)

    page = open_page(entry.url_path, range="7d")

    assert not [given for given in page.rendered_markdown() if hostile.MARK in given[1]]
    for chart in page.test.get("vega_lite_chart"):
        spec = json.loads(str(chart.proto.spec or "{}"))
        assert hostile.MARK not in json.dumps(_without_domains(spec))


def _without_domains(spec: object) -> object:
    """What a chart says, but for the lists of the names that its axes and colours are for: those are plain data."""
    if isinstance(spec, list):
        return [_without_domains(part) for part in cast("list[object]", spec)]
    if isinstance(spec, dict):
        named = cast("dict[str, object]", spec)
        return {name: _without_domains(part) for name, part in named.items() if name not in ("domain", "range")}
    return spec


@pytest.mark.parametrize("first", range(0, len(NAMES) - 1, 4))
def test_a_link_may_ask_for_anything(open_page: OpenPage, first: int) -> None:
    model, user, feature, environment, *_ = (*NAMES[first:], *NAMES)

    page = open_page("overview", range="7d", model=model, user=user, feature=feature, environment=environment)

    assert not [given for given in page.rendered_markdown() if hostile.MARK in given[1]]


LABELS = (
    "model",
    "feature",
    "user_id",
    "session_id",
    "tenant",
    "prompt_name",
    "prompt_version",
    "service",
    "environment",
    "error_type",
    "platform",
    "api_key_alias",
    "run_name",
)

DAY = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=1))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalReader]:
    """One call for each name, which bears it in every label."""
    folder: Path = tmp_path_factory.mktemp("attacks")
    connection: duckdb.DuckDBPyConnection = open_database(folder / "calls.duckdb", memory_limit="256MB")
    land(connection, [_named(name) for name in NAMES])
    yield LocalReader(connection)
    connection.close()


def _named(name: str) -> LandedCall:
    facts: dict[str, Any] = dict.fromkeys(LABELS, name)
    return a_call(**facts, tags=json.dumps({name: name}))


@pytest.mark.parametrize("label", [*LABELS, "tags"])
def test_a_filter_finds_the_calls_of_that_very_name(reader: LocalReader, label: str) -> None:
    for name in NAMES:
        chosen: dict[str, Any] = {label: ((name, name),) if label == "tags" else name}
        asked = Segment(**chosen)
        assert readings(reader, ["requests"], DAY, asked)["requests"].value == 1, name
    assert readings(reader, ["requests"], DAY, Segment())["requests"].value == len(NAMES)


@pytest.mark.parametrize("label", ["feature", "user_id", "model", "tenant"])
def test_names_come_out_as_they_went_in(reader: LocalReader, label: str) -> None:
    assert choices(reader, DAY, label) == sorted(NAMES)
    rows = breakdown(reader, ["requests"], DAY, Segment(), label, limit=100).to_pylist()
    assert sorted(row[label] for row in rows) == sorted(NAMES)


@pytest.mark.parametrize("name", ["1", "user_id; DROP TABLE calls", "calls.user_id", "(SELECT 1)", *NAMES[:5]])
def test_only_known_names_tell_calls_apart(reader: LocalReader, name: str) -> None:
    assert name not in DIMENSIONS
    with pytest.raises(ValueError, match="cannot be told apart by"):
        breakdown(reader, ["requests"], DAY, Segment(), name)
