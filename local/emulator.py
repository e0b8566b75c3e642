"""SQS on 127.0.0.1 from the pinned emulator MiniStack, started by a launcher that makes it quick (ADR 0005).

It keeps nothing over a restart: whatever was in the queues is sent again from the outbox. `Cloud` is all of it, which
`local.deploy` deploys into (ADR 0020).
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from pathlib import Path

from local import ports
from local.errors import MissingBinaryError
from local.processes import Child

VERSION = "1.5.33"
LAUNCHER = Path(__file__).with_name("emulator_launcher.py")
ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements-emulator.txt"
ACCOUNT = "000000000000"
REGION = "us-east-1"
ACCESS_KEY = "CARILLONLOCAL"
"""Emulated queues take any key; it is one of our own so that nobody's real one is ever sent."""


def find_python(configured: Path | None) -> Path:
    """The interpreter of the virtual environment that has MiniStack.

    Raises:
        MissingBinaryError: There is none.
    """
    python = configured or ROOT / ".venv-emulator" / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise MissingBinaryError(
            f"the emulator's Python {python} is not there. Run `make setup`, or set CARILLON_EMULATOR_PYTHON to the "
            f"python of a virtual environment with what {REQUIREMENTS.name} names."
        )
    return python


def install(folder: Path) -> None:
    """Make a virtual environment with the pinned emulator at `folder`; takes some 10 s.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", "-r", REQUIREMENTS], check=True)


class Emulator:
    """One emulator.

    Args:
        folder: Holds `port` and `emulator.log`; made when it is not there.
        port: 0 takes the port of the last run when it is free, else any free one.
        python: The interpreter that has MiniStack; None takes `.venv-emulator`'s.
        patched: Whether its SQS is made quick; without it is only what the contract test compares with.
    """

    def __init__(self, folder: Path, *, port: int = 0, python: Path | None = None, patched: bool = True) -> None:
        self.folder = folder
        self._configured_python = python
        self._patched = patched
        self._child: Child | None = None
        self.port = port

    @property
    def endpoint(self) -> str:
        """The endpoint for an SQS client, without a slash at its end."""
        return f"http://{ports.HOST}:{self.port}"

    @property
    def queue_prefix_url(self) -> str:
        """The URL of a queue up to its name."""
        return f"{self.endpoint}/{ACCOUNT}/"

    @property
    def child(self) -> Child | None:
        """The running emulator's process, if there is one."""
        return self._child

    def start(self, *, timeout_s: float = 30.0) -> None:
        """Start it, with no queues, and wait until it answers.

        Raises:
            MissingBinaryError: Its virtual environment is not there.
            NotReadyError: It ended, for instance because it is of another version, or did not answer in time.
        """
        python = find_python(self._configured_python)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = ports.for_server(self.port, self.folder / "port")
        argv: list[str | Path] = [python, LAUNCHER, VERSION, *self._options()]
        self._child = Child("the emulator", argv, log_path=self.folder / "emulator.log", env=self._environment())
        self._child.wait_ready(self._answers, timeout_s=timeout_s)

    def _options(self) -> list[str]:
        return [] if self._patched else ["--unpatched"]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {
            "BIND_HOST": ports.HOST,  # it would listen to the whole network otherwise
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": ports.HOST,
            "MINISTACK_REGION": REGION,
            "SERVICES": "sqs",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self.folder),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(ports.HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self, *, timeout_s: float = 1.0) -> None:
        """Stop it; what was in the queues is gone."""
        if self._child:
            self._child.stop(timeout_s=timeout_s)
            self._child = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child:
            self._child.kill()
            self._child = None


class Cloud(Emulator):
    """All of the emulator's services: CloudFormation, functions with their event sources, WebSocket APIs.

    Its functions run as processes of the same interpreter, so that must be of the functions' own Python version. What
    they unpack lies in `folder`.
    """

    API_ID = "ca411100"
    """The id of the one WebSocket API, so that its address is known before it is deployed."""

    def _options(self) -> list[str]:
        return ["--cloud"]

    def _environment(self) -> dict[str, str]:
        only_sqs = super()._environment()
        del only_sqs["SERVICES"]
        return only_sqs | {
            "CARILLON_EMULATED_ACCOUNT": ACCOUNT,
            "CARILLON_EMULATED_API_ID": self.API_ID,
            # Where there is Docker, the emulator would start containers for databases and tasks.
            "DOCKER_HOST": "unix:///nonexistent",
            "LOG_LEVEL": "INFO",
        }

    def stop(self, *, timeout_s: float = 10.0) -> None:
        """Stop it and its functions; everything deployed is gone."""
        super().stop(timeout_s=timeout_s)

    def websocket_url(self, stage: str) -> str:
        """Where clients open their WebSocket, for a stage of the API."""
        return f"ws://{ports.HOST}:{self.port}/_aws/execute-api/{self.API_ID}/{stage}"

    def callback_url(self, stage: str) -> str:
        """Where posts to their connections go."""
        return f"{self.endpoint}/_aws/execute-api/{self.API_ID}/{stage}"
