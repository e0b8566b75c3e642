"""The upgrade: who is let in, what `$connect` sees, and what a refused client gets to know."""

import asyncio
import base64
import json

import pytest
from websockets.exceptions import InvalidStatus

from gateway.clock import DrivenClock
from tests.integration.gateway.harness import ROUTES, UPGRADE, Records, client, http, id_of, raw, run, serving, until


def test_connect_sees_api_gateways_event(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env, stage="prod", api_id="abc1234567", domain_name="ws.test") as gateway:
            before_ms = gateway.clock.time() * 1000
            headers = [("X-Twice", "a"), ("X-Twice", "b")]
            path = "/prod?token=t%201&list=1&list=2&empty="
            async with client(gateway, path, additional_headers=headers, user_agent_header="phone/1") as ws:
                connection_id = await id_of(ws)
            (event,) = [event for event in records.all() if event["requestContext"]["eventType"] == "CONNECT"]
            context = event["requestContext"]
            assert event["queryStringParameters"] == {"token": "t 1", "list": "2", "empty": ""}
            assert event["multiValueQueryStringParameters"]["list"] == ["1", "2"]
            assert event["headers"]["X-Twice"] == "b"
            assert event["multiValueHeaders"]["X-Twice"] == ["a", "b"]
            assert event["isBase64Encoded"] is False
            assert "body" not in event
            assert context["routeKey"] == "$connect"
            assert context["messageDirection"] == "IN"
            assert context["stage"] == "prod"
            assert context["apiId"] == "abc1234567"
            assert context["domainName"] == "ws.test"
            assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "phone/1"}
            assert context["connectionId"] == connection_id
            assert context["requestId"]
            assert context["extendedRequestId"]
            assert context["requestTime"].endswith(" +0000")
            assert before_ms - 1 <= context["connectedAt"] <= context["requestTimeEpoch"] < before_ms + 20_000

    run(scenario())


def test_ids_look_like_api_gateways_and_differ() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as one, client(gateway) as two:
            ids = {await id_of(one), await id_of(two)}
            assert len(ids) == 2
            for connection_id in ids:
                assert len(connection_id) == 16
                assert connection_id.endswith("=")
                assert len(base64.urlsafe_b64decode(connection_id)) == 11

    run(scenario())


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_connect_refuses_with_its_own_status(status: int, records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway:
            with pytest.raises(InvalidStatus) as refusal:
                await client(gateway, f"/?status={status}")
            assert refusal.value.response.status_code == status
            assert json.loads(refusal.value.response.body)["message"]
            async with client(gateway):
                pass
            await until(lambda: records.contexts("DISCONNECT"), "the other client's $disconnect")
        # A client that was refused was never connected: no $disconnect for it.
        assert len(records.contexts("DISCONNECT")) == 1

    run(scenario())


def test_a_refusal_carries_the_functions_body() -> None:
    async def scenario() -> None:
        async with serving() as gateway:
            with pytest.raises(InvalidStatus) as refusal:
                await client(gateway, "/?status=401&body=who+are+you")
            assert refusal.value.response.body == b"who are you"

    run(scenario())


def test_a_connect_function_that_fails_refuses_with_502() -> None:
    async def scenario() -> None:
        async with serving() as gateway:
            with pytest.raises(InvalidStatus) as refusal:
                await client(gateway, "/?raise=1")
            assert refusal.value.response.status_code == 502
            assert json.loads(refusal.value.response.body)["message"] == "Internal server error"

    run(scenario())


def test_a_connect_function_that_is_too_slow_refuses_with_504() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway:
            attempt = asyncio.ensure_future(client(gateway, "/?sleep=60").__aenter__())
            await until(lambda: gateway.functions_busy, "the function runs")
            clock.advance(29.5)
            with pytest.raises(InvalidStatus) as refusal:
                await attempt
            assert refusal.value.response.status_code == 504

    run(scenario())


def test_connect_chooses_the_subprotocol() -> None:
    async def scenario() -> None:
        async with serving() as gateway:
            offered = ["carillon.v1", "bearer.abc"]
            async with client(gateway, "/?subprotocol=carillon.v1", subprotocols=offered) as ws:
                assert ws.subprotocol == "carillon.v1"
            async with client(gateway, subprotocols=offered) as ws:
                assert ws.subprotocol is None

    run(scenario())


def test_a_function_cannot_write_headers_through_the_subprotocol() -> None:
    async def scenario() -> None:
        async with serving() as gateway:
            with pytest.raises(InvalidStatus) as refusal:
                await client(gateway, "/?subprotocol=a%0d%0aX-Evil:%201")
            assert refusal.value.response.status_code == 502
            assert "X-Evil" not in refusal.value.response.headers

    run(scenario())


def test_without_a_connect_route_everybody_may_come_in() -> None:
    async def scenario() -> None:
        routes = {key: route for key, route in ROUTES.items() if key != "$connect"}
        async with serving(routes=routes) as gateway, client(gateway) as ws:
            await ws.send('{"action":"ping"}')
            assert json.loads(await ws.recv()) == {"type": "pong"}

    run(scenario())


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        (UPGRADE.replace(b"GET", b"POST"), 426),
        (UPGRADE.replace(b"Version: 13", b"Version: 8"), 426),
        (UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="), 400),
        (UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"!"), 400),
        (UPGRADE.replace(b"GET / ", b"GET /another-stage "), 403),
        (b"nonsense\r\n\r\n", 400),
        (UPGRADE.replace(b"Host: ", b"X: " + b"x" * 17_000 + b"\r\nHost: "), 431),
    ],
)
def test_what_is_no_upgrade_is_refused(request_bytes: bytes, status: int) -> None:
    async def scenario() -> None:
        async with serving() as gateway, raw(gateway) as socket:
            head = await socket.upgrade(request_bytes)
            assert head.startswith(f"HTTP/1.1 {status} ".encode())

    run(scenario())


def test_a_firefox_style_upgrade_in_pieces_with_an_early_frame_is_served() -> None:
    """`Connection: keep-alive, Upgrade`, byte by byte, with the first message already behind the request."""

    async def scenario() -> None:
        async with serving() as gateway, raw(gateway) as socket:
            # {"action":"ping"}, masked with zeros
            early = b"\x81\x91\0\0\0\0" + b'{"action":"ping"}'
            for byte in UPGRADE:
                socket.send(bytes([byte]))
            socket.send(early)
            head = await socket.upgrade(b"")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455's own example
            assert await socket.read_frame() == (1, True, b'{"type":"pong"}')

    run(scenario())


def test_a_socket_that_sends_no_request_is_closed() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, raw(gateway) as socket:
            await until(lambda: gateway.http_sockets, "the socket is accepted")
            clock.advance(12)
            assert await socket.reader.read() == b""

    run(scenario())


def test_a_client_that_leaves_while_connect_decides_gets_its_disconnect(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway:
            async with raw(gateway) as socket:
                socket.send(UPGRADE.replace(b"GET / ", b"GET /?sleep=0.1 "))
                await until(lambda: records.contexts("CONNECT"), "$connect runs")
            (context,) = await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            assert context["connectionId"] == records.contexts("CONNECT")[0]["connectionId"]
            assert context["disconnectStatusCode"] == 1006

    run(scenario())


def test_new_connections_beyond_the_rate_get_429() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        limits = {"connects_per_s": 2, "connects_burst": 3}
        async with serving(clock=clock, limits=limits) as gateway:
            for _ in range(3):
                async with client(gateway):
                    pass
            with pytest.raises(InvalidStatus) as refusal:
                await client(gateway)
            assert refusal.value.response.status_code == 429
            clock.advance(1.0)
            for _ in range(2):
                async with client(gateway):
                    pass
            with pytest.raises(InvalidStatus):
                await client(gateway)

    run(scenario())


def test_a_connection_is_gone_for_posts_until_connect_has_answered(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, http(gateway) as callbacks:
            attempt = asyncio.ensure_future(client(gateway, "/?sleep=0.2").__aenter__())
            await until(lambda: records.contexts("CONNECT"), "$connect runs")
            connection_id = records.contexts("CONNECT")[0]["connectionId"]
            assert (await callbacks.post(connection_id, b"early")).status == 410
            ws = await attempt
            assert (await callbacks.post(connection_id, b"in time")).status == 200
            assert await ws.recv() == "in time"
            await ws.close()

    run(scenario())
