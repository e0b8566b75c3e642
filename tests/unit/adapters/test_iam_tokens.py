"""Log-in tokens against botocore's own, byte for byte where the order of parameters is free, at fixed times."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
import botocore.session
import pytest
from botocore.credentials import Credentials as BotoCredentials
from botocore.model import ServiceId
from botocore.signers import RequestSigner, generate_db_auth_token

from carillon.adapters.apigateway.credentials import Credentials
from carillon.adapters.iam_tokens import AMAZON, RDS, CacheLogin, DatabaseLogin
from carillon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "eu-west-1"
LONG_LIVED = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAEXAMPLE", "secret/+=", "IQoJb3JpZ2luX2VjE+/==")
MOMENTS = (datetime(2026, 6, 20, 14, 30, 5, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
URL = "postgresql://carillon_app@proxy-1.eu-west-1.rds.amazonaws.com:5432/carillon?sslmode=verify-full"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set botocore's clock."""

    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment.replace(tzinfo=None))

    return set_clock


def parts(token: str) -> tuple[str, dict[str, str]]:
    """Host, and parameters with their decoded values: both services read them in any order."""
    url = urlsplit(f"https://{token}")
    return url.netloc + url.path, dict(parse_qsl(url.query, strict_parsing=True))


def boto_client(credentials: Credentials) -> Any:
    session = botocore.session.Session()
    return session.create_client(
        "rds",
        region_name=REGION,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token or None,
    )


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("credentials", [LONG_LIVED, SESSION], ids=["key", "session"])
def test_a_database_token_is_botocores(
    credentials: Credentials, moment: datetime, at: Callable[[datetime], None]
) -> None:
    at(moment)
    expected = generate_db_auth_token(
        boto_client(credentials), "proxy-1.eu-west-1.rds.amazonaws.com", 5432, "carillon_app"
    )
    login = DatabaseLogin(URL, region=REGION, credentials=lambda: credentials, clock=moment.timestamp)
    assert parts(login()["password"]) == parts(expected)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("credentials", [LONG_LIVED, SESSION], ids=["key", "session"])
def test_a_cache_token_is_botocores(credentials: Credentials, moment: datetime, at: Callable[[datetime], None]) -> None:
    at(moment)
    signer = RequestSigner(
        ServiceId("elasticache"),
        REGION,
        "elasticache",
        "v4",
        BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token or None),
        botocore.session.Session().get_component("event_emitter"),
    )
    expected = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": "http://group-1/?Action=connect&User=carillon-dev-app",
            "body": {},
            "headers": {},
            "context": {},
        },
        operation_name="connect",
        expires_in=900,
        region_name=REGION,
    ).removeprefix("http://")
    login = CacheLogin(
        "valkeys://carillon-dev-app@host:6379",
        name="Group-1",
        region=REGION,
        credentials=lambda: credentials,
        clock=moment.timestamp,
    )
    user, token = login.get_credentials()
    assert user == "carillon-dev-app"
    assert parts(token) == parts(expected)


def test_each_connection_gets_a_token_of_its_own_time_and_credentials() -> None:
    credentials, times = iter([LONG_LIVED, SESSION]), iter([1_000_000_000.0, 1_000_000_900.0])
    login = DatabaseLogin(URL, region=REGION, credentials=lambda: next(credentials), clock=lambda: next(times))
    first, second = parts(login()["password"])[1], parts(login()["password"])[1]
    assert (first["X-Amz-Date"], second["X-Amz-Date"]) == ("20010909T014640Z", "20010909T020140Z")
    assert "X-Amz-Security-Token" not in first
    assert second["X-Amz-Security-Token"] == SESSION.token


def test_the_client_is_told_the_url_without_the_user() -> None:
    login = CacheLogin("valkeys://app@host:6379/0", name="g", region=REGION, credentials=lambda: LONG_LIVED)
    assert login.url == "valkeys://host:6379/0"


def test_amazons_roots_are_trusted_unless_the_url_says_whom() -> None:
    own = DatabaseLogin(f"{URL}&sslrootcert=/ca.pem", region=REGION, credentials=lambda: LONG_LIVED)
    assert "sslrootcert" not in own()
    assert DatabaseLogin(URL, region=REGION, credentials=lambda: LONG_LIVED)()["sslrootcert"] == AMAZON


@pytest.mark.parametrize("url", ["postgresql://host/carillon", "postgresql:///carillon", "host=db user=app"])
def test_a_url_without_user_or_host_cannot_be_signed_for(url: str) -> None:
    with pytest.raises(ConfigError, match="CARILLON_DATABASE_URL"):
        DatabaseLogin(url, region=REGION, credentials=lambda: LONG_LIVED)


@pytest.mark.parametrize(("url", "name"), [("valkeys://host:6379", "g"), ("valkeys://app@host:6379", "")])
def test_a_cache_without_user_or_name_cannot_be_signed_for(url: str, name: str) -> None:
    with pytest.raises(ConfigError, match="CARILLON_VALKEY_"):
        CacheLogin(url, name=name, region=REGION, credentials=lambda: LONG_LIVED)


@pytest.mark.parametrize("file", [AMAZON, RDS])
def test_the_authorities_are_roots_and_valid(file: str) -> None:
    """A year ahead: a bundle that runs out is renewed before connections fail."""
    found = ssl.create_default_context(cafile=file).get_ca_certs()
    assert len(found) >= 5
    assert all(one["subject"] == one["issuer"] for one in found)
    ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in found]
    assert min(ends) > time.time() + 365 * 86_400


def test_a_writer_in_another_region_is_signed_for_there(at: Callable[[datetime], None]) -> None:
    at(MOMENTS[0])
    login = DatabaseLogin(URL, region="us-east-1", credentials=lambda: LONG_LIVED, clock=MOMENTS[0].timestamp)
    assert f"/{REGION}/rds-db/" in dict(parts(login()["password"])[1])["X-Amz-Credential"]
    elsewhere = URL.replace("proxy-1.eu-west-1.rds.amazonaws.com", "database.internal")
    named = DatabaseLogin(elsewhere, region="us-east-1", credentials=lambda: LONG_LIVED)
    assert "/us-east-1/rds-db/" in dict(parts(named()["password"])[1])["X-Amz-Credential"]
