"""One kept-alive connection to the HTTP API."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

TIMEOUT_S = 130.0
"""A little longer than the slowest answer there is: `verify` may take two minutes."""


class Api:
    """Calls the API, one call at a time; not for several threads.

    Args:
        url: Of the API.
        token: The bearer token.
    """

    def __init__(self, url: str, token: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """The answer's status and JSON document.

        Raises:
            OSError, http.client.HTTPException: The API cannot be reached, or hung up.
        """
        try:
            self._connection.request(method, path, body, self._headers | {"Content-Type": content_type})
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next call opens a new one
            raise

    def verify(self, since: str) -> dict[str, Any]:
        """What `GET /v1/ops/verify` says about everything accepted since a moment (ISO 8601)."""
        status, answer = self.call("GET", f"/v1/ops/verify?since={quote(since)}")
        if status != 200:
            raise SystemExit(f"verify was refused: {status} {json.dumps(answer)[:500]}")
        verdict: dict[str, Any] = answer
        return verdict

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
