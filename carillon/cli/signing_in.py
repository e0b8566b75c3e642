"""Signs a person in with the system's issuer: they do it in their browser, which comes back to this machine."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from carillon.cli.errors import CommandError, Exit, usage

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMEOUT_S: Final = 10.0
_PATIENCE_S: Final = 300.0
"""How long a person may take in their browser."""
_BYE: Final = "You may close this page and go back to the command line."
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class _Door(HTTPServer):
    """Takes the browser's way back; `answers` is what it brought."""

    def __init__(self, port: int) -> None:
        self.answers: dict[str, str] = {}
        try:
            super().__init__(("127.0.0.1", port), _Visit)
        except OSError as error:
            raise usage(f"port {port}, to which the browser would come back, is taken: {error}") from error

    def wait(self, patience_s: float) -> dict[str, str]:
        deadline = time.monotonic() + patience_s
        while not self.answers:
            self.timeout = deadline - time.monotonic()
            if self.timeout <= 0:
                raise _refused(f"nobody signed in within {patience_s:.0f} s")
            self.handle_request()
        return self.answers


class _Visit(BaseHTTPRequestHandler):
    timeout = 5
    server: _Door

    def do_GET(self) -> None:
        found = dict(parse_qsl(urlsplit(self.path).query))
        meant = "code" in found or "error" in found
        body = (_BYE if meant else "Nothing here.").encode()
        self.send_response(200 if meant else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if meant:
            self.server.answers = found

    def log_message(self, *_: object) -> None:
        """Say nothing: the address holds the code."""


def sign_in(config: dict[str, str], tell: Callable[[str], None], *, port: int) -> str:
    """An access token of whoever signs in.

    Args:
        config: what the system says about its issuer in `/console/config.json`.
        tell: shows an address that the person opens in their browser.
        port: of this machine, to which the issuer sends the browser back.

    Raises:
        CommandError: the issuer is away or refuses, or nobody came.
    """
    verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    shown = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    with httpx.Client(timeout=_TIMEOUT_S) as http, _Door(port) as door:
        issuer = _issuer(http, config["issuer"])
        back = f"http://localhost:{door.server_port}/"
        asked = {
            "response_type": "code",
            "client_id": config["client_id"],
            "redirect_uri": back,
            "scope": config["scope"],
            "state": state,
            "code_challenge": shown,
            "code_challenge_method": "S256",
        } | ({"audience": config["audience"]} if config["audience"] else {})
        tell(f"{issuer['authorization_endpoint']}?{urlencode(asked)}")
        code = _code(door.wait(_PATIENCE_S), state)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        answer = _ask(http, "POST", issuer["token_endpoint"], data=form | {"client_id": config["client_id"]})
    if not isinstance(answer.get("access_token"), str):
        raise _refused(f"{config['issuer']} made no token: {answer.get('error_description') or answer.get('error')}")
    return str(answer["access_token"])


def _code(answer: dict[str, str], state: str) -> str:
    if not secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise _refused("the browser brought the answer to another sign-in; nothing was taken")
    if "code" not in answer:
        raise _refused(answer.get("error_description") or answer["error"])
    return answer["code"]


def _issuer(http: httpx.Client, issuer: str) -> dict[str, Any]:
    found = _ask(http, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    places = [urlsplit(str(found.get(name, ""))) for name in ("authorization_endpoint", "token_endpoint")]
    safe = all(place.scheme == "https" or place.hostname in _THIS_MACHINE for place in places)
    if found.get("issuer") != issuer or not safe:
        raise _refused(f"{issuer} does not describe itself as the issuer that this system trusts")
    return found


def _ask(http: httpx.Client, method: str, url: str, **more: Any) -> dict[str, Any]:
    try:
        answer = http.request(method, url, **more).json()
    except (httpx.HTTPError, ValueError) as error:
        raise CommandError(Exit.UNAVAILABLE, "unavailable", f"{url} does not answer: {error}") from error
    return answer if isinstance(answer, dict) else {}


def _refused(why: str) -> CommandError:
    return CommandError(Exit.REFUSED, "token.invalid", f"the sign-in failed: {why}")
