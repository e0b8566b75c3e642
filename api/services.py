"""What the routes work with, made once per process and handed to each of them as a dependency."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Protocol, cast

from fastapi import Depends, Request

from carillon import config, wiring

if TYPE_CHECKING:
    from carillon.adapters.postgres.directory import Directory
    from carillon.adapters.postgres.reports import Reports
    from carillon.config import ApiSettings, CapacitySettings, TokenSettings
    from carillon.model import Principal
    from carillon.ports import Ports
    from carillon.ports.scaling import Calendar, ScalingLog

Probe = Callable[[], str | None]
"""Answers None when its component is well, or else a sentence about what is wrong."""


class Verifier(Protocol):
    """Knows whom a token speaks for."""

    def verify(self, token: str) -> Principal:
        """The principal, or an UnauthenticatedError; an OutageError when it cannot be told."""
        ...


@dataclass(frozen=True)
class Services:
    """All that the API touches.

    `replan` has the planner look at the calendar at once, and takes the reason; it raises nothing, since what
    changed the calendar is stored. It is called when the sender has been answered, who need not wait for a queue.
    `probes` are further components without which nothing would be delivered; `trusted` is whose tokens are, as far
    as the console has to know.
    """

    ports: Ports
    directory: Directory
    reports: Reports
    tokens: Verifier
    settings: ApiSettings
    calendar: Calendar
    scaling_log: ScalingLog
    capacity: CapacitySettings
    replan: Callable[[str], None]
    probes: dict[str, Probe] = field(default_factory=dict)
    trusted: TokenSettings | None = None


def from_environment() -> Services:
    """The services as the environment says; see docs/CONFIG.md."""
    settings = config.read(config.ApiSettings, os.environ)
    return Services(
        ports=wiring.ports(),
        directory=wiring.directory(),
        reports=wiring.reports(),
        tokens=wiring.tokens(),
        settings=settings,
        calendar=wiring.calendar(),
        scaling_log=wiring.scaling_log(),
        capacity=wiring.capacity_settings(),
        replan=wiring.replan(settings.calendar_queue),
        trusted=config.read(config.TokenSettings, os.environ),
    )


def services(request: Request) -> Services:
    """The services of the app that serves this request."""
    return cast("Services", request.app.state.services)


Serving = Annotated[Services, Depends(services)]
