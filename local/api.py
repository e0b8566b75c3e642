"""The HTTP API as it runs on this machine: the product's app, the development issuer, and probes of what is local."""

from __future__ import annotations

import http.client
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.app import create_app
from api.services import from_environment
from carillon.names import Scope  # noqa: TC001 - pydantic reads the annotation
from local import product
from local.issuer import LONGEST_TTL_S, TTL_S, Issuer
from local.planner import PaperPlanner
from local.queues import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_PATH = "/dev/token"  # noqa: S105 - a path
HEARTBEAT_AGE_S = 5.0
"""A mapping that has not written its status for so long, ten of its beats, does not do its work."""


class TokenRequest(BaseModel):
    """Whom a token is for and what it allows."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"sub": "U1", "scopes": []}})

    sub: str = Field(min_length=1, max_length=128, description="The user's id.")
    scopes: list[Scope] = Field(default_factory=list, description="What the token allows.")
    supplier_id: str | None = Field(default=None, max_length=128, description="The supplier the user acts for.")
    ttl_s: Annotated[int, Field(ge=1, le=LONGEST_TTL_S, description="Its life in seconds.")] = TTL_S


class TokenAnswer(BaseModel):
    """A signed token."""

    token: str
    expires_in_s: int


def issuer_routes(issuer: Issuer) -> APIRouter:
    """The issuer's keys and tokens for anybody; only ever on a developer's machine."""
    router = APIRouter()

    @router.get("/dev/jwks.json", summary="The development issuer's public keys")
    def jwks() -> dict[str, Any]:
        return issuer.jwks()

    @router.post(TOKEN_PATH, summary="A token for anybody")
    def token(wanted: TokenRequest) -> TokenAnswer:
        text = issuer.token(wanted.sub, wanted.scopes, supplier_id=wanted.supplier_id, ttl_s=wanted.ttl_s)
        return TokenAnswer(token=text, expires_in_s=wanted.ttl_s)

    return router


def gateway_probe(callback_url: str) -> str | None:
    """Ask the gateway how it is; None when it answers."""
    address = urlsplit(callback_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=1)
    try:
        connection.request("GET", "/_status")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"the gateway does not answer: {error}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"the gateway answers {status}"


def consumer_probe(folder: Path, lane: str) -> str | None:
    """Look whether the lane's consumers are warm and polling; None when they are."""
    try:
        status = json.loads(product.status_path(folder, lane).read_text())
    except FileNotFoundError:
        return f"the consumers of {lane} do not run"
    age_s = time.time() - status["at"]
    if age_s > HEARTBEAT_AGE_S:
        return f"the consumers of {lane} have not been heard of for {age_s:.0f} s"
    return None if status["ready"] else f"the consumers of {lane} are not polling"


def probes(folder: Path, callback_url: str) -> dict[str, Callable[[], str | None]]:
    """What else must be up for a broadcast to arrive."""

    def of_lane(lane: str) -> Callable[[], str | None]:
        return lambda: consumer_probe(folder, lane)

    return {"gateway": lambda: gateway_probe(callback_url)} | {f"lane {lane}": of_lane(lane) for lane in LANES}


jwks_path = Path(unquote(urlsplit(os.environ["CARILLON_JWKS_URL"]).path))
services = from_environment()
planner = PaperPlanner(services)
planner.start()
app = create_app(
    replace(services, replan=planner.changed),
    probes=probes(Path(os.environ[product.STATUS_DIR]), os.environ["CARILLON_CALLBACK_ENDPOINT"]),
    routers=[issuer_routes(Issuer(jwks_path.parent))],
)
