"""What stands in for an AWS account: the emulated cloud, and the stores and the issuer that it only has on paper."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from typing import TYPE_CHECKING, Any, Final

import boto3
import psycopg

from local.deploy.cdk import credentials
from local.emulator import Cloud, find_python
from local.errors import MissingBinaryError
from local.issuer import ISSUER, Issuer
from local.postgres import Postgres
from local.settings import optional_path
from local.valkey import Valkey
from stacks.parts.bundle import PYTHON as RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.settings import LocalSettings

STAGE: Final = "dev"
WEB_STAGE: Final = "live"
"""What the templates call the WebSocket API's stage; known before they are made, and checked once they are deployed."""
IMAGE: Final = "public.ecr.aws/docker/library/python:3.13-slim"
"""Named, never pulled: the emulator runs no containers, and building one takes Docker."""


def context(*, cloud: Cloud, database_url: str, valkey_url: str, jwks_url: str) -> dict[str, str]:
    """The fields of `stacks.stage.Stage` that a deploy on this machine overrides, `stage` itself included."""
    return {
        "stage": STAGE,
        "architecture": "x86_64" if os.uname().machine in {"x86_64", "amd64"} else "arm64",
        "database_url": database_url,
        "valkey_url": valkey_url,
        "callback_endpoint": cloud.callback_url(WEB_STAGE),
        "websocket_url": cloud.websocket_url(WEB_STAGE),
        "queue_endpoint": cloud.endpoint,
        "issuer": ISSUER,
        "jwks_url": jwks_url,
        "image": IMAGE,
    }


def require_runtime(python: Path) -> None:
    """Check that the functions' packages, which hold compiled code, can run here: Linux, and the functions' Python.

    Raises:
        MissingBinaryError: they cannot.
    """
    if platform.system() != "Linux":
        raise MissingBinaryError(f"the functions' packages are made for Linux, this is {platform.system()}.")
    told = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    if told.stdout.strip() != RUNTIME:
        raise MissingBinaryError(
            f"the functions are of Python {RUNTIME}, {python} is {told.stdout.strip()}. Make .venv-emulator with the "
            f"former, or set CARILLON_EMULATOR_PYTHON to the python of an environment that is."
        )


class Place:
    """The servers, in one folder.

    Args:
        folder: for their data and logs.
        settings: where their programs are.
    """

    def __init__(self, folder: Path, settings: LocalSettings) -> None:
        self.postgres = Postgres(folder / "postgres", bin_dir=optional_path(settings.postgres_bin), durable=False)
        self.valkey = Valkey(folder / "valkey", binary=optional_path(settings.valkey_bin))
        self._python = optional_path(settings.emulator_python)
        self.cloud = Cloud(folder / "emulator", python=self._python)
        self.issuer = Issuer(folder / "issuer")

    @contextlib.contextmanager
    def running(self, *, timeout_s: float) -> Iterator[None]:
        """Start all three; they are stopped at the end, the cloud with its functions first.

        Raises:
            LocalError: one does not start.
        """
        require_runtime(find_python(self._python))
        with contextlib.ExitStack() as stack:
            for server in (self.postgres, self.valkey, self.cloud):
                stack.callback(server.stop)
                server.start(timeout_s=timeout_s)
            yield

    @property
    def context(self) -> dict[str, str]:
        """What the stacks are told with `-c`: this machine's architecture, and where everything is."""
        return context(
            cloud=self.cloud,
            database_url=self.postgres.dsn,
            valkey_url=self.valkey.url,
            jwks_url=self.issuer.jwks_path.as_uri(),
        )

    def migrations(self) -> list[str]:
        """The migrations that the deployed function ran, by name: nobody else migrates this database."""
        with psycopg.connect(self.postgres.dsn) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM schema_migrations ORDER BY name")]

    def client(self, service: str) -> Any:
        """A boto3 client of the emulated cloud."""
        keys = credentials(self.cloud.endpoint)
        make: Any = boto3.client  # its stubs know every service by name
        return make(
            service,
            endpoint_url=keys["AWS_ENDPOINT_URL"],
            region_name=keys["AWS_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
