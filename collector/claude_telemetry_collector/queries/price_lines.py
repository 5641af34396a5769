"""What to write into a price file for a model that has no price, and what to run after that.

The amounts are for the user to fill in. Until then the file is refused: nothing is ever priced at a made-up amount.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from claude_telemetry.pricing import the_book
from claude_telemetry.pricing.endpoint import PLATFORMS
from claude_telemetry_collector.queries.unpriced import OF_THE_MODEL, UnpricedModel

_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLines:
    """Two ways to give a model its price, in TOML. One of them is enough."""

    another_name: str
    """For a name that stands for a model which has a price."""
    own_model: str | None
    """For a model that the price book does not hold. `None` where that cannot be: of an ARN."""


def price_lines(model: UnpricedModel) -> PriceLines | None:
    """The lines for `model`; `None` where its calls have no price for a reason that a price file cannot mend, and for
    an id that nobody would name a model."""
    name = model.model
    if name is None or not OF_THE_MODEL.intersection(model.reasons) or not _is_usable(name):
        return None
    platform = model.platform or "anthropic"
    alias = "\n".join((f"[aliases.{_quoted(name)}]", *_stands_for(platform)))
    opaque = "model_opaque" in model.reasons
    return PriceLines(another_name=alias, own_model=None if opaque else _own_model(platform, name, model.first_at))


def pricing_commands(models: Sequence[UnpricedModel]) -> str:
    """What to run when the price file is written: see that each model has its price, and price what there is again.
    A line each."""
    named = [(model.model, model.platform) for model in models if model.model is not None and _is_usable(model.model)]
    asked = [
        f"claude-telemetry price {shlex.quote(name)}"
        + (f" --platform {platform}" if platform in _WITH_IDS_OF_THEIR_OWN else "")
        for name, platform in named
    ]
    since = min(model.first_at for model in models)
    return "\n".join((*asked, f"claude-telemetry reprice --since {since:%Y-%m-%d}"))


_WITH_IDS_OF_THEIR_OWN = ("bedrock", "vertex")


def _stands_for(platform: str) -> list[str]:
    example = "global.anthropic.claude-opus-5-5" if platform == "bedrock" else "claude-opus-5-5"
    lines = [f'id = "the id that it stands for, such as {example}"']
    if platform in PLATFORMS - {"anthropic"}:
        lines.append(f'platform = "{platform}"')
    if platform == "vertex":
        lines.append('region = ""  # the location, such as global or europe-west1')
    return lines


def _own_model(platform: str, name: str, first_at: datetime) -> str:
    # A model has one price on Bedrock, and what stands before the first dot says where it runs.
    prefix, _, rest = name.partition(".")
    book = the_book()
    bare = rest if platform == "bedrock" and prefix in book.bedrock_prefixes | book.global_names else name
    ids = [f"ids.{platform} = [{_quoted(bare)}]"] if platform in _WITH_IDS_OF_THEIR_OWN else []
    return "\n".join(
        (
            f"[models.{_quoted(bare)}]",
            *ids,
            "",
            "[[prices]]",
            f"model = {_quoted(bare)}",
            f"from = {first_at:%Y-%m-%d}",
            'input = "USD per million tokens"',
            'output = "USD per million tokens"',
            'cache = "standard"',
        )
    )


def _is_usable(name: str) -> bool:
    """Whether `name` can stand in a file and in a command: it comes from outside."""
    return name.isprintable() and name == name.strip() and name[:1].isalnum() and len(name) <= _MOST_CHARACTERS


def _quoted(text: str) -> str:
    """`text` as a basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
