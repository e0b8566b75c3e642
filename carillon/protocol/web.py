"""HTTP's side of the product that more than one server must agree on: the API, and the CDN in front of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGES: Final = ("console", "client", "dashboard")
"""Folders of `web/`, each of which is the first part of its files' address; one that is not there is not served."""
CONSOLE: Final = "/console/"
DASHBOARD: Final = "/dashboard/"
SIGN_IN_PAGES: Final = (CONSOLE, DASHBOARD)
"""Pages that sign people in: an issuer has to know their addresses, to which it sends people back."""
FIRST_PAGE: Final = CONSOLE
"""Where whoever types the address alone is sent."""
CONSOLE_CONFIG: Final = f"{CONSOLE}config.json"
"""Made by the API: the console asks it where the WebSocket is."""
API_PATHS: Final = ("/v1/*", "/docs", "/docs/*", "/openapi.json", "/errors", "/healthz", "/readyz", CONSOLE_CONFIG)
"""What the API answers, `*` for any rest; everything else is a file."""
OPEN_PATHS: Final = ("/docs", "/docs/style.css", "/openapi.json", "/errors")
"""Documents of the API that are the same for everybody, and change with a deploy alone."""
SHARED_CONTROL: Final = "public, max-age=0, s-maxage=60, must-revalidate"
"""Cache-Control of what is the same for everybody: a browser asks each time whether it has the newest, the CDN once a
minute. A deploy needs no invalidation then; what is a minute old works with the API of now."""
ALIVE: Final = "/healthz"
READY: Final = "/readyz"
IMPORT: Final = "/v1/import"

API_PORT: Final = 8080
API_POOL: Final = 10
"""Database connections of an API process, whose forty threads share them; a function has one thread and needs few."""
GRACE_S: Final = 30
"""How long requests under way may still take when a server is told to stop; a body may take that long to arrive."""
BALANCER_IDLE_S: Final = 60
"""After which pause the load balancer closes a connection."""
KEEP_ALIVE_S: Final = 75
"""After which pause the server does: later than the balancer, or a request would now and then meet a closing line."""

LARGEST_BODY: Final = 256 * 1024
LARGEST_IMPORT: Final = 8 * 1024 * 1024
"""Bytes of a request's body; what is larger is refused with `input.too_large`."""

SCHEME_HEADER: Final = "CloudFront-Forwarded-Proto"
"""Header in which the CDN tells how it was asked; the balancer behind it overwrites X-Forwarded-Proto."""

CONTENT_SECURITY_POLICY: Final = "Content-Security-Policy"
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
"""On every answer."""
CLOSED_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content policy of what is no page."""


def page_policy(connect: Iterable[str]) -> str:
    """The content policy of a page: its own files and this system, and nothing else.

    Args:
        connect: further origins that its scripts may talk to, e.g. `wss://host`.
    """
    origins = "".join(f" {origin}" for origin in connect)
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'{origins}; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'"
    )


def origin(url: str) -> list[str]:
    """The origin of a URL, or nothing of one that names no host."""
    parts = urlsplit(url)
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []


def problem(*, code: str, status: int, detail: str, instance: str, errors: Iterable[Any] = ()) -> dict[str, Any]:
    """An RFC 9457 problem document, the shape of every refusal, whoever refuses.

    Args:
        code: stable, one of `carillon.errors`.
        status: HTTP status.
        detail: what was wrong and what to do.
        instance: the path that was asked for, empty where it is not known.
        errors: which fields are wrong.
    """
    return {
        "type": f"/errors#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": instance,
        "errors": list(errors),
    }
