"""How a request came to the CDN, for the addresses that the API sends back to: behind it everything looks like http."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon.protocol.web import SCHEME_HEADER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER: Final = SCHEME_HEADER.lower().encode()
_SCHEMES: Final = {b"http": "http", b"https": "https"}


class Proxied:
    """Takes the scheme from the CDN's header.

    Whoever reaches the API past the CDN may claim one, and changes nothing but the redirects that they get themselves.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            told = next((value for name, value in scope["headers"] if name == _HEADER), b"")
            scope = {**scope, "scheme": _SCHEMES.get(told, scope["scheme"])}
        await self._app(scope, receive, send)
