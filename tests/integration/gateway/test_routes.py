"""Messages: which function gets them, in which order, and what comes back."""

import asyncio
import json
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from gateway.clock import DrivenClock
from tests.integration.gateway.harness import ROUTES, Records, client, frame, raw, run, serving, until


@pytest.mark.parametrize(
    "text", ["hello", '{"action":"nobody knows"}', '["ping"]', '{"action":["ping"]}', "{}", '{"action":"$connect"}']
)
def test_what_names_no_route_goes_to_default(text: str) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            await ws.send(text)
            event = json.loads(await ws.recv())
            assert event["requestContext"]["routeKey"] == "$default"
            assert event["body"] == text

    run(scenario())


def test_a_message_event_is_api_gateways() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            await ws.send("a")
            await ws.send("b")
            first, second = json.loads(await ws.recv()), json.loads(await ws.recv())
            context = first["requestContext"]
            assert set(first) == {"requestContext", "body", "isBase64Encoded"}
            assert context["eventType"] == "MESSAGE"
            assert set(context) == {
                "routeKey",
                "messageId",
                "eventType",
                "extendedRequestId",
                "requestTime",
                "messageDirection",
                "stage",
                "connectedAt",
                "requestTimeEpoch",
                "identity",
                "requestId",
                "domainName",
                "connectionId",
                "apiId",
            }
            assert context["messageId"] != second["requestContext"]["messageId"]
            assert context["requestId"] != second["requestContext"]["requestId"]
            assert context["connectedAt"] == second["requestContext"]["connectedAt"]

    run(scenario())


def test_a_route_gets_its_message_and_its_body_goes_back() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            message = '{"action":"body","text":"Grüße 🔔"}'
            await ws.send(message)
            assert await ws.recv() == message

    run(scenario())


def test_no_body_means_no_frame(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, client(gateway) as ws:
            await ws.send('{"action":"record"}')
            await until(lambda: records.contexts("MESSAGE"), "the function ran")
            await ws.send('{"action":"body"}')
            assert await ws.recv() == '{"action":"body"}'

    run(scenario())


def test_a_mock_route_needs_no_function_and_does_not_wait_for_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            go = tmp_path / "go"
            await ws.send(json.dumps({"action": "wait_for_file", "file": str(go)}))
            await ws.send('{"action":"ping"}')
            assert json.loads(await ws.recv()) == {"type": "pong"}
            go.touch()
            assert await ws.recv() == "went on"

    run(scenario())


@pytest.mark.parametrize("action", ["fail", "no_status", "nothing", "not_json", "die"])
def test_a_function_that_fails_shows_as_api_gateways_error_frame(action: str) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            await ws.send(json.dumps({"action": action}))
            error = json.loads(await ws.recv())
            assert error["message"] == "Internal server error"
            assert set(error) == {"message", "connectionId", "requestId"}
            # The connection and the route before it go on.
            await ws.send("x")
            assert json.loads(await ws.recv())["requestContext"]["connectionId"] == error["connectionId"]

    run(scenario())


def test_a_function_slower_than_29_s_shows_as_an_error_frame() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, client(gateway) as ws:
            await ws.send('{"action":"sleep","seconds":60}')
            await until(lambda: gateway.functions_busy, "the function runs")
            clock.advance(28)
            await ws.send('{"action":"ping"}')
            assert json.loads(await ws.recv()) == {"type": "pong"}
            clock.advance(2)
            assert json.loads(await ws.recv())["message"] == "Internal server error"

    run(scenario())


def test_without_a_default_route_an_unknown_action_is_forbidden() -> None:
    async def scenario() -> None:
        routes = {key: route for key, route in ROUTES.items() if key != "$default"}
        async with serving(routes=routes) as gateway, client(gateway) as ws:
            await ws.send("hello")
            assert json.loads(await ws.recv())["message"] == "Forbidden"

    run(scenario())


def test_one_connections_messages_are_handled_in_order() -> None:
    async def scenario() -> None:
        async with serving(workers=2) as gateway, client(gateway) as ws:
            for number in range(40):
                await ws.send(json.dumps({"action": "echo_slowly_when_odd", "number": number}))
            assert [await ws.recv() for _ in range(40)] == [str(number) for number in range(40)]

    run(scenario())


def test_more_messages_than_may_wait_are_all_handled() -> None:
    """Beyond the limit the socket is not read; nothing is lost for it."""

    async def scenario() -> None:
        async with serving(limits={"pending_messages": 4}) as gateway, client(gateway) as ws:
            texts = [json.dumps({"action": "body", "number": number}) for number in range(300)]
            for text in texts:
                await ws.send(text)
            assert [await ws.recv() for _ in texts] == texts

    run(scenario())


def test_one_slow_connection_does_not_hold_up_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(workers=2) as gateway, client(gateway) as slow, client(gateway) as quick:
            go = tmp_path / "go"
            for _ in range(3):
                await slow.send(json.dumps({"action": "wait_for_file", "file": str(go)}))
            await until(lambda: gateway.functions_busy, "the slow function runs")
            await quick.send('{"action":"body"}')
            assert await quick.recv() == '{"action":"body"}'
            go.touch()
            assert [await slow.recv() for _ in range(3)] == ["went on"] * 3

    run(scenario())


def test_disconnect_comes_after_the_last_message(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway:
            async with client(gateway) as ws:
                for _ in range(20):
                    await ws.send('{"action":"record"}')
            await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            types = [event["requestContext"]["eventType"] for event in records.all()]
            assert types == ["CONNECT"] + ["MESSAGE"] * 20 + ["DISCONNECT"]

    run(scenario())


@pytest.mark.parametrize(
    ("closing", "code", "reason"),
    [
        (frame(8, (4001).to_bytes(2, "big") + b"enough"), 4001, "enough"),
        (frame(8, (1000).to_bytes(2, "big")), 1000, ""),
        (frame(8, b""), 1005, "Client-side close frame status not set"),
        (b"", 1006, "Abnormal closure"),
    ],
)
def test_disconnect_tells_how_the_client_left(closing: bytes, code: int, reason: str, records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway:
            async with raw(gateway) as socket:
                await socket.upgrade()
                socket.send(closing)
                if closing:
                    opcode, _, payload = await socket.read_frame()
                    assert opcode == 8
                    assert int.from_bytes(payload[:2], "big") == (code if code != 1005 else 1000)
                    assert await socket.reader.read() == b""
            (context,) = await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            assert context["disconnectStatusCode"] == code
            assert context["disconnectReason"] == reason
            assert context["routeKey"] == "$disconnect"

    run(scenario())


def test_fragments_become_one_message_and_pings_are_answered_between_them() -> None:
    async def scenario() -> None:
        async with serving() as gateway, raw(gateway) as socket:
            await socket.upgrade()
            socket.send(frame(1, b'{"action":', fin=False))
            socket.send(frame(9, b"are you there"))
            socket.send(frame(0, b"", fin=False) + frame(0, b'"ping"}'))
            assert await socket.read_frame() == (10, True, b"are you there")
            assert await socket.read_frame() == (1, True, b'{"type":"pong"}')

    run(scenario())


def test_messages_beyond_the_shared_rate_are_answered_so() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        limits = {"requests_per_s": 1, "requests_burst": 2}
        async with serving(clock=clock, limits=limits) as gateway, client(gateway) as ws:
            for _ in range(3):
                await ws.send('{"action":"ping"}')
            answers = [json.loads(await ws.recv()) for _ in range(3)]
            assert answers[:2] == [{"type": "pong"}] * 2
            assert answers[2]["message"] == "Too Many Requests"
            clock.advance(1)
            await ws.send('{"action":"ping"}')
            assert json.loads(await ws.recv()) == {"type": "pong"}

    run(scenario())


def test_a_route_response_over_the_message_limit_is_an_error() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            await ws.send('{"action":"large_body","size":131072}')
            assert len(await ws.recv()) == 131072
            await ws.send('{"action":"large_body","size":131073}')
            assert json.loads(await ws.recv())["message"] == "Internal server error"

    run(scenario())


def test_a_clean_stop_says_goodbye_and_tells_disconnect(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway:
            sockets = [await client(gateway) for _ in range(5)]
        for ws in sockets:
            with pytest.raises(ConnectionClosed) as end:
                await ws.recv()
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1001
        assert len(records.contexts("DISCONNECT")) == 5

    run(asyncio.wait_for(scenario(), 15))


def test_a_stop_does_not_wait_for_a_client_that_does_not_answer(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env, shutdown_s=0.1) as gateway, raw(gateway) as socket:
            await socket.upgrade()
            await until(lambda: gateway.connections, "it is open")
            await gateway.stop()
            opcode, _, payload = await socket.read_frame()
            assert (opcode, payload[:2]) == (8, (1001).to_bytes(2, "big"))
            assert await socket.rest() == b""

    run(scenario())


def test_a_connection_whose_function_is_busy_is_not_read_without_bound(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(limits={"pending_messages": 4}) as gateway, raw(gateway) as socket:
            await socket.upgrade()
            go = tmp_path / "go"
            message = json.dumps({"action": "wait_for_file", "file": str(go), "filler": "x" * 30_000}).encode()
            for _ in range(400):
                socket.send(frame(1, message))
            counts = [0]
            while counts[-1] == 0 or len(counts) < 50 or counts[-1] != counts[-50]:
                await asyncio.sleep(0.002)
                counts.append(gateway.status()["messages"])
            assert counts[-1] < 50
            go.touch()
            await until(lambda: gateway.status()["messages"] == 400, "the rest is read once the function goes on")

    run(scenario())
