"""A small OpenID Connect issuer, strict where Cognito is: exact redirects, S256, codes that work once."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT = "console-of-this-test"
KEY_ID = "k1"


class Issuer:
    """Signs in whoever `person` is when the button of its page is pressed, with Cognito's claims.

    Attributes:
        url: its `iss`.
        jwks_url: where its keys are; ends with a path inside `folder`.
        person: user name, name and groups.
        console: where it sends people back to, signed in or out.
        dashboard: the same of the other page.
        program: the other address it sends them back to.
        life_s: of access tokens.
        renewals: how often a refresh token was taken.
        refuse_refresh: answer every refresh token with `invalid_grant`.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.jwks_path = f"{folder}/jwks.json"
        self.jwks_url = f"{url}{self.jwks_path}"
        self.person: dict[str, Any] = {"username": "pia", "name": "Pia Moreau", "groups": []}
        self.console = self.dashboard = self.program = ""
        self.life_s = 3600
        self.renewals = 0
        self.refuse_refresh = False
        self.revoked: list[str] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: set[str] = set()

    def access(self, username: str, groups: list[str]) -> str:
        """An access token as Cognito makes them: no `aud`."""
        return self._sign(token_use="access", client_id=CLIENT, username=username, **{"cognito:groups": groups})

    def _identity(self, nonce: str) -> str:
        person = self.person
        more = {"cognito:username": person["username"], "name": person["name"]}
        return self._sign(token_use="id", aud=CLIENT, nonce=nonce, at_hash="x", **more)

    def _sign(self, **claims: Any) -> str:
        now = int(time.time())
        body = {"iss": self.url, "sub": "0a1b-directory", "iat": now, "exp": now + self.life_s, **claims}
        return jwt.encode(body, self._key, "RS256", headers={"kid": KEY_ID})

    def get(self, path: str, asked: dict[str, str]) -> tuple[int, str, str]:
        """Answer a GET: status, kind, and body or address."""
        if path == "/.well-known/openid-configuration":
            names = {"authorization": "authorize", "token": "token", "end_session": "logout", "revocation": "revoke"}
            places = {f"{name}_endpoint": f"{self.url}/{place}" for name, place in names.items()}
            return 200, "application/json", json.dumps({"issuer": self.url, "jwks_uri": self.jwks_url, **places})
        if path == self.jwks_path:
            key = jwt.get_algorithm_by_name("RS256").to_jwk(self._key.public_key(), as_dict=True)
            return 200, "application/json", json.dumps({"keys": [{**key, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]})
        if path == "/authorize":
            return self._authorize(asked)
        if path in {"/allow", "/deny"}:
            return self._decide(path, asked)
        if path == "/logout" and asked["client_id"] == CLIENT and asked["logout_uri"] in {self.console, self.dashboard}:
            return 302, "", asked["post_logout_redirect_uri"]
        return 404, "text/plain", "nothing here"

    def _authorize(self, asked: dict[str, str]) -> tuple[int, str, str]:
        names = ("client_id", "response_type", "code_challenge_method")
        known = asked["redirect_uri"] in {self.console, self.dashboard, self.program}
        if not known or [asked[name] for name in names] != [CLIENT, "code", "S256"]:
            return 400, "text/plain", f"not allowed: {asked}"
        query = urlencode(asked).replace("&", "&amp;")
        choices = {"allow": "Yes", "deny": "No"}
        page = " ".join(f'<a id="{way}" href="/{way}?{query}">{word}</a>' for way, word in choices.items())
        return 200, "text/html", page

    def _decide(self, path: str, asked: dict[str, str]) -> tuple[int, str, str]:
        answer = {"state": asked["state"]}
        if path == "/deny":
            answer |= {"error": "access_denied", "error_description": "You pressed No."}
        else:
            answer["code"] = secrets.token_urlsafe(16)
            self._codes[answer["code"]] = asked
        return 302, "", f"{asked['redirect_uri']}?{urlencode(answer)}"

    def post(self, path: str, form: dict[str, str]) -> tuple[int, str, str]:
        """Answer a POST."""
        if path == "/revoke":
            self._refresh.discard(form["token"])
            self.revoked.append(form["token"])
            return 200, "application/json", "{}"
        nonce = self._nonce(form) if form.get("client_id") == CLIENT else None
        if nonce is None:
            return 400, "application/json", json.dumps({"error": "invalid_grant"})
        refresh = secrets.token_urlsafe(16)
        self._refresh.add(refresh)
        tokens = {
            "access_token": self.access(self.person["username"], self.person["groups"]),
            "id_token": self._identity(nonce),
            "refresh_token": refresh,
            "expires_in": self.life_s,
            "token_type": "Bearer",
        }
        return 200, "application/json", json.dumps(tokens)

    def _nonce(self, form: dict[str, str]) -> str | None:
        """The nonce of a grant that is good, None for any other."""
        if form["grant_type"] == "refresh_token":
            if self.refuse_refresh or form["refresh_token"] not in self._refresh:
                return None
            self._refresh.discard(form["refresh_token"])
            self.renewals += 1
            return ""
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        shown = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        good = asked and shown == asked["code_challenge"] and form["redirect_uri"] == asked["redirect_uri"]
        return asked.get("nonce", "") if asked and good else None


@contextmanager
def issuing(folder: Path) -> Iterator[Issuer]:
    """An issuer on a free port."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(issuer.get(parts.path, dict(parse_qsl(parts.query))))

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(issuer.post(self.path, dict(parse_qsl(form))))

        def _answer(self, answer: tuple[int, str, str]) -> None:
            status, kind, text = answer
            body = b"" if status == 302 else text.encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", text)
            else:
                self.send_header("Content-Type", kind)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}", folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
