"""One WebSocket connection over picows: whole text messages in, close codes out. Knows nothing of sessions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from carillon.names import BEARER_PREFIX, SUBPROTOCOL
from carillon.protocol.codes import CloseCode
from carillon.protocol.frames import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from ssl import SSLContext

READ_BUFFER_BYTES: Final = 2048
"""Small, because the load tool holds ten thousand of these; it grows with the messages."""
OPENING_S: Final = 20.0
"""Longer than the session's own limit, which decides."""
# one adapter for all: with a plain logger picows makes a child logger for every connection, a kilobyte each
_LOG: Final = logging.LoggerAdapter(logging.getLogger("carillon.client.picows"))
NO_CLOSE_FRAME: Final = 1006
EARLY_LIMIT: Final = 16
"""Messages kept between the handshake and `attach`; the server says nothing before `subscribe`, save good-bye."""


class RefusedError(Exception):
    """The server did not take the connection; `status` is its HTTP status, None when it never answered as it should."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Owner(Protocol):
    """Who gets the messages of a line."""

    def line_received(self, line: Line, message: bytes) -> None:
        """A whole text message."""

    def line_closed(self, line: Line, code: int) -> None:
        """The socket is gone, and `leave` was not called before."""


class Line(WSListener):
    """A socket, which gets its owner by `attach`; after `leave` the owner hears nothing of it any more."""

    def __init__(self) -> None:
        self._owner: Owner | None = None
        self._transport: WSTransport | None = None
        self._parts = b""
        self._early: list[bytes] = []
        self._closed: int | None = None

    def attach(self, owner: Owner) -> None:
        """Hand on what came since the handshake, and from now on everything."""
        self._owner = owner
        early, self._early = self._early, []
        for message in early:
            self._message(message)
        if self._closed is not None:
            self._over(self._closed)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done; called by picows."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame; called by picows, which has answered pings itself."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            # API Gateway cuts a message of more than 32 KB into frames
            message = self._parts + frame.get_payload_as_bytes() if self._parts else frame.get_payload_as_bytes()
            if len(message) > MAX_MESSAGE_BYTES:
                transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
                transport.disconnect()
            elif not frame.fin:
                self._parts = message
            else:
                self._parts = b""
                self._message(message)

    def _message(self, message: bytes) -> None:
        if self._owner is not None:
            self._owner.line_received(self, message)
        elif len(self._early) < EARLY_LIMIT:
            self._early.append(message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone; called by picows."""
        said = transport.close_handshake.recv if transport.close_handshake else None
        self._over(int(said.code.value) if said is not None else NO_CLOSE_FRAME)

    def _over(self, code: int) -> None:
        self._closed = code
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.line_closed(self, code)

    def send(self, message: bytes) -> None:
        """Send a text message; one to a socket that has just died goes nowhere, and `line_closed` follows."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, message)

    def leave(self, code: int, reason: str) -> None:
        """Close, and tell the owner nothing any more."""
        self._owner = None
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode(code), reason.encode())
            self._transport.disconnect()


async def open_line(url: str, token: str, ssl_context: SSLContext | None = None) -> Line:
    """Connect with the token in the subprotocol header, never in the URL, where logs would keep it.

    Raises:
        RefusedError: no connection came about; the message says why.
    """
    line = Line()
    headers = {"Sec-WebSocket-Protocol": f"{SUBPROTOCOL}, {BEARER_PREFIX}{token}"}
    opening = asyncio.ensure_future(
        ws_connect(
            lambda: line,
            url,
            ssl_context=ssl_context,
            extra_headers=headers,
            websocket_handshake_timeout=OPENING_S,
            read_buffer_init_size=READ_BUFFER_BYTES,
            max_frame_size=2 * MAX_MESSAGE_BYTES,
            logger_name=_LOG,
        )
    )
    try:
        # Shielded: picows leaves the socket open when it is canceled in the middle of a handshake.
        transport, _ = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(lambda done: _abandon(line, done))
        raise
    except WSError as error:
        status = getattr(getattr(error, "response", None), "status", None)
        raise RefusedError(f"refused {int(status)}" if status else str(error), status and int(status)) from error
    except (OSError, TimeoutError) as error:
        raise RefusedError(str(error) or type(error).__name__) from error
    if transport.response.headers.get("Sec-WebSocket-Protocol") != SUBPROTOCOL:
        line.leave(1002, "no subprotocol")
        raise RefusedError(f"the server does not speak {SUBPROTOCOL}")
    return line


def _abandon(line: Line, opening: asyncio.Future[Any]) -> None:
    """Close a socket that nobody wants any more, now that its handshake is over."""
    if not opening.cancelled() and opening.exception() is None:
        line.leave(CloseCode.GOODBYE, "not wanted any more")
