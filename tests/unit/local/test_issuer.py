"""The development issuer: its tokens are what the product verifies, its key stays with its user."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import jwt
import pytest

from local.issuer import ISSUER, Issuer

if TYPE_CHECKING:
    from pathlib import Path


def claims(issuer: Issuer, token: str) -> dict[str, object]:
    """The claims of a token, verified with the published key."""
    (published,) = json.loads(issuer.jwks_path.read_text())["keys"]
    assert jwt.get_unverified_header(token)["kid"] == published["kid"]
    verified: dict[str, object] = jwt.decode(
        token, jwt.PyJWK(published).key, algorithms=["ES256"], audience="carillon", issuer=ISSUER
    )
    return verified


def test_a_token_says_who_and_what(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "issuer")
    token = issuer.token("U1", ["broadcast:write", "ops:read"], supplier_id="S1", ttl_s=60)
    told = claims(issuer, token)
    assert (told["sub"], told["scope"], told["supplier_id"]) == ("U1", "broadcast:write ops:read", "S1")
    assert isinstance(told["exp"], int)
    assert isinstance(told["iat"], int)
    assert told["exp"] - told["iat"] == 60


def test_the_key_is_kept_for_the_next_run_and_private(tmp_path: Path) -> None:
    first = Issuer(tmp_path / "issuer")
    token = first.token("U1")
    second = Issuer(tmp_path / "issuer")
    assert claims(second, token)["sub"] == "U1"
    assert stat.S_IMODE(first.key_path.stat().st_mode) == 0o600


def test_no_private_part_is_published(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "issuer")
    assert "d" not in issuer.jwks()["keys"][0]


def test_an_expired_token_is_expired(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "issuer")
    with pytest.raises(jwt.ExpiredSignatureError):
        claims(issuer, issuer.token("U1", ttl_s=60, now=1_000_000))
