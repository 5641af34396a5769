"""`claude-telemetry price MODEL`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_telemetry.price import main
from claude_telemetry.pricing import use_prices


@pytest.fixture(autouse=True)
def _back_to_the_book() -> Iterator[None]:
    yield
    use_prices(None)


def about(said: str) -> list[str]:
    """What the command says about a price, spaces squeezed."""
    return [" ".join(line.split()) for line in said.partition("About this price\n")[2].splitlines()]


def test_a_price_is_told_by_line_and_the_tokens_are_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    # By hand, in USD per million: 250 x 4, 1800 x 20, 33000 x 0.2, 1500 x 5, 6000 x 8.
    argv = "claude-opus-5-5 --at 2026-11-12 --input 250 --output 1,800 --cache-read 33000 --cache-write-5m 1500"
    assert main([*argv.split(), "--cache-write-1h", "6000"]) == 0
    price, rest = capsys.readouterr().out.split("USD for these tokens\n")
    cost = rest.partition("\nAbout this price")[0]
    rates = [line[18:30].strip() for line in price.splitlines()[3:8]]
    assert rates == ["4.00", "20.00", "0.20", "5.00", "8.00"]
    assert cost.splitlines() == [
        "  input                      0.001   250 tokens",
        "  output                     0.036   1,800 tokens",
        "  cache read                0.0066   33,000 tokens",
        "  cache write 5m            0.0075   1,500 tokens",
        "  cache write 1h             0.048   6,000 tokens",
        "  all                       0.0991",
    ]


def test_the_day_decides(capsys: pytest.CaptureFixture[str]) -> None:
    # Cache reads of Sonnet 5.5 went from 0.20 to 0.10 on 2026-10-07.
    for day, price in (("2026-10-06", "0.20"), ("2026-10-07", "0.10")):
        main(["claude-sonnet-5-5", "--at", day])
        line = next(line for line in capsys.readouterr().out.splitlines() if "cache read" in line)
        assert line.split() == ["cache", "read", price]


def test_a_price_that_rises_with_the_prompt_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    main(["claude-haiku-5-5", "--at", "2026-11-12"])
    said = capsys.readouterr().out
    assert "  output                  0.50   2.50 when the prompt is over 100,000 tokens\n" in said


def test_a_model_without_a_price_is_unknown_and_not_free(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claude-sonnet-99", "--input", "5"]) == 1
    said = capsys.readouterr().out
    assert "no known price" in said
    assert "USD" not in said


def test_what_is_no_number_or_no_day_is_refused_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--input", "many"], ["--at", "yesterday"]):
        with pytest.raises(SystemExit) as left:
            main(["claude-haiku-5-5", *wrong])
        assert left.value.code == 2
    assert "give a day, such as 2026-11-20" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "way_out"),
    [
        ("claude-sonet-5-5", "did you mean claude-sonnet-5-5 or "),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock knows it: --platform bedrock"),
        ("claude-sonnet-4-5@20250929", "vertex knows it: --platform vertex"),
        ("claude-sonnet-4-5@20250929 --platform vertex", "give --region, such as global or europe-west1"),
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0 --platform bedrock --region us-east-1",
            "give an id that says it, such as global.… or us.…",
        ),
        ("claude-sonnet-5-5 --at 2020-01-01", "Claude Sonnet 5.5 has one from 2026-09-28 on"),
        (
            "us.anthropic.claude-sonnet-5-5 --platform bedrock --at 2020-01-01",
            "the price book knows no price for that day",
        ),
    ],
)
def test_an_id_without_a_price_is_told_what_would_have_one(
    argv: str, way_out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv.split()) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.strip().startswith(way_out)


def test_an_id_that_is_like_no_other_gets_no_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpt-4"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["  the price book does not hold this id"]


def test_a_region_that_would_change_nothing_is_not_taken_silently(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["claude-sonnet-5-5", "--region", "us"])
    assert "on anthropic the price does not depend on it" in capsys.readouterr().err


def test_a_price_says_since_when_it_holds_how_sure_it_is_and_who_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claude-fable-5-2", "--at", "2026-11-20"]) == 0
    said = about(capsys.readouterr().out)
    assert said[:3] == [
        "model Claude Fable 5.2, priced since 2026-11-09",
        "holds from 2026-11-09, no end known",
        "certainty high: official text",
    ]
    assert "fast mode medium: inferred, or a third party" in said
    assert any(line.startswith("platform.claude.com/docs/en/release-notes/overview (") for line in said)
    assert said[-3:] == ["in a batch × 0.5 on tokens", "US only × 1.1 on tokens", "web search $0.01 each"]


def test_a_price_of_the_past_says_when_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    main(["claude-sonnet-5-5", "--at", "2026-10-01"])
    assert about(capsys.readouterr().out)[1] == "holds from 2026-09-28, until 2026-10-07"


def test_what_the_fast_mode_costs_stands_beside(capsys: pytest.CaptureFixture[str]) -> None:
    main(["claude-opus-5-5", "--at", "2026-11-20"])
    assert "  cache read              0.20   0.40 in the fast mode\n" in capsys.readouterr().out


def test_an_endpoint_that_costs_more_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    main(["eu.anthropic.claude-opus-5-5", "--platform", "bedrock", "--at", "2026-11-20"])
    said = capsys.readouterr().out
    assert "  input                   4.40\n" in said
    assert about(said)[-1] == "this endpoint × 1.1, which is in these prices"
    main(["claude-opus-5-5", "--platform=foundry", "--deployment-type=DataZoneStandard", "--at=2026-11-20"])
    assert "  input                   4.40" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("terms", "usd"),
    [
        ("--input 1000", "0.004"),
        ("--input 1000 --batch", "0.002"),
        ("--input 1000 --fast", "0.008"),
        ("--input 1000 --us-only", "0.0044"),
        ("--input 1000 --batch --us-only --web-searches 3", "0.0322"),
        ("--web-searches 1", "0.01"),
    ],
)
def test_tokens_cost_what_they_do_on_the_terms_of_the_request(
    terms: str, usd: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claude-opus-5-5", "--at", "2026-11-20", *terms.split()]) == 0
    total = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  all "))
    assert total.split() == ["all", usd]


def test_terms_without_a_price_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claude-sonnet-5-5", "--fast", "--at", "2026-11-20"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "  the fast mode has no price there on that day"


def test_terms_that_exclude_each_other_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["claude-opus-5-5", "--fast", "--batch"])
    assert "batches do not run in the fast mode" in capsys.readouterr().err


def test_ones_own_name_price_and_discount_are_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        """
[[prices]]
model = "claude-sonnet-5-5"
from = 2026-11-01
input = 1
output = 10
cache = "standard"
[aliases.prod]
id = "eu.anthropic.claude-sonnet-5-5"
platform = "bedrock"
[[discounts]]
percent = 12.5
from = 2026-11-01
workspace = "wrkspc_1"
"""
    )
    argv = ["prod", "--at=2026-11-20", f"--prices={path}", "--input=1000"]
    assert main([*argv, "--workspace=wrkspc_1"]) == 0
    said = capsys.readouterr().out
    assert "  all                       0.0011\n  after discount         0.0009625\n" in said
    assert about(said) == [
        "stands for eu.anthropic.claude-sonnet-5-5 on bedrock, as your price file says",
        "model Claude Sonnet 5.5, priced since 2026-09-28",
        "holds from 2026-11-01, no end known",
        "certainty stated: in your own price file",
        about(said)[4],
        "this endpoint × 1.1, which is in these prices",
        "your discount × 0.875 on all of it ([[discounts]] 1), which is not in these prices",
    ]
    assert about(said)[4].startswith("your price file (stated by you; ")
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "after discount" not in said
    assert "  assumed: workspace_unreported\n" in said
