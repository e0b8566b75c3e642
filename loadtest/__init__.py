"""Load tools: real clients, benchmarks and their reports."""
