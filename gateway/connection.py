"""One WebSocket connection: frames to messages, limits on both, and an orderly end."""

import enum
from collections import deque  # noqa: TC003 - the annotation is read where the class is looked at
from typing import Any, Protocol, cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from gateway.clock import Clock
from gateway.config import Limits
from gateway.events import Caller, Event
from gateway.wheel import Wheel

CLOSE_GRACE_S = 2.0
"""How long a client may take to answer our close frame before its socket is shut."""

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED = 1000, 1001, 1002, 1003
NO_STATUS, ABNORMAL, INVALID_TEXT, TOO_BIG = 1005, 1006, 1007, 1009

Job = tuple[str, Event]
"""A function and the event that waits for its turn."""


class State(enum.Enum):
    """Where a connection is in its life."""

    CONNECTING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


class Owner(Protocol):
    """What a connection needs from the server that holds it."""

    clock: Clock
    limits: Limits
    wheel: Wheel

    def opened(self, connection: "Connection") -> None:
        """The upgrade has been answered."""

    def received(self, connection: "Connection", text: str) -> None:
        """A whole message came."""

    def closing(self, connection: "Connection") -> None:
        """Nothing can be sent any more."""

    def closed(self, connection: "Connection", code: int, reason: str) -> None:
        """The socket is gone."""


class Connection(WSListener):
    """A client, from its upgrade to its end.

    Args:
        caller: Who it is.
        owner: The server.
    """

    __slots__ = (
        "_close",
        "_close_by_s",
        "_fragments",
        "_owner",
        "_transport",
        "busy",
        "caller",
        "inbox",
        "last_active_s",
        "opened_s",
        "slot",
        "state",
    )

    def __init__(self, caller: Caller, owner: Owner) -> None:
        self.caller = caller
        self.state = State.CONNECTING
        self.slot = 0
        self.last_active_s = self.opened_s = owner.clock.monotonic()
        self.inbox: deque[Job] | None = None
        self.busy = False
        self._owner = owner
        self._transport: WSTransport | None = None
        self._fragments: bytearray | None = None
        self._close: tuple[int, str] | None = None
        self._close_by_s = 0.0

    def deadline_s(self) -> float:
        """Return when the connection must end if nothing more happens."""
        if self.state is State.CLOSING:
            return self._close_by_s
        limits = self._owner.limits
        return min(self.last_active_s + limits.idle_s, self.opened_s + limits.life_s)

    def expire(self) -> None:
        """The deadline has passed: idle too long, or lived two hours, or slow to answer our close frame."""
        if self.state is State.CLOSING:
            self._disconnect(graceful=False)
        else:
            self.close(GOING_AWAY, "Going away")

    def send(self, body: bytes) -> bool:
        """Send one text message; frames are cut at the frame limit.

        Returns:
            True when the bytes were given to the socket; False when the connection has ended, or ends now because
            its reader is so slow that the write buffer would overflow.
        """
        transport = self._transport
        if self.state is not State.OPEN or transport is None:
            return False
        if transport.is_close_frame_sent or transport.is_disconnected:  # picows ends connections by itself too
            return False
        size_bytes = len(body)
        limits = self._owner.limits
        if transport.underlying_transport.get_write_buffer_size() + size_bytes > limits.write_buffer_bytes:
            self.drop()
            return False
        if size_bytes <= limits.frame_bytes:
            transport.send(WSMsgType.TEXT, body)
        else:
            self._send_frames(transport, body, limits.frame_bytes)
        self.last_active_s = self._owner.clock.monotonic()
        return True

    @staticmethod
    def _send_frames(transport: WSTransport, body: bytes, frame_bytes: int) -> None:
        kind = WSMsgType.TEXT
        for start in range(0, len(body), frame_bytes):
            end = start + frame_bytes
            transport.send(kind, body[start:end], fin=end >= len(body))
            kind = WSMsgType.CONTINUATION

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with a close frame and give the client `CLOSE_GRACE_S` to answer it."""
        if self.state is not State.OPEN or self._transport is None:
            return
        self._leave_open(code, reason)
        self._transport.send_close(cast("WSCloseCode", code), reason.encode())
        self._owner.wheel.add(self)

    def drop(self) -> None:
        """End the socket without a word, as when a network breaks."""
        if self.state is State.OPEN:
            self._leave_open(ABNORMAL, "Abnormal closure")
        self._disconnect(graceful=False)

    def pause_reading(self) -> None:
        """Leave further frames in the kernel until `resume_reading`."""
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.underlying_transport.is_closing():
            self._transport.underlying_transport.resume_reading()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The 101 has been written; called by picows."""
        self._transport = transport
        self.state = State.OPEN
        self.last_active_s = self.opened_s = self._owner.clock.monotonic()
        self._owner.wheel.add(self)
        self._owner.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame; called by picows, which has already answered pings."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._peer_closes(transport, frame)
        elif self.state is not State.OPEN or kind == WSMsgType.PONG:
            return
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(PROTOCOL_ERROR, "Reserved bits must be 0")
        elif frame.payload_size > self._owner.limits.frame_bytes:
            self.close(TOO_BIG, "Frame too large")
        elif kind == WSMsgType.BINARY:
            self.close(UNSUPPORTED, "Binary frames are not supported")
        else:
            self._take(frame, continues=kind == WSMsgType.CONTINUATION)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone; called by picows."""
        if self.state is State.OPEN:
            self._leave_open(*_verdict(transport))
        self.state = State.CLOSED
        self._owner.wheel.remove(self)
        code, reason = self._close or (ABNORMAL, "Abnormal closure")
        self._transport = None
        self._owner.closed(self, code, reason)

    def pause_writing(self) -> None:
        """Nothing: `send` looks at the buffer itself."""

    def resume_writing(self) -> None:
        """Nothing: `send` looks at the buffer itself."""

    def _take(self, frame: WSFrame, *, continues: bool) -> None:
        """Put frames together; hand a whole message over."""
        if continues != (self._fragments is not None):
            self.close(PROTOCOL_ERROR, "A continuation frame was out of place")
            return
        if frame.fin and self._fragments is None:
            payload: Any = frame.get_payload_as_memoryview()
        else:
            fragments = self._fragments = self._fragments or bytearray()
            fragments += frame.get_payload_as_memoryview()
            payload = fragments
            if len(fragments) > self._owner.limits.message_bytes:
                self.close(TOO_BIG, "Message too large")
                return
        self.last_active_s = self._owner.clock.monotonic()
        if frame.fin:
            self._fragments = None
            self._whole(payload)

    def _whole(self, payload: Any) -> None:
        try:
            text = str(payload, "utf-8")
        except UnicodeDecodeError:
            self.close(INVALID_TEXT, "Text frames must be UTF-8")
            return
        self._owner.received(self, text)

    def _peer_closes(self, transport: WSTransport, frame: WSFrame) -> None:
        """The client sent its close frame: answer it unless it answers ours, then shut the socket."""
        if self.state is State.OPEN:
            self._leave_open(*_verdict(transport))
            code = NORMAL if frame.payload_size < 2 else frame.get_close_code()
            transport.send_close(cast("WSCloseCode", code))
        self._disconnect(graceful=True)

    def _leave_open(self, code: int, reason: str) -> None:
        self.state = State.CLOSING
        self._close = (code, reason)
        self._close_by_s = self._owner.clock.monotonic() + CLOSE_GRACE_S
        self._owner.closing(self)

    def _disconnect(self, *, graceful: bool) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=graceful)


def _verdict(transport: WSTransport) -> tuple[int, str]:
    """Return code and reason of a close that the client or picows began."""
    handshake = transport.close_handshake
    if handshake is None:
        return ABNORMAL, "Abnormal closure"
    info = handshake.recv or handshake.sent
    if info is None:
        return ABNORMAL, "Abnormal closure"
    code = int(cast("int", info.code))
    if code == 0:
        return NO_STATUS, "Client-side close frame status not set"
    return code, info.reason or ""
