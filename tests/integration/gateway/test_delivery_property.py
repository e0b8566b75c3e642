"""A post answered 200 was written to that socket, whatever else happens meanwhile."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.gateway.harness import Http, RawClient, frame, http, raw, run, serving, until

PING = frame(1, b'{"action":"ping"}')
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, 2), st.sampled_from([1, 200, 9_000, 33_000, 70_000])),
        st.tuples(st.just("send"), st.integers(0, 2), st.just(PING)),
        st.tuples(st.just("send"), st.integers(0, 2), st.just(frame(8, b"\x03\xe8"))),
        st.tuples(st.just("send"), st.integers(0, 2), st.just(frame(2, b"not text"))),
        st.tuples(st.just("send"), st.integers(0, 2), st.just(frame(3, b"bad opcode"))),
        st.tuples(st.just("delete"), st.integers(0, 2), st.none()),
        st.tuples(st.just("yield"), st.integers(0, 3), st.none()),
    ),
    min_size=1,
    max_size=30,
)


def _messages(stream: bytes) -> list[bytes]:
    """Put the text messages of a server's byte stream together."""
    messages, position, parts = [], 0, b""
    while position + 2 <= len(stream):
        first, size = stream[position], stream[position + 1]
        position += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(stream[position : position + width], "big")
            position += width
        if first & 0x0F in (0, 1):
            parts += stream[position : position + size]
            if first & 0x80:
                messages.append(parts)
                parts = b""
        position += size
    return messages


async def _play(steps: list[Any], sockets: list[RawClient], ids: list[str], callbacks: Http) -> dict[int, list[bytes]]:
    """Write all steps without waiting for answers in between; return what was answered 200, by client."""
    posted = []
    for number, (kind, who, what) in enumerate(steps):
        if kind == "post":
            body = f"{number}:".encode().ljust(what, b"x")
            callbacks.write("POST", f"/local/@connections/{ids[who]}", body)
            posted.append((who, body))
        elif kind == "delete":
            callbacks.write("DELETE", f"/local/@connections/{ids[who]}")
            posted.append((who, b""))
        elif kind == "send":
            sockets[who].send(what)
        else:
            for _ in range(who):
                await asyncio.sleep(0)
    accepted: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for who, body in posted:
        answer = await callbacks.read()
        assert answer.status in (200, 204, 410)
        if answer.status == 200:
            accepted[who].append(body)
    return accepted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(scripts=st.lists(STEPS, min_size=1, max_size=5))
def test_every_post_answered_200_is_in_the_clients_stream(scripts: list[list[Any]]) -> None:
    async def scenario() -> None:
        async with serving(routes={"ping": {"mock": {"body": {"type": "pong"}}}}) as gateway:
            for steps in scripts:
                await _one(gateway, steps)

    run(scenario())


async def _one(gateway: Any, steps: list[Any]) -> None:
    async with raw(gateway) as a, raw(gateway) as b, raw(gateway) as c, http(gateway) as callbacks:
        sockets, ids = [a, b, c], []
        for socket in sockets:
            known = set(gateway.connections)
            await socket.upgrade()
            ids.append(*await until(lambda known=known: set(gateway.connections) - known, "it is open"))
        streams = [asyncio.ensure_future(socket.rest()) for socket in sockets]
        accepted = await _play(steps, sockets, ids, callbacks)
        for socket in sockets:
            socket.send(frame(8, b"\x03\xe8"))
        for who, stream in enumerate(streams):
            received = [message for message in _messages(await stream) if message != b'{"type":"pong"}']
            assert received == accepted[who]
