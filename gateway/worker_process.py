"""The pool's side of one worker: the process, its end of the socket pair, and the call it is busy with."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import orjson

from gateway.framing import Unframer, frame

_ROOT = str(Path(__file__).resolve().parents[1])


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment a worker starts with: ours, then `extra`; the gateway stays importable."""
    merged = {**os.environ, "PYTHONUNBUFFERED": "1", **(extra or {})}
    paths = [path for path in merged.get("PYTHONPATH", "").split(os.pathsep) if path]
    merged["PYTHONPATH"] = os.pathsep.join([*paths, *([] if _ROOT in paths else [_ROOT])])
    return merged


class WorkerProcess(asyncio.Protocol):
    """One process and the stream to it.

    Args:
        on_answer: Called with this worker and the decoded answer; the first answer is its hello.
        on_lost: Called once with this worker when the stream ends, however that came about.
    """

    def __init__(
        self,
        on_answer: Callable[["WorkerProcess", dict[str, Any]], None],
        on_lost: Callable[["WorkerProcess"], None],
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._unframer = Unframer()
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.greeted = False
        self.doomed = False

    @property
    def pid(self) -> int:
        """Return the process id, or 0 before the start."""
        return self._process.pid if self._process else 0

    async def start(self, env: Mapping[str, str], preload: Sequence[str]) -> None:
        """Start the process and connect; returns before the worker has said hello.

        Raises:
            OSError: When the process cannot be started.
        """
        ours, theirs = socket.socketpair()
        try:
            command = [sys.executable, "-m", "gateway.worker", str(theirs.fileno()), *preload]
            # Starting takes milliseconds, and the pool starts few: a thread would cost more than it saves.
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220
                command, pass_fds=(theirs.fileno(),), env=dict(env), stdin=subprocess.DEVNULL
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)  # noqa: FBT003 - its only argument
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)

    def send(self, request: Sequence[Any]) -> None:
        """Hand one request over.

        Raises:
            TypeError: When the request is not JSON.
            ValueError: When it is larger than the wire allows.
        """
        payload = frame(orjson.dumps(request, option=orjson.OPT_NON_STR_KEYS))
        if self._transport is not None:
            self._transport.write(payload)

    def hang_up(self) -> None:
        """Close our end; an idle worker ends by itself."""
        if self._transport is not None:
            self._transport.abort()

    def kill(self) -> None:
        """End the process now (SIGKILL); what it answered a moment before counts no more."""
        self.doomed = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    async def reap(self, grace_s: float) -> None:
        """Wait until the process has ended, and collect it; kill it after `grace_s`."""
        process = self._process
        if process is None:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, process.wait, grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            await loop.run_in_executor(None, process.wait)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Decode whole answers; called by the event loop."""
        for payload in self._unframer.feed(data):
            self._on_answer(self, orjson.loads(payload))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        """Tell the pool; called by the event loop."""
        self._transport = None
        self._on_lost(self)
