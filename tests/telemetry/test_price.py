"""`claude-telemetry price`."""

from __future__ import annotations

import pytest

from claude_telemetry.price import main


def test_a_price_is_told_by_line_and_the_tokens_are_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    # By hand, in USD per million: 250 x 4, 1800 x 20, 33000 x 0.2, 1500 x 5, 6000 x 8.
    argv = "claude-opus-5-5 --at 2026-11-12 --input 250 --output 1,800 --cache-read 33000 --cache-write-5m 1500"
    assert main([*argv.split(), "--cache-write-1h", "6000"]) == 0
    price, cost = capsys.readouterr().out.split("USD for these tokens\n")
    assert [line.split()[-1] for line in price.splitlines()[3:8]] == ["4.00", "20.00", "0.20", "5.00", "8.00"]
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
        ("claude-sonnet-5-5 --at 2020-01-01", "the price book knows no price for that day"),
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
