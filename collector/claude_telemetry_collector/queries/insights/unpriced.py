"""Models whose calls have no price: what they cost is in no sum, and in no saving."""

from __future__ import annotations

from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    TEXT,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.unpriced import WHY, unpriced_models
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

_SCHEMA = columns(
    model=TEXT,
    platform=TEXT,
    why=TEXT,
    calls=COUNT,
    input_tokens=COUNT,
    output_tokens=COUNT,
)


def unpriced(reader: Reader, window: Window, segment: Segment) -> Finding:
    """The models that no price is known of."""
    models, in_all = unpriced_models(reader, window, segment)
    calls = sum(model.calls for model in models)
    rows: list[dict[str, object]] = [
        {
            "model": model.model,
            "platform": model.platform,
            "why": "; ".join(WHY[flag] for flag in model.reasons) or None,
            "calls": model.calls,
            "input_tokens": model.input_tokens,
            "output_tokens": model.output_tokens,
        }
        for model in models
    ]
    return Finding(
        name="unpriced",
        title="Models without a price",
        kind="hint",
        said=(
            f"{counted(in_all, 'model has', 'models have')} no price: {counted(calls, 'call', 'calls')} in no sum."
            if models
            else "Every model that used tokens has a price."
        ),
        found=bool(models),
        why_unknown="Without a price, what they cost is not known, and so is what could be saved.",
        evidence=rows_as_table(rows, _SCHEMA),
        steps=(
            "The overview gives the lines for your price file, to copy.",
            "Then claude-telemetry reprice prices the calls that are there.",
        ),
        links=(Link(page="overview", words="What to write into the price file", parameters={}),),
    )
