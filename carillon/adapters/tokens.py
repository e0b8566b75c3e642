"""Verifies bearer tokens (JWT) against the issuer's published keys. Runs in the connect path: imports stay few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jwt

from carillon.adapters.jwks import KeySet
from carillon.errors import TokenExpiredError, UnauthenticatedError
from carillon.model import Principal
from carillon.names import TOKEN_AUDIENCE

if TYPE_CHECKING:
    from carillon.config import TokenSettings

ALGORITHMS: Final = ("ES256", "RS256", "EdDSA")
"""Asymmetric only: with a shared secret (HS256) whoever can verify a token could also make one."""
_REQUIRED: Final = ("exp", "iss", "aud", "sub")
_LEEWAY_S: Final = 5
_LARGEST_TOKEN: Final = 8_192
_LONGEST_SUBJECT: Final = 128
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999: what a timestamp can hold."""


class TokenVerifier:
    """Turns a token into the principal that it speaks for.

    The claims are `sub`, `scope` (words separated by spaces, or a list) and `supplier_id` where there is one.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._issuer = settings.issuer
        self._keys = KeySet(settings.jwks_url)

    def verify(self, token: str) -> Principal:
        """The principal of a token in JWS compact form.

        Raises:
            TokenExpiredError: its `exp` is over (5 s of grace for clocks that differ).
            UnauthenticatedError: it is malformed, not from the issuer, not for Carillon, or signed by another key.
            OutageError: the issuer's keys cannot be fetched, so nothing can be said about the token.
        """
        if len(token) > _LARGEST_TOKEN:
            raise UnauthenticatedError(f"the token is larger than {_LARGEST_TOKEN} bytes")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise UnauthenticatedError(f"the token is not a signed JWT: {error}") from error
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise UnauthenticatedError(f"the token's alg must be one of {', '.join(ALGORITHMS)}")
        if key_id is not None and not isinstance(key_id, str):
            raise UnauthenticatedError("the token's kid is not a string")
        return _principal(self._claims(token, self._keys.find(key_id, algorithm)))

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=TOKEN_AUDIENCE,
                issuer=self._issuer,
                leeway=_LEEWAY_S,
                options={"require": list(_REQUIRED)},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenExpiredError("the token is expired") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise UnauthenticatedError(f"the token was not accepted: {error}") from error
        return claims


def _principal(claims: dict[str, Any]) -> Principal:
    subject, supplier_id, scope = claims["sub"], claims.get("supplier_id"), claims.get("scope", "")
    if not _is_name(subject):
        raise UnauthenticatedError(f"the token's sub must be text of 1 to {_LONGEST_SUBJECT} characters")
    if supplier_id is not None and not _is_name(supplier_id):
        raise UnauthenticatedError(f"the token's supplier_id must be text of 1 to {_LONGEST_SUBJECT} characters")
    words = scope.split() if isinstance(scope, str) else scope
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UnauthenticatedError("the token's scope must be words separated by spaces, or a list of words")
    return Principal(
        subject=subject,
        scopes=frozenset(words),
        expires_at=min(int(claims["exp"]), _LAST_SECOND),
        supplier_id=supplier_id,
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _LONGEST_SUBJECT and value.isprintable()
