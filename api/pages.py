"""The console page, the browser client, the page of error codes; and the headers that keep all of it in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders

from api import reference

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.services import Services

WEB: Final = Path(__file__).resolve().parent.parent / "web"
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
_CLOSED: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def install(app: FastAPI, serving: Services, *, token_url: str) -> None:
    """Add the pages to the app; a page that is not shipped is simply not there."""

    @app.get("/console/config.json", include_in_schema=False)
    def config() -> dict[str, Any]:
        """Where the console finds its WebSocket and, on one machine, the development issuer."""
        return {"websocket_url": serving.settings.websocket_url, "token_url": token_url}

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

    first = "/console/" if (WEB / "console").is_dir() else "/docs"

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def root() -> RedirectResponse:
        """Whoever types the address alone wants the console."""
        return RedirectResponse(first)

    for name in ("console", "client"):
        if (WEB / name).is_dir():
            app.mount(f"/{name}", StaticFiles(directory=WEB / name, html=True), name=name)


class Headers:
    """Security headers on every answer: pages may load their own files and talk to this system, and nothing else."""

    def __init__(self, app: ASGIApp, websocket_url: str) -> None:
        self._app = app
        socket = urlsplit(websocket_url)
        origin = f" {socket.scheme}://{socket.netloc}" if socket.netloc else ""
        self._open = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            f"connect-src 'self'{origin}; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
            "form-action 'self'"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        page = scope["path"].startswith(("/console", "/client", "/docs", "/errors"))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                headers["Content-Security-Policy"] = self._open if page else _CLOSED
                headers.setdefault("Cache-Control", "no-cache" if page else "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)
