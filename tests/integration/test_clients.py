"""The Python client on real sockets, against a small server that misbehaves on demand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from carillon.client import InboxClient, StateFile
from carillon.client.tokens import expires_at_ms
from carillon.errors import ConfigError
from carillon.model import Event, Kind, Lane
from carillon.protocol import effects as fx
from carillon.protocol.frames import (
    MAX_MESSAGE_BYTES,
    Disconnect,
    Subscribed,
    encode,
    event_renderer,
    parse_client,
)
from tests.integration.fake_inbox import FakeInbox, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

    from carillon.protocol.server_frames import EventFrame

DEADLINE_S = 20


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, DEADLINE_S * 2))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the deadline is the test's failure."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is spread over a server and a client
            await asyncio.sleep(0.005)


class Phone:
    """A client that writes down what its user would notice."""

    def __init__(self, fake: FakeInbox, sub: str = "ann", **options: Any) -> None:
        self.shown: list[str] = []
        self.reminded: list[str] = []
        self.retracted: list[str] = []
        self.states: list[fx.State] = []
        self.tokens = 0
        self._sub = sub
        self.client = InboxClient(
            fake.url,
            options.pop("token_provider", self._token),
            on_event=options.pop("on_event", lambda event: self.shown.append(event.event_id)),
            on_reminder=lambda event: self.reminded.append(event.event_id),
            on_retraction=lambda event_id, _: self.retracted.append(event_id),
            on_state=self.states.append,
            jitter=lambda: 0.05,
            **options,
        )

    async def _token(self) -> str:
        self.tokens += 1
        return token(self._sub)

    async def live(self) -> None:
        await until(lambda: self.client.state == "live")


def test_events_arrive_in_order_and_are_acked() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            phone = Phone(fake)
            await fake.send("ann", Lane.NORMAL, "before")
            phone.client.start()
            await phone.live()
            for number in range(5):
                await fake.send("ann", Lane.NORMAL, f"n{number}")
            await fake.send("ann", Lane.CRITICAL, "c")
            await until(lambda: len(phone.shown) == 7)
            await until(lambda: fake.person("ann").acked[Lane.CRITICAL] == 1)
            phone.client.stop()
            assert phone.shown == ["before", "n0", "n1", "n2", "n3", "n4", "c"]
            assert fake.person("ann").acked[Lane.NORMAL] == 6
            assert [state.name for state in phone.states] == ["connecting", "recovering", "live", "stopped"]

    run(work())


def test_a_lost_frame_is_asked_for_and_shown_in_its_place() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            phone = Phone(fake)
            phone.client.start()
            await phone.live()
            fake.lose = 1
            await fake.send("ann", Lane.LOW, "lost")
            await fake.send("ann", Lane.LOW, "after")
            await until(lambda: len(phone.shown) == 2)
            assert phone.shown == ["lost", "after"]
            assert phone.client.statistics.gaps == 1
            phone.client.stop()

    run(work())


@pytest.mark.parametrize("code", [1006, 1001, 4100, 4200])
def test_a_broken_connection_misses_nothing(code: int) -> None:
    async def work() -> None:
        async with FakeInbox(page=2) as fake:
            phone = Phone(fake)
            phone.client.start()
            await phone.live()
            await fake.send("ann", Lane.HIGH, "h1")
            await until(lambda: phone.shown == ["h1"])
            await fake.end("ann", code)
            await until(lambda: not fake.person("ann").sockets)
            for number in range(2, 7):
                await fake.send("ann", Lane.HIGH, f"h{number}")
            await until(lambda: len(phone.shown) == 6 and phone.client.state == "live")
            assert phone.shown == ["h1", "h2", "h3", "h4", "h5", "h6"]
            assert phone.tokens == 2
            assert phone.client.statistics.reconnects == 1
            phone.client.stop()

    run(work())


def test_a_terminal_code_ends_run() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            phone = Phone(fake)
            running = asyncio.create_task(phone.client.run())
            await phone.live()
            await fake.end("ann", 4001)
            await running
            assert phone.states[-1] == fx.State("stopped", "closed 4001")
            assert fake.connects == 1

    run(work())


def test_a_disconnect_frame_changes_the_line_over() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            phone = Phone(fake)
            phone.client.start()
            await phone.live()
            await fake.say("ann", Disconnect(code=4200, reason="rotate", reconnect=True, window_ms=1000))
            await until(lambda: fake.connects == 2 and phone.client.state == "live")
            await fake.send("ann", Lane.NORMAL, "n1")
            await until(lambda: phone.shown == ["n1"])
            phone.client.stop()

    run(work())


def test_a_refusal_is_told_and_tried_again() -> None:
    async def work() -> None:
        async with FakeInbox(refuse=401) as fake:
            phone = Phone(fake)
            phone.client.start()
            await until(lambda: len(phone.states) > 1)
            assert phone.states[1].name == "waiting"
            assert phone.states[1].reason == "refused 401"
            assert phone.client.refused == 401
            fake.refuse = None
            await phone.live()
            phone.client.stop()

    run(work())


def test_a_server_that_is_away_is_tried_again() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            port = fake.port
        phone = Phone(fake)
        phone.client.start()
        await until(lambda: any(state.name == "waiting" for state in phone.states))
        async with FakeInbox(port=port) as fake:
            await phone.live()
            phone.client.stop()

    run(work())


def test_a_token_source_that_fails_is_told_and_tried_again() -> None:
    async def work() -> None:
        calls = 0

        async def failing() -> str:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise OSError("issuer away")
            return token("ann")

        async with FakeInbox() as fake:
            phone = Phone(fake, token_provider=failing)
            phone.client.start()
            await phone.live()
            assert phone.states[1].reason == "no token: issuer away"
            phone.client.stop()

    run(work())


def test_reminder_and_retraction_reach_the_application() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            phone = Phone(fake)
            phone.client.start()
            await phone.live()
            event = await fake.send("ann", Lane.CRITICAL, "c1")
            await until(lambda: phone.shown == ["c1"])
            await fake.post("ann", event, attempt=2)
            await until(lambda: phone.reminded == ["c1"])
            await fake.send("ann", Lane.CRITICAL, "r1", name="retracted", data={"event_id": "c1"})
            await until(lambda: phone.retracted == ["c1"])
            phone.client.stop()

    run(work())


def test_manual_acks() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            phone = Phone(fake, automatic_acks=False)
            phone.client.start()
            await phone.live()
            await fake.send("ann", Lane.CRITICAL, "c1")
            await until(lambda: phone.shown == ["c1"])
            assert not [frame for frame in fake.heard if frame["action"] == "ack"]
            phone.client.ack(Lane.CRITICAL, 1)
            await until(lambda: fake.person("ann").acked[Lane.CRITICAL] == 1)
            phone.client.stop()

    run(work())


def test_an_exception_in_a_callback_comes_out_of_run_and_loses_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        state = StateFile(tmp_path / "state.json")

        def broken(event: EventFrame) -> None:
            if event.event_id == "n2":
                raise RuntimeError("my own fault")

        async with FakeInbox() as fake:
            phone = Phone(fake, on_event=broken, on_position=state.save)
            running = asyncio.create_task(phone.client.run())
            await phone.live()
            await fake.send("ann", Lane.NORMAL, "n1")
            await fake.send("ann", Lane.NORMAL, "n2")
            with pytest.raises(RuntimeError, match="my own fault"):
                await running
            again = Phone(fake, position=state.load())
            again.client.start()
            await until(lambda: again.shown == ["n2"])
            again.client.stop()

    run(work())


def test_a_restart_with_a_state_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def work() -> None:
        state = StateFile(tmp_path / "state.json")
        assert state.load() is None
        async with FakeInbox() as fake:
            first = Phone(fake, on_position=state.save)
            first.client.start()
            await first.live()
            await fake.send("ann", Lane.NORMAL, "n1")
            await until(lambda: first.shown == ["n1"])
            first.client.stop()
            await fake.send("ann", Lane.NORMAL, "n2")
            second = Phone(fake, position=state.load(), on_position=state.save)
            second.client.start()
            await until(lambda: second.shown == ["n2"])
            second.client.stop()

    run(work())


def test_a_file_that_is_no_position_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("my diary", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds no position"):
        StateFile(path).load()
    assert path.read_text(encoding="utf-8") == "my diary"


def test_a_token_is_refreshed_on_the_open_socket() -> None:
    async def work() -> None:
        async def short() -> str:
            return token("ann", lives_s=2)

        async with FakeInbox() as fake:
            phone = Phone(fake, token_provider=short)
            phone.client.start()
            await phone.live()
            await until(lambda: any(frame["action"] == "refresh" for frame in fake.heard))
            assert fake.connects == 1
            phone.client.stop()

    run(work())


@asynccontextmanager
async def serving(handle: Callable[[ServerConnection], Awaitable[None]], *speaks: Any) -> AsyncIterator[FakeInbox]:
    """A server that does one odd thing; given as a FakeInbox for its URL."""
    async with serve(handle, "127.0.0.1", 0, subprotocols=list(speaks) or None) as server:
        yield FakeInbox(port=next(iter(server.sockets)).getsockname()[1])


async def answer(socket: ServerConnection) -> None:
    """Answer the first frame, a `subscribe`, with an empty page."""
    frame: Any = parse_client(await socket.recv())
    page = Subscribed(
        id=frame.id,
        channel="inbox",
        epoch="k",
        offsets=dict.fromkeys(Lane, 0),
        recovered=True,
        more=False,
        events=(),
    )
    await socket.send(encode(page))


def large_event(size: int) -> str:
    data = {"long": "x" * size}
    event = Event(Lane.NORMAL, 1, "large", "x.y", Kind.SYSTEM, ts=1, expires_at=None, data=data)
    return event_renderer(event, "k").render(1).decode()


def test_a_message_in_several_frames_is_put_together() -> None:
    async def odd(socket: ServerConnection) -> None:
        await answer(socket)
        text = large_event(90_000)
        await socket.send([text[start : start + 32_768] for start in range(0, len(text), 32_768)])
        await socket.wait_closed()

    async def work() -> None:
        async with serving(odd, "carillon.v1") as fake:
            phone = Phone(fake)
            phone.client.start()
            await until(lambda: phone.shown == ["large"])
            phone.client.stop()

    run(work())


def test_a_message_beyond_the_limit_ends_the_line_and_the_client_comes_back() -> None:
    codes: list[int | None] = []

    async def odd(socket: ServerConnection) -> None:
        await answer(socket)
        if not codes:
            text = large_event(MAX_MESSAGE_BYTES)
            await socket.send([text[start : start + 32_768] for start in range(0, len(text), 32_768)])
        await socket.wait_closed()
        codes.append(socket.close_code)

    async def work() -> None:
        async with serving(odd, "carillon.v1") as fake:
            phone = Phone(fake)
            phone.client.start()
            await until(lambda: codes == [1009])
            await phone.live()
            assert phone.client.statistics.reconnects == 1
            phone.client.stop()

    run(work())


def test_a_socket_that_is_closed_as_soon_as_it_opens_is_opened_again() -> None:
    opened = 0

    async def odd(socket: ServerConnection) -> None:
        nonlocal opened
        opened += 1
        if opened == 1:
            await socket.close(4100)
            return
        await answer(socket)
        await socket.wait_closed()

    async def work() -> None:
        async with serving(odd, "carillon.v1") as fake:
            phone = Phone(fake)
            phone.client.start()
            await phone.live()
            assert opened == 2
            phone.client.stop()

    run(work())


def test_a_server_that_speaks_something_else_is_not_talked_to() -> None:
    heard: list[str | bytes] = []

    async def odd(socket: ServerConnection) -> None:
        heard.extend([message async for message in socket])

    async def work() -> None:
        async with serving(odd) as fake:
            phone = Phone(fake)
            phone.client.start()
            await until(lambda: any(state.name == "waiting" for state in phone.states))
            phone.client.stop()
            assert "does not speak carillon.v1" in phone.states[1].reason
            assert heard == []

    run(work())


def test_waking_brings_what_the_line_lost() -> None:
    async def work() -> None:
        async with FakeInbox() as fake:
            phone = Phone(fake)
            phone.client.start()
            await phone.live()
            fake.lose = 1
            await fake.send("ann", Lane.HIGH, "h1")
            phone.client.wake()
            await until(lambda: phone.shown == ["h1"])
            phone.client.stop()

    run(work())


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", "e30.e30.e30", "e30.W10.e30"])
def test_tokens_that_do_not_tell_their_end_are_taken_as_they_are(text: str) -> None:
    assert expires_at_ms(text) is None
