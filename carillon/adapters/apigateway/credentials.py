"""Where the poster's AWS credentials come from: the environment (Lambda, local), or the container's endpoint (ECS)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from carillon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_CONTAINER_VARIABLES: Final = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request is signed with; `token` is empty for a long-lived key, `expires_at` None when nobody told."""

    access_key: str
    secret_key: str
    token: str = ""
    expires_at: datetime | None = None


Provider: TypeAlias = "Callable[[], Credentials]"
"""Gives credentials that are valid now; asked at most once a second, so it may be as slow as a dictionary look-up."""


def provider(environ: Mapping[str, str] | None = None) -> Provider:
    """The provider that fits this process.

    Raises:
        ConfigError: there are credentials neither in the environment nor at a container endpoint.
    """
    source = os.environ if environ is None else environ
    if source.get("AWS_ACCESS_KEY_ID") and source.get("AWS_SECRET_ACCESS_KEY"):
        return lambda: from_environment(source)
    if any(source.get(name) for name in _CONTAINER_VARIABLES):
        return _container()
    raise ConfigError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set: posts to @connections are signed")


def from_environment(environ: Mapping[str, str]) -> Credentials:
    """The credentials in the standard AWS variables, read anew so that a rotated key is picked up."""
    return Credentials(
        environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN", "")
    )


def _container() -> Provider:
    # botocore knows the container endpoint and refreshes in time; it is slow to import, so only ECS pays for it.
    from botocore.credentials import ContainerProvider  # noqa: PLC0415

    found = ContainerProvider().load()
    if found is None:
        raise ConfigError("the container's credentials endpoint gave nothing; check the task role")

    def current() -> Credentials:
        frozen = found.get_frozen_credentials()
        return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token or "")

    return current
