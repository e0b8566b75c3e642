"""The HTTP side of a connection: reads the upgrade request, asks `$connect`, then hands the socket to picows.

picows answers an upgrade in the same call in which it reads it, and `$connect` takes its time in another process.
So the request is read here, and picows gets the socket, with a short request of ours to answer, once the verdict
is in. Data that a hasty client sends before the 101 is kept for it.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, Protocol, cast

import httptools
import orjson
from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from gateway import ids
from gateway.answers import ConnectAnswer
from gateway.buckets import TokenBucket
from gateway.config import GatewayConfig
from gateway.connection import Connection, Owner
from gateway.dispatch import Dispatcher
from gateway.events import Caller

READ_BUFFER_BYTES = 2048
"""picows' smallest read buffer; it grows with the frames of its connection."""

MAX_READ_BYTES = 1024 * 1024
"""Up to here an oversize frame is read whole and then refused, so that its sender gets to see the 1009."""

# One adapter for all: with a plain logger picows makes a child logger for every connection, a kilobyte each.
_PICOWS_LOG = logging.LoggerAdapter(logging.getLogger("gateway.picows"))
_PICOWS_LOG.setLevel(logging.CRITICAL)  # it logs each protocol error of a client as an error of ours


class Door(Owner, Protocol):
    """What the upgrade needs from the server."""

    config: GatewayConfig
    dispatcher: Dispatcher
    connects: TokenBucket
    http_sockets: set[asyncio.Transport]

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task of the server."""

    def lost_before_open(self, caller: Caller) -> None:
        """`$connect` said yes, but the client had gone."""


class _RefusedError(Exception):
    """The request cannot become a WebSocket; carries the status and a short text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UpgradeProtocol(asyncio.Protocol):
    """A socket from its accept to its 101 or refusal.

    Args:
        door: The server.
    """

    __slots__ = ("_asked", "_by_s", "_data", "_door", "_gone", "_headers", "_transport", "_url", "slot")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._headers: list[tuple[str, str]] = []
        self._url = b""
        self._asked = False
        self._gone = False
        self._by_s = door.clock.monotonic() + door.limits.handshake_s
        self.slot = 0

    def deadline_s(self) -> float:
        """Return when the request must be here."""
        return self._by_s

    def expire(self) -> None:
        """The client sent no whole request in time."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._door.wheel.add(self)
        self._door.http_sockets.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        """Remember that the client has gone; called by the event loop."""
        self._door.wheel.remove(self)
        self._gone = True
        if self._transport is not None:
            self._door.http_sockets.discard(self._transport)

    def on_url(self, url: bytes) -> None:
        """Collect the request target; called by httptools."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect one header; called by httptools."""
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def data_received(self, data: bytes) -> None:
        """Collect the request; called by the event loop."""
        self._data += data
        if len(self._data) > self._door.limits.header_bytes:
            self._refuse(431, "Request header fields too large")
            return
        if self._asked:
            return
        end = self._data.find(b"\r\n\r\n")
        if end >= 0:
            self._asked = True
            self._door.wheel.remove(self)
            head = bytes(self._data[: end + 4])
            del self._data[: end + 4]
            self._ask(head)

    def _ask(self, head: bytes) -> None:
        try:
            key, caller = self._check(head)
        except _RefusedError as refusal:
            self._refuse(refusal.status, str(refusal))
            return
        self._door.start_task(self._decide(key, caller))

    async def _decide(self, key: str, caller: Caller) -> None:
        query = self._url.partition(b"?")[2].decode("latin-1")
        answer = await self._door.dispatcher.connect(caller, self._headers, query)
        accepted = 200 <= answer.status < 300
        if self._gone or self._transport is None or self._transport.is_closing():
            if accepted:
                self._door.lost_before_open(caller)
        elif accepted:
            self._hand_over(key, caller, answer)
        elif answer.body:
            self._refuse(answer.status, answer.body, plain=False)
        else:
            self._refuse(answer.status, _phrase(answer.status))

    def _check(self, head: bytes) -> tuple[str, Caller]:
        """Read the request; return its `Sec-WebSocket-Key` and who sent it.

        Raises:
            _RefusedError: When it is no upgrade request, is for another stage, or there are too many of them.
        """
        method = self._parse(head)
        path = self._url.partition(b"?")[0].decode("latin-1")
        headers = {name.lower(): value for name, value in self._headers}
        asks = "upgrade" in headers.get("connection", "").lower()
        if method != b"GET" or not asks or headers.get("upgrade", "").lower() != "websocket":
            raise _RefusedError(426, "Upgrade Required")
        stage = self._door.config.stage
        if path not in ("/", f"/{stage}", f"/{stage}/"):
            raise _RefusedError(403, "Forbidden")
        if headers.get("sec-websocket-version") != "13":
            raise _RefusedError(426, "Sec-WebSocket-Version must be 13")
        key = _checked_key(headers.get("sec-websocket-key", ""))
        if not self._door.connects.take():
            raise _RefusedError(429, "Too Many Requests")
        return key, self._caller(headers.get("user-agent"))

    def _parse(self, head: bytes) -> bytes:
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass  # the good case: the parser stops where WebSocket begins
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserError as error:
            raise _RefusedError(400, "Bad Request") from error
        method: bytes = parser.get_method()
        return method

    def _caller(self, user_agent: str | None) -> Caller:
        assert self._transport is not None
        peer = self._transport.get_extra_info("peername") or ("", 0)
        connected_at_ms = int(self._door.clock.time() * 1000)
        return Caller(ids.connection_id(), str(peer[0]), user_agent, connected_at_ms)

    def _refuse(self, status: int, message: str, *, plain: bool = True) -> None:
        """Answer with `status` and close; a `plain` message is put into AWS's JSON form."""
        if self._transport is None or self._transport.is_closing():
            return
        payload = orjson.dumps({"message": message}) if plain else message.encode()
        head = (
            f"HTTP/1.1 {status} {_phrase(status)}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + payload)
        self._transport.close()

    def _hand_over(self, key: str, caller: Caller, answer: ConnectAnswer) -> None:
        """Give the socket to picows, which answers 101 and speaks WebSocket from here on."""
        assert self._transport is not None
        headers = {"Sec-WebSocket-Protocol": answer.subprotocol} if answer.subprotocol else None
        connection = Connection(caller, self._door)

        def listener(_request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(headers), connection)

        protocol = _picows_protocol(listener)
        self._door.http_sockets.discard(self._transport)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        _feed(protocol, _request_for_picows(key) + bytes(self._data))
        self._data.clear()


def _picows_protocol(listener: Any) -> Any:
    """Build picows' server-side protocol as its `ws_create_server` does (2.3.1), less timeouts and pings."""
    return WSProtocol(
        None,  # host and port: for clients
        None,  # path: for clients
        False,  # noqa: FBT003 - not the client's side
        listener,
        _PICOWS_LOG,
        True,  # noqa: FBT003 - disconnect when a listener raises
        None,  # handshake timeout: ours has passed
        False,  # noqa: FBT003 - API Gateway sends no pings
        10,
        10,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,  # noqa: FBT003 - answer the client's pings
        MAX_READ_BYTES,
        None,  # extra headers: for clients
        READ_BUFFER_BYTES,
    )


def _feed(protocol: Any, data: bytes) -> None:
    """Hand bytes to a buffered protocol as the event loop would."""
    while data:
        buffer = protocol.get_buffer(len(data))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]


def _request_for_picows(key: str) -> bytes:
    """Return the least request picows accepts; it would refuse `Connection: keep-alive, Upgrade` (Firefox)."""
    return (
        "GET / HTTP/1.1\r\nHost: -\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def _checked_key(key: str) -> str:
    try:
        if len(base64.b64decode(key, validate=True)) == 16:
            return key
    except (binascii.Error, ValueError) as error:
        raise _RefusedError(400, "Sec-WebSocket-Key is malformed") from error
    raise _RefusedError(400, "Sec-WebSocket-Key must be 16 bytes of base64")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
