"""What no route should ever see: bodies that are too large, and characters that no store can hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from api.problems import answer
from carillon.errors import CarillonError, InvalidInputError, OutageError, TooLargeError
from carillon.protocol.web import ALIVE, GRACE_S, IMPORT, LARGEST_BODY, LARGEST_IMPORT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATIENCE_S: Final = float(GRACE_S)
"""Longest time to send a body in: a client that drips bytes must not hold a place forever."""
_MOST_AT_ONCE: Final = 200
"""Requests under way; 40 threads serve them. While the database is away each waits out its time, and a queue without
an end would answer nobody in time: whoever comes on top is sent away at once."""
_MOST_DIGITS: Final = 18
_ALWAYS: Final = frozenset({ALIVE})


class Limits:
    """Reads the body before the app does and stops at the limit, whatever its Content-Length claims."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self._under_way > _MOST_AT_ONCE and scope["path"] not in _ALWAYS:
                raise OutageError(f"{_MOST_AT_ONCE} requests are under way already", retry_after_s=1)
            _check_text(scope)
            async with asyncio.timeout(_PATIENCE_S):
                body = await _read(receive, _largest(scope), _claimed(scope))
        except (CarillonError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                error = TooLargeError(f"the body took longer than {_PATIENCE_S:.0f} s to arrive")
            refusal = answer(error, scope["path"].encode("utf-8", "backslashreplace").decode())
            # What was not read would be taken for the next request.
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _Replay(body, receive), send)


def _check_text(scope: Scope) -> None:
    """PostgreSQL's text holds everything but NUL."""
    if "\x00" in scope["path"] or b"\x00" in unquote_to_bytes(scope.get("query_string", b"")):
        raise InvalidInputError("the address holds a NUL character, which nothing here is called")


def _largest(scope: Scope) -> int:
    return LARGEST_IMPORT if scope["path"] == IMPORT else LARGEST_BODY


def _claimed(scope: Scope) -> int:
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(text[:_MOST_DIGITS]) if text.isdigit() else 0


async def _read(receive: Receive, largest: int, claimed: int) -> bytes | None:
    """The whole body, or None when the client left in the middle."""
    parts, size = [], claimed
    if size <= largest:
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > largest or not message.get("more_body", False):
                break
    if size > largest:
        raise TooLargeError(f"the body is larger than {largest} bytes; send it in parts")
    return b"".join(parts)


class _Replay:
    """Hands the body out once more, then whatever the server says (that the client left)."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """The next message."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
