from pathlib import Path
from typing import Any

import pytest

from gateway.config import ConfigError, GatewayConfig, Limits, Route, from_document, from_file


def test_defaults_are_api_gateways_quotas() -> None:
    limits = from_document({}).limits
    assert (limits.frame_bytes, limits.message_bytes) == (32_768, 131_072)
    assert (limits.idle_s, limits.life_s) == (600, 7200)
    assert (limits.connects_per_s, limits.requests_per_s, limits.requests_burst) == (500, 10_000, 5_000)
    assert limits.integration_timeout_s == 29


def test_a_whole_document_is_understood() -> None:
    config = from_document(
        {
            "ws_port": 8081,
            "ws_port_variable": "WS_PORT",
            "stage": "prod",
            "routes": {
                "$connect": {"function": "a.b.handler"},
                "ping": {"mock": {"body": {"type": "pong"}}},
                "hello": {"mock": {"body": "text"}},
            },
            "limits": {"idle_s": 5, "frame_bytes": 10},
            "workers": 3,
            "worker_env": {"A": "b"},
            "preload": ["a.b"],
            "faults": True,
        }
    )
    assert config == GatewayConfig(
        ws_port=8081,
        ws_port_variable="WS_PORT",
        stage="prod",
        routes={
            "$connect": Route(function="a.b.handler"),
            "ping": Route(mock='{"type":"pong"}'),
            "hello": Route(mock="text"),
        },
        limits=Limits(idle_s=5, frame_bytes=10),
        workers=3,
        worker_env={"A": "b"},
        preload=("a.b",),
        faults=True,
    )


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ([], "JSON object"),
        ({"port": 1}, "port"),
        ({"ws_port": "8081"}, "ws_port"),
        ({"ws_port": -1}, "ws_port"),
        ({"ws_port": True}, "ws_port"),
        ({"host": 1}, "host"),
        ({"faults": "yes"}, "faults"),
        ({"workers": 0}, "workers"),
        ({"limits": {"idle": 1}}, "limits.idle"),
        ({"limits": {"idle_s": "ten"}}, "limits.idle_s"),
        ({"limits": []}, "limits"),
        ({"worker_env": {"A": 1}}, "worker_env"),
        ({"preload": "a.b"}, "preload"),
        ({"routes": {"x": {}}}, "routes['x']"),
        ({"routes": {"x": {"function": "a.b", "mock": {"body": ""}}}}, "routes['x']"),
        ({"routes": {"x": {"function": 1}}}, "routes['x']"),
        ({"routes": {"x": {"mock": {}}}}, "routes['x']"),
    ],
)
def test_what_cannot_be_used_is_named(document: Any, named: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        from_document(document)
    assert named in str(refusal.value)


def test_a_file_that_is_missing_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        from_file(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="not JSON"):
        from_file(broken)
