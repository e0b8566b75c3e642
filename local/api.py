"""The HTTP API as it runs on this machine: the product's app, and the development issuer beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from api.app import create_app
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict, Field

from carillon.names import Scope  # noqa: TC001 - pydantic reads the annotation
from local.issuer import LONGEST_TTL_S, TTL_S, Issuer

router = APIRouter(prefix="/dev", tags=["development"])


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


def _issuer() -> Issuer:
    path = Path(unquote(urlsplit(os.environ["CARILLON_JWKS_URL"]).path))
    return Issuer(path.parent)


def add_issuer(app: FastAPI, issuer: Issuer) -> None:
    """Serve the issuer's keys and tokens under `/dev`; only ever on a developer's machine."""

    @router.get("/jwks.json", summary="The development issuer's public keys")
    def jwks() -> dict[str, Any]:
        return issuer.jwks()

    @router.post("/token", summary="A token for anybody")
    def token(wanted: TokenRequest) -> TokenAnswer:
        text = issuer.token(wanted.sub, wanted.scopes, supplier_id=wanted.supplier_id, ttl_s=wanted.ttl_s)
        return TokenAnswer(token=text, expires_in_s=wanted.ttl_s)

    app.include_router(router)


app = create_app()
add_issuer(app, _issuer())
