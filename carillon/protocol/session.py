"""A client's session as a state machine: inputs with their time go in, effects come out; no socket, no clock, no dice.

The same machine is written again in `web/client/session.js`; both pass `tests/scenarios/session.json`.
All times are milliseconds of one monotonic clock of the driver's choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from carillon.errors import FrameError
from carillon.protocol import backoff, codes
from carillon.protocol.client_frames import Ping, Refresh
from carillon.protocol.codes import CloseCode
from carillon.protocol.effects import Close, Connect, Effect, Send, State, WantToken
from carillon.protocol.frames import parse_server
from carillon.protocol.inbox import Inbox
from carillon.protocol.server_frames import Disconnect, ErrorFrame, EventFrame, Subscribed, Synced
from carillon.protocol.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from carillon.model import Lane
    from carillon.protocol.server_frames import ServerFrame
    from carillon.protocol.statistics import Statistics

OPENING_MS: Final = 15_000
PING_MS: Final = 30_000
DEAD_MS: Final = 60_000
PROBE_MS: Final = 5_000
"""After waking, a line that does not answer within this is taken for dead: phones often sleep through its end."""
SYNC_MS: Final = 300_000
ROTATE_MS: Final = 100 * 60_000
ROTATE_SPREAD_MS: Final = 15 * 60_000
"""API Gateway closes a socket at two hours; the client leaves at 100 to 115 minutes, when it suits it."""
WINDOW_MS: Final = 1_000
"""A close code 42xx without a `disconnect` frame before it: reconnects are spread over this."""
TOKEN_RETRY_MS: Final = 10_000
TOKEN_LEAST_MS: Final = 1_000
"""A token that hardly lives is not refreshed in a tight loop."""


class Session:
    """One person's session on one device.

    Args:
        jitter: gives numbers in [0, 1); the only source of chance.
        position: what `position` gave earlier, to go on from there; None starts from what was acked.
        automatic_acks: ack what was shown; otherwise only what `ack` says.
    """

    def __init__(
        self, jitter: Callable[[], float], position: Mapping[str, Any] | None = None, *, automatic_acks: bool = True
    ) -> None:
        self.state = "stopped"
        self._jitter = jitter
        self._timers = Timers()
        self._inbox = Inbox(jitter, self._timers, position, automatic=automatic_acks)
        self._attempt = 0
        self._live_since: float | None = None
        self._ever_opened = False
        self._return_at: float | None = None
        self._pinged: float | None = None

    @property
    def position(self) -> dict[str, Any] | None:
        """Epoch and offsets as plain JSON, to be kept across a restart; None before the first answer."""
        return self._inbox.position

    @property
    def statistics(self) -> Statistics:
        """Counters since the session was made."""
        return self._inbox.statistics

    @property
    def next_due(self) -> float | None:
        """When `tick` wants to be called, in the clock of the inputs; None: not at all."""
        return self._timers.next_due()

    # inputs: each returns the effects to carry out, in order

    def start(self, now_ms: float) -> list[Effect]:
        """Come (back) online."""
        if self.state == "stopped":
            self._attempt = 0
            self._connect(now_ms)
        return self._out(now_ms)

    def stop(self, now_ms: float) -> list[Effect]:
        """Go offline until `start`; the position stays."""
        if self.state in ("connecting", "recovering", "live"):
            self._inbox.send_acks()
            self._emit(Close(CloseCode.GOODBYE, "goodbye"))
        if self.state != "stopped":
            self._stopped("goodbye")
        return self._out(now_ms)

    def opened(self, now_ms: float) -> list[Effect]:
        """The connection is open (the subprotocol was agreed on)."""
        if self.state == "connecting":
            self._inbox.statistics.reconnects += self._ever_opened
            self._ever_opened = True
            self._pinged = None
            self._timers.clear("opening")
            self._timers.set("ping", now_ms + PING_MS)
            self._timers.set("dead", now_ms + DEAD_MS)
            self._timers.set("rotate", now_ms + ROTATE_MS + ROTATE_SPREAD_MS * self._jitter())
            self._timers.set("sync", now_ms + SYNC_MS * (0.8 + 0.4 * self._jitter()))
            self._enter("recovering")
            self._inbox.ask(now_ms)
        return self._out(now_ms)

    def received(self, text: str | bytes, now_ms: float) -> list[Effect]:
        """A message came. What is not understood is counted and left alone: a later server may know more."""
        if self.state in ("recovering", "live"):
            self._timers.set("dead", now_ms + DEAD_MS)
            self._timers.clear("probe")
            self._pinged = None
            try:
                frame = parse_server(text)
            except FrameError:
                self._inbox.statistics.ignored += 1
            else:
                self._frame(frame, now_ms)
        return self._out(now_ms)

    def closed(self, code: int, now_ms: float, reason: str = "") -> list[Effect]:
        """The connection ended, or could not be opened (code 1006), without the session having asked for it."""
        if self.state in ("connecting", "recovering", "live"):
            self._lost(code, now_ms, reason or f"closed {code}")
        return self._out(now_ms)

    def tick(self, now_ms: float) -> list[Effect]:
        """Carry out what is due."""
        # every handler sets its timers later than now, so this ends; a state change clears them
        while (timer := self._timers.pop(now_ms)) is not None:
            self._due(timer, now_ms)
        return self._out(now_ms)

    def wake(self, now_ms: float) -> list[Effect]:
        """The device woke, or its network changed: find out at once whether the line still lives."""
        if self.state == "waiting":
            self._connect(now_ms)
        elif self.state in ("recovering", "live"):
            self._ping(now_ms)
            self._timers.set("probe", now_ms + PROBE_MS)
            self._inbox.sync()
        return self._out(now_ms)

    def ack(self, lane: Lane, offset: int, now_ms: float) -> list[Effect]:
        """A person acked everything of the lane up to `offset`."""
        self._inbox.hand(lane, offset)
        return self._out(now_ms)

    def authorized(self, expires_at_ms: float, now_ms: float) -> list[Effect]:
        """The token in use ends at `expires_at_ms` (same clock); `WantToken` comes well before."""
        left = max(0.0, expires_at_ms - now_ms)
        self._timers.set("refresh", now_ms + max(TOKEN_LEAST_MS, left * (0.7 + 0.2 * self._jitter())))
        return self._out(now_ms)

    def refresh(self, token: str, expires_at_ms: float, now_ms: float) -> list[Effect]:
        """A new token is there; tell the server."""
        if self.state in ("recovering", "live"):
            self._emit(Send(Refresh(id=self._inbox.new_id(), token=token)))
            return self.authorized(expires_at_ms, now_ms)
        return self._out(now_ms)

    # what happens inside

    def _emit(self, effect: Effect) -> None:
        self._inbox.effects.append(effect)

    def _out(self, now_ms: float) -> list[Effect]:
        if self.state in ("recovering", "live"):
            self._inbox.settle(now_ms)
            if self.state == "recovering" and self._inbox.complete:
                self._live_since = now_ms
                self._enter("live")
        effects, self._inbox.effects = self._inbox.effects, []
        return effects

    def _enter(self, state: str, reason: str = "", until_ms: float | None = None) -> None:
        self.state = state
        self._emit(State(state, reason, until_ms))

    def _connect(self, now_ms: float) -> None:
        self._timers.clear()
        self._timers.set("opening", now_ms + OPENING_MS)
        self._return_at = None
        self._enter("connecting")
        self._emit(Connect())

    def _stopped(self, reason: str) -> None:
        self._timers.clear()
        self._inbox.line_lost()
        self._live_since = None
        self._return_at = None
        self._enter("stopped", reason)

    def _frame(self, frame: ServerFrame, now_ms: float) -> None:
        if isinstance(frame, EventFrame):
            self._inbox.event(frame, now_ms)
        elif isinstance(frame, Subscribed):
            self._inbox.page(frame, now_ms)
        elif isinstance(frame, Synced):
            self._inbox.heads(frame, now_ms)
        elif isinstance(frame, ErrorFrame):
            self._error(frame, now_ms)
        elif isinstance(frame, Disconnect):
            self._disconnect(frame, now_ms)

    def _error(self, frame: ErrorFrame, now_ms: float) -> None:
        if frame.id is None or frame.id != self._inbox.asking:
            self._inbox.statistics.ignored += 1
        elif frame.temporary:
            self._timers.clear("answer")
            wait = (frame.retry_after_ms or backoff.BASE_MS) * (1 + self._jitter())
            self._timers.set("ask", now_ms + wait)
        else:
            self._drop(CloseCode.UNANSWERED, now_ms, frame.code)

    def _disconnect(self, frame: Disconnect, now_ms: float) -> None:
        if not frame.reconnect or codes.is_terminal(frame.code):
            self._emit(Close(CloseCode.GOODBYE, "goodbye"))
            self._stopped(frame.reason)
        elif codes.is_prompt(frame.code):
            # stay on the old line until our turn comes; if it ends earlier, the turn stays the same
            self._return_at = now_ms + frame.window_ms * self._jitter()
            self._timers.set("rotate", self._return_at)
        else:
            self._drop(CloseCode.GOODBYE, now_ms, frame.reason, at_least_ms=frame.window_ms * self._jitter())

    def _drop(self, code: CloseCode, now_ms: float, reason: str, at_least_ms: float = 0.0) -> None:
        self._emit(Close(code, reason))
        self._wait(now_ms, reason, at_least_ms)

    def _lost(self, code: int, now_ms: float, reason: str) -> None:
        if codes.is_terminal(code):
            self._stopped(reason)
        elif self._return_at is not None:
            self._wait_until(max(now_ms, self._return_at), reason)
        elif codes.is_prompt(code):
            self._wait_until(now_ms + WINDOW_MS * self._jitter(), reason)
        else:
            self._wait(now_ms, reason)

    def _wait(self, now_ms: float, reason: str, at_least_ms: float = 0.0) -> None:
        if self._live_since is not None and now_ms - self._live_since >= backoff.STEADY_MS:
            self._attempt = 0
        delay = max(at_least_ms, backoff.delay_ms(self._attempt, self._jitter()))
        self._attempt += 1
        self._wait_until(now_ms + delay, reason)

    def _wait_until(self, until_ms: float, reason: str) -> None:
        self._timers.clear()
        self._timers.set("connect", until_ms)
        self._inbox.line_lost()
        self._live_since = None
        self._enter("waiting", reason, until_ms)

    def _due(self, timer: str, now_ms: float) -> None:
        name = timer.partition(".")[0]
        if name in ("connect", "rotate"):
            self._turn(name, now_ms)
        elif name in ("opening", "probe"):
            self._drop(CloseCode.DEAD_LINE, now_ms, "dead line" if name == "probe" else "no connection in time")
        elif name == "dead":
            self._silence(now_ms)
        elif name == "ping":
            self._ping(now_ms)
            self._timers.set("ping", now_ms + PING_MS)
        elif name == "sync":
            self._inbox.sync()
            self._timers.set("sync", now_ms + SYNC_MS * (0.8 + 0.4 * self._jitter()))
        elif name == "refresh":
            self._emit(WantToken())
            self._timers.set("refresh", now_ms + TOKEN_RETRY_MS)
        elif name == "ack":
            self._inbox.send_acks()
        elif name in ("gap", "ask"):
            self._inbox.ask(now_ms)
        elif name == "answer" and not self._inbox.answer_is_late(now_ms):
            self._drop(CloseCode.UNANSWERED, now_ms, "no answer to subscribe")

    def _ping(self, now_ms: float) -> None:
        self._emit(Send(Ping()))
        self._pinged = now_ms if self._pinged is None else self._pinged

    def _silence(self, now_ms: float) -> None:
        """Nothing came for a minute. If our own ticks ran late (a sleeping tab), the line gets its chance to answer."""
        if self._pinged is not None and now_ms - self._pinged >= PROBE_MS:
            self._drop(CloseCode.DEAD_LINE, now_ms, "dead line")
            return
        if self._pinged is None:
            self._ping(now_ms)
        self._timers.set("probe", now_ms + PROBE_MS)

    def _turn(self, name: str, now_ms: float) -> None:
        """Time to connect: after a wait, or in the place of a connection that grew old."""
        if name == "rotate":
            self._emit(Close(CloseCode.CLIENT_ROTATES, "rotate"))
            self._inbox.line_lost()
            self._live_since = None
        self._connect(now_ms)
