"""The guide to reconciling says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from claude_telemetry.settings import settle
from claude_telemetry_collector import queries
from claude_telemetry_collector.commands import reconcile
from claude_telemetry_collector.queries.bill import wording
from claude_telemetry_collector.queries.bill.prices import SAME

PAGE = " ".join((Path(__file__).parents[2] / "docs/reconciling.md").read_text(encoding="utf-8").split())


def test_the_tolerance_is_that_of_the_settings() -> None:
    tolerance = queries.tolerance_from(settle("reconcile", environ={}))

    assert f"less than {wording.share(tolerance.coverage)} of the tokens were seen (`--alert-coverage-ratio`)" in PAGE
    assert f"more than {float(tolerance.price_error):.1%} of the money".replace("%", " %") in PAGE
    assert f"differs by more than {float(SAME):.1%} is named".replace("%", " %") in PAGE


def test_drift_has_the_exit_code_that_is_written() -> None:
    assert f"| {reconcile.DRIFT} | drift beyond the tolerance |" in PAGE
    assert f"the last {reconcile.DAYS} days and today" in PAGE


def test_links_lead_to_pages_that_are_there() -> None:
    links = re.findall(r"\]\(([\w./-]+)\)", PAGE)
    assert links
    assert all((Path(__file__).parents[2] / "docs" / link).exists() for link in links)
