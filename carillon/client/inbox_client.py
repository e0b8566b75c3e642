"""Drives one session: sockets, clock, dice and callbacks are here, decisions are in `carillon.protocol.session`."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from carillon.client.line import NO_CLOSE_FRAME, Line, RefusedError, open_line
from carillon.client.tokens import expires_at_ms
from carillon.protocol import effects as fx
from carillon.protocol.frames import encode
from carillon.protocol.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from ssl import SSLContext

    from carillon.model import Lane
    from carillon.protocol.server_frames import EventFrame
    from carillon.protocol.statistics import Statistics

    TokenProvider = Callable[[], Awaitable[str]]
else:
    TokenProvider = Any


class InboxClient:
    """A person's inbox on this device, kept complete and in order across broken connections.

    One socket and one loop timer while it is live, a task only while it connects: ten thousand fit in a process.
    Callbacks run on the loop and must not block; an exception in one ends the client and comes out of `run`.

    Args:
        url: the WebSocket API, ws:// or wss://.
        token_provider: gives a token that still lives; called for each connection and before a token ends.
        on_event: gets each event once and in order within its lane.
        on_reminder: gets an event again that nobody acked by hand; by default `on_event` does not see these.
        on_retraction: gets the id of the event that no longer holds, and the retraction.
        on_state: gets `connecting`, `recovering`, `live`, `waiting` or `stopped`, with the reason.
        on_position: gets the position as plain JSON each time that it moved, after the callbacks of its events.
        position: where to go on from; None starts from what was acked.
        automatic_acks: ack what was shown; otherwise call `ack`.
        jitter: the source of chance.
        ssl_context: for wss:// with a certificate of one's own.
    """

    def __init__(  # noqa: PLR0913 - callbacks by keyword read better than a class to derive from
        self,
        url: str,
        token_provider: TokenProvider,
        *,
        on_event: Callable[[EventFrame], None],
        on_reminder: Callable[[EventFrame], None] | None = None,
        on_retraction: Callable[[str, EventFrame], None] | None = None,
        on_state: Callable[[fx.State], None] | None = None,
        on_position: Callable[[dict[str, Any]], None] | None = None,
        position: Mapping[str, Any] | None = None,
        automatic_acks: bool = True,
        jitter: Callable[[], float] = random.random,
        ssl_context: SSLContext | None = None,
    ) -> None:
        self.refused: int | None = None
        self._url = url
        self._tokens = token_provider
        self._on_event = on_event
        self._on_reminder = on_reminder
        self._on_retraction = on_retraction
        self._on_state = on_state
        self._on_position = on_position
        self._ssl = ssl_context
        self._session = Session(jitter, position, automatic_acks=automatic_acks)
        self._told = self._session.position
        self._loop: asyncio.AbstractEventLoop | None = None
        self._line: Line | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._failure: Exception | None = None

    @property
    def state(self) -> str:
        """`connecting`, `recovering`, `live`, `waiting` or `stopped`."""
        return self._session.state

    @property
    def position(self) -> dict[str, Any] | None:
        """Where this device stands, as plain JSON; None before the first answer."""
        return self._session.position

    @property
    def statistics(self) -> Statistics:
        """What the session saw since it was made."""
        return self._session.statistics

    def start(self) -> None:
        """Come (back) online. Needs a running loop; returns at once."""
        self._loop = asyncio.get_running_loop()
        self._carry(self._session.start(self._now()))

    def stop(self) -> None:
        """Go offline; the position stays, and `run` returns."""
        if self._loop is not None:
            self._carry(self._session.stop(self._now()))

    async def run(self) -> None:
        """Stay online until `stop`, a terminal close code, or an exception of a callback, which is raised here."""
        self.start()
        assert self._loop is not None
        self._ended = self._loop.create_future()
        try:
            if self.state != "stopped":
                await self._ended
        finally:
            self._ended = None
            self.stop()
        if self._failure is not None:
            raise self._failure

    def wake(self) -> None:
        """The device woke or its network changed: check the line now."""
        if self._loop is not None:
            self._carry(self._session.wake(self._now()))

    def ack(self, lane: Lane, offset: int) -> None:
        """A person acked everything of the lane up to `offset`."""
        if self._loop is not None:
            self._carry(self._session.ack(lane, offset, self._now()))

    # from the line

    def line_received(self, line: Line, message: bytes) -> None:
        """A message came; called by the line."""
        if line is self._line:
            self._carry(self._session.received(message, self._now()))

    def line_closed(self, line: Line, code: int) -> None:
        """The line ended; called by the line."""
        if line is self._line:
            self._line = None
            self._carry(self._session.closed(code, self._now()))

    # effects

    def _now(self) -> float:
        assert self._loop is not None
        return self._loop.time() * 1000

    def _carry(self, effects: list[fx.Effect]) -> None:
        try:
            for effect in effects:
                self._to_line(effect)
                self._to_user(effect)
            self._tell_position()
        except Exception as error:  # noqa: BLE001 - raised by `run`
            self._fail(error)
        self._schedule()

    def _tell_position(self) -> None:
        if self._on_position is not None and self._failure is None and self.position != self._told:
            self._told = self.position
            if self._told is not None:
                self._on_position(self._told)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        for effect in self._session.stop(self._now()):
            if isinstance(effect, fx.Close):
                self._leave(effect)
        self._end()

    def _to_line(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Send(frame):
                if self._line is not None:
                    self._line.send(encode(frame).encode())
            case fx.Connect():
                self._begin(self._connect())
            case fx.WantToken():
                self._begin(self._refresh())
            case fx.Close():
                self._leave(effect)

    def _to_user(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Show(event):
                self._on_event(event)
            case fx.Remind(event) if self._on_reminder is not None:
                self._on_reminder(event)
            case fx.Retract(event_id, event) if self._on_retraction is not None:
                self._on_retraction(event_id, event)
            case fx.State():
                if self._on_state is not None:
                    self._on_state(effect)
                if effect.name == "stopped":
                    self._end()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _leave(self, close: fx.Close) -> None:
        if self._task is not None:
            self._task.cancel()
        line, self._line = self._line, None
        if line is not None:
            line.leave(close.code, close.reason)

    def _schedule(self) -> None:
        """One loop timer for the earliest of the session's; one that fires too early finds nothing due."""
        due = self._session.next_due
        assert self._loop is not None
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            # kept here, because uvloop's handle of a timer that is due already does not tell when it is
            self._timer_due = due
            self._timer = self._loop.call_at(due / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry(self._session.tick(self._now()))

    def _begin(self, work: Any) -> None:
        assert self._loop is not None
        if self._task is not None:
            self._task.cancel()
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    async def _connect(self) -> None:
        try:
            token = await self._token()
            line = await open_line(self._url, token, self._ssl)
        except RefusedError as error:
            self.refused = error.status
            self._carry(self._session.closed(NO_CLOSE_FRAME, self._now(), str(error)))
            return
        self.refused = None
        self._line = line
        self._carry(self._plan_refresh(token) + self._session.opened(self._now()))
        line.attach(self)

    async def _refresh(self) -> None:
        try:
            token = await self._token()
        except RefusedError:
            return  # the session asks again every ten seconds
        now = self._now()
        self._carry(self._session.refresh(token, self._ends(token) or now + 3_600_000, now))

    async def _token(self) -> str:
        try:
            return await self._tokens()
        except (OSError, TimeoutError, ValueError) as error:
            raise RefusedError(f"no token: {error}") from error

    def _plan_refresh(self, token: str) -> list[fx.Effect]:
        ends = self._ends(token)
        return [] if ends is None else self._session.authorized(ends, self._now())

    def _ends(self, token: str) -> float | None:
        """When the token ends, on the loop's clock."""
        wall = expires_at_ms(token)
        return None if wall is None else self._now() + wall - time.time() * 1000
