"""Ways from a number to its calls: the address keeps what is chosen on the page."""

from __future__ import annotations

import pytest

from claude_telemetry_dashboard.panels import to_calls


class Asked(dict[str, list[str]]):
    """The query parameters of a page."""

    def get_all(self, name: str) -> list[str]:
        return self.get(name, [])


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked({"range": ["7d"], "tag": ["team:a", "tier:gold"], "user": ["u&1"], "failed-by": ["Model"]})
    monkeypatch.setattr("streamlit.query_params", asked)


def test_filters_stay_and_what_belongs_to_the_page_does_not() -> None:
    assert to_calls.url() == "calls?range=7d&user=u%261&tag=team%3Aa&tag=tier%3Agold"


def test_a_link_narrows_further_or_takes_a_filter_off() -> None:
    assert to_calls.url(status="error", tag=None, user=None) == "calls?range=7d&status=error"
    assert to_calls.url(error="[a](javascript:1)", tag=None, user="u2") == (
        "calls?range=7d&error=%5Ba%5D%28javascript%3A1%29&user=u2"
    )
