"""What the application says about its calls: user, session, feature, prompt, tenant, and tags of its own.

    with label(user="u_42", feature="summary"):
        client.messages.create(...)

Labels hold for every call made inside, nested ones add to the outer, and asyncio tasks inherit them. A new thread
starts without labels, as it starts without any context: hand it `carry(function)` instead of `function`, or take
`ThreadPoolExecutor` from here. To another process they go as baggage, when that is asked for.
"""

from claude_telemetry.labels.baggage import DEFAULT_ALLOWED, Kept, allow_baggage, handed_on, keep_from_anthropic
from claude_telemetry.labels.labelling import Labels, clear_labels, label, set_labels
from claude_telemetry.labels.layers import current_labels
from claude_telemetry.labels.prompts import Prompt, prompt
from claude_telemetry.labels.threads import carry
from claude_telemetry.labels.values import LabelValue, TagValue

__all__ = [
    "DEFAULT_ALLOWED",
    "Kept",
    "LabelValue",
    "Labels",
    "Prompt",
    "TagValue",
    "allow_baggage",
    "carry",
    "clear_labels",
    "current_labels",
    "handed_on",
    "keep_from_anthropic",
    "label",
    "prompt",
    "set_labels",
]
