"""Whose tokens are believed, and what a wrong one is told."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from carillon.adapters import jwks
from carillon.adapters.tokens import TokenVerifier
from carillon.config import TokenSettings
from carillon.errors import ConfigError, OutageError, TokenExpiredError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ISSUER = "https://issuer.example"
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def _jwk(algorithm: str, key: Any) -> dict[str, Any]:
    shape = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)  # type: ignore[call-overload]
    return {**shape, "kid": algorithm, "alg": algorithm, "use": "sig"}


def _publish(path: Path, *algorithms: str) -> None:
    path.write_text(json.dumps({"keys": [_jwk(name, KEYS[name]) for name in algorithms]}), encoding="utf-8")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "jwks of mine.json"
    _publish(path, *KEYS)
    return path


@pytest.fixture
def verifier(published: Path) -> TokenVerifier:
    return TokenVerifier(TokenSettings(issuer=ISSUER, jwks_url=published.as_uri()))


def _token(algorithm: str = "ES256", *, key: Any = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    body = {"iss": ISSUER, "aud": "carillon", "sub": "ann", "exp": int(time.time()) + 60, **claims}
    kept = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(kept, key or KEYS[algorithm], algorithm, headers=headers or {"kid": algorithm})


@pytest.mark.parametrize("algorithm", list(KEYS))
def test_a_good_token_speaks_for_its_subject(verifier: TokenVerifier, algorithm: str) -> None:
    principal = verifier.verify(_token(algorithm, scope="broadcast:write ops:read", supplier_id="S1"))
    assert (principal.subject, principal.supplier_id) == ("ann", "S1")
    assert principal.scopes == {"broadcast:write", "ops:read"}
    assert principal.expires_at > time.time()


def test_scopes_may_be_a_list_or_none_at_all(verifier: TokenVerifier) -> None:
    assert verifier.verify(_token(scope=["ops:read"])).scopes == {"ops:read"}
    assert verifier.verify(_token()).scopes == frozenset()


def test_a_key_without_an_id_is_found_by_its_algorithm(verifier: TokenVerifier) -> None:
    assert verifier.verify(_token("EdDSA", headers={"typ": "JWT"})).subject == "ann"


def test_an_expired_token_says_so(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenExpiredError):
        verifier.verify(_token(exp=int(time.time()) - 60))


def test_the_end_of_time_is_capped(verifier: TokenVerifier) -> None:
    assert verifier.verify(_token(exp=10**15)).expires_at == 253_402_300_799


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://another.example"},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\x00b"},
        {"sub": "a" * 129},
        {"scope": 7},
        {"scope": [7]},
        {"supplier_id": 7},
        {"exp": "tomorrow"},
    ],
)
def test_wrong_claims_are_refused(verifier: TokenVerifier, claims: dict[str, Any]) -> None:
    # `sub` and `iss` are checked when a token is made, too, so odd ones are signed by hand.
    body = {"iss": ISSUER, "aud": "carillon", "sub": "ann", "exp": int(time.time()) + 60, **claims}
    kept = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
    with pytest.raises(UnauthenticatedError):
        verifier.verify(jwt.PyJWS().encode(kept, KEYS["ES256"], "ES256", headers={"kid": "ES256"}))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "A" * 9000, "..", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_is_refused(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(token)


def test_a_shared_secret_is_never_trusted(verifier: TokenVerifier) -> None:
    """The classic confusion: the public key used as an HMAC secret."""
    with pytest.raises(UnauthenticatedError, match="alg must be"):
        verifier.verify(_token("HS256", key="x" * 40, headers={"kid": "ES256"}))


def test_another_algorithm_than_the_key_s_own_is_refused(verifier: TokenVerifier) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(_token("RS256", headers={"kid": "ES256"}))


def test_a_forger_s_key_is_refused(verifier: TokenVerifier) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(_token(key=ec.generate_private_key(ec.SECP256R1())))


def test_a_new_key_is_found_when_a_token_names_it(
    published: Path, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(published, "RS256")
    verifier.verify(_token("RS256"))
    _publish(published, "RS256", "EdDSA")
    with pytest.raises(UnauthenticatedError):  # asked a moment ago: made-up ids cannot hammer the issuer
        verifier.verify(_token("EdDSA"))
    monkeypatch.setattr(jwks, "_PAUSE_S", 0.0)
    assert verifier.verify(_token("EdDSA")).subject == "ann"


def test_an_issuer_that_is_away_is_an_outage_and_no_verdict(tmp_path: Path) -> None:
    verifier = TokenVerifier(TokenSettings(issuer=ISSUER, jwks_url=(tmp_path / "none.json").as_uri()))
    with pytest.raises(OutageError):
        verifier.verify(_token())


def test_known_keys_outlive_an_issuer_that_goes_away(
    published: Path, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier.verify(_token())
    published.unlink()
    monkeypatch.setattr(jwks, "_PAUSE_S", 0.0)
    monkeypatch.setattr(jwks, "_FRESH_S", -1.0)
    assert verifier.verify(_token()).subject == "ann"
    with pytest.raises(OutageError):  # an unknown key cannot be judged now
        verifier.verify(_token(headers={"kid": "unknown"}))


@pytest.mark.parametrize("text", ["[]", "{}", '{"keys": 1}', "no json", '{"keys": [1, {"kty": "EC"}]}'])
def test_a_broken_key_document_never_lets_anybody_in(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(text, encoding="utf-8")
    verifier = TokenVerifier(TokenSettings(issuer=ISSUER, jwks_url=path.as_uri()))
    with pytest.raises((OutageError, UnauthenticatedError)):
        verifier.verify(_token())


@pytest.mark.parametrize("url", ["http://issuer.example/jwks", "ftp://x/y", "file://host/x", "", "https://", "/etc/x"])
def test_keys_only_come_over_https_or_from_this_machine(url: str) -> None:
    with pytest.raises(ConfigError, match="CARILLON_JWKS_URL"):
        TokenVerifier(TokenSettings(issuer=ISSUER, jwks_url=url))


class Keys(BaseHTTPRequestHandler):
    """Serves the keys at /jwks, and at /moved points there."""

    document = b""

    def do_GET(self) -> None:
        moved = self.path == "/moved"
        self.send_response(302 if moved else 200)
        self.send_header("Location", "/jwks")
        self.end_headers()
        self.wfile.write(b"" if moved else self.document)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer(published: Path) -> Iterator[str]:
    Keys.document = published.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_come_over_http_and_never_from_where_they_are_redirected(issuer: str) -> None:
    assert TokenVerifier(TokenSettings(issuer=ISSUER, jwks_url=f"{issuer}/jwks")).verify(_token()).subject == "ann"
    with pytest.raises(OutageError):
        TokenVerifier(TokenSettings(issuer=ISSUER, jwks_url=f"{issuer}/moved")).verify(_token())
