"""The AWS SDK, pointed at the gateway, behaves as against AWS."""

import asyncio
import json
from datetime import datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config

from gateway.server import Gateway
from tests.integration.gateway.harness import UNKNOWN_ID, client, http, id_of, run, serving


def _sdk(gateway: Gateway) -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=f"http://127.0.0.1:{gateway.callback_port}/local",
        region_name="us-east-1",
        aws_access_key_id="local_key-1",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def test_the_sdk_posts_asks_and_deletes() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            sdk = _sdk(gateway)
            connection_id = await id_of(ws)
            await asyncio.to_thread(sdk.post_to_connection, ConnectionId=connection_id, Data=b"from the SDK")
            assert await ws.recv() == "from the SDK"
            about = await asyncio.to_thread(sdk.get_connection, ConnectionId=connection_id)
            assert isinstance(about["ConnectedAt"], datetime)
            assert about["LastActiveAt"] >= about["ConnectedAt"]
            assert about["Identity"]["SourceIp"] == "127.0.0.1"
            await asyncio.to_thread(sdk.delete_connection, ConnectionId=connection_id)
            await ws.wait_closed()
            with pytest.raises(sdk.exceptions.GoneException):
                await asyncio.to_thread(sdk.post_to_connection, ConnectionId=connection_id, Data=b"x")
            sdk.close()

    run(scenario())


def test_the_sdk_knows_every_refusal_by_name() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            sdk = _sdk(gateway)
            connection_id = await id_of(ws)

            async def post(target: str, data: bytes) -> None:
                await asyncio.to_thread(sdk.post_to_connection, ConnectionId=target, Data=data)

            with pytest.raises(sdk.exceptions.GoneException):
                await post(UNKNOWN_ID, b"x")
            with pytest.raises(sdk.exceptions.PayloadTooLargeException):
                await post(connection_id, b"x" * 131_073)
            await callbacks.ask("POST", "/_faults", json.dumps({"limit_next": 1}).encode())
            with pytest.raises(sdk.exceptions.LimitExceededException):
                await post(connection_id, b"x")
            sdk.close()

    run(scenario())
