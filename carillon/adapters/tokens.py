"""Verifies bearer tokens (JWT) against the issuer's published keys. Runs in the connect path: imports stay few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jwt

from carillon.adapters.jwks import KeySet
from carillon.errors import TokenExpiredError, UnauthenticatedError
from carillon.model import Principal
from carillon.names import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carillon.config import TokenSettings

ALGORITHMS: Final = ("ES256", "RS256", "EdDSA")
"""Asymmetric only: with a shared secret (HS256) whoever can verify a token could also make one."""
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What an access token's `typ` header may say (RFC 9068); an issuer signs other things with the same key."""
_REQUIRED: Final = ("exp", "iss")
_OF_ID_TOKENS: Final = ("at_hash", "c_hash")
"""Claims that only an ID token has (OpenID Connect Core, 3.3.2.11)."""
_LEEWAY_S: Final = 5
_LARGEST_TOKEN: Final = 8_192
_LONGEST_SUBJECT: Final = 128
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999: what a timestamp can hold."""
_SCOPES: Final = frozenset(scope.value for scope in Scope)


class TokenVerifier:
    """Turns an access token into the principal that it speaks for.

    Which claims hold the person and the scopes is a setting; `supplier_id` is where there is one.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys = KeySet(settings.jwks_url)

    def verify(self, token: str) -> Principal:
        """The principal of a token in JWS compact form.

        Raises:
            TokenExpiredError: its `exp` is over (5 s of grace for clocks that differ).
            UnauthenticatedError: it is malformed, no access token, not from the issuer, not for Carillon, or signed by
                another key.
            OutageError: the issuer's keys cannot be fetched, so nothing can be said about the token.
        """
        if len(token) > _LARGEST_TOKEN:
            raise UnauthenticatedError(f"the token is larger than {_LARGEST_TOKEN} bytes")
        algorithm, key_id = _header(token)
        claims = self._claims(token, self._keys.find(key_id, algorithm))
        _require_access(claims)
        _require_audience(claims, self._settings.audience)
        return self._principal(claims)

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._settings.issuer,
                leeway=_LEEWAY_S,
                # whom it is for is asked below, since not every issuer says so in `aud`
                options={"require": list(_REQUIRED), "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenExpiredError("the token is expired") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise UnauthenticatedError(f"the token was not accepted: {error}") from error
        return claims

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        supplier_id = claims.get("supplier_id")
        if supplier_id is not None and not _is_name(supplier_id):
            raise UnauthenticatedError(f"the token's supplier_id must be text of 1 to {_LONGEST_SUBJECT} characters")
        return Principal(
            subject=_subject(claims, self._settings.subject_claim),
            scopes=_scopes(claims, self._settings.scope_claim),
            expires_at=min(int(claims["exp"]), _LAST_SECOND),
            supplier_id=supplier_id,
        )


def _header(token: str) -> tuple[str, str | None]:
    """The algorithm and key that an unverified token names."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise UnauthenticatedError(f"the token is not a signed JWT: {error}") from error
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise UnauthenticatedError(f"the token's alg must be one of {', '.join(ALGORITHMS)}")
    if key_id is not None and not isinstance(key_id, str):
        raise UnauthenticatedError("the token's kid is not a string")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise UnauthenticatedError("the token's typ is not that of an access token")
    return algorithm, key_id


def _require_access(claims: Mapping[str, Any]) -> None:
    """An ID token tells a page who somebody is; it gives no right to do anything, and lies about in more places."""
    if claims.get("token_use", "access") != "access" or any(name in claims for name in _OF_ID_TOKENS):
        raise UnauthenticatedError("this is not an access token; an ID token is not taken in its place")


def _require_audience(claims: Mapping[str, Any], audience: str) -> None:
    """`aud` decides where there is one; Cognito's access tokens have none and name their client instead."""
    named = claims["aud"] if "aud" in claims else claims.get("client_id")
    if audience not in (named if isinstance(named, list) else [named]):
        raise UnauthenticatedError("the token was not accepted: it is for somebody else, its audience is not ours")


def _subject(claims: Mapping[str, Any], claim: str) -> str:
    subject = claims.get(claim)
    if not isinstance(subject, str) or not _is_name(subject):
        raise UnauthenticatedError(f"the token's {claim} must be text of 1 to {_LONGEST_SUBJECT} characters")
    return subject


def _scopes(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The scopes that Carillon knows; a directory's groups may have many other names."""
    said = claims.get(claim, "")
    words = said.split() if isinstance(said, str) else said
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UnauthenticatedError(f"the token's {claim} must be words separated by spaces, or a list of words")
    return _SCOPES.intersection(words)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _LONGEST_SUBJECT and value.isprintable()
