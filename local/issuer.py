"""The development issuer: signs tokens for anybody on this machine. A real deployment has a real one.

Its key lies in the data folder, readable by its user alone. The public half is a JWKS file, which the API and the
gateway's functions read, so that neither needs the other to be up.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from carillon.names import TOKEN_AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ISSUER = "carillon-local"
ALGORITHM = "ES256"
TTL_S = 3600
LONGEST_TTL_S = 24 * 3600


class Issuer:
    """The issuer whose key is in `folder`; the key pair is made the first time.

    Args:
        folder: Holds `key.pem` (mode 600) and `jwks.json`.
    """

    def __init__(self, folder: Path) -> None:
        self.key_path = folder / "key.pem"
        self.jwks_path = folder / "jwks.json"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.key_path.exists():
            self._make_key()
        key = serialization.load_pem_private_key(self.key_path.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._public = self._public_jwk()
        self._publish()

    def _make_key(self) -> None:
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        half = self.key_path.with_suffix(".half")
        half.unlink(missing_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        half.replace(self.key_path)

    def _publish(self) -> None:
        half = self.jwks_path.with_suffix(f".{os.getpid()}")
        half.write_text(json.dumps(self.jwks()))
        half.replace(self.jwks_path)  # in one step: others may be reading it

    def _public_jwk(self) -> dict[str, Any]:
        jwk: dict[str, Any] = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        # RFC 7638 builds the key's id of these members in this order.
        members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
        digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).hexdigest()
        return jwk | {"kid": digest[:16], "use": "sig", "alg": ALGORITHM}

    def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517) with the public key."""
        return {"keys": [self._public]}

    def token(
        self,
        sub: str,
        scopes: Iterable[str] = (),
        *,
        supplier_id: str | None = None,
        ttl_s: float = TTL_S,
        now: float | None = None,
    ) -> str:
        """A signed token.

        Args:
            sub: The user it is for.
            scopes: What it allows, see `carillon.names.Scope`.
            supplier_id: The supplier the user acts for.
            ttl_s: Its life.
            now: Seconds since the epoch; None takes the clock's.
        """
        issued = int(time.time() if now is None else now)
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": TOKEN_AUDIENCE,
            "sub": sub,
            "scope": " ".join(scopes),
            "iat": issued,
            "exp": issued + int(ttl_s),
        }
        if supplier_id:
            claims["supplier_id"] = supplier_id
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._public["kid"]})
