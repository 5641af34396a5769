"""SQL: one's own questions, which are asked when somebody says so, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from claude_telemetry_collector.queries import Window
from claude_telemetry_collector.queries.own import own_question
from claude_telemetry_collector.store import LocalReader
from claude_telemetry_dashboard.views.sql import EXAMPLES, TABLES
from tests.dashboard.conftest import Store
from tests.support.calls import NOON, a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

EVIL = "[a](javascript:alert(1)) **b** <img src=x>"


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def test_a_link_brings_the_question_and_asks_nothing_by_itself(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=5), feature=EVIL), a_call(started_at=ago(days=3)))
    sql = 'SELECT feature AS "**x**", feature AS "**x**" FROM calls WHERE started_at >= $since'

    page = open_page("sql", sql=sql, range="1h")
    assert page.test.text_area(key="sql").value == sql
    assert page.tables == []

    page.click("Ask")
    assert page.tables == [{"**x**": [EVIL], "**x**_1": [EVIL]}]
    assert "1 row in " in page.said
    assert not [shown for kind, shown in page.rendered_markdown() if "javascript:" in shown and kind != "text_area"]

    page.test.text_area(key="sql").set_value("SELECT 1")
    page.run()
    assert "The question above has changed since." in page.said


def test_what_may_not_be_asked_is_told_as_text(open_page: OpenPage) -> None:
    page = open_page("sql", sql="DROP TABLE calls")
    page.click("Ask")
    assert page.test.error[0].value == "The question was not answered."
    assert page.texts == ["only a SELECT is answered: the collector alone writes, and settings are its own"]


def test_of_a_long_answer_the_beginning_is_shown(open_page: OpenPage) -> None:
    page = open_page("sql", sql="SELECT range AS n FROM range(1200)")
    page.click("Ask")
    assert len(page.tables[0]["n"]) == 1000
    assert "1,200 rows in " in page.said
    assert "The first 1,000 are shown, the export has all." in page.said


def test_every_example_and_every_table_that_is_named_can_be_asked(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=5)))
    page = open_page("sql")
    for title in EXAMPLES:
        page.click(title)
        page.click("Ask")
        assert not list(page.test.error), title
    reader = LocalReader(store.connection)
    for name in TABLES:
        assert own_question(reader, f"SELECT * FROM {name} LIMIT 0", Window(NOON, NOON)).num_columns, name
