"""What the console is told about who signs people in, and whom its scripts may therefore call."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
from fastapi import FastAPI

from api import pages
from api.services import Services
from carillon.config import ApiSettings, TokenSettings

SOCKET = "wss://socket.example/live"
TRUSTED = TokenSettings(issuer="https://login.example/tenant", jwks_url="https://login.example/keys", audience="api")


def config(**settings: Any) -> httpx.Response:
    """The answer of an API with those settings; its stores are never touched."""
    none = cast("Any", None)
    known = ApiSettings(websocket_url=SOCKET, **settings)
    serving = Services(none, none, none, none, known, *[none] * 4, trusted=TRUSTED)
    app = FastAPI()
    pages.install(app, serving, token_url="/dev/token")
    app.add_middleware(pages.Headers, connect=pages.called(serving))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://console.example") as client:
            return await client.get("/console/config.json")

    return asyncio.run(ask())


def connects(answer: httpx.Response) -> list[str]:
    policy = answer.headers["content-security-policy"]
    (connect,) = (part for part in policy.split("; ") if part.startswith("connect-src "))
    return str(connect).split()[1:]


def test_without_a_client_nobody_signs_in_and_the_development_issuer_stays() -> None:
    answer = config()
    assert answer.json() == {"websocket_url": SOCKET, "token_url": "/dev/token"}
    assert connects(answer) == ["'self'", "wss://socket.example"]


def test_where_people_sign_in_the_console_hears_of_no_development_issuer() -> None:
    answer = config(sign_in_client="console", sign_in_scope="openid api", sign_in_origins="https://tokens.example")
    assert answer.json() == {
        "websocket_url": SOCKET,
        "token_url": "",
        "sign_in": {
            "issuer": "https://login.example/tenant",
            "client_id": "console",
            "scope": "openid api",
            "audience": "api",
            "subject_claim": "sub",
        },
    }
    assert connects(answer) == ["'self'", "wss://socket.example", "https://login.example", "https://tokens.example"]


def test_an_audience_that_is_the_client_itself_is_not_asked_for() -> None:
    assert config(sign_in_client="api").json()["sign_in"]["audience"] == ""
