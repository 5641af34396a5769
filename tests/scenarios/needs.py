"""What the installed SDK has, found out by looking at it: its version numbers say less."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import json
from typing import Any

from tests.scenarios.app import sdk
from tests.support.recorded import http_library


def _client_has(path: str) -> bool:
    """Whether the client has, say, `messages.parse`."""
    thing: Any = _client()
    for name in path.split("."):
        thing = getattr(thing, name, None)
    return thing is not None


@functools.cache
def _client() -> Any:
    return sdk.Anthropic(api_key="k", base_url="http://127.0.0.1:9")


def _module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@functools.cache
def one_shot_content() -> bool:
    """Whether the SDK sends what an iterator within a message yields."""
    http, sent = http_library(), list[Any]()

    def answer(request: Any) -> Any:
        sent.extend(json.loads(request.content)["messages"][0]["content"])
        return http.Response(200, json={})

    client = sdk.Anthropic(api_key="k", http_client=http.Client(transport=http.MockTransport(answer)))
    try:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": iter(["one"])}])
    except TypeError:
        return False
    return sent == ["one"]


def parse() -> bool:
    return _client_has("messages.parse")


def beta_parse() -> bool:
    return _client_has("beta.messages.parse")


def beta_stream() -> bool:
    return _client_has("beta.messages.stream")


def count_tokens() -> bool:
    return _client_has("messages.count_tokens")


def tool_runner() -> bool:
    return _client_has("beta.messages.tool_runner") and hasattr(sdk, "beta_tool")


def threads() -> bool:
    return _client_has("beta.messages.thread")


def batches() -> bool:
    return _client_has("messages.batches")


def raw_results() -> bool:
    return _client_has("messages.batches.with_raw_response.results")


def sessions() -> bool:
    return _client_has("beta.sessions.events.stream")


def completions() -> bool:
    return _client_has("completions")


def middleware() -> bool:
    return "middleware" in inspect.signature(sdk.Anthropic.__init__).parameters


def fallback_middleware() -> bool:
    return _module("anthropic.lib.middleware")


def aiohttp() -> bool:
    return hasattr(sdk, "DefaultAioHttpClient") and _module("aiohttp") and (httpx2() or _module("httpx_aiohttp"))


def httpx2() -> bool:
    return bool(sdk.DefaultHttpxClient.__mro__[1].__module__.startswith("httpx2"))


def httpx_instrumentor() -> bool:
    return not httpx2() and _module("opentelemetry.instrumentation.httpx")


def botocore() -> bool:
    return _module("botocore") and _module("boto3")


def bedrock_key() -> bool:
    return "api_key" in inspect.signature(sdk.AnthropicBedrock.__init__).parameters


def vertex() -> bool:
    return hasattr(sdk, "AnthropicVertex")


def vertex_count_tokens() -> bool:
    return vertex() and hasattr(importlib.import_module("anthropic.resources.messages").Messages, "count_tokens")


def foundry() -> bool:
    return hasattr(sdk, "AnthropicFoundry")


def aws() -> bool:
    return hasattr(sdk, "AnthropicAWS")


def google_cloud() -> bool:
    return hasattr(sdk, "AnthropicGoogleCloud")


def mantle() -> bool:
    return hasattr(sdk, "AnthropicBedrockMantle")


def brotli() -> bool:
    return _module("brotli")


def zstd() -> bool:
    """With the package that the HTTP library decodes it with."""
    return _module("backports.zstd") if httpx2() else _module("zstandard")


@functools.cache
def trio() -> bool:
    """Old SDKs ran some of their own work by asyncio's means."""
    if not _module("trio"):
        return False
    import trio

    asyncify: Any = importlib.import_module("anthropic._utils").asyncify
    try:
        return trio.run(asyncify(lambda: True)) is True
    except RuntimeError:
        return False
