"""The console page, the browser client, the page of error codes; and the headers that keep all of it in its place."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders

from api import reference
from carillon.protocol import web

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.services import Services

WEB: Final = Path(__file__).resolve().parent.parent / "web"
_PAGES: Final = (*(f"/{name}" for name in web.PAGES), "/docs", "/errors")


def install(app: FastAPI, serving: Services, *, token_url: str) -> None:
    """Add the pages to the app; a page that is not shipped is simply not there."""

    @app.get(web.CONSOLE_CONFIG, include_in_schema=False)
    def config() -> dict[str, Any]:
        """Where the console finds its WebSocket, and who signs people in; on one machine the development issuer."""
        known = {"websocket_url": serving.settings.websocket_url, "token_url": token_url}
        return known | ({"token_url": "", "sign_in": asked} if (asked := _sign_in(serving)) else {})

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        """All operations on one page; `/openapi.json` says the same to programs."""
        return HTMLResponse(reference.operations_page(app.openapi()))

    @app.get(reference.STYLE_PATH, include_in_schema=False)
    def style() -> Response:
        """What the pages for people look like."""
        return Response(reference.STYLE, media_type="text/css")

    @app.get("/errors", include_in_schema=False)
    def errors() -> HTMLResponse:
        """The codes of all errors, where a problem document's `type` points."""
        return HTMLResponse(reference.errors_page())

    first = web.FIRST_PAGE if (WEB / "console").is_dir() else "/docs"

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def root() -> RedirectResponse:
        """Whoever types the address alone wants the console."""
        return RedirectResponse(first)

    for name in web.PAGES:
        if (WEB / name).is_dir():
            app.mount(f"/{name}", StaticFiles(directory=WEB / name, html=True), name=name)


def _sign_in(serving: Services) -> dict[str, str] | None:
    """What an OpenID Connect client must know; None where nobody signs in."""
    client, trusted = serving.settings.sign_in_client, serving.trusted
    if not client or trusted is None:
        return None
    return {
        "issuer": trusted.issuer,
        "client_id": client,
        "scope": serving.settings.sign_in_scope,
        # Some issuers make tokens for an API only when they are asked for it by name.
        "audience": trusted.audience if trusted.audience != client else "",
        "subject_claim": trusted.subject_claim,
    }


def called(serving: Services) -> list[str]:
    """Whom the pages' scripts talk to beside the API: the WebSocket and whoever signs people in."""
    signing = _sign_in(serving)
    issuer = web.origin(signing["issuer"]) if signing else []
    return web.origin(serving.settings.websocket_url) + issuer + serving.settings.sign_in_origins.split()


class Headers:
    """Security headers on every answer: pages may load their own files and talk to this system, and nothing else."""

    def __init__(self, app: ASGIApp, connect: list[str]) -> None:
        self._app = app
        self._open = web.page_policy(connect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        page = scope["path"].startswith(_PAGES)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in web.SECURITY_HEADERS.items():
                    headers[name] = value
                headers[web.CONTENT_SECURITY_POLICY] = self._open if page else web.CLOSED_POLICY
                headers.setdefault("Cache-Control", _control(scope["path"], message["status"], page=page))
            await send(message)

        await self._app(scope, receive, with_headers)


def _control(path: str, status: int, *, page: bool) -> str:
    """What an answer that says nothing of it may be kept for."""
    if path in web.OPEN_PATHS and status == HTTPStatus.OK:
        return web.SHARED_CONTROL
    return "no-cache" if page else "no-store"
