"""When a token ends, read from the token itself. Only the server checks signatures; the client plans its refresh."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson


def expires_at_ms(token: str) -> float | None:
    """The `exp` claim in milliseconds since 1970; None for a token without one, or that is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None  # an opaque token is the issuer's choice; the server will say when it ends
    exp = claims.get("exp") if isinstance(claims, dict) else None
    return exp * 1000.0 if isinstance(exp, int | float) else None
