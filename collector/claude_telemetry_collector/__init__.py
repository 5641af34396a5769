"""Receives calls over OTLP, lands them in DuckDB exactly once, and watches them."""
