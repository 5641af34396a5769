-- The rows of `many_calls`, each table's from the `lot` that was just made up.

INSERT INTO calls BY NAME SELECT
    started_at, duration_ms, CASE WHEN stream AND answered THEN least(first_ms, duration_ms)::BIGINT END AS ttft_ms,
    CASE WHEN stream AND answered THEN (first_ms * 0.9)::BIGINT END AS first_event_ms,
    service, environment, 'anthropic' AS provider, 'anthropic' AS platform, 'chat' AS operation,
    asked_model AS request_model, CASE WHEN answered THEN asked_model END AS model, status, error_type,
    CASE status WHEN 'ok' THEN 200 WHEN 'error' THEN CASE error_type WHEN 'overloaded_error' THEN 529
        WHEN 'rate_limit_error' THEN 429 WHEN 'api_error' THEN 500 WHEN 'invalid_request_error' THEN 400 END END
        AS http_status,
    'req_01' || hex(i, 33, 16) AS request_id, CASE WHEN answered THEN 'msg_01' || hex(i, 34, 16) END AS message_id,
    trace_id, span_id, input_tokens, cache_read_tokens, cache_write_tokens,
    CASE WHEN long_lived THEN 0 ELSE cache_write_tokens END AS cache_write_5m_tokens,
    CASE WHEN long_lived THEN cache_write_tokens ELSE 0 END AS cache_write_1h_tokens, output_tokens,
    CASE WHEN tier = 'best' THEN output_tokens // 3 END AS thinking_tokens, status = 'cancelled' AS usage_partial,
    CAST(picodollars * 0.000000000001::DECIMAL(13, 12) AS DECIMAL(18, 12)) AS cost_usd, cost_usd AS net_cost_usd,
    CASE WHEN picodollars IS NULL THEN 'unknown' WHEN status = 'cancelled' THEN 'partial' ELSE 'priced' END
        AS cost_status,
    CASE WHEN picodollars > 0 THEN format('{{"input":"{}","output":"{}","cache_read":"{}","cache_write_{}":"{}"}}',
        usd(input_cost), usd(output_cost), usd(read_cost), CASE WHEN long_lived THEN '1h' ELSE '5m' END, usd(write_cost))
        END AS cost_breakdown,
    CASE WHEN answered AND NOT has_price THEN 'model_unknown' WHEN picodollars IS NULL THEN 'tokens_unknown' END
        AS cost_flags,
    getvariable('version') AS price_version,
    CASE WHEN answered THEN true WHEN error_type IN ('APITimeoutError', 'APIConnectionError') THEN NULL ELSE false END
        AS billed,
    CASE WHEN status = 'ok' THEN ending END AS stop_reason, CASE WHEN ending = 'refusal' THEN 'cyber' END
        AS refusal_category,
    CASE WHEN plain_output < 1000 THEN 1024 ELSE 16000 END AS max_tokens,
    CASE WHEN tool_share > 0 THEN NULL ELSE 0.7 END AS temperature,
    CASE WHEN tier = 'best' THEN 'adaptive' END AS thinking, (1 + 8 * chance(i, 40))::BIGINT AS message_count,
    CASE WHEN tool_share > 0 THEN 6 ELSE 0 END AS tool_count, stream,
    CASE WHEN stream THEN CASE status WHEN 'ok' THEN 'read' WHEN 'cancelled' THEN 'cancelled' ELSE 'cut' END END
        AS stream_end,
    attempts, CASE WHEN answered THEN CASE WHEN batch THEN 'batch' ELSE 'standard' END END AS service_tier,
    CASE WHEN answered THEN 'global' END AS inference_geo, 'org_made_up' AS organization_id,
    CASE environment WHEN 'production' THEN 'wrkspc_production' ELSE 'wrkspc_rest' END AS workspace_id, user_id,
    user_id || '-' || day || '-' || (chance(i, 41) * 2)::INTEGER AS session_id, feature, prompt_name,
    CASE WHEN prompt_name IS NOT NULL THEN 'v' || version END AS prompt_version,
    hex(number * 1000 + version, 42, 16) AS prompt_fingerprint, hex(number * 1000 + version, 43, 16)
        AS system_fingerprint, CASE WHEN tool_share > 0 THEN hex(number, 44, 16) END AS tools_fingerprint,
    CASE WHEN prefix_tokens > 0 THEN hex(number * 1000 + version, 45, 16) END AS cache_fingerprints, tenant,
    service || '-key' AS api_key_alias,
    CASE WHEN chance(i, 46) < 0.6 THEN format('{{"plan":"{}","shard":"{}"}}',
        CASE WHEN chance(i, 47) < 0.7 THEN 'free' WHEN chance(i, 47) < 0.95 THEN 'team' ELSE 'enterprise' END, i % 8) END
        AS tags,
    CASE WHEN feature = 'research-agent' THEN 'langgraph' END AS framework,
    CASE WHEN feature = 'research-agent' THEN 'research' END AS run_name,
    CASE WHEN batch THEN 'msgbatch_01' || hex(epoch(date_trunc('hour', started_at))::BIGINT * 100 + number, 48, 16) END
        AS batch_id, CASE WHEN batch THEN 'item-' || i END AS custom_id,
    CASE WHEN answered THEN format('{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},'
        '"cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}},"output_tokens":{},'
        '"service_tier":"{}","inference_geo":"global"}}', input_tokens, cache_write_tokens, cache_read_tokens,
        CASE WHEN long_lived THEN 0 ELSE cache_write_tokens END, CASE WHEN long_lived THEN cache_write_tokens ELSE 0 END,
        output_tokens, CASE WHEN batch THEN 'batch' ELSE 'standard' END) END AS usage,
    CASE WHEN attempts = 1 AND NOT batch THEN 1500 END AS lone_attempt_after_us,
    CASE WHEN attempts = 1 AND NOT batch THEN least(first_ms, duration_ms)::BIGINT END AS lone_attempt_ms,
    'claude_telemetry' AS source, true AS whole,
    started_at + to_milliseconds(coalesce(duration_ms, 60000) + 1000) AS received_at
FROM lot;

-- A lone attempt stands in its call's row.
INSERT INTO attempt_rows BY NAME SELECT trace_id, span_id, attempt, sent_at AS started_at,
    CASE WHEN attempt = attempts - 1 THEN first_ms ELSE 300 END::BIGINT AS duration_ms,
    CASE WHEN attempt < attempts - 1 THEN 529 WHEN status = 'ok' THEN 200 WHEN error_type = 'rate_limit_error' THEN 429
        WHEN error_type = 'overloaded_error' THEN 529 WHEN error_type = 'api_error' THEN 500
        WHEN error_type = 'invalid_request_error' THEN 400 END AS http_status,
    CASE WHEN attempt < attempts - 1 THEN 'overloaded_error' ELSE error_type END AS error_type,
    'req_01' || hex(i * 10 + attempt, 33, 16) AS request_id, CASE WHEN attempt > 0 THEN 900 END AS wait_ms,
    CASE WHEN attempt < attempts - 1 AND chance(i, 60) < 0.3 THEN 2000 END AS retry_after_ms
FROM (SELECT *, unnest(range(attempts)) AS attempt, started_at + to_milliseconds(attempt * 1200) AS sent_at
      FROM lot WHERE attempts > 1);

INSERT INTO tool_uses BY NAME SELECT trace_id, span_id, position, 'toolu_01' || hex(i * 10 + position, 50, 16)
    AS tool_use_id, ['search', 'read_file', 'write_file', 'run_tests', 'lookup_order', 'extract'][
        1 + (6 * chance(i * 10 + position, 51))::INTEGER % 6] AS name, 'tool_use' AS type
FROM (SELECT *, unnest(range(1 + (chance(i, 52) < 0.2)::INTEGER)) AS position
      FROM lot WHERE status = 'ok' AND ending = 'tool_use');

INSERT INTO tool_runs BY NAME SELECT started_at + to_milliseconds(coalesce(duration_ms, 60000) + 20) AS started_at,
    (40 * exp(1.2 * normal(i, 53)))::BIGINT AS duration_ms, service, environment,
    ['search', 'read_file', 'write_file', 'run_tests', 'lookup_order', 'extract'][
        1 + (6 * chance(i * 10, 51))::INTEGER % 6] AS name, 'toolu_01' || hex(i * 10, 50, 16) AS tool_use_id,
    CASE WHEN chance(i, 54) < 0.04 THEN 'error' ELSE 'ok' END AS outcome,
    CASE WHEN chance(i, 54) < 0.04 THEN 'TimeoutError' END AS error_type, trace_id, hex(i, 55, 16) AS span_id,
    trace_id AS asked_by_trace_id, span_id AS asked_by_span_id, user_id, feature, 'claude_telemetry' AS source,
    started_at + to_milliseconds(coalesce(duration_ms, 60000) + 1000) AS received_at
FROM lot WHERE status = 'ok' AND ending = 'tool_use' AND i % 4 = 0;
