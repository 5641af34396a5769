"""The same calls where somebody else serves the model: other addresses, other bodies, other prices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.scenarios import needs
from tests.scenarios.app import App, sdk
from tests.scenarios.asking import ASK, COUNT, PLAIN, PLAIN_COST, PLAIN_INPUT_COST
from tests.scenarios.expected import ANYTHING, Expected, answered, free, partly
from tests.scenarios.scenario import scenario

# A regional endpoint costs a tenth more.
REGIONAL_COST = Decimal("0.00462")
BEDROCK = {**ASK, "model": "global.anthropic.claude-opus-5-5"}
BEDROCK_US = {**ASK, "model": "us.anthropic.claude-opus-5-5"}
ON_BEDROCK = {"provider": "aws.bedrock", "platform": "bedrock", "request_id": ANYTHING}
ON_VERTEX = {"provider": "gcp.vertex_ai", "platform": "vertex"}
SIGNED = {"aws_access_key": "AKIACANARY", "aws_secret_key": "canary", "aws_region": "us-east-1"}


def _bedrock(app: App) -> Any:
    return app.client(sdk.AnthropicBedrock, **SIGNED)


@scenario(needs.botocore)
def bedrock_create(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    app.saw(_bedrock(app).messages.create(**BEDROCK))
    return [answered(app.served[0], PLAIN_COST, **ON_BEDROCK, request_model=BEDROCK["model"])]


@scenario(needs.botocore)
def bedrock_in_a_region(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    app.saw(_bedrock(app).messages.create(**BEDROCK_US))
    return [answered(app.served[0], REGIONAL_COST, **ON_BEDROCK)]


@scenario(needs.botocore)
def bedrock_streamed(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    app.saw(*_bedrock(app).messages.create(**BEDROCK, stream=True))
    return [answered(app.served[0], PLAIN_COST, **ON_BEDROCK)]


@scenario(needs.botocore)
def bedrock_stream_helper(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    with _bedrock(app).messages.stream(**BEDROCK) as events:
        app.saw(events.get_final_message())
    return [answered(app.served[0], PLAIN_COST, **ON_BEDROCK)]


@scenario(needs.botocore)
def bedrock_stream_closed_early(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=PLAIN)
    events = _bedrock(app).messages.create(**BEDROCK, stream=True)
    app.saw(next(events).type)
    events.close()
    return [partly(app.served[0], PLAIN, PLAIN_INPUT_COST, "closed", **ON_BEDROCK)]


@scenario(needs.botocore)
async def bedrock_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN, times=2)
    async with app.async_client(sdk.AsyncAnthropicBedrock, **SIGNED) as client:
        app.saw(await client.messages.create(**BEDROCK))
        app.saw([event async for event in await client.messages.create(**BEDROCK, stream=True)])
    return [answered(served, PLAIN_COST, **ON_BEDROCK) for served in app.served]


@scenario(needs.botocore)
def bedrock_beta(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    app.saw(app.client(sdk.AnthropicBedrock, **SIGNED).beta.messages.create(**BEDROCK))
    return [answered(app.served[0], PLAIN_COST, **ON_BEDROCK)]


@scenario(needs.bedrock_key)
def bedrock_with_a_key(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    client = app.client(sdk.AnthropicBedrock, aws_region="us-east-1", api_key="bedrock-canary")
    app.saw(client.messages.create(**BEDROCK))
    return [answered(app.served[0], PLAIN_COST, **ON_BEDROCK)]


def _vertex(app: App, region: str = "global") -> Any:
    return app.client(sdk.AnthropicVertex, region=region, project_id="canary", access_token="token-canary")


@scenario(needs.vertex)
def vertex_create(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    app.saw(_vertex(app).messages.create(**ASK))
    return [answered(app.served[0], PLAIN_COST, **ON_VERTEX)]


@scenario(needs.vertex)
def vertex_in_a_region(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    app.saw(_vertex(app, "us-east5").messages.create(**ASK))
    return [answered(app.served[0], REGIONAL_COST, **ON_VERTEX)]


@scenario(needs.vertex)
def vertex_streamed(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    app.saw(*_vertex(app).messages.create(**ASK, stream=True))
    return [answered(app.served[0], PLAIN_COST, **ON_VERTEX)]


@scenario(needs.vertex)
def vertex_stream_helper(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    with _vertex(app).messages.stream(**ASK) as events:
        app.saw(events.get_final_message())
    return [answered(app.served[0], PLAIN_COST, **ON_VERTEX)]


@scenario(needs.vertex)
async def vertex_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    settings = {"region": "global", "project_id": "canary", "access_token": "token-canary"}
    async with app.async_client(sdk.AsyncAnthropicVertex, **settings) as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[0], PLAIN_COST, **ON_VERTEX)]


@scenario(needs.vertex_count_tokens)
def vertex_count_tokens(app: App) -> Sequence[Expected]:
    app.saw(_vertex(app).messages.count_tokens(**COUNT))
    return [free("count_tokens", "count_tokens", app.served[0], **ON_VERTEX)]


# These speak the API's own language, at another address.


def _foundry(app: App) -> Any:
    return app.client(sdk.AnthropicFoundry)


def _aws(app: App) -> Any:
    return app.client(sdk.AnthropicAWS, aws_region="us-east-1", workspace_id="wrkspc_canary", api_key="canary")


def _google_cloud(app: App) -> Any:
    settings = {"project": "canary", "workspace_id": "wrkspc_canary", "token_provider": lambda: "canary"}
    return app.client(sdk.AnthropicGoogleCloud, **settings)


def _mantle(app: App) -> Any:
    return app.client(sdk.AnthropicBedrockMantle, aws_region="us-east-1", api_key="canary")


def _both_ways(app: App, client: Any, **asked: Any) -> None:
    """Whole and streamed."""
    app.claude.answer(usage=PLAIN, times=2)
    app.saw(client.messages.create(**{**ASK, **asked}))
    with client.messages.stream(**{**ASK, **asked}) as events:
        app.saw(events.get_final_message())


@scenario(needs.foundry)
def foundry(app: App) -> Sequence[Expected]:
    _both_ways(app, _foundry(app))
    return [answered(served, PLAIN_COST, platform="foundry") for served in app.served]


@scenario(needs.foundry)
async def foundry_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN)
    async with app.async_client(sdk.AsyncAnthropicFoundry) as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[0], PLAIN_COST, platform="foundry")]


@scenario(needs.aws)
def aws(app: App) -> Sequence[Expected]:
    _both_ways(app, _aws(app))
    return [answered(served, PLAIN_COST, platform="claude_platform_aws") for served in app.served]


@scenario(needs.google_cloud)
def google_cloud(app: App) -> Sequence[Expected]:
    """The API itself behind Google's gateway: its list price holds."""
    _both_ways(app, _google_cloud(app))
    return [answered(served, PLAIN_COST, platform="google_cloud") for served in app.served]


@scenario(needs.mantle)
def mantle(app: App) -> Sequence[Expected]:
    _both_ways(app, _mantle(app), model=BEDROCK["model"])
    return [answered(served, PLAIN_COST, **ON_BEDROCK) for served in app.served]


@scenario(needs.mantle)
def mantle_by_a_name_that_does_not_say_where(app: App) -> Sequence[Expected]:
    """Sources disagree on what that costs, so nobody knows."""
    _both_ways(app, _mantle(app), model="anthropic.claude-opus-5-5")
    return [answered(served, None, cost_status="unknown", **ON_BEDROCK) for served in app.served]
