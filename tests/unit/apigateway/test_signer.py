"""The cached signer against botocore's own: the same URL on the wire, the same signature, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from carillon.adapters.apigateway.credentials import Credentials
from carillon.adapters.apigateway.signer import Signer
from carillon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "eu-west-1"
LONG_LIVED = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAEXAMPLE", "secret/+=", "IQoJb3JpZ2luX2VjE+/==")
ODD_IDS = (
    "L0SM9cOFvHcCIhw=",
    "a+b/c==",
    "100%",
    "%3D",
    "a b",
    "~tilde-._",
    "q?x=1&y#z",
    "@connections",
    "a:b;c,d*(e)!'$",
)
ENDPOINTS = (
    "https://abc123.execute-api.eu-west-1.amazonaws.com/prod",
    "https://abc123.execute-api.eu-west-1.amazonaws.com/prod/",
    "https://ws.example.com",
    "https://WS.example.com:443/",
    "http://127.0.0.1:8081/local",
    "http://localhost:80",
    "https://ws.example.com:8443/a~b/c-d",
)
DATES = (
    datetime(2026, 6, 20, 14, 30, 5, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2027, 1, 1, 0, 0, 0, tzinfo=UTC),
)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set botocore's clock."""

    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment.replace(tzinfo=None))

    return set_clock


def botocore_headers(method: str, url: str, body: bytes, credentials: Credentials) -> dict[str, str]:
    request = AWSRequest(method=method, url=url, data=body)
    known = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    botocore.auth.SigV4Auth(known, "execute-api", REGION).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def headers(lines: list[str]) -> dict[str, str]:
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("credentials", [LONG_LIVED, SESSION], ids=["long-lived", "session"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_signature_is_botocores(
    at: Callable[[datetime], None], endpoint: str, credentials: Credentials, method: str
) -> None:
    signer = Signer(endpoint, region=REGION, credentials=lambda: credentials)
    for moment in DATES:
        at(moment)
        for number, connection_id in enumerate(ODD_IDS):
            body = b"{}" * number
            signed = signer.sign(method, connection_id, body, moment.timestamp() + 0.9)
            assert headers(signed.headers) == botocore_headers(method, signed.url, body, credentials)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=3, max_size=40), st.binary(max_size=64))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_signature_is_botocores_for_any_id(at: Callable[[datetime], None], connection_id: str, body: bytes) -> None:
    at(DATES[0])
    signed = Signer(ENDPOINTS[0], region=REGION, credentials=lambda: SESSION).sign(
        "POST", connection_id, body, DATES[0].timestamp()
    )
    assert headers(signed.headers) == botocore_headers("POST", signed.url, body, SESSION)


@pytest.mark.parametrize("endpoint", [ENDPOINTS[0], ENDPOINTS[4], ENDPOINTS[2]])
def test_the_url_on_the_wire_is_that_of_the_aws_sdk(endpoint: str) -> None:
    seen: list[str] = []
    client = sdk_client(endpoint, seen)
    signer = Signer(endpoint, region=REGION, credentials=lambda: LONG_LIVED)
    for connection_id in ODD_IDS:
        client.post_to_connection(ConnectionId=connection_id, Data=b"x")
        assert signer.sign("POST", connection_id, b"x", 0.0).url == seen[-1]


def sdk_client(endpoint: str, seen: list[str]) -> Any:
    client = botocore.session.Session().create_client(
        "apigatewaymanagementapi",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
    )

    class Raw:
        def stream(self, **_: Any) -> list[bytes]:
            return [b""]

    def answer(request: Any, **_: Any) -> AWSResponse:
        seen.append(request.url)
        return AWSResponse(request.url, 200, {}, Raw())

    client.meta.events.register("before-send.apigatewaymanagementapi", answer)
    return client


def test_rotated_credentials_are_used_from_the_next_second(at: Callable[[datetime], None]) -> None:
    current = [LONG_LIVED]
    signer = Signer(ENDPOINTS[0], region=REGION, credentials=lambda: current[0])
    at(DATES[0])
    signer.sign("POST", "a=", b"", DATES[0].timestamp())
    current[0] = SESSION
    at(DATES[1])
    signed = signer.sign("POST", "a=", b"", DATES[1].timestamp())
    assert headers(signed.headers) == botocore_headers("POST", signed.url, b"", SESSION)


def test_credentials_are_asked_for_once_a_second() -> None:
    asked: list[int] = []

    def provider() -> Credentials:
        asked.append(1)
        return LONG_LIVED

    signer = Signer(ENDPOINTS[0], region=REGION, credentials=provider)
    for tenth in range(30):
        signer.sign("POST", "a", b"", 1_000 + tenth / 10)
    assert len(asked) == 3


@pytest.mark.parametrize("endpoint", ["", "example.com/prod", "wss://example.com/prod", "https://", "https://a.b/?q=1"])
def test_an_endpoint_that_cannot_be_called_is_refused_by_name(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="CARILLON_CALLBACK_ENDPOINT"):
        Signer(endpoint, region=REGION, credentials=lambda: LONG_LIVED)
