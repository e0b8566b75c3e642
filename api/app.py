"""Puts the API together: `create_app` takes the services, and on one machine also the extras that only it has."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api import openapi, pages, problems
from api.limits import Limits
from api.measures import Measures
from api.paging import only_known_parameters
from api.proxied import Proxied
from api.relay import Relay
from api.routes import broadcasts, capacity, events, forecast, imports, ops, people, segments, weddings
from api.services import from_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from api.services import Probe, Services

_ROUTES: Final = (broadcasts, events, weddings, people, segments, imports, capacity, forecast, ops)

DEV_TOKEN: Final = "/dev/token"  # noqa: S105 - an address, no secret
"""Where a development issuer makes tokens, when the app has been given one; the console is told."""


def create_app(
    services: Services | None = None, *, probes: Mapping[str, Probe] | None = None, routers: Iterable[APIRouter] = ()
) -> FastAPI:
    """The ASGI application.

    Args:
        services: what the routes work with; made from the environment when not given.
        probes: further components that `/readyz` asks, by name; each answers None or what is wrong.
        routers: further routes, such as the development issuer's; they stay out of the OpenAPI document.
    """
    serving = services or from_environment()
    relay = Relay(serving.ports, serving.settings.relay_interval_s) if serving.settings.relay else None
    known = {**serving.probes, **(probes or {})}
    if relay is not None:
        known["relay"] = relay.state
    serving = replace(serving, probes=known)
    app = FastAPI(
        title="Carillon",
        lifespan=_lifespan(relay, serving),
        docs_url=None,
        redoc_url=None,
        **openapi.INFO,
    )
    app.state.services = serving
    problems.install(app)
    for module in _ROUTES:
        app.include_router(module.router, responses=openapi.EVERYWHERE, dependencies=[Depends(only_known_parameters)])
    extra = list(routers)
    for router in extra:
        app.include_router(router, include_in_schema=False)
    issuing = any(getattr(route, "path", "") == DEV_TOKEN for router in extra for route in router.routes)
    pages.install(app, serving, token_url=DEV_TOKEN if issuing else "")
    _add_middleware(app, serving)
    openapi.install(app)
    return app


def _lifespan(relay: Relay | None, serving: Services) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        measures = Measures(serving.ports.metrics.flush)
        measures.start()
        if relay is not None:
            relay.start()
        yield
        if relay is not None:
            relay.stop()
        measures.stop()

    return lifespan


def _add_middleware(app: FastAPI, serving: Services) -> None:
    """The last one added is the first to see a request."""
    app.add_middleware(Limits)
    origins = [origin.strip() for origin in serving.settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            expose_headers=["Location", "Idempotent-Replayed", "Retry-After"],
        )
    app.add_middleware(pages.Headers, connect=pages.called(serving))
    app.add_middleware(Proxied)
