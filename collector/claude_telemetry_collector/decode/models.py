"""Whether a model is Claude, which one, and who serves it, from the names that emitters give.

Source of the forms: `model_id` and `provider_values` of the table of dialects, 2026-11-20.
"""

from __future__ import annotations

import re
from functools import lru_cache

_REGION = re.compile(r"^(?:us-gov|us|eu|apac|au|jp|ca|sa|global)\.(?=anthropic\.)")
_VERSION = re.compile(r"(?<=[0-9])-v[0-9]+(?::[0-9]+[a-z0-9:]*)?$")

_PROVIDERS = {"anthropic": "anthropic", "bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai", "foundry": None}
_FOUNDRY = ("azure", "foundry")


@lru_cache(maxsize=4096)
def is_claude(model: str | None, provider: str | None) -> bool:
    """Whether a call to `model` at `provider` is one to Claude. A model's name counts for more than its provider's."""
    if model:
        return "claude" in model.lower() or "anthropic." in model.lower()
    return provider is not None and "anthropic" in provider.lower()


@lru_cache(maxsize=4096)
def is_opaque(model: str) -> bool:
    """Whether `model` is the ARN of something on Bedrock that does not say which model it stands for."""
    return model.startswith("arn:") and ("application-inference-profile/" in model or "provisioned-model/" in model)


@lru_cache(maxsize=4096)
def plain_model(name: str) -> str:
    """The model's id without what vendors, clouds and gateways put around it."""
    plain = name.rpartition("/")[2]
    plain = _REGION.sub("", plain).removeprefix("anthropic.")
    return _VERSION.sub("", plain.partition("@")[0])


@lru_cache(maxsize=4096)
def platform_of(provider: str | None, model: str | None) -> str:
    """Whose price list holds: by the provider's name, else by the form of the model's."""
    named = f"{provider or ''} {model.rpartition('/')[0] if model else ''}".lower()
    if "bedrock" in named:
        return "bedrock"
    if "vertex" in named:
        return "vertex"
    if any(word in named for word in _FOUNDRY):
        return "foundry"
    if model and ("anthropic." in model or model.startswith("arn:aws")):
        return "bedrock"
    return "vertex" if model and "@" in model else "anthropic"


def provider_of(platform: str) -> str | None:
    """The conventions' name of who serves `platform`."""
    return _PROVIDERS.get(platform, "anthropic")
