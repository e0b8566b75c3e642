"""The `@connections` API: what it answers, and what reaches the socket."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from websockets.exceptions import ConnectionClosed

from gateway.clock import DrivenClock
from tests.integration.gateway.harness import (
    SIGNED,
    UNKNOWN_ID,
    Http,
    Records,
    client,
    http,
    id_of,
    raw,
    run,
    serving,
    until,
)

KIB = 1024


def test_a_post_reaches_its_connection_and_no_other() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as one, client(gateway) as two, http(gateway) as callbacks:
            answer = await callbacks.post(await id_of(one), "für dich 🔔".encode())
            assert answer.status == 200
            assert await one.recv() == "für dich 🔔"
            await callbacks.post(await id_of(two), b"second")
            assert await two.recv() == "second"

    run(scenario())


@pytest.mark.parametrize("path", ["/local/@connections/{}", "/local/%40connections/{}"])
@pytest.mark.parametrize("tail", ["=", "%3D", "%3d"])
def test_both_spellings_of_a_path_are_understood(path: str, tail: str) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            answer = await callbacks.ask("POST", path.format(connection_id.replace("=", tail)), b"hello")
            assert answer.status == 200
            assert await ws.recv() == "hello"

    run(scenario())


def test_an_id_that_was_encoded_twice_is_not_found() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            answer = await callbacks.ask("POST", f"/local/@connections/{connection_id[:-1]}%253D", b"hello")
            assert answer.status == 400

    run(scenario())


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_an_unknown_connection_is_gone(method: str) -> None:
    async def scenario() -> None:
        async with serving() as gateway, http(gateway) as callbacks:
            answer = await callbacks.ask(method, f"/local/@connections/{UNKNOWN_ID}", b"")
            assert answer.status == 410
            assert answer.headers["x-amzn-errortype"] == "GoneException"
            invalid = await callbacks.ask(method, "/local/@connections/nonsense", b"")
            assert invalid.status == 400
            assert "nonsense" in invalid.message

    run(scenario())


def test_a_connection_that_left_is_gone() -> None:
    async def scenario() -> None:
        async with serving() as gateway, http(gateway) as callbacks:
            async with client(gateway) as ws:
                connection_id = await id_of(ws)
                assert (await callbacks.post(connection_id, b"x")).status == 200
            assert (await callbacks.post(connection_id, b"x")).status == 410

    run(scenario())


def test_a_connection_that_picows_is_closing_is_gone(records: Records) -> None:
    """After a protocol error the close frame is out at once and the socket ends a little later."""

    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, http(gateway) as callbacks, raw(gateway) as socket:
            await socket.upgrade()
            await until(lambda: records.contexts("CONNECT"), "$connect")
            connection_id = records.contexts("CONNECT")[0]["connectionId"]
            socket.send(b"\x83\x80\0\0\0\0")  # an opcode that does not exist
            opcode, _, _ = await socket.read_frame()
            assert opcode == 8
            assert (await callbacks.post(connection_id, b"x")).status == 410

    run(scenario())


@pytest.mark.parametrize(
    ("size_bytes", "frame_sizes"),
    [
        (0, [0]),
        (32 * KIB, [32 * KIB]),
        (32 * KIB + 1, [32 * KIB, 1]),
        (128 * KIB, [32 * KIB] * 4),
    ],
)
def test_a_post_over_32_kb_arrives_as_one_message_of_several_frames(
    size_bytes: int, frame_sizes: list[int], records: Records
) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, http(gateway) as callbacks, raw(gateway) as socket:
            await socket.upgrade()
            await until(lambda: gateway.connections, "the connection is open")
            (connection_id,) = gateway.connections
            body = (b"0123456789abcdef" * (size_bytes // 16 + 1))[:size_bytes]
            assert (await callbacks.post(connection_id, body)).status == 200
            frames = [await socket.read_frame() for _ in frame_sizes]
            assert [len(payload) for _, _, payload in frames] == frame_sizes
            assert [opcode for opcode, _, _ in frames] == [1] + [0] * (len(frames) - 1)
            assert [fin for _, fin, _ in frames] == [False] * (len(frames) - 1) + [True]
            assert b"".join(payload for _, _, payload in frames) == body

    run(scenario())


@pytest.mark.parametrize("size_bytes", [128 * KIB + 1, 1024 * KIB, 3 * 1024 * KIB])
def test_a_post_over_128_kb_is_too_large_and_the_connection_goes_on(size_bytes: int) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            answer = await callbacks.post(connection_id, b"x" * size_bytes)
            assert answer.status == 413
            assert answer.headers["x-amzn-errortype"] == "PayloadTooLargeException"
            assert (await callbacks.post(connection_id, b"small")).status == 200
            assert await ws.recv() == "small"

    run(scenario())


def test_a_body_without_end_is_cut_off() -> None:
    async def scenario() -> None:
        async with serving() as gateway, http(gateway) as callbacks:
            callbacks.writer.write(b"POST /local/@connections/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            answer = asyncio.ensure_future(callbacks.read())
            for _ in range(64):
                if answer.done():
                    break
                callbacks.writer.write(b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
                await asyncio.wait([answer], timeout=0.05)
            assert (await answer).status == 413

    run(scenario())


def test_a_body_that_is_not_text_is_refused() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            assert (await callbacks.post(connection_id, b"\xff\xfe")).status == 400
            assert (await callbacks.post(connection_id, b"text")).status == 200
            assert await ws.recv() == "text"

    run(scenario())


def _signed(**changes: str) -> dict[str, str]:
    return {name: value for name, value in {**SIGNED, **changes}.items() if value}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _signed(Authorization=""),
        _signed(Authorization="Bearer abc"),
        _signed(Authorization=SIGNED["Authorization"].replace("0a" * 32, "0a" * 31)),
        _signed(Authorization=SIGNED["Authorization"].replace("0a" * 32, "0A" * 32)),
        _signed(Authorization=SIGNED["Authorization"].replace("execute-api", "s3")),
        _signed(Authorization=SIGNED["Authorization"].replace("host;x-amz-date", "x-amz-date")),
        _signed(Authorization=SIGNED["Authorization"].replace("Signature=", "")),
        {"Authorization": SIGNED["Authorization"]},
        {**SIGNED, "X-Amz-Date": "yesterday"},
        {**SIGNED, "X-Amz-Date": "20260913T000000Z"},
    ],
)
def test_a_request_without_signature_version_4_is_forbidden(headers: dict[str, str]) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            for method in ("POST", "GET", "DELETE"):
                answer = await callbacks.ask(method, f"/local/@connections/{connection_id}", b"", headers)
                assert answer.status == 403
                assert answer.message
            await callbacks.post(connection_id, b"signed")
            assert await ws.recv() == "signed"

    run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/prod/@connections/x", 403),
        ("POST", "/elsewhere", 404),
        ("GET", "/", 404),
        ("PUT", f"/local/@connections/{UNKNOWN_ID}", 405),
        ("POST", "/_status", 405),
    ],
)
def test_other_paths_and_methods_are_refused(method: str, path: str, status: int) -> None:
    async def scenario() -> None:
        async with serving() as gateway, http(gateway) as callbacks:
            assert (await callbacks.ask(method, path)).status == status

    run(scenario())


def test_what_is_not_http_gets_400_and_the_end() -> None:
    async def scenario() -> None:
        async with serving() as gateway, http(gateway) as callbacks:
            callbacks.writer.write(b"\x16\x03\x01 this is TLS\r\n\r\n")
            assert (await callbacks.read()).status == 400
            assert await callbacks.reader.read() == b""

    run(scenario())


def test_posts_beyond_the_rate_get_429_and_share_it_with_messages() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        limits = {"requests_per_s": 10, "requests_burst": 4}
        async with serving(clock=clock, limits=limits) as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)  # the first of four
            statuses = [(await callbacks.post(connection_id, b"x")).status for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
            limited = await callbacks.post(connection_id, b"x")
            assert limited.headers["x-amzn-errortype"] == "LimitExceededException"
            clock.advance(0.2)
            await ws.send('{"action":"ping"}')
            for _ in range(3):
                assert await ws.recv() == "x"
            assert json.loads(await ws.recv()) == {"type": "pong"}
            statuses = [(await callbacks.post(connection_id, b"y")).status for _ in range(2)]
            assert statuses == [200, 429]

    run(scenario())


def test_get_tells_about_a_connection() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, http(gateway) as callbacks:
            async with client(gateway, user_agent_header="phone/1") as ws:
                connection_id = await id_of(ws)
                clock.advance(100)
                await callbacks.post(connection_id, b"x")
                clock.advance(50)
                about = (await callbacks.ask("GET", f"/local/@connections/{connection_id}")).json()
            assert about["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "phone/1"}
            times = [datetime.fromisoformat(about[name]) for name in ("connectedAt", "lastActiveAt")]
            assert [time.tzinfo for time in times] == [UTC, UTC]
            assert (times[1] - times[0]).total_seconds() == pytest.approx(100, abs=0.01)

    run(scenario())


def test_delete_closes_the_socket(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            assert (await callbacks.ask("DELETE", f"/local/@connections/{connection_id}")).status == 204
            assert (await callbacks.post(connection_id, b"x")).status == 410
            with pytest.raises(ConnectionClosed) as end:
                await ws.recv()
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1000
            (context,) = await until(lambda: records.contexts("DISCONNECT"), "$disconnect")
            assert context["disconnectStatusCode"] == 1000

    run(scenario())


def test_pipelined_requests_are_answered_in_order() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            for number in range(50):
                target = connection_id if number % 3 else UNKNOWN_ID
                callbacks.write("POST", f"/local/@connections/{target}", str(number).encode())
            statuses = [(await callbacks.read()).status for _ in range(50)]
            assert statuses == [200 if number % 3 else 410 for number in range(50)]
            received = [await ws.recv() for number in range(50) if number % 3]
            assert received == [str(number) for number in range(50) if number % 3]

    run(scenario())


def test_a_request_in_single_bytes_is_understood() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws:
            connection_id = await id_of(ws)
            written = bytearray()

            class Sink:
                def write(self, data: bytes) -> None:
                    written.extend(data)

            Http(None, Sink()).write("POST", f"/local/@connections/{connection_id}", b"hello")  # type: ignore[arg-type]
            async with http(gateway) as callbacks:
                for byte in written:
                    callbacks.writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                assert (await callbacks.read()).status == 200
            assert await ws.recv() == "hello"

    run(scenario())


def test_connection_close_is_honoured() -> None:
    async def scenario() -> None:
        async with serving() as gateway, http(gateway) as callbacks:
            callbacks.write("POST", f"/local/@connections/{UNKNOWN_ID}", b"x", {**SIGNED, "Connection": "close"})
            assert (await callbacks.read()).status == 410
            assert await callbacks.reader.read() == b""

    run(scenario())


def test_expect_continue_is_answered() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            headers = {**SIGNED, "Expect": "100-continue", "Content-Length": "5"}
            lines = [f"{name}: {value}" for name, value in headers.items()]
            head = "\r\n".join([f"POST /local/@connections/{connection_id} HTTP/1.1", *lines, "", ""])
            callbacks.writer.write(head.encode())
            assert (await callbacks.read()).status == 100
            callbacks.writer.write(b"hello")
            assert (await callbacks.read()).status == 200
            assert await ws.recv() == "hello"

    run(scenario())


def test_status_counts() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            await callbacks.post(connection_id, b"x")
            await callbacks.post(UNKNOWN_ID, b"x")
            status = (await callbacks.ask("GET", "/_status")).json()
            assert status["connections"] == 1
            assert status["connections_total"] == 1
            assert status["posts"] == 2
            assert status["posts_sent"] == 1
            assert status["messages"] == 1
            assert status["rss_bytes"] > 1_000_000
            assert len(status["workers"]) == 1
            assert status["loop_lag_ms"] >= 0

    run(scenario())


def test_status_shows_rates_of_the_last_second() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            for _ in range(7):
                await callbacks.post(connection_id, b"x")
            clock.advance(1)
            busy = (await callbacks.ask("GET", "/_status")).json()
            clock.advance(1)
            idle = (await callbacks.ask("GET", "/_status")).json()
            assert (busy["posts_per_s"], busy["messages_per_s"]) == (7, 1)
            assert (idle["posts_per_s"], idle["messages_per_s"]) == (0, 0)

    run(scenario())
