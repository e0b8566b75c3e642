"""One warm worker process: takes events from its socket, calls handlers, answers; one event at a time.

Started by the pool as `python -m gateway.worker FD [MODULE ...]`, with the file descriptor of its end of a
socket pair. It ends when the other end closes, whatever it is doing: a killed parent leaves no orphan.
"""

import contextlib
import importlib
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import orjson

from gateway.context import LambdaContext
from gateway.framing import MAX_BYTES, Unframer, frame

Handler = Callable[[Any, LambdaContext], Any]


class _HandlerMissingError(Exception):
    """The target names no callable; carries the error type Lambda gives for it."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def _resolve(target: str) -> Handler:
    """Import the handler a dotted path names."""
    module_name, _, attribute = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise _HandlerMissingError("Runtime.ImportModuleError", f"Unable to import {target!r}: {error}") from error
    handler = getattr(module, attribute, None)
    if not callable(handler):
        raise _HandlerMissingError("Runtime.HandlerNotFound", f"{target!r} is not a function of {module_name!r}")
    found: Handler = handler
    return found


class Worker:
    """Runs handlers; keeps what it imported."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def answer(self, request: bytes) -> bytes:
        """Run one request and return the answer's payload; a handler's exception becomes an error answer."""
        target, event, request_id, timeout_s = orjson.loads(request)
        try:
            handler = self._handlers.get(target)
            if handler is None:
                handler = self._handlers[target] = _resolve(target)
            function_name = target.split(".")[-2] if "." in target else target
            result = handler(event, LambdaContext(function_name, request_id, timeout_s))
        except _HandlerMissingError as error:
            return orjson.dumps({"error": [error.error_type, str(error)]})
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its caller's to judge
            traceback.print_exc()
            return orjson.dumps({"error": [type(error).__name__, str(error)]})
        try:
            answer = orjson.dumps({"result": result}, option=orjson.OPT_NON_STR_KEYS)
        except TypeError as error:
            return orjson.dumps({"error": ["Runtime.MarshalError", f"the result is not JSON: {error}"]})
        if len(answer) > MAX_BYTES:
            return orjson.dumps({"error": ["Function.ResponseSizeTooLarge", f"{len(answer)} bytes"]})
        return answer


def _exit_when_parent_goes(channel: socket.socket) -> None:
    """Block until the other end of `channel` closes, then end the process at once."""
    # Linux tells a half-closed peer apart (0x2000, POLLRDHUP); elsewhere the full hang-up must do.
    events = getattr(select, "POLLRDHUP", 0) | select.POLLHUP
    poller = select.poll()
    poller.register(channel, events)
    while not any(flags & (events | select.POLLERR) for _, flags in poller.poll()):
        pass
    os._exit(0)


def serve(channel: socket.socket, preload: list[str]) -> None:
    """Import `preload`, say hello, then answer requests until the other end closes."""
    worker = Worker()
    try:
        for name in preload:
            importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - told to the pool, which refuses to start
        traceback.print_exc()
        channel.sendall(frame(orjson.dumps({"error": [type(error).__name__, f"preload: {error}"]})))
        return
    channel.sendall(frame(orjson.dumps({"result": "ready"})))
    unframer = Unframer()
    while data := channel.recv(256 * 1024):
        for request in unframer.feed(data):
            channel.sendall(frame(worker.answer(request)))


def main(arguments: list[str]) -> None:
    """Run one worker: `FD [MODULE ...]`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers in order
    channel = socket.socket(fileno=int(arguments[0]))
    threading.Thread(target=_exit_when_parent_goes, args=(channel,), daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(channel, arguments[1:])
    # Nobody listens any more. Going through the interpreter's end would wait seconds for a connection pool's threads.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
