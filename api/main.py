"""The app from the environment, for `python -m uvicorn api.main:app`."""

from __future__ import annotations

from api.app import create_app

app = create_app()
