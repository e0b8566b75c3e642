from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.credentials
import pytest

from carillon.adapters.apigateway.credentials import Credentials, provider
from carillon.errors import ConfigError

if TYPE_CHECKING:
    from types import SimpleNamespace


def test_the_environment_is_read_anew_each_time() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    current = provider(environ)
    assert current() == Credentials("a", "s")
    environ["AWS_SESSION_TOKEN"] = "t"
    assert current() == Credentials("a", "s", "t")


def test_without_credentials_the_variables_are_named() -> None:
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        provider({"AWS_ACCESS_KEY_ID": "a"})


class Endpoint:
    """What botocore finds at a container's credentials endpoint; refreshes as botocore does, by itself."""

    found: SimpleNamespace | None = None

    def load(self) -> SimpleNamespace | None:
        return self.found


def test_a_container_asks_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter([("a1", "s1", "t1"), ("a2", "s2", None)])

    class Refreshing(Endpoint):
        def load(self) -> Refreshing:
            return self

        def get_frozen_credentials(self) -> botocore.credentials.ReadOnlyCredentials:
            return botocore.credentials.ReadOnlyCredentials(*next(keys), None)

    monkeypatch.setattr(botocore.credentials, "ContainerProvider", Refreshing)
    current = provider({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"})
    assert [current(), current()] == [Credentials("a1", "s1", "t1"), Credentials("a2", "s2")]


def test_a_container_endpoint_that_gives_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.credentials, "ContainerProvider", Endpoint)
    with pytest.raises(ConfigError, match="task role"):
        provider({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"})
