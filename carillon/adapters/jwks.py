"""The issuer's published keys, fetched when first needed, kept, and fetched again when a token names an unknown one."""

from __future__ import annotations

import json
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib import request
from urllib.parse import unquote, urlsplit

import jwt

from carillon.errors import ConfigError, OutageError, UnauthenticatedError

_FRESH_S: Final = 300.0
"""How long fetched keys are used before asking again; a withdrawn key is trusted for this long."""
_PAUSE_S: Final = 5.0
"""Shortest time between two fetches, so that tokens with made-up key ids cannot hammer the issuer."""
_TIMEOUT_S: Final = 3.0
_LARGEST: Final = 1 << 20
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class KeySet:
    """Keys by id. When the issuer is away, keys that are known go on being trusted.

    Raises:
        ConfigError: the URL is not https, nor a file or http on this machine.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        file = parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path != ""
        if not (local or file or (parts.scheme == "https" and parts.hostname)):
            raise ConfigError(
                f"CARILLON_JWKS_URL={url!r} must be an https URL, or a file or http URL of this machine itself"
            )
        self._url = url
        self._path = unquote(parts.path) if file else None
        self._lock = threading.Lock()
        self._keys: list[jwt.PyJWK] = []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._failure: str | None = None

    def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """The key that a token's header names; without an id, the only key for its algorithm.

        Raises:
            UnauthenticatedError: the issuer has no such key.
            OutageError: the issuer cannot be asked, and the key is not among those known.
        """
        found = self._pick(key_id, algorithm)
        if found is None or time.monotonic() - self._fetched_at > _FRESH_S:
            self._refresh(wait=found is None)
            found = self._pick(key_id, algorithm) or found
        if found is not None:
            return found
        if self._failure is not None:
            raise OutageError(f"the issuer's keys cannot be fetched: {self._failure}", retry_after_s=_PAUSE_S)
        raise UnauthenticatedError("the token is signed by a key that the issuer does not publish")

    def _pick(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        keys = [key for key in self._keys if key.algorithm_name == algorithm and key_id in (None, key.key_id)]
        return keys[0] if len(keys) == 1 else None

    def _refresh(self, *, wait: bool) -> None:
        """Fetch at most once per pause; whoever has a usable key does not wait for somebody else's fetch."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            if time.monotonic() - self._tried_at < _PAUSE_S:
                return
            self._tried_at = time.monotonic()
            self._keys = _usable(self._fetch())
            self._fetched_at, self._failure = time.monotonic(), None
        except (OSError, ValueError, HTTPException) as error:
            self._failure = str(error) or type(error).__name__
        finally:
            self._lock.release()

    def _fetch(self) -> Any:
        if self._path is not None:
            return json.loads(Path(self._path).read_bytes())
        proxies: dict[str, str] | None = {} if urlsplit(self._url).hostname in _LOOPBACK else None
        opener = request.build_opener(_NoRedirect, request.ProxyHandler(proxies))
        with opener.open(self._url, timeout=_TIMEOUT_S) as answer:
            return json.loads(answer.read(_LARGEST))


class _NoRedirect(request.HTTPRedirectHandler):
    """A redirect could lead away from https, or from this machine."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: the redirect itself becomes the error."""


def _usable(document: Any) -> list[jwt.PyJWK]:
    """The signature keys of a JWKS document; kinds that we do not verify with are left out."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("what the issuer publishes is not a JWKS document")  # noqa: TRY004 - a bad value, not a bug
    found = []
    for entry in document["keys"]:
        if isinstance(entry, dict) and entry.get("kty") in {"EC", "RSA", "OKP"} and entry.get("use", "sig") == "sig":
            try:
                found.append(jwt.PyJWK(entry))
            except (jwt.PyJWTError, ValueError):
                continue
    return found
