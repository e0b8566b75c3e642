"""A pool of warm worker processes, each like one Lambda environment: one event at a time.

`WorkerPool.invoke("lambdas.connect.handler", event)` runs that function in an idle process and gives its result
back. Callers that find every process busy wait in the order they came.
"""

import asyncio
import itertools
import logging
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.clock import Clock, SystemClock, Timer
from gateway.worker_process import WorkerProcess, environment

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
"""How long `start` waits for the workers' imports."""

STOP_GRACE_S = 2.0
"""How long `stop` lets handlers in flight finish."""

MAX_BACK_OFF_S = 5.0
"""The longest pause before a replacement, when workers keep dying without answering anything."""


class FunctionError(Exception):
    """The handler raised.

    Attributes:
        error_type: The exception's class name, or one of Lambda's `Runtime.*` types.
        message: The exception's text.
    """

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message


class WorkerDied(Exception):  # noqa: N818 - the pool's public name
    """The process ended during the call, or the pool was stopped; whether the handler finished is not known."""


class InvocationTimeout(Exception):  # noqa: N818 - the pool's public name
    """The handler ran longer than the call allowed and its process was killed, or no process came free in time."""


class _Call:
    """One invocation, from the caller's asking to the answer."""

    __slots__ = ("future", "request", "timeout_s", "timer")

    def __init__(self, request: list[Any], timeout_s: float, future: asyncio.Future[Any]) -> None:
        self.request = request
        self.timeout_s = timeout_s
        self.future = future
        self.timer: Timer | None = None

    def settle(self, *, result: Any = None, error: Exception | None = None) -> None:
        """Give the caller its answer, unless it has gone."""
        if self.timer is not None:
            self.timer.cancel()
        if self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class WorkerPool:
    """Warm worker processes that run handlers.

    Args:
        size: Number of processes, at least 1.
        env: Variables set for the workers on top of ours.
        preload: Modules each worker imports before it takes its first event.
        clock: Where the timeouts are counted.
    """

    def __init__(
        self,
        *,
        size: int,
        env: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"a pool needs at least one worker, not {size}")
        self._size = size
        self._env = environment(env)
        self._preload = tuple(preload)
        self._clock = clock or SystemClock()
        self._waiting: deque[_Call] = deque()
        self._idle: deque[WorkerProcess] = deque()
        self._busy: dict[WorkerProcess, _Call] = {}
        self._workers: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)
        self._id_prefix = secrets.token_hex(4)
        self._deaths_in_a_row = 0
        self._started: asyncio.Future[None] | None = None
        self._quiet: asyncio.Event | None = None
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the workers that live now."""
        return sorted(worker.pid for worker in self._workers if worker.pid)

    @property
    def busy(self) -> int:
        """Return how many workers run a handler."""
        return len(self._busy)

    @property
    def waiting(self) -> int:
        """Return how many callers wait for a process."""
        return len(self._waiting)

    async def start(self) -> None:
        """Start the workers; return when every one has imported what it preloads.

        Raises:
            FunctionError: When a preloaded module cannot be imported.
            WorkerDied: When a worker ended before it was ready.
            OSError: When no process can be started.
            InvocationTimeout: When the workers were not ready within `START_TIMEOUT_S`.
        """
        self._started = asyncio.get_running_loop().create_future()
        try:
            for _ in range(self._size):
                await self._spawn()
            await asyncio.wait_for(asyncio.shield(self._started), START_TIMEOUT_S)
        except TimeoutError:
            await self.stop()
            raise InvocationTimeout(f"the workers were not ready after {START_TIMEOUT_S:g} s") from None
        except (FunctionError, WorkerDied, OSError):
            await self.stop()
            raise

    async def invoke(self, target: str, event: Mapping[str, Any], *, timeout_s: float = 29.0) -> Any:
        """Run `target` with `event` in one worker and return its result.

        Args:
            target: Dotted path of the handler, such as `lambdas.connect.handler`.
            event: A JSON document.
            timeout_s: Seconds the handler may run. A caller also waits at most this long for a free process.

        Raises:
            FunctionError: When the handler raised, or is not there.
            WorkerDied: When the process ended during the call.
            InvocationTimeout: When time ran out.
        """
        if self._stopping or self._started is None:
            raise WorkerDied("the pool is not running")
        request_id = f"{self._id_prefix}-{next(self._ids):012x}"
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call = _Call([target, event, request_id, timeout_s], timeout_s, future)
        if self._idle:
            self._assign(self._idle.popleft(), call)
        else:
            call.timer = self._clock.call_later(timeout_s, lambda: self._gave_up(call))
            self._waiting.append(call)
        return await future

    async def stop(self) -> None:
        """Let handlers in flight finish (bounded), then end every worker. Callers still waiting get `WorkerDied`."""
        self._stopping = True
        while self._waiting:
            self._waiting.popleft().settle(error=WorkerDied("the pool was stopped"))
        if self._busy:
            self._quiet = asyncio.Event()
            try:
                await asyncio.wait_for(self._quiet.wait(), STOP_GRACE_S)
            except TimeoutError:
                for worker in list(self._busy):
                    worker.kill()
        for worker in list(self._workers):
            worker.hang_up()
        while self._tasks or self._workers:
            await asyncio.gather(*self._tasks)
            await asyncio.sleep(0)

    async def _spawn(self) -> None:
        worker = WorkerProcess(self._answered, self._lost)
        self._workers.add(worker)
        try:
            await worker.start(self._env, self._preload)
        except OSError:
            self._workers.discard(worker)
            raise
        if self._stopping:
            worker.hang_up()

    def _assign(self, worker: WorkerProcess, call: _Call) -> None:
        """Send `call` to an idle worker and start its time."""
        try:
            worker.send(call.request)
        except (TypeError, ValueError) as error:
            self._idle.append(worker)
            call.settle(error=FunctionError("Runtime.InvalidEvent", f"the event cannot be sent: {error}"))
            return
        self._busy[worker] = call
        call.timer = self._clock.call_later(call.timeout_s, lambda: self._timed_out(worker, call))

    def _answered(self, worker: WorkerProcess, answer: dict[str, Any]) -> None:
        error = answer.get("error")
        failure = FunctionError(*error) if error else None
        if not worker.greeted:
            self._greeted(worker, failure)
            return
        self._deaths_in_a_row = 0
        call = self._busy.pop(worker)
        if worker.doomed:  # killed while its answer was on the way: it takes no further call
            return
        call.settle(result=answer.get("result"), error=failure)
        self._next(worker)

    def _greeted(self, worker: WorkerProcess, failure: FunctionError | None) -> None:
        worker.greeted = failure is None
        if failure is not None:
            self._fail_start(failure)
            return
        self._next(worker)
        ready = sum(1 for other in self._workers if other.greeted)
        if ready == self._size and self._started and not self._started.done():
            self._started.set_result(None)

    def _next(self, worker: WorkerProcess) -> None:
        """Give a free worker the caller that has waited longest."""
        while self._waiting:
            call = self._waiting.popleft()
            if call.timer is not None:
                call.timer.cancel()
            if not call.future.done():
                self._assign(worker, call)
                if worker in self._busy:
                    return
                self._idle.remove(worker)  # the event could not be sent: the next caller may have it
        self._idle.append(worker)
        if self._quiet is not None and not self._busy:
            self._quiet.set()

    def _gave_up(self, call: _Call) -> None:
        if call in self._waiting:
            self._waiting.remove(call)
        call.settle(error=InvocationTimeout(f"no worker came free within {call.timeout_s:g} s"))

    def _timed_out(self, worker: WorkerProcess, call: _Call) -> None:
        call.settle(error=InvocationTimeout(f"{call.request[0]} ran longer than {call.timeout_s:g} s"))
        worker.kill()

    def _lost(self, worker: WorkerProcess) -> None:
        """A worker's stream ended: fail its call, collect the process, start another in its place."""
        if worker in self._idle:
            self._idle.remove(worker)
        call = self._busy.pop(worker, None)
        if call is not None:
            call.settle(error=WorkerDied(f"worker {worker.pid} ended during {call.request[0]}"))
        if not worker.greeted:
            self._fail_start(WorkerDied(f"worker {worker.pid} ended before it was ready"))
        if self._quiet is not None and not self._busy:
            self._quiet.set()
        task = asyncio.get_running_loop().create_task(self._replace(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _fail_start(self, failure: Exception) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(failure)
            self._stopping = True

    async def _replace(self, worker: WorkerProcess) -> None:
        if not self._stopping:
            worker.kill()  # a process that closed its stream is of no use, whatever it still does
        await worker.reap(STOP_GRACE_S)
        self._workers.discard(worker)
        while not self._stopping:
            self._deaths_in_a_row += 1
            if self._deaths_in_a_row > self._size:
                await self._back_off()
            try:
                await self._spawn()
            except OSError as error:  # no memory or no process slot just now
                log.warning("a worker could not be started, trying again: %s", error)
            else:
                return

    async def _back_off(self) -> None:
        """Pause before a replacement; the first ones come at once, a crash loop is slowed down."""
        tries = self._deaths_in_a_row - self._size
        pause_s = min(MAX_BACK_OFF_S, 0.05 * 2 ** min(tries, 10))
        waited_s = 0.0
        while waited_s < pause_s and not self._stopping:
            await asyncio.sleep(0.05)
            waited_s += 0.05
