"""A lean asynchronous client of the emulated SQS: its JSON protocol over kept-alive HTTP/1.1 connections.

Polling through boto3 costs 1.2 ms of CPU a call, this 0.1 ms; on one machine that is the difference between the
consumers and the product being measured. It signs nothing: the emulator looks at the credential's scope alone.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import httptools

from local.emulator import ACCESS_KEY, REGION

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0
AUTHORIZATION = (
    f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature=0"
)


class QueueError(Exception):
    """SQS answered with an error.

    Args:
        code: Its code, such as `QueueDoesNotExist`.
        message: What it says.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body = bytearray()
        self._kept = True
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._kept = self._parser.should_keep_alive()
        if self._answer and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), bytes(self._body)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(f"the queue hung up: {exc}"))

    @property
    def usable(self) -> bool:
        """Whether another request can be sent on it."""
        return self._kept and self.transport is not None and not self.transport.is_closing()

    def close(self) -> None:
        if self.transport:
            self.transport.abort()

    async def request(self, head: bytes, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Send one request and wait for its answer: status and body."""
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._body.clear()
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(head + body)
        return await asyncio.wait_for(self._answer, timeout_s)


class SqsClient:
    """SQS at one endpoint.

    Args:
        endpoint: Such as `http://127.0.0.1:4566`.
    """

    def __init__(self, endpoint: str) -> None:
        address = urlsplit(endpoint)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._idle: list[_Connection] = []

    async def call(self, action: str, parameters: dict[str, Any], *, wait_s: float = 0.0) -> dict[str, Any]:
        """Call `action`, such as `ReceiveMessage`, and give its answer.

        Args:
            action: The operation's name.
            parameters: Its parameters, as in the API reference.
            wait_s: How long the queue may take over it on purpose.

        Raises:
            QueueError: SQS answered with an error.
            OSError: The endpoint is away or hung up; whether the call took effect is not known.
        """
        body = json.dumps(parameters).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nX-Amz-Target: AmazonSQS.{action}\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nAuthorization: {AUTHORIZATION}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        connection = await self._connection()
        try:
            status, answer = await connection.request(head, body, wait_s + ANSWER_TIMEOUT_S)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            self._idle.append(connection)
        else:
            connection.close()
        return _document(status, answer)

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, protocol = await loop.create_connection(_Connection, self._host, self._port)
        return protocol

    def close(self) -> None:
        """Hang up."""
        while self._idle:
            self._idle.pop().close()


def _document(status: int, answer: bytes) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(answer) if answer else {}
    except ValueError as error:
        raise QueueError("InvalidAnswer", f"status {status}, not JSON: {answer[:200]!r}") from error
    if status != 200:
        code = str(document.get("__type", "Unknown")).rsplit("#", 1)[-1]
        raise QueueError(code, str(document.get("message", document)))
    return document
