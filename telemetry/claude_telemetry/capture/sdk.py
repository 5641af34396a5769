"""What of the installed SDK is hooked, and whether it is as known.

Only public names are used: `request` on the classes that define it for `anthropic.Anthropic` and `AsyncAnthropic` (so
it covers every platform's client, every client that exists already, bound methods kept from before, and `client.post`),
and `send` on the client classes that `anthropic.DefaultHttpxClient` derives from. Why this way: `docs/decisions/`.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

RETRY_HEADER = "x-stainless-retry-count"
"""On every request that a call of the SDK sends, and on no other that happens during it (anthropic 0.40 to 2.10)."""

_NEEDED = (("request", {"cast_to", "options"}),) * 2 + (("send", {"request"}),) * 2


def hooked_classes() -> tuple[type, type, type, type]:
    """The classes whose `request`, twice, and `send`, twice, are hooked: sync and async each.

    Raises `AttributeError`, `StopIteration` or `ImportError` when the SDK is not as known.
    """
    import anthropic

    return (
        _definer(anthropic.Anthropic, "request"),
        _definer(anthropic.AsyncAnthropic, "request"),
        _definer(anthropic.DefaultHttpxClient, "send"),
        _definer(anthropic.DefaultAsyncHttpxClient, "send"),
    )


def http_library() -> ModuleType:
    """`httpx`, or for anthropic 1.0 and newer `httpx2`."""
    return sys.modules[hooked_classes()[2].__module__.partition(".")[0]]


def self_check() -> list[str]:
    """What of the installed SDK is not as the hooks need it, in sentences. Empty when all is well."""
    try:
        import anthropic
    except ImportError:
        return ["the `anthropic` package is not installed: pip install anthropic"]
    try:
        classes = hooked_classes()
    except (AttributeError, StopIteration, ImportError) as error:
        return [f"anthropic {anthropic.__version__} has no clients where they are expected ({type(error).__name__})"]
    problems: list[str] = []
    for owner, (name, needed) in zip(classes, _NEEDED, strict=True):
        missing = needed - set(inspect.signature(owner.__dict__[name]).parameters)
        if missing:
            problems.append(
                f"{owner.__module__}.{owner.__qualname__}.{name} takes no {' and no '.join(sorted(missing))}"
            )
    return problems


def _definer(kind: type, name: str) -> type:
    return next(base for base in kind.__mro__ if name in vars(base))
