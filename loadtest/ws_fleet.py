"""A fleet of WebSocket clients that only count what they receive; built on picows, the cheapest client measured."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class CountingClient(WSListener):
    """Counts text messages.

    Args:
        on_message: Called with this client for every message.
    """

    def __init__(self, on_message: Callable[["CountingClient", WSFrame], None]) -> None:
        self.received = 0
        self.closed = False
        self._on_message = on_message

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count one frame; called by picows."""
        if frame.msg_type == WSMsgType.TEXT:
            self.received += 1
            self._on_message(self, frame)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' signature
        """Remember the end; called by picows."""
        self.closed = True


class Fleet:
    """Many clients of one URL.

    Attributes:
        clients: Those that connected.
        received: Messages received by all of them.
        last_at_s: When the latest message came, on `time.perf_counter`'s axis.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._expected = 0
        self._complete: asyncio.Event | None = None
        self._listener: Callable[[CountingClient, WSFrame], None] | None = None
        self.clients: list[CountingClient] = []
        self.transports: list[WSTransport] = []
        self.received = 0
        self.last_at_s = 0.0

    async def connect(self, count: int, *, at_once: int = 200, **options: Any) -> float:
        """Connect `count` more clients, `at_once` at a time; return the seconds it took."""
        turns = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with turns:
                transport, client = await ws_connect(
                    lambda: CountingClient(self._count),
                    self._url,
                    read_buffer_init_size=2048,
                    websocket_handshake_timeout=60,
                    **options,
                )
            self.transports.append(transport)
            self.clients.append(client)  # type: ignore[arg-type]

        start_s = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return time.perf_counter() - start_s

    async def wait_for(self, expected: int, timeout_s: float) -> bool:
        """Wait until `expected` messages came in all; False when time runs out."""
        self._expected = expected
        self._complete = asyncio.Event()
        if self.received >= expected:
            return True
        try:
            await asyncio.wait_for(self._complete.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def listen(self, on_message: Callable[[CountingClient, WSFrame], None] | None) -> None:
        """Show every further message to `on_message` too; None ends that."""
        self._listener = on_message

    def send_all(self, text: bytes) -> None:
        """Send one text message from every client."""
        for transport in self.transports:
            transport.send(WSMsgType.TEXT, text)

    async def disconnect(self) -> None:
        """Close every client's socket."""
        for transport in self.transports:
            transport.disconnect(graceful=False)
        await asyncio.sleep(0)

    def _count(self, client: CountingClient, frame: WSFrame) -> None:
        self.received += 1
        if self._listener is not None:
            self._listener(client, frame)
        if self.received >= self._expected and self._complete is not None:
            self.last_at_s = time.perf_counter()
            self._complete.set()
