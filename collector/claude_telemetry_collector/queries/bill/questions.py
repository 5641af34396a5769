"""What both sides are asked, as SQL. Days are bound as `$since` and `$until`, in microseconds since 1970.

Our side spreads each call to the models and kinds of token that it is billed by.
"""

from __future__ import annotations

import json

from claude_telemetry_collector.queries.bill.kinds import BY_LINE, NO_PLACE, SEARCHES
from claude_telemetry_collector.queries.window import COUNTED, MODEL

_WITHIN = "{0} >= make_timestamp($since) AND {0} < make_timestamp($until)"

# Read all at once: the lines one by one would take twice as long as all the rest.
_LINES_SHAPE = json.dumps(dict.fromkeys(BY_LINE, "DECIMAL(18,12)"))

_LINES = tuple(BY_LINE)

# Anthropic's rule for cache writes without their lifetime (docs/pricing.md): the only one seen, else 5 minutes.
_FIVE = "CASE WHEN {hour} > 0 AND {five} = 0 THEN {five} ELSE {five} + greatest({all} - {five} - {hour}, 0) END"
_HOUR = "CASE WHEN {hour} > 0 AND {five} = 0 THEN {hour} + greatest({all} - {five} - {hour}, 0) ELSE {hour} END"


def _writes(rule: str) -> str:
    return rule.format(five="five", hour="hour", all="written")


def _of_usage(name: str, usage: str = "part") -> str:
    return f"coalesce(try_cast({usage} ->> '$.{name}' AS BIGINT), 0)"


def _split(name: str) -> str:
    """The column where the record could tell the parts apart, else what the answer said."""
    told = "cache_write_5m_tokens IS NULL AND cache_write_1h_tokens IS NULL AND cache_write_tokens > 0"
    said = _of_usage(f"cache_creation.ephemeral_{name}_input_tokens", "usage")
    return f"CASE WHEN {told} THEN {said} ELSE coalesce(cache_write_{name}_tokens, 0) END"


# Most answers are one request, and their columns say all. JSON is read for the others only: a million answers take a
# second then, and not half a minute.
TOLD = f"""
WITH asked AS (
    SELECT started_at::DATE AS day, {MODEL} AS asked_model, coalesce(service_tier, 'standard') AS asked_tier, *,
        CASE WHEN api_key_alias IN (SELECT api_key_id FROM billed_usage) THEN api_key_alias END AS api_key,
        hops IS NOT NULL OR CASE WHEN contains(usage::VARCHAR, '"iterations"')
            THEN coalesce(json_array_length(usage, '$.iterations'), 0) > 0 ELSE FALSE END AS several
    FROM calls
    WHERE {COUNTED} AND {_WITHIN.format("started_at")} AND platform IN ('anthropic', 'claude_platform_aws')
        AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL OR hops IS NOT NULL)
        AND (started_at >= make_timestamp($first_day) OR service_tier = 'batch')
),
plain AS (
    SELECT platform, day, asked_model AS model, asked_tier AS tier, coalesce(speed, 'standard') AS speed,
        inference_geo AS geo, workspace_id AS workspace, api_key, billed IS FALSE AS free, NULL::VARCHAR AS refusal,
        cost_status = 'priced' AND cost_breakdown IS NOT NULL AS priced,
        from_json(cost_breakdown, '{_LINES_SHAPE}') AS lines,
        coalesce(input_tokens, 0) AS input, coalesce(output_tokens, 0) AS output,
        coalesce(cache_read_tokens, 0) AS cache_read, coalesce(cache_write_tokens, 0) AS written,
        {_split("5m")} AS five, {_split("1h")} AS hour, coalesce(web_search_requests, 0) AS web_search
    FROM asked WHERE NOT several
),
answers AS (
    SELECT * EXCLUDE (usage, speed), unnest(CASE WHEN hops IS NULL THEN [{{'model': asked_model, 'usage': usage,
            'cost_usd': NULL::VARCHAR}}] ELSE from_json(hops, '[{{"model": "VARCHAR", "usage": "JSON",
            "cost_usd": "VARCHAR"}}]') END) AS answer, speed AS asked_speed
    FROM asked WHERE several
),
listed AS (
    SELECT *, coalesce(answer.model, asked_model) AS answered, answer.usage AS usage,
        CASE WHEN coalesce(json_array_length(answer.usage, '$.iterations'), 0) > 0
            THEN from_json(answer.usage -> '$.iterations', '["JSON"]') ELSE [answer.usage] END AS parts
    FROM answers WHERE answer.usage IS NOT NULL
),
numbered AS (
    SELECT *, unnest(parts) AS part, unnest(range(1, len(parts) + 1)) AS place,
        list_filter(parts, lambda p: p ->> '$.type' = 'fallback_message')[-1] AS served
    FROM listed
),
named AS (
    SELECT *, coalesce(part ->> '$.model', answered) AS part_model, coalesce(part ->> '$.type', '') AS type,
        {_of_usage("output_tokens")} AS output,
        coalesce(served ->> '$.model', answered) AS served_model
    FROM numbered
),
taken_apart AS (
    SELECT platform, day, part_model AS model,
        CASE WHEN asked_tier = 'batch' THEN 'batch' ELSE coalesce(usage ->> '$.service_tier', asked_tier) END AS tier,
        coalesce(usage ->> '$.speed', asked_speed, 'standard') AS speed,
        coalesce(usage ->> '$.inference_geo', inference_geo) AS geo, workspace_id AS workspace, api_key,
        billed IS FALSE OR coalesce(try_cast(answer.cost_usd AS DECIMAL(18, 12)) = 0, FALSE) AS free,
        CASE WHEN served IS NULL OR output > 0 THEN NULL
            WHEN type = 'message' AND part_model <> served_model
                THEN coalesce(json_extract_string(declined, '$."' || part_model || '"'), '')
            WHEN type = 'fallback_message' AND place = len(parts) THEN coalesce(refusal_category, '')
        END AS refusal,
        FALSE AS priced, NULL AS lines,
        {_of_usage("input_tokens")} AS input, output, {_of_usage("cache_read_input_tokens")} AS cache_read,
        {_of_usage("cache_creation_input_tokens")} AS written,
        {_of_usage("cache_creation.ephemeral_5m_input_tokens")} AS five,
        {_of_usage("cache_creation.ephemeral_1h_input_tokens")} AS hour,
        CASE WHEN place = 1 THEN {_of_usage("server_tool_use.web_search_requests", "usage")} ELSE 0 END AS web_search
    FROM named
),
split AS (
    SELECT *, {_writes(_FIVE)} AS cache_write_5m, {_writes(_HOUR)} AS cache_write_1h
    FROM (SELECT * FROM plain UNION ALL SELECT * FROM taken_apart)
)
SELECT day, platform, model, tier, speed, geo, workspace, api_key, free, refusal,
    {", ".join(f"sum({line}::HUGEINT) AS {line}" for line in _LINES)},
    {", ".join(f"sum({line}::HUGEINT) FILTER (WHERE priced) AS priced_{line}" for line in _LINES)},
    {", ".join(f"sum(lines.{line}) FILTER (WHERE priced) AS {line}_usd" for line in _LINES)}
FROM split GROUP BY ALL
"""  # noqa: S608 - names from here, values bound

CALLS = f"""
SELECT started_at::DATE AS day, platform, count(*) AS calls,
    count(*) FILTER (WHERE billed IS DISTINCT FROM FALSE AND input_tokens IS NULL AND output_tokens IS NULL
        AND hops IS NULL) AS usage_unknown,
    count(*) FILTER (WHERE usage_partial IS TRUE AND (input_tokens IS NOT NULL OR hops IS NOT NULL)) AS usage_partial,
    count(*) FILTER (WHERE input_tokens IS NOT NULL
        AND (started_at + to_milliseconds(least(coalesce(duration_ms, 0), 86400000)))::DATE > started_at::DATE)
        AS over_midnight,
    count(*) FILTER (WHERE service_tier = 'priority') AS priority,
    count(*) FILTER (WHERE code_execution_requests > 0) AS ran_code,
    list(DISTINCT organization_id) FILTER (WHERE organization_id IS NOT NULL) AS organizations
FROM calls WHERE {COUNTED} AND {_WITHIN.format("started_at")} GROUP BY ALL ORDER BY ALL
"""  # noqa: S608

USAGE = f"""
SELECT family, starting_at::DATE AS day, model, token_type AS kind, coalesce(service_tier, 'standard') AS tier,
    coalesce(speed, 'standard') AS speed, coalesce(inference_geo, '{NO_PLACE}') AS geo, context_window,
    workspace_id AS workspace, api_key_id AS api_key, sum(amount)::BIGINT AS tokens
FROM billed_usage WHERE {_WITHIN.format("starting_at")} GROUP BY ALL HAVING sum(amount) > 0
"""  # noqa: S608

MONEY = f"""
SELECT family, starting_at::DATE AS day, model, CASE WHEN cost_type = 'web_search' THEN '{SEARCHES}' ELSE token_type
    END AS kind, cost_type, service_tier AS tier, speed, inference_geo AS geo, context_window,
    workspace_id AS workspace, sum(amount_usd)::DECIMAL(38, 12) AS amount_usd,
    CASE WHEN count(list_usd) = count(*) THEN sum(list_usd)::DECIMAL(38, 12) END AS list_usd
FROM billed_costs WHERE {_WITHIN.format("starting_at")} AND currency = 'USD' GROUP BY ALL
"""  # noqa: S608

DAYS = f"""
SELECT family, day, refreshed_at, fetched_at FROM billed_days
WHERE {_WITHIN.format("day")} ORDER BY day, family
"""  # noqa: S608
