"""`claude-telemetry price`: what a model costs on a day, and why; what cases cost; how the book stands to another."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """`price check`, `price --jsonl` or `price MODEL`. 1 when there is no price, a difference, or an unreadable line.

    Raises `PriceBookError` for a file of own prices that cannot be used.
    """
    if argv[:1] == ["check"]:
        from claude_telemetry.price.check import main as check

        return check(argv[1:])
    if "--jsonl" in argv:
        from claude_telemetry.price.cases import main as cases

        return cases(argv)
    from claude_telemetry.price.explain import main as explain

    return explain(argv)
