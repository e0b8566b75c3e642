"""A small server of wire v1 in memory, for tests of clients: it keeps logs, loses frames and ends sockets on demand."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from carillon.errors import FrameError
from carillon.model import Event, Kind, Lane
from carillon.protocol import frames

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = "fake"
Route = tuple[int, str, bytes]


def token(sub: str, lives_s: float = 3600) -> str:
    """A token of the shape of a JWT, signed by nobody."""
    claims = {"sub": sub, "exp": time.time() + lives_s}
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b"{}", _json(claims), b"-"))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass
class Person:
    """One person's streams and sockets."""

    log: dict[Lane, list[Event]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    acked: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    sockets: set[ServerConnection] = field(default_factory=set)


@dataclass
class FakeInbox:
    """The server; `async with FakeInbox() as fake`. `people` are made as they connect or get an event."""

    page: int = 100
    refuse: int | None = None
    lose: int = 0
    mute: bool = False
    routes: Callable[[str], Route | None] | None = None
    port: int = 0
    people: dict[str, Person] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)
    connects: int = 0
    _server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", self.port, process_request=self._request, select_subprotocol=_select
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def person(self, sub: str) -> Person:
        return self.people.setdefault(sub, Person())

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        if "upgrade" not in request.headers.get("Connection", "").lower():
            status, kind, body = (self.routes(request.path) if self.routes else None) or (404, "text/plain", b"")
            return Response(status, "-", Headers({"Content-Type": kind, "Content-Length": str(len(body))}), body)
        return connection.respond(self.refuse, "refused") if self.refuse else None

    async def send(self, sub: str, lane: Lane, event_id: str, **members: Any) -> Event:
        """Log an event and post it to the person's sockets, unless `lose` says otherwise."""
        person = self.person(sub)
        given: dict[str, Any] = {"name": "timeline.shifted", "data": {}, "expires_at": None} | members
        event = Event(lane, len(person.log[lane]) + 1, event_id, kind=Kind.WEDDING, ts=int(time.time() * 1000), **given)
        person.log[lane].append(event)
        if self.lose > 0:
            self.lose -= 1
        elif event.tombstone is None:
            await self.post(sub, event)
        return event

    async def post(self, sub: str, event: Event, attempt: int = 1) -> None:
        text = frames.event_renderer(event, EPOCH).render(event.offset, attempt).decode()
        for socket in list(self.person(sub).sockets):
            with suppress(ConnectionClosed):  # a ghost, as the real server meets them; the log keeps the event
                await socket.send(text)

    async def say(self, sub: str, frame: Any) -> None:
        """Push any frame to a person."""
        for socket in list(self.person(sub).sockets):
            await socket.send(frames.encode(frame))

    async def end(self, sub: str, code: int) -> None:
        """Close the person's sockets with a code; 1006 cuts them."""
        for socket in list(self.person(sub).sockets):
            if code == 1006:
                socket.transport.abort()
            else:
                await socket.close(code)

    async def _serve(self, socket: ServerConnection) -> None:
        self.connects += 1
        assert socket.request is not None
        bearer = socket.request.headers["Sec-WebSocket-Protocol"].split("bearer.")[1]
        sub = json.loads(base64.urlsafe_b64decode(bearer.split(".")[1] + "=="))["sub"]
        person = self.person(sub)
        try:
            async for text in socket:
                self.heard.append({"sub": sub} | json.loads(text))
                if not self.mute:
                    await self._answer(socket, person, str(text))
        except ConnectionClosed:
            pass  # the client went away; what it missed is in its log
        finally:
            person.sockets.discard(socket)

    async def _answer(self, socket: ServerConnection, person: Person, text: str) -> None:
        try:
            frame = frames.parse_client(text)
        except FrameError as error:
            await socket.send(frames.encode_error(error))
            return
        match frame:
            case frames.Subscribe():
                person.sockets.add(socket)
                await socket.send(frames.encode(self._page(person, frame)))
            case frames.Ack():
                for lane, offset in frame.offsets.items():
                    person.acked[lane] = max(person.acked[lane], offset)
            case frames.Ping():
                await socket.send(frames.encode(frames.Pong()))
            case frames.Sync():
                heads = {lane: len(log) for lane, log in person.log.items()}
                await socket.send(
                    frames.encode(frames.Synced(id=frame.id, channel="inbox", epoch=EPOCH, offsets=heads))
                )
            case frames.Refresh():
                await socket.send(frames.encode(frames.Refreshed(id=frame.id, expires_at=0)))

    def _page(self, person: Person, frame: frames.Subscribe) -> frames.Subscribed:
        start = person.acked | (frame.recover.offsets if frame.recover else {})
        missing = [event for lane in Lane for event in person.log[lane][start[lane] :]]
        page = missing[: self.page]
        return frames.Subscribed(
            id=frame.id,
            channel="inbox",
            epoch=EPOCH,
            offsets=start | {event.lane: event.offset for event in page},
            recovered=True,
            more=len(page) < len(missing),
            events=tuple(frames.event_item(event, EPOCH) for event in page),
        )


def _select(_: ServerConnection, offered: Any) -> Any:
    return "carillon.v1" if "carillon.v1" in offered else None
