"""TCP ports on 127.0.0.1: is one free, take a free one, take the one of the last run where that still goes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

from local.errors import PortTakenError

HOST = "127.0.0.1"


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
    """A port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def remembered(path: Path) -> int:
    """The port noted in the file `path` when it is still free, else a free one, which is then noted."""
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
