"""The HTTP API: parse, call one flow function, shape the answer. The same app runs on ECS and on one machine."""
