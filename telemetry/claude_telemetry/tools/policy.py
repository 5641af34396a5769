"""Whether a tool's input or output is recorded, and as what. Unless somebody says otherwise: never.

What is recorded stands on the span that the application's own exporters get. Our delivery takes it off again, and our
collector lets it in from nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Policy = bool | Callable[[Any], object]
"""`False`: never. `True`: as JSON. A function: what it makes of the value, such as a copy without what is private;
`None` for nothing."""

LONGEST: Final = 8192
"""Characters of an input or output that are recorded."""


def recorded(policy: Policy, value: object) -> str | None:
    """What `policy` records of `value`, cut to 8192 characters, or `None`. Raises what the policy's function raises."""
    if policy is False:
        return None
    shown = value if policy is True else policy(value)
    if shown is None:
        return None
    import json

    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, default=str)
    # Half of a surrogate pair is no text that can be sent.
    return text[:LONGEST].encode("utf-8", "replace").decode("utf-8")
