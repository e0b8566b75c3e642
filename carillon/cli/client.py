"""Talks HTTP to the API and turns its problems into command errors."""

from __future__ import annotations

import os
import time
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import httpx

from carillon.cli.errors import CommandError, Exit, usage
from carillon.cli.place import DEFAULT_URL
from carillon.names import Scope
from carillon.protocol.web import CONSOLE_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carillon.cli.place import Place

_TIMEOUT_S: Final = 150.0
"""Longer than the longest statement of `verify`."""
_PAGE: Final = 1_000
_TRIES: Final = 4
_LONGEST_PAUSE_S: Final = 5.0
DEV_TOKEN: Final = "/dev/token"  # noqa: S105 - an address, no secret


def quoted(text: str) -> str:
    """A part of a path, whatever was typed.

    Raises:
        CommandError: nothing was typed, which would be another path.
    """
    if not text:
        raise usage("an id cannot be empty")
    return quote(text, safe="")


class Api:
    """The HTTP API as one caller. The token is CARILLON_TOKEN's or, on one machine, the development issuer's."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._token = os.environ.get("CARILLON_TOKEN", "")

    @cached_property
    def _http(self) -> httpx.Client:
        wrong = usage(f"{self.place.url!r} (from {self.place.source}) is no URL such as {DEFAULT_URL}")
        try:
            parts = urlsplit(self.place.url)
            client = httpx.Client(base_url=self.place.url, timeout=_TIMEOUT_S)
        except (httpx.InvalidURL, ValueError) as error:
            raise wrong from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise wrong
        return client

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if "_http" in self.__dict__:
            self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer to a GET; parameters that are None are left out."""
        return self.call("GET", path, parameters={k: v for k, v in parameters.items() if v is not None})

    def pages(self, path: str, limit: int, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The items of a paged list, `limit` at most, all of them for 0."""
        left, cursor = limit or 1 << 62, None
        while left > 0:
            page = self.get(path, limit=min(left, _PAGE), cursor=cursor, **parameters)
            yield from page["items"]
            left -= len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        tries: int = 1,
    ) -> Any:
        """The answer's JSON, or None when it has none.

        Args:
            method: of HTTP.
            path: from the API's root.
            json: the body.
            content: the body as bytes, instead.
            parameters: of the address.
            headers: beside the token.
            tries: how often to try when the system is away; above 1 only for what may be done twice.

        Raises:
            CommandError: it was refused (exit code 3), or the system is away (4).
        """
        sent = {"Authorization": f"Bearer {self.token()}", **(headers or {})}
        for attempt in range(1, tries + 1):
            try:
                answer = self._http.request(method, path, json=json, content=content, params=parameters, headers=sent)
            except httpx.HTTPError as error:
                if attempt == tries:
                    raise self._away(error) from error
                # Nothing answers, so nothing says when to come back: a growing pause, and only as often as `tries`.
                time.sleep(min(_LONGEST_PAUSE_S, 0.25 * 2**attempt))
                continue
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or attempt == tries:
                return _read(answer)
            # The system named the pause itself; it is kept, within reason.
            time.sleep(min(_LONGEST_PAUSE_S, _seconds(answer.headers.get("Retry-After", ""))))
        return None

    def token(self) -> str:
        """The caller's own token."""
        if not self._token:
            self._token = self.mint("carillon-cli", [str(scope) for scope in Scope])
        return self._token

    def mint(self, user_id: str, scopes: list[str], *, supplier_id: str | None = None, ttl_s: int = 3600) -> str:
        """A token from the development issuer.

        Raises:
            CommandError: this system has none.
        """
        body = {"sub": user_id, "scopes": scopes, "ttl_s": ttl_s} | (
            {"supplier_id": supplier_id} if supplier_id else {}
        )
        try:
            answer = self._http.post(DEV_TOKEN, json=body)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            hint = "Sign in: export CARILLON_TOKEN=$(carillon token --sign-in)"
            raise CommandError(Exit.REFUSED, "token.invalid", f"{self.place.url} does not make tokens", hint)
        return str(_read(answer)["token"])

    def console(self) -> dict[str, Any]:
        """What the system tells its console: the WebSocket, and who signs people in."""
        try:
            return dict(_read(self._http.get(CONSOLE_CONFIG)))
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> CommandError:
        where = f"{self.place.url} (from {self.place.source})"
        hint = "Start it with `make run`, or say where it is with --api or CARILLON_API_URL."
        return CommandError(Exit.UNAVAILABLE, "unavailable", f"{where} does not answer: {error}", hint)


_HINTS: Final = {
    "token.invalid": "Get a new token and set CARILLON_TOKEN to it.",
    "token.expired": "Get a new token and set CARILLON_TOKEN to it.",
    "scope.missing": "Ask for the scope, or use another account's token.",
    "outage": "Try again in a moment; nothing was accepted.",
    "audience.unknown": "`carillon weddings`, `carillon users` and `carillon segments` list what there is.",
    "idempotency.conflict": "Use a new --idempotency-key for a new broadcast.",
}


def _seconds(text: str) -> float:
    """The pause that an answer asks for; a second where it names none, or a date, as a proxy between may."""
    return float(text) if text.isdecimal() else 1.0


def _read(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    try:
        problem = answer.json()
        code, detail, errors = problem["code"], problem["detail"], problem.get("errors", [])
    except (ValueError, KeyError, TypeError):
        code, detail, errors = f"http.{answer.status_code}", answer.text[:200] or answer.reason_phrase, []
    exit_code = Exit.UNAVAILABLE if answer.is_server_error else Exit.REFUSED
    more = "".join(f"\n  {one['pointer']}: {one['detail']}" for one in errors) if len(errors) > 1 else ""
    raise CommandError(exit_code, code, detail + more, _HINTS.get(code, ""), status=answer.status_code, errors=errors)
