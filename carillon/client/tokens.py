"""When a token ends and whose it is, read from the token itself. Only the server checks signatures."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson


def expires_at_ms(token: str) -> float | None:
    """The `exp` claim in milliseconds since 1970; None for a token without one, or that is no JWT."""
    exp = _claims(token).get("exp")
    return exp * 1000.0 if isinstance(exp, int | float) else None


def subject(token: str) -> str | None:
    """The `sub` claim: the person that the token speaks for; None for a token without one, or that is no JWT."""
    sub = _claims(token).get("sub")
    return sub if isinstance(sub, str) else None


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims: Any = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}  # an opaque token is the issuer's choice; the server will say when it ends
    return claims if isinstance(claims, dict) else {}
