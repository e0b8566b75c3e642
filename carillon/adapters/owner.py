"""The log-in of the tables' owner, from Secrets Manager: for the migrations, and nobody else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from carillon.adapters.iam_tokens import RDS
from carillon.adapters.postgres import Phase, migrate
from carillon.errors import ConfigError, OutageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from carillon.config import MigrationSettings

TLS: Final = {"sslmode": "verify-full", "sslrootcert": RDS}
_CONNECT_S: Final = 60
"""A paused Aurora wakes up in 15 s, one that slept a day in 30."""
_RETRY_AFTER_S: Final = 5.0
_STAGES: Final = ("AWSCURRENT", "AWSPENDING", "AWSCURRENT")
"""While a password is being rotated, the pending one is right already before it is the current one."""
_DENIED: Final = {"AccessDeniedException", "ResourceNotFoundException", "DecryptionFailure", "InvalidRequestException"}


def migrations(
    settings: MigrationSettings, client: Any = None, *, tls: Mapping[str, str] = TLS
) -> Callable[[Phase, float], list[str]]:
    """What migrates the database of these settings: takes the phase and the seconds it may take.

    Args:
        settings: which database, and whose log-in.
        client: boto3's for Secrets Manager; made when it is needed.
        tls: libpq's parameters for a server known by the secret.

    Raises:
        ConfigError: neither URL nor secret is set.
    """
    if not (settings.database_url or settings.owner_secret):
        raise ConfigError("CARILLON_MIGRATION_URL or CARILLON_OWNER_SECRET must be set")

    def run(phase: Phase, patience_s: float) -> list[str]:
        refused: psycopg.OperationalError | None = None
        for url in _urls(settings, client, tls):
            try:
                return migrate(url, phase=phase, patience_s=patience_s)
            except psycopg.OperationalError as error:
                if "authentication failed" not in str(error):
                    raise
                refused = error
        raise ConfigError(f"the owner's log-in is not right: {refused}") from refused

    return run


def _urls(settings: MigrationSettings, client: Any, tls: Mapping[str, str]) -> Iterator[str]:
    if settings.database_url:
        yield settings.database_url
        return
    patient = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=10)
    secrets = client or boto3.client("secretsmanager", region_name=settings.region, config=patient)
    for stage in _STAGES:
        known = _secret(secrets, settings.owner_secret, stage)
        if known is not None:
            yield _url(known, tls)


def _secret(client: Any, name: str, stage: str) -> dict[str, Any] | None:
    try:
        text = client.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException" and stage == "AWSPENDING":
            return None
        if code in _DENIED:
            raise ConfigError(f"the secret {name} cannot be read: {error}") from error
        raise OutageError(f"Secrets Manager is away: {error}", retry_after_s=_RETRY_AFTER_S) from error
    except BotoCoreError as error:
        raise OutageError(f"Secrets Manager is away: {error}", retry_after_s=_RETRY_AFTER_S) from error
    found: dict[str, Any] = json.loads(text)
    return found


def _url(secret: dict[str, Any], tls: Mapping[str, str]) -> str:
    """The fields are those of a secret attached to a cluster.

    Raises:
        ConfigError: one is missing.
    """
    try:
        user, password = quote(secret["username"], safe=""), quote(secret["password"], safe="")
        where = f"{secret['host']}:{secret['port']}/{secret['dbname']}"
    except KeyError as error:
        raise ConfigError(f"the owner's secret has no {error.args[0]}; it must be attached to the cluster") from error
    return f"postgresql://{user}:{password}@{where}?{urlencode({**tls, 'connect_timeout': _CONNECT_S})}"
