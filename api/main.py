"""The app from the environment, for `python -m uvicorn api.main:app`."""

from __future__ import annotations

import os

from api.app import create_app
from api.services import Services
from carillon import config, wiring


def from_environment() -> Services:
    """The services as the environment says; see docs/CONFIG.md."""
    return Services(
        ports=wiring.ports(),
        directory=wiring.directory(),
        reports=wiring.reports(),
        tokens=wiring.tokens(),
        settings=config.read(config.ApiSettings, os.environ),
    )


app = create_app(from_environment())
