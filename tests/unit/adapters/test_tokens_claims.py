"""Issuers differ in which claim says what: Cognito's tokens are taken for what they are, and for nothing more."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from carillon.adapters.tokens import TokenVerifier
from carillon.config import TokenSettings
from carillon.errors import TokenExpiredError, UnauthenticatedError
from carillon.names import Scope

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
CLIENT = "7ab"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ACCESS = {
    "iss": ISSUER,
    "sub": "0a1b2c3d",
    "token_use": "access",
    "client_id": CLIENT,
    "username": "Ann",
    "scope": "openid",
    "version": 2,
    "cognito:groups": ["ops:read", "broadcast:write"],
}


@pytest.fixture
def verifier(tmp_path: Path) -> TokenVerifier:
    shape = jwt.get_algorithm_by_name("RS256").to_jwk(KEY.public_key(), as_dict=True)
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**shape, "kid": "k", "alg": "RS256", "use": "sig"}]}))
    claims = {"subject_claim": "username", "scope_claim": "cognito:groups"}
    return TokenVerifier(TokenSettings(issuer=ISSUER, jwks_url=path.as_uri(), audience=CLIENT, **claims))


def _token(without: str = "", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    body = {"exp": int(time.time()) + 60, **ACCESS, **claims}
    body.pop(without, None)
    # By hand: a library would not sign some of these.
    return jwt.PyJWS().encode(json.dumps(body).encode(), KEY, "RS256", headers={"kid": "k", **(headers or {})})


def _groups(value: Any) -> dict[str, Any]:
    return {"cognito:groups": value}


def test_an_access_token_of_cognito_speaks_for_the_user_name_with_its_groups(verifier: TokenVerifier) -> None:
    principal = verifier.verify(_token())
    assert principal.subject == "Ann"
    assert principal.scopes == {Scope.OPS_READ, Scope.BROADCAST_WRITE}


def test_groups_that_are_no_scopes_give_no_right(verifier: TokenVerifier) -> None:
    groups = ["florists of Lisbon", "OPS:READ", "ops:read directory:write", "admin", "", "broadcast:*"]
    assert verifier.verify(_token(**_groups(groups))).scopes == frozenset()
    assert verifier.verify(_token(**_groups([*groups, "ops:read"]))).scopes == {Scope.OPS_READ}


def test_whoever_is_in_no_group_may_listen(verifier: TokenVerifier) -> None:
    assert verifier.verify(_token(without="cognito:groups")).scopes == frozenset()
    assert verifier.verify(_token(**_groups([]))).scopes == frozenset()


def test_the_scope_claim_of_another_kind_of_issuer_is_not_looked_at(verifier: TokenVerifier) -> None:
    assert verifier.verify(_token(without="cognito:groups", scope=" ".join(Scope))).scopes == frozenset()


def test_a_very_long_list_of_groups_is_read_whole_or_refused(verifier: TokenVerifier) -> None:
    groups = [f"g{number}" for number in range(700)] + ["ops:read"]
    assert verifier.verify(_token(**_groups(groups))).scopes == {Scope.OPS_READ}
    with pytest.raises(UnauthenticatedError, match="larger than"):
        verifier.verify(_token(**_groups(groups * 3)))


@pytest.mark.parametrize("groups", [None, 7, {"ops:read": True}, ["ops:read", 7], ["ops:read", ["broadcast:write"]]])
def test_groups_in_any_other_form_are_refused(verifier: TokenVerifier, groups: Any) -> None:
    with pytest.raises(UnauthenticatedError, match="cognito:groups must be"):
        verifier.verify(_token(**_groups(groups)))


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": "another"},
        {"client_id": None},
        {"client_id": {CLIENT: 1}},
        {"aud": "another"},
        {"aud": ""},
        {"aud": None},
        {"aud": []},
        {"aud": ["another", 7]},
        {"aud": {CLIENT: 1}},
    ],
)
def test_what_is_meant_for_somebody_else_is_refused(verifier: TokenVerifier, claims: dict[str, Any]) -> None:
    """Where there is an `aud` it decides, and a fitting client does not help."""
    with pytest.raises(UnauthenticatedError, match="audience"):
        verifier.verify(_token(**claims))


def test_without_audience_and_client_a_token_is_for_nobody(verifier: TokenVerifier) -> None:
    with pytest.raises(UnauthenticatedError, match="audience"):
        verifier.verify(_token(without="client_id"))


@pytest.mark.parametrize("aud", [CLIENT, [CLIENT], ["another", CLIENT]])
def test_an_audience_may_be_one_or_among_many(verifier: TokenVerifier, aud: Any) -> None:
    assert verifier.verify(_token(aud=aud, client_id="some-other-program")).subject == "Ann"


@pytest.mark.parametrize(
    "claims",
    [
        {"token_use": "id", "aud": CLIENT, "nonce": "n"},
        {"token_use": "refresh"},
        {"token_use": None},
        {"token_use": ["access"]},
        {"aud": CLIENT, "at_hash": "x"},
        {"aud": CLIENT, "c_hash": "x"},
    ],
)
def test_an_id_token_is_no_access_token(verifier: TokenVerifier, claims: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError, match="not an access token"):
        verifier.verify(_token(**claims))


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "JWE", 7, ["JWT"]])
def test_other_things_that_the_issuer_signs_are_no_tokens(verifier: TokenVerifier, kind: Any) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(_token(headers={"typ": kind}))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_an_access_token_may_say_so(verifier: TokenVerifier, kind: str) -> None:
    assert verifier.verify(_token(headers={"typ": kind})).subject == "Ann"


@pytest.mark.parametrize("username", ["", " \n", "a" * 129, 7, None, ["Ann"], {"Ann": 1}])
def test_a_user_name_that_is_none_is_refused(verifier: TokenVerifier, username: Any) -> None:
    with pytest.raises(UnauthenticatedError, match="username must be"):
        verifier.verify(_token(username=username))


def test_a_program_s_own_token_speaks_for_no_person(verifier: TokenVerifier) -> None:
    """Cognito's client credentials have a `sub`, which is the client, and no user name."""
    with pytest.raises(UnauthenticatedError, match="username must be"):
        verifier.verify(_token(without="username"))


@pytest.mark.parametrize("name", ["exp", "iss"])
def test_what_every_token_needs_is_still_asked_for(verifier: TokenVerifier, name: str) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(_token(without=name))


def test_time_still_counts(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenExpiredError):
        verifier.verify(_token(exp=int(time.time()) - 60))
    with pytest.raises(UnauthenticatedError):
        verifier.verify(_token(nbf=int(time.time()) + 600))


def test_another_pool_of_the_same_region_is_another_issuer(verifier: TokenVerifier) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(_token(iss=f"{ISSUER}d"))
