"""What several metrics ask of a call, as SQL on a row of `calls`."""

# The application chose when a cancelled call ended, so that its duration and outcome say nothing about the API.
ENDED = "status IN ('ok', 'error')"
TIMED = f"({ENDED} AND duration_ms IS NOT NULL)"
STREAMED = f"({ENDED} AND (stream IS TRUE OR ttft_ms IS NOT NULL))"

# What is known not to be billed is missing from no sum: a refused call costs nothing, and has used nothing.
MAY_COST = "(cost_usd IS NOT NULL OR billed IS DISTINCT FROM FALSE)"
MAY_USE = "(input_tokens IS NOT NULL OR output_tokens IS NOT NULL OR billed IS DISTINCT FROM FALSE)"

NO_PRICE = "cost_usd IS NULL"
WHOLE_PRICE = "cost_usd IS NOT NULL AND cost_status IS DISTINCT FROM 'partial'"

# HUGEINT, so that one absurd count in a span cannot make the sum overflow and every page fail.
INPUT = "(input_tokens::HUGEINT + coalesce(cache_read_tokens, 0)::HUGEINT + coalesce(cache_write_tokens, 0)::HUGEINT)"
"""Input of every kind; NULL when the uncached input is not known."""
TOTAL = f"(coalesce({INPUT}, 0) + coalesce(output_tokens, 0)::HUGEINT)"
HAS_USAGE = "(input_tokens IS NOT NULL OR output_tokens IS NOT NULL)"

NO_PRICE_THOUGH_USED = f"({MAY_COST} AND {NO_PRICE} AND {HAS_USAGE})"
"""The calls whose price is what is missing, as SQL."""
