"""From messages to functions and back: routes, one message of a connection after another, route responses."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol

import orjson

from gateway import answers, ids
from gateway.answers import ConnectAnswer, MalformedAnswerError
from gateway.buckets import TokenBucket
from gateway.config import GatewayConfig, Route
from gateway.connection import Connection
from gateway.events import Caller, Event, EventMaker, request_id_of
from gateway.workers import FunctionError, InvocationTimeout, WorkerDied

log = logging.getLogger(__name__)

FAILURES = (FunctionError, WorkerDied, InvocationTimeout, MalformedAnswerError)


def report_failure(task: asyncio.Task[Any]) -> None:
    """Log the exception a finished task ended with: nobody awaits it, and it must not vanish."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the gateway failed", exc_info=error)


class Functions(Protocol):
    """What runs the functions: a `WorkerPool`."""

    async def invoke(self, target: str, event: Mapping[str, Any], *, timeout_s: float = 29.0) -> Any:
        """Run `target` with `event` and return its result."""


class Dispatcher:
    """Chooses routes and calls their functions.

    Messages of one connection are handed over one after another, in the order they came; API Gateway promises less.
    Mock routes are answered at once, also when a function of that connection is still busy. `$disconnect` comes
    after the last message.

    Args:
        config: Routes and limits.
        functions: Where they run.
        events: Builds the events.
        requests: The bucket that messages and posts share.
    """

    def __init__(self, config: GatewayConfig, functions: Functions, events: EventMaker, requests: TokenBucket) -> None:
        self._routes = dict(config.routes)
        self._limits = config.limits
        self._functions = functions
        self._events = events
        self._requests = requests
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """Return how many connections have a function that runs or waits."""
        return len(self._tasks)

    async def connect(self, caller: Caller, headers: Sequence[tuple[str, str]], query: str) -> ConnectAnswer:
        """Ask `$connect`'s function whether a client may come in; without such a route everybody may."""
        route = self._routes.get("$connect", Route())
        if route.function is None:
            return ConnectAnswer(200)
        event = self._events.connect(caller, headers, query)
        try:
            result = await self._invoke(route.function, event)
            return answers.connect_answer(result)
        except FAILURES as error:
            log.warning("$connect of %s failed: %s", caller.connection_id, error)
            status = 504 if isinstance(error, InvocationTimeout) else 502
            body = answers.failure("Internal server error", caller.connection_id, request_id_of(event))
            return ConnectAnswer(status, body=body.decode())

    def message(self, connection: Connection, text: str) -> None:
        """Take one message from a client."""
        if not self._requests.take():
            self._refuse(connection, "Too Many Requests")
            return
        key, route = self._select(text)
        if route is None:
            self._refuse(connection, "Forbidden")
        elif route.mock is not None:
            connection.send(route.mock.encode())
        elif route.function is not None:
            event = self._events.message(connection.caller, key, text)
            self._queue(connection, route.function, event)

    def disconnected(self, connection: Connection, code: int, reason: str) -> None:
        """Tell `$disconnect`'s function, after the messages that still wait."""
        route = self._routes.get("$disconnect", Route())
        if route.function is not None:
            event = self._events.disconnect(connection.caller, code, reason)
            self._queue(connection, route.function, event)

    async def settle(self, timeout_s: float) -> None:
        """Wait for functions under way, at most `timeout_s` seconds; give the rest up."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _select(self, text: str) -> tuple[str, Route | None]:
        """Evaluate `$request.body.action`; what is not JSON or not a route goes to `$default`."""
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            document = None
        action = document.get("action") if isinstance(document, dict) else None
        if isinstance(action, str) and not action.startswith("$") and action in self._routes:
            return action, self._routes[action]
        return "$default", self._routes.get("$default")

    def _queue(self, connection: Connection, function: str, event: Event) -> None:
        if connection.inbox is None:
            connection.inbox = deque()
        connection.inbox.append((function, event))
        if not connection.busy:
            connection.busy = True
            self._start(self._drain(connection))
        elif len(connection.inbox) == self._limits.pending_messages:
            connection.pause_reading()

    async def _drain(self, connection: Connection) -> None:
        """Hand a connection's messages over until none is left."""
        inbox = connection.inbox
        while inbox:
            function, event = inbox.popleft()
            if len(inbox) == self._limits.pending_messages // 2:
                connection.resume_reading()
            await self._run(connection, function, event)
        connection.inbox = None
        connection.busy = False

    async def _run(self, connection: Connection, function: str, event: Event) -> None:
        try:
            body = answers.route_response(await self._invoke(function, event)).encode()
            if len(body) > self._limits.message_bytes:
                raise MalformedAnswerError(f"a body of {len(body)} bytes is over the message limit")
        except FAILURES as error:
            log.warning("%s failed for %s: %s", function, connection.caller.connection_id, error)
            self._refuse(connection, "Internal server error", request_id_of(event))
            return
        if body:
            connection.send(body)

    async def _invoke(self, function: str, event: Event) -> Any:
        return await self._functions.invoke(function, event, timeout_s=self._limits.integration_timeout_s)

    def _refuse(self, connection: Connection, message: str, request_id: str | None = None) -> None:
        connection_id = connection.caller.connection_id
        connection.send(answers.failure(message, connection_id, request_id or ids.request_id()))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        report_failure(task)
