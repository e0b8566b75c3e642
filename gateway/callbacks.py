"""The callback listener: HTTP/1.1 with keep-alive and pipelining over httptools, made for many small posts."""

import asyncio
import logging
import socket
import struct
from collections import deque
from typing import Protocol, cast

import httptools

from gateway import http_answers as http
from gateway.clock import Clock
from gateway.http_request import Request

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10 * 1024 * 1024
"""API Gateway takes 10 MB; a longer body is not read to its end."""

MAX_HELD = 64
"""Requests of one connection that may wait behind a slow one; then its socket is not read."""

_AUTHORIZATION, _AMZ_DATE, _EXPECT = b"authorization", b"x-amz-date", b"expect"
_NAMES = {len(name): name for name in (_AUTHORIZATION, _AMZ_DATE, _EXPECT)}


class Desk(Protocol):
    """What answers the requests."""

    clock: Clock
    kept_bytes: int
    http_sockets: set[asyncio.Transport]

    def answer(self, request: Request) -> bytes:
        """Return the answer's bytes, or `RESET`."""

    def delay_s(self, request: Request) -> float:
        """Return how long to wait before answering, 0 for at once."""


class CallbackProtocol(asyncio.Protocol):
    """One connection to the callback listener. Requests are answered in the order they came.

    Args:
        desk: What answers.
    """

    __slots__ = ("_desk", "_held", "_parser", "_request", "_transport")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._held: deque[Request] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._desk.http_sockets.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        """Forget what waits; called by the event loop."""
        if self._transport is not None:
            self._desk.http_sockets.discard(self._transport)
        self._transport = None
        self._held = None

    def pause_writing(self) -> None:
        """The client does not read its answers, or waits for slow ones: take no more requests from it."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take requests again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parse; called by the event loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:  # our own failure, not the client's
            log.exception("a request to the callback listener could not be answered")
            self._last_words(http.BROKEN)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._last_words(http.BAD_REQUEST)

    def on_url(self, url: bytes) -> None:
        """Collect the request target; called by httptools."""
        self._request.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the few headers that matter; called by httptools."""
        wanted = _NAMES.get(len(name))
        if wanted is None or name.lower() != wanted:
            return
        if wanted is _AUTHORIZATION:
            self._request.authorization = value
        elif wanted is _AMZ_DATE:
            self._request.amz_date = value
        elif self._transport is not None:
            self._transport.write(http.CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Collect the body, as far as it may go; called by httptools."""
        request = self._request
        request.size_bytes += len(body)
        if request.size_bytes <= self._desk.kept_bytes:
            request.body += body
        elif request.size_bytes > MAX_BODY_BYTES:
            self._last_words(http.TOO_LARGE)

    def on_message_complete(self) -> None:
        """Answer, or hold the request while a slow one is in front; called by httptools."""
        request = self._request
        request.method = self._parser.get_method()
        request.keep_alive = self._parser.should_keep_alive()
        self._request = Request()
        if self._transport is None or self._transport.is_closing():
            return
        delay_s = self._desk.delay_s(request)
        if delay_s or self._held:
            self._hold(request, delay_s)
        else:
            self._serve(request)

    def _hold(self, request: Request, delay_s: float) -> None:
        if self._held is None:
            self._held = deque()
        self._held.append(request)
        if len(self._held) == MAX_HELD:
            self.pause_writing()
        if len(self._held) == 1:
            self._desk.clock.call_later(delay_s, self._release)

    def _release(self) -> None:
        """Serve the request whose delay is over, then start the next one's."""
        if not self._held:
            return
        self._serve(self._held.popleft())
        if self._held is not None and len(self._held) == MAX_HELD // 2:
            self.resume_writing()
        if self._held:
            self._desk.clock.call_later(self._desk.delay_s(self._held[0]), self._release)

    def _serve(self, request: Request) -> None:
        answer = self._desk.answer(request)
        if self._transport is None:
            return
        if answer is http.RESET:
            self._reset()
        elif request.keep_alive:
            self._transport.write(answer)
        else:
            self._last_words(answer)

    def _last_words(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)
            self._transport.close()

    def _reset(self) -> None:
        """End the connection with a TCP reset, as a crashed peer's kernel would."""
        assert self._transport is not None
        sock: socket.socket = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        self._desk.http_sockets.discard(self._transport)
        self._transport = None
        self._held = None
