"""An HTTP server that answers each `@connections` id as scripted, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote

if TYPE_CHECKING:
    import ssl

DROP: Final = "drop"
"""Close without an answer, after the whole request."""
CUT: Final = "cut"
"""Close in the middle of the request, its body unread."""
HALF: Final = "half"
"""Close in the middle of the answer's first line."""
STALL: Final = "stall"
"""Never answer."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def connection_id(self) -> str:
        return unquote(self.path.rpartition("/@connections/")[2])


@dataclass
class Scripted:
    """Answers by connection id: the script's next line, then the last one again and again; 200 without a script."""

    context: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    answered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._scripts: defaultdict[str, deque[int | str]] = defaultdict(lambda: deque([200]))
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def script(self, connection_id: str, *answers: int | str) -> None:
        self._scripts[connection_id] = deque(answers)

    def asked(self, connection_id: str) -> int:
        """How often this id was posted to."""
        return sum(request.connection_id == connection_id for request in self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context, limit=2**20)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]
        scheme = "https" if self.context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/prod"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while await self._answer(reader, writer, number):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client, or the test, is done
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        """Serve one request; whether the connection lives on."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        method, path, _ = first.split(" ")
        script = self._scripts[unquote(path.rpartition("/@connections/")[2])]
        line = script.popleft() if len(script) > 1 else script[0]
        body = b"" if line == CUT else await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Request(method, path, headers, body, number))
        if line == STALL:
            await asyncio.Event().wait()
        if line == HALF:
            writer.write(b"HTTP/1.1 2")
            await writer.drain()
        if not isinstance(line, int):
            return False
        explanation = b"" if line in (200, 204) else b'{"message":"scripted"}'
        writer.write(f"HTTP/1.1 {line} X\r\nContent-Length: {len(explanation)}\r\n\r\n".encode() + explanation)
        await writer.drain()
        self.answered.set()
        return True
