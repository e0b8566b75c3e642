"""The gateway itself: two listeners, one loop, one wheel, and what they share."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any

from gateway.admin import Admin
from gateway.buckets import TokenBucket
from gateway.callbacks import CallbackProtocol
from gateway.clock import Clock, SystemClock
from gateway.config import GatewayConfig
from gateway.connection import ABNORMAL, GOING_AWAY, Connection, State
from gateway.connections_api import ConnectionsApi
from gateway.dispatch import Dispatcher, Functions, report_failure
from gateway.events import Caller, EventMaker
from gateway.faults import Faults
from gateway.http_request import Request
from gateway.status import Gauges, resident_bytes
from gateway.upgrade import UpgradeProtocol
from gateway.wheel import Wheel
from gateway.workers import WorkerPool

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Sockets that may wait for their accept; the kernel may allow fewer (`net.core.somaxconn`)."""


class PortTakenError(Exception):
    """A port is in use; the text names it and the variable that moves it."""


class Gateway:
    """A WebSocket API with its `@connections` API.

    Args:
        config: What to serve.
        clock: Where every timer is; the machine's by default.
        functions: Where functions run; worker processes by default.
    """

    def __init__(
        self, config: GatewayConfig, *, clock: Clock | None = None, functions: Functions | None = None
    ) -> None:
        self.config = config
        self.limits = config.limits
        self.clock = clock or SystemClock()
        self.kept_bytes = config.limits.message_bytes
        self.connections: dict[str, Connection] = {}
        self.http_sockets: set[asyncio.Transport] = set()
        self.faults = Faults()
        self.connects = TokenBucket(self.limits.connects_per_s, self.limits.connects_burst, self.clock)
        self._gauges = Gauges()
        self.wheel = Wheel(self.clock, self._tick)
        requests = TokenBucket(self.limits.requests_per_s, self.limits.requests_burst, self.clock)
        self._pool = None if functions else self._own_pool()
        self._events = EventMaker(config, self.clock)
        self.dispatcher = Dispatcher(config, functions or self._own(), self._events, requests)
        self._api = ConnectionsApi(config, self.clock, self.connections, requests, self.faults)
        self._admin = Admin(self.status, self.faults if config.faults else None)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed: asyncio.Event | None = None
        self._sockets: set[Connection] = set()
        self._opened_total = 0
        self._messages = 0

    def _own_pool(self) -> WorkerPool:
        config = self.config
        return WorkerPool(size=config.workers, env=config.worker_env, preload=config.preload, clock=self.clock)

    def _own(self) -> WorkerPool:
        assert self._pool is not None
        return self._pool

    @property
    def functions_busy(self) -> bool:
        """Return whether a function runs or waits."""
        return self._pool is not None and self._pool.busy > 0

    @property
    def ws_port(self) -> int:
        """Return the port WebSocket clients connect to."""
        return int(self._servers[0].sockets[0].getsockname()[1])

    @property
    def callback_port(self) -> int:
        """Return the port of `@connections`."""
        return int(self._servers[1].sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Start the workers and listen.

        Raises:
            PortTakenError: When a port is in use.
            FunctionError: When a module to preload cannot be imported.
        """
        config = self.config
        try:
            self._servers.append(
                await self._listen(lambda: UpgradeProtocol(self), config.host, config.ws_port, config.ws_port_variable)
            )
            self._servers.append(
                await self._listen(
                    lambda: CallbackProtocol(self),
                    config.callback_host,
                    config.callback_port,
                    config.callback_port_variable,
                )
            )
            if self._pool is not None:
                await self._pool.start()
        except BaseException:
            await self._stop_listening()
            raise
        self.wheel.start()
        for server in self._servers:
            await server.start_serving()

    @staticmethod
    async def _listen(factory: Any, host: str, port: int, variable: str) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(factory, host, port, backlog=BACKLOG, start_serving=False)
        except OSError as error:
            hint = f"; set {variable} to another port" if variable else ""
            raise PortTakenError(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}{hint}") from error

    async def stop(self) -> None:
        """Stop listening, close every connection, give `$disconnect` functions their moment, end the workers."""
        await self._stop_listening()
        for connection in list(self.connections.values()):
            connection.close(GOING_AWAY, "Going away")
        if self._sockets:
            self._closed = asyncio.Event()
            try:
                await asyncio.wait_for(self._closed.wait(), self.config.shutdown_s / 2)
            except TimeoutError:
                for connection in list(self._sockets):
                    connection.drop()
                await asyncio.sleep(0)
        await self.dispatcher.settle(self.config.shutdown_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in list(self.http_sockets):
            transport.abort()
        self.wheel.stop()
        if self._pool is not None:
            await self._pool.stop()

    async def _stop_listening(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task that ends with the server."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report_failure)

    def opened(self, connection: Connection) -> None:
        """Make an established connection reachable."""
        self.connections[connection.caller.connection_id] = connection
        self._sockets.add(connection)
        self._opened_total += 1

    def received(self, connection: Connection, text: str) -> None:
        """Hand a client's message to its route."""
        self._messages += 1
        self.dispatcher.message(connection, text)

    def closing(self, connection: Connection) -> None:
        """Make a connection unreachable: posts get 410 from now on."""
        self.connections.pop(connection.caller.connection_id, None)

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        """Tell `$disconnect` that a socket is gone, unless that gets lost."""
        self._sockets.discard(connection)
        if not self._sockets and self._closed is not None:
            self._closed.set()
        if not self.faults.loses_disconnect():
            self.dispatcher.disconnected(connection, code, reason)

    def lost_before_open(self, caller: Caller) -> None:
        """Tell `$disconnect` about a client that went while `$connect` still thought about it."""
        connection = Connection(caller, self)
        connection.state = State.CLOSED
        self.dispatcher.disconnected(connection, ABNORMAL, "Abnormal closure")

    def answer(self, request: Request) -> bytes:
        """Answer a request to the callback listener."""
        if request.url.startswith(b"/_"):
            return self._admin.answer(request)
        return self._api.answer(request)

    def delay_s(self, request: Request) -> float:
        """Return how long a request to the callback listener is held."""
        if not self.faults.on or request.method != b"POST" or request.url.startswith(b"/_"):
            return 0.0
        return self.faults.settings.slow_ms / 1000

    def status(self) -> dict[str, Any]:
        """Return what `/_status` shows."""
        gauges = self._gauges
        pool = self._pool
        return {
            "pid": os.getpid(),
            "connections": len(self.connections),
            "connections_total": self._opened_total,
            "posts": self._api.posts,
            "posts_sent": self._api.sent,
            "posts_per_s": gauges.posts_per_s,
            "messages": self._messages,
            "messages_per_s": gauges.messages_per_s,
            "functions_under_way": self.dispatcher.under_way,
            "workers": pool.pids if pool else [],
            "calls_waiting": pool.waiting if pool else 0,
            "rss_bytes": resident_bytes(),
            "loop_lag_ms": round(gauges.lag_ms, 3),
            "loop_lag_worst_ms": round(gauges.worst_lag_ms, 3),
        }

    def _tick(self, late_s: float) -> None:
        self._gauges.tick(late_s, self._api.posts, self._messages)
