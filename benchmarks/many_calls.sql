-- The rows of `many_calls`: from a number, a seed and a salt comes everything that a call is. `features`, `days` and
-- `hours` are tables that the module makes before.

-- Of one number, since DuckDB's hash of several differs in the same bits whenever one of them does.
CREATE OR REPLACE TEMP MACRO drawn(i, salt) AS hash(getvariable('seed')::BIGINT + i * 4096 + salt);

CREATE OR REPLACE TEMP MACRO chance(i, salt) AS (drawn(i, salt) >> 11)::DOUBLE / 9007199254740992.0;

-- By Box and Muller: a normal number from two even ones.
CREATE OR REPLACE TEMP MACRO normal(i, salt) AS
    sqrt(-2 * ln(chance(i, salt) + 1e-12)) * cos(2 * pi() * chance(i, salt + 1000));

CREATE OR REPLACE TEMP MACRO hex(i, salt, digits) AS lower(lpad(to_hex(drawn(i, salt)), digits, '0'));

CREATE OR REPLACE TEMP MACRO usd(picodollars) AS
    CAST(picodollars * 0.000000000001::DECIMAL(13, 12) AS DECIMAL(18, 12))::VARCHAR;

-- A table of its own, so that DuckDB sees how long it is, lets the short ones come to it, and keeps its order.
CREATE OR REPLACE TEMP MACRO placed(from_hour, to_hour) AS TABLE
    SELECT i, hour::DATE AS day, trouble,
        hour + to_microseconds(((i - first + chance(i, 1)) / calls * 3600000000)::BIGINT) AS started_at,
        (chance(i, 2) * 1000)::INTEGER % 1000 AS slot
    FROM (
        SELECT unnest(range(first, first + calls)) AS i, hour, first, calls, trouble
        FROM hours WHERE hour >= from_hour AND hour < to_hour
    );

CREATE OR REPLACE TEMP TABLE placed_calls (
    i BIGINT, day DATE, trouble DOUBLE, started_at TIMESTAMP, slot INTEGER
);

CREATE OR REPLACE TEMP MACRO made_up() AS TABLE
    WITH labelled AS (
        SELECT placed.*, features.*, CASE
                WHEN chance(i, 3) < 0.0004 THEN 'claude-unheard-of'
                WHEN chance(i, 3) < 0.12 THEN days.older ELSE days.newer
            END AS asked_model,
            CASE WHEN chance(i, 4) < 0.92 THEN 'production' WHEN chance(i, 4) < 0.98 THEN 'staging' ELSE 'development' END
                AS environment,
            'user-' || lpad((50000 * pow(chance(i, 5), 2.5))::INTEGER::VARCHAR, 5, '0') AS user_id,
            1 + date_diff('day', DATE '2026-01-01', placed.day) // (20 + 3 * number) AS version,
            chance(i, 6) AS luck, chance(i, 7) < stream_share AS stream, chance(i, 8) < batch_share AS batch
        FROM placed_calls AS placed JOIN features USING (slot)
        JOIN days ON days.day = placed.day AND days.tier = features.tier
    ), outcomes AS (
        SELECT *, CASE
                WHEN luck < 0.004 THEN 'cancelled' WHEN luck < 0.004 + trouble THEN 'error' ELSE 'ok'
            END AS status,
            chance(i, 9) AS fate, CASE WHEN chance(i, 10) < 0.03 + 2 * trouble THEN 2 + (chance(i, 11) < 0.2)::INTEGER ELSE 1
            END AS attempts
        FROM labelled
    ), used AS (
        SELECT *, CASE WHEN status <> 'error' THEN NULL WHEN fate < 0.42 THEN 'overloaded_error'
                WHEN fate < 0.72 THEN 'rate_limit_error' WHEN fate < 0.82 THEN 'api_error'
                WHEN fate < 0.92 THEN 'APITimeoutError' WHEN fate < 0.97 THEN 'invalid_request_error'
                ELSE 'APIConnectionError' END AS error_type,
            status = 'ok' OR (status = 'cancelled' AND stream) AS answered,
            (input_middle * exp(0.7 * normal(i, 20)))::BIGINT + 12 AS plain_input,
            least((output_middle * exp(0.8 * normal(i, 21)))::BIGINT + 3, 16000) AS plain_output,
            CASE WHEN prefix_tokens = 0 THEN 'none' WHEN chance(i, 12) < 0.83 THEN 'read'
                WHEN chance(i, 12) < 0.96 THEN 'write' ELSE 'none' END AS cached
        FROM outcomes
    ), counted AS (
        SELECT *,
            CASE WHEN answered THEN plain_input + CASE WHEN cached = 'none' THEN prefix_tokens ELSE 0 END END AS input_tokens,
            CASE WHEN answered THEN CASE WHEN cached = 'read' THEN prefix_tokens ELSE 0 END END AS cache_read_tokens,
            CASE WHEN answered THEN CASE WHEN cached = 'write' THEN prefix_tokens ELSE 0 END END AS cache_write_tokens,
            CASE WHEN answered THEN CASE WHEN status = 'ok' THEN plain_output ELSE plain_output // 3 END END AS output_tokens,
            CASE WHEN chance(i, 13) < tool_share THEN 'tool_use' WHEN plain_output >= 16000 OR chance(i, 13) > 0.985
                THEN 'max_tokens' WHEN chance(i, 13) > 0.983 THEN 'refusal' ELSE 'end_turn' END AS ending,
            CASE WHEN batch THEN 1 ELSE 2 END AS halves
        FROM used
    ), priced AS (
        SELECT counted.*, rates.model IS NOT NULL AS has_price,
            -- Picodollars, in halves, since a batch costs half.
            (input_tokens * input_rate * halves) // 2 AS input_cost,
            (cache_read_tokens * cache_read_rate * halves) // 2 AS read_cost,
            (cache_write_tokens * CASE WHEN long_lived THEN cache_write_1h_rate ELSE cache_write_5m_rate END * halves) // 2
                AS write_cost,
            (output_tokens * output_rate * halves) // 2 AS output_cost,
            (250 + prefix_tokens / 60 + plain_input / 25) * slowness * exp(0.35 * normal(i, 22)) AS first_ms,
            plain_output * token_ms * slowness * exp(0.2 * normal(i, 23)) AS rest_ms
        FROM counted LEFT JOIN rates ON rates.model = counted.asked_model AND rates.day = counted.day
    )
    SELECT *,
        CASE WHEN answered AND has_price THEN input_cost + read_cost + write_cost + output_cost
            WHEN error_type NOT IN ('APITimeoutError', 'APIConnectionError') THEN 0 END AS picodollars,
        -- When a batch's item began nobody knows.
        CASE WHEN NOT batch THEN (
            CASE WHEN error_type = 'APITimeoutError' THEN 60000 WHEN status = 'error' THEN 80 + 400 * chance(i, 14)
                ELSE first_ms + rest_ms END + (attempts - 1) * (600 + 1500 * chance(i, 15))
        )::BIGINT END AS duration_ms,
        hex(i, 30, 16) || hex(i, 31, 16) AS trace_id, hex(i, 32, 16) AS span_id
    FROM priced;
