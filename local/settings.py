"""What a user may choose about the local run: one frozen dataclass, read once from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carillon import config
from carillon.config import setting
from carillon.errors import ConfigError
from carillon.protocol import web
from local.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = (0, 65_535)
API_PORT = "CARILLON_API_PORT"
WS_PORT = "CARILLON_WS_PORT"
CALLBACK_PORT = "CARILLON_CALLBACK_PORT"


@dataclass(frozen=True)
class LocalSettings:
    """The local run. A port of 0 takes any free one; an empty program takes the installed wheel's."""

    api_port: int = setting(API_PORT, "Port of the HTTP API and the console.", default=web.API_PORT, between=PORT)
    ws_port: int = setting(WS_PORT, "Port of the WebSocket gateway.", default=8081, between=PORT)
    callback_port: int = setting(
        CALLBACK_PORT, "Port on which the gateway takes posts to connections.", default=8082, between=PORT
    )
    postgres_port: int = setting(
        "CARILLON_POSTGRES_PORT", "Port of PostgreSQL; 0 keeps the last run's.", default=0, between=PORT
    )
    valkey_port: int = setting(
        "CARILLON_VALKEY_PORT", "Port of Valkey; 0 keeps the last run's.", default=0, between=PORT
    )
    emulator_port: int = setting(
        "CARILLON_EMULATOR_PORT", "Port of the SQS emulator; 0 keeps the last run's.", default=0, between=PORT
    )
    data_dir: str = setting("CARILLON_DATA_DIR", "Folder for data, keys and logs.", default=".carillon")
    postgres_bin: str = setting("CARILLON_POSTGRES_BIN", "The bin folder of a PostgreSQL 17 or newer.", default="")
    valkey_bin: str = setting("CARILLON_VALKEY_BIN", "The program valkey-server, 8.0 or newer.", default="")
    emulator_python: str = setting(
        "CARILLON_EMULATOR_PYTHON", "The python of a virtual environment with the pinned emulator.", default=""
    )
    postgres_fsync: bool = setting(
        "CARILLON_POSTGRES_FSYNC",
        "Whether a commit waits for the disk; without it a power cut loses data.",
        default=True,
    )
    critical_workers: int = setting(
        "CARILLON_LOCAL_CRITICAL_WORKERS", "Consumers of the critical lane.", default=2, between=(1, 50)
    )
    high_workers: int = setting(
        "CARILLON_LOCAL_HIGH_WORKERS", "Consumers of the high lane.", default=1, between=(1, 50)
    )
    normal_workers: int = setting(
        "CARILLON_LOCAL_NORMAL_WORKERS", "Consumers of the normal lane.", default=2, between=(1, 50)
    )
    low_workers: int = setting("CARILLON_LOCAL_LOW_WORKERS", "Consumers of the low lane.", default=1, between=(1, 50))
    gateway_workers: int = setting(
        "CARILLON_LOCAL_GATEWAY_WORKERS", "Processes that handle clients' frames.", default=3, between=(1, 50)
    )
    gateway_faults: bool = setting(
        "CARILLON_LOCAL_FAULTS", "Whether the gateway takes faults on demand at /_faults.", default=False
    )

    def __post_init__(self) -> None:
        names = {"api_port": API_PORT, "ws_port": WS_PORT, "callback_port": CALLBACK_PORT}
        taken: dict[int, str] = {}
        for field, variable in names.items():
            port = getattr(self, field)
            if port and port in taken:
                raise SettingError(f"{variable} and {taken[port]} are both {port}: each needs a port of its own.")
            taken[port] = variable

    @property
    def folder(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.data_dir).expanduser().absolute()

    def workers(self, lane: str) -> int:
        """How many consumers `lane` has."""
        return int(getattr(self, f"{lane}_workers"))


def read(environ: Mapping[str, str] = os.environ) -> LocalSettings:
    """The settings of this process.

    Raises:
        SettingError: A variable's value is not allowed; names it and what is.
    """
    try:
        return config.read(LocalSettings, environ)
    except ConfigError as error:
        raise SettingError(str(error)) from error


def optional_path(text: str) -> Path | None:
    """A configured path, or None where none is."""
    return Path(text).expanduser() if text else None
