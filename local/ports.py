"""TCP ports on 127.0.0.1: is one free, take a free one, take the one of the last run where that still goes."""

from __future__ import annotations

import random
import socket
import time
from typing import TYPE_CHECKING

from local.errors import PortTakenError

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
SERVERS = range(15_000, 30_000)
"""Where free ports are taken from: below those that Linux (32768) and others give to the near end of a connection, so
that no connection takes the port of a server that is being restarted."""
TRIES = 200
LEFT_WITHIN_S = 5.0
LOOK_INTERVAL_S = 0.02


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it, connections of the last run that linger in TIME_WAIT would look like a user.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port that nobody listens on at this moment, by chance, so that several runs seldom meet.

    Raises:
        PortTakenError: None was found.
    """
    for port in random.sample(SERVERS, TRIES):
        if is_free(port):
            return port
    raise PortTakenError(f"of {TRIES} ports between {SERVERS.start} and {SERVERS.stop} on {HOST} none is free.")


def for_server(port: int, path: Path) -> int:
    """The port a store shall listen on.

    Args:
        port: Where it must be; this waits until whoever had it (itself before a crash) has left it, but not for ever. 0
            takes the one noted in the file `path` when it is still free, else any free one, which is then noted.
        path: The note.
    """
    if port:
        deadline = time.monotonic() + LEFT_WITHIN_S
        while not is_free(port) and time.monotonic() < deadline:
            time.sleep(LOOK_INTERVAL_S)  # the kernel tells nobody when a port is left; bounded by LEFT_WITHIN_S
        return port  # still taken: the server says so itself, in its log
    try:
        port = int(path.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if not port or not is_free(port):
        port = any_free()
        path.write_text(f"{port}\n")
    return port


def require(port: int, variable: str) -> int:
    """Answer `port` when it is free.

    Raises:
        PortTakenError: It is not; names the environment variable to set.
    """
    if port and not is_free(port):
        raise PortTakenError(
            f"port {port} on {HOST} is used by another program. Stop that one, or set {variable} to a free port."
        )
    return port
