"""API Gateway's quotas: sizes, idle time, life, slow readers."""

import asyncio
import json

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gateway.clock import DrivenClock
from tests.integration.gateway.harness import Records, client, frame, http, id_of, raw, run, serving, until

KIB = 1024


async def _close_code(ws: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as end:
        await ws.recv()
    assert end.value.rcvd is not None
    return end.value.rcvd.code


def _message(size_bytes: int) -> str:
    start = '{"action":"body","text":"'
    return start + "x" * (size_bytes - len(start) - 2) + '"}'


def test_a_frame_of_32_kb_passes_and_one_more_byte_closes_with_1009(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, client(gateway) as ws:
            message = _message(32 * KIB)
            await ws.send(message)
            assert await ws.recv() == message
            await ws.send(_message(32 * KIB + 1))
            assert await _close_code(ws) == 1009
            (context,) = await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            assert context["disconnectStatusCode"] == 1009

    run(scenario())


@pytest.mark.parametrize("size_bytes", [200 * KIB, 1000 * KIB, 1024 * KIB, 5 * 1024 * KIB])
def test_a_frame_far_too_large_closes_with_1009(size_bytes: int) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            sending = asyncio.ensure_future(ws.send("x" * size_bytes))
            assert await _close_code(ws) == 1009
            await asyncio.gather(sending, return_exceptions=True)

    run(scenario())


def test_a_message_of_128_kb_in_frames_passes_and_one_more_byte_closes_with_1009() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            message = _message(128 * KIB)
            pieces = [message[start : start + 32 * KIB] for start in range(0, len(message), 32 * KIB)]
            await ws.send(pieces)
            assert await ws.recv() == message
            await ws.send([*pieces, "x"])
            assert await _close_code(ws) == 1009

    run(scenario())


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (frame(2, b"binary"), 1003),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"\xe2\x82", fin=False) + frame(0, b"\x28"), 1007),
        (frame(0, b"nothing to continue"), 1002),
        (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
        (frame(1, b"a", reserved=0x40), 1002),
        (frame(3, b"unknown opcode"), 1002),
        (b"\x81\x01a", 1002),  # not masked
        (frame(9, b"x" * 126), 1002),
        (frame(8, (1005).to_bytes(2, "big")), 1002),
    ],
)
def test_frames_that_break_the_rules_close_with_their_code(frames: bytes, code: int, records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, raw(gateway) as socket:
            await socket.upgrade()
            socket.send(frames)
            assert await socket.close_code() == code
            (context,) = await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            assert context["disconnectStatusCode"] == code

    run(scenario())


def test_a_character_cut_between_two_frames_is_whole_again() -> None:
    async def scenario() -> None:
        async with serving() as gateway, raw(gateway) as socket:
            await socket.upgrade()
            bell = "🔔".encode()
            socket.send(frame(1, b'{"action":"body","t":"' + bell[:2], fin=False) + frame(0, bell[2:] + b'"}'))
            _, _, payload = await socket.read_frame()
            assert json.loads(payload)["t"] == "🔔"

    run(scenario())


def test_ten_idle_minutes_close_with_1001(records: Records) -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock, worker_env=records.env) as gateway, client(gateway) as ws:
            await id_of(ws)
            clock.advance(599)
            assert gateway.connections
            clock.advance(2)
            assert await _close_code(ws) == 1001
            (context,) = await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            assert context["disconnectStatusCode"] == 1001
            assert context["disconnectReason"] == "Going away"

    run(scenario())


def test_a_message_either_way_keeps_a_connection_from_being_idle() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            clock.advance(590)
            await ws.send('{"action":"ping"}')
            assert json.loads(await ws.recv()) == {"type": "pong"}
            clock.advance(590)
            assert (await callbacks.post(connection_id, b"still there?")).status == 200
            assert await ws.recv() == "still there?"
            clock.advance(590)
            assert connection_id in gateway.connections
            clock.advance(20)
            assert await _close_code(ws) == 1001

    run(scenario())


def test_pings_of_the_protocol_are_answered_but_are_no_activity() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, client(gateway) as ws:
            clock.advance(590)
            await (await ws.ping())
            clock.advance(11)
            assert await _close_code(ws) == 1001
            assert not gateway.connections

    run(scenario())


def test_two_hours_end_a_busy_connection_too() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, client(gateway) as ws:
            for _ in range(14):
                clock.advance(510)
                await ws.send('{"action":"ping"}')
                assert json.loads(await ws.recv()) == {"type": "pong"}
            clock.advance(58)
            assert gateway.connections
            clock.advance(3)
            assert await _close_code(ws) == 1001

    run(scenario())


def test_a_client_that_does_not_answer_the_close_frame_is_cut_off() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, raw(gateway) as socket:
            await socket.upgrade()
            clock.advance(601)
            opcode, _, payload = await socket.read_frame()
            assert (opcode, payload[:2]) == (8, (1001).to_bytes(2, "big"))
            socket.send(frame(1, b'{"action":"ping"}'))  # too late: nothing is answered any more
            clock.advance(4)
            assert await socket.rest() == b""

    run(scenario())


def test_a_reader_that_does_not_read_is_dropped_and_the_post_says_gone(records: Records) -> None:
    async def scenario() -> None:
        async with (
            serving(worker_env=records.env) as gateway,
            http(gateway) as callbacks,
            raw(gateway) as socket,
            client(gateway) as other,
        ):
            await socket.upgrade()
            await until(lambda: len(gateway.connections) == 2, "both are open")
            connection_id = records.contexts("CONNECT")[-1]["connectionId"]
            if connection_id == await id_of(other):
                connection_id = records.contexts("CONNECT")[0]["connectionId"]
            sent = 0
            while (answer := await callbacks.post(connection_id, b"x" * 128 * KIB)).status == 200:
                sent += 1
                assert sent < 400, "the write buffer has no bound"
            assert answer.status == 410
            (context,) = await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            assert context["disconnectStatusCode"] == 1006
            # Somebody else's connection is as it was.
            assert (await callbacks.post(await id_of(other), b"you?")).status == 200

    run(scenario())
