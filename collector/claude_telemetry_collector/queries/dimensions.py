"""What calls can be told apart by: their labels, what the API said of them, and the application's own tags.

A label is named by its column, a tag by `tag:` and its name. The SQL of a label is written here and nowhere else; a
tag's name is data from outside, and is only ever a bound parameter.
"""

from __future__ import annotations

from collections.abc import Mapping

Condition = tuple[str, dict[str, object]]
"""A piece of SQL, and the parameters that it names."""

MODEL = "coalesce(model, request_model)"
"""The model that answered; for a call without an answer, the one that was asked for."""

PRICE_ID = (
    "CASE WHEN platform IN ('bedrock', 'vertex') THEN coalesce(request_model, model)"
    " ELSE coalesce(model, request_model) END"
)
"""The id that the price book was asked for: as `pricing.model_to_price` has it, but that it names the model that
answered where none was asked for."""

_PLAIN = (
    "feature",
    "user_id",
    "session_id",
    "tenant",
    "prompt_name",
    "prompt_version",
    "prompt_fingerprint",
    "service",
    "environment",
    "status",
    "error_type",
    "stop_reason",
    "refusal_category",
    "platform",
    "provider",
    "region",
    "organization_id",
    "workspace_id",
    "api_key_alias",
    "framework",
    "run_name",
    "operation",
    "service_tier",
    "speed",
    "inference_geo",
    "effort",
    "thinking",
    "stream_end",
    "batch_id",
    "source",
)

DIMENSIONS: Mapping[str, str] = {
    "model": MODEL,
    "price_id": PRICE_ID,
    **{name: name for name in _PLAIN},
    "stream": "stream::VARCHAR",
    "http_status": "http_status::VARCHAR",
}
"""What calls can be told apart by beside their tags, as SQL that gives a text. No other name gets into a question."""

TAG = "tag:"


def dimension(name: str) -> str:
    """The SQL of what calls are told apart by. Raises `ValueError` for a name that is none."""
    if name not in DIMENSIONS:
        raise ValueError(f"calls cannot be told apart by {name!r}: give {TAG}<name>, or one of {', '.join(DIMENSIONS)}")
    return DIMENSIONS[name]


def told_apart(by: str, slot: str) -> Condition:
    """The SQL of a dimension or of a tag (`tag:<name>`), whose parameter is told from others' by `slot`.

    Raises `ValueError` for a name that is neither.
    """
    if not by.startswith(TAG):
        return dimension(by), {}
    return tag(by.removeprefix(TAG), f"tag_{slot}")


def tag(name: str, parameter: str) -> Condition:
    """The SQL of a call's tag; NULL for calls without it."""
    # A JSON pointer: of all ways to name a key this one has no wildcards, and can say any text.
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return f"json_extract_string(tags, ${parameter})", {parameter: pointer}
