"""`claude-telemetry price check`: our book beside genai-prices."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_telemetry.errors import MissingExtraError
from claude_telemetry.price import main
from claude_telemetry.pricing import use_prices


@pytest.fixture(autouse=True)
def _back_to_the_book() -> Iterator[None]:
    yield
    use_prices(None)


def of(model: str, said: str) -> list[str]:
    """The lines about `model`."""
    lines = said.splitlines()
    start = lines.index(model) + 1 if model in lines else len(lines)
    return lines[start : lines.index("", start)] if start < len(lines) else []


def test_models_that_agree_on_every_line_are_only_counted(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--at", "2026-11-20"])
    said = capsys.readouterr().out
    assert said.startswith("price book 2026-11-20.")
    for model in ("claude-opus-5-5", "claude-fable-5-2", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-haiku-3"):
        assert of(model, said) == []
    agreed, of_all = said.splitlines()[-1].split()[0:3:2]
    assert 20 <= int(agreed) <= int(of_all)


def test_a_model_that_only_we_have_is_a_difference_with_our_source(capsys: pytest.CaptureFixture[str]) -> None:
    # genai-prices 0.2.3 does not have it.
    assert main(["check", "--at", "2026-11-20"]) == 1
    lines = of("claude-mythos-5-1", capsys.readouterr().out)
    assert lines[0].split() == ["the", "model", "ours", "a", "price", "genai-prices", "no", "price"]
    assert lines[1].startswith("  our source, high certainty: platform.claude.com/docs/en/release-notes/overview")


def test_each_line_that_differs_is_told_on_the_terms_where_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        """
[[prices]]
model = "claude-opus-5-5"
from = 2026-11-18
input = 4
output = 21
cache_write_5m = 5
cache_write_1h = 8
cache_read = 0.2
fast = { input = 8, output = 40 }
[[prices]]
model = "claude-haiku-5-5"
from = 2026-11-18
input = 0.1
output = 0.5
cache_write_5m = 0.125
cache_write_1h = 0.2
cache_read = 0.01
[models.claude-opus-99]
[[prices]]
model = "claude-opus-99"
from = 2026-11-18
input = 1
output = 1
cache = "standard"
"""
    )
    assert main(["check", "--at", "2026-11-20", f"--prices={path}"]) == 1
    said = capsys.readouterr().out
    assert [line.split("  ")[1].strip() for line in of("claude-opus-5-5", said)][:2] == ["output", "output, in a batch"]
    assert of("claude-opus-5-5", said)[0].split() == ["output", "ours", "21.00", "genai-prices", "20.00"]
    assert of("claude-opus-5-5", said)[1].split()[-4:] == ["ours", "10.50", "genai-prices", "10.00"]
    assert of("claude-opus-5-5", said)[2].startswith("  our source, stated certainty: your price file")
    over = [line for line in of("claude-haiku-5-5", said) if "prompt over 100,000" in line]
    assert len(over) == 5
    assert over[1].split()[-4:] == ["ours", "0.50", "genai-prices", "2.50"]
    assert of("claude-opus-99", said)[0].split()[:5] == ["the", "model", "ours", "a", "price"]


def test_a_day_without_our_price_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    # Haiku 3.5 came out on 2024-11-04; what it cost before December is not in our book.
    main(["check", "--at", "2024-11-10"])
    lines = of("claude-3-5-haiku-20241022", capsys.readouterr().out)
    assert lines[0].split() == ["on", "that", "day", "ours", "no", "price", "genai-prices", "a", "price"]


def test_without_genai_prices_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(MissingExtraError, match=r'run `pip install "claude-telemetry-sidecar\[genai\]"`'):
        main(["check"])
