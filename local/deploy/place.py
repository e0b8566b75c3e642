"""What stands in for an AWS account: the emulated cloud, and the stores and the issuer that it only has on paper."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

import boto3

from local.deploy.cdk import credentials
from local.emulator import Cloud
from local.issuer import ISSUER, Issuer
from local.postgres import Postgres
from local.settings import optional_path
from local.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.settings import LocalSettings

STAGE: Final = "dev"
WEB_STAGE: Final = "live"
"""What the templates call the WebSocket API's stage; known before they are made, and checked once they are deployed."""
IMAGE: Final = "public.ecr.aws/docker/library/python:3.13-slim"
"""Named, never pulled: the emulator runs no containers, and building one takes Docker."""


class Place:
    """The servers, in one folder.

    Args:
        folder: for their data and logs.
        settings: where their programs are.
    """

    def __init__(self, folder: Path, settings: LocalSettings) -> None:
        self.postgres = Postgres(folder / "postgres", bin_dir=optional_path(settings.postgres_bin), durable=False)
        self.valkey = Valkey(folder / "valkey", binary=optional_path(settings.valkey_bin))
        self.cloud = Cloud(folder / "emulator", python=optional_path(settings.emulator_python))
        self.issuer = Issuer(folder / "issuer")

    @contextlib.contextmanager
    def running(self, *, timeout_s: float) -> Iterator[None]:
        """Start all three; they are stopped at the end, the cloud with its functions first."""
        with contextlib.ExitStack() as stack:
            for server in (self.postgres, self.valkey, self.cloud):
                stack.callback(server.stop)
                server.start(timeout_s=timeout_s)
            yield

    @property
    def context(self) -> dict[str, str]:
        """What the stacks are told with `-c`: this machine's architecture, and where everything is."""
        return {
            "stage": STAGE,
            "architecture": "x86_64" if os.uname().machine in {"x86_64", "amd64"} else "arm64",
            "database_url": self.postgres.dsn,
            "valkey_url": self.valkey.url,
            "callback_endpoint": self.cloud.callback_url(WEB_STAGE),
            "websocket_url": self.cloud.websocket_url(WEB_STAGE),
            "queue_endpoint": self.cloud.endpoint,
            "issuer": ISSUER,
            "jwks_url": self.issuer.jwks_path.as_uri(),
            "image": IMAGE,
        }

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
