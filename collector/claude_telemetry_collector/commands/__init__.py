"""The commands beside `claude-telemetry collect`: one module each, with a `main` that reads its own arguments."""
