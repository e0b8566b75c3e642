"""Where the system is: what was typed, the environment, what the local system wrote down, or its port."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from carillon.protocol.web import API_PORT

DEFAULT_URL: Final = f"http://127.0.0.1:{API_PORT}"
RUN_FILE: Final = "run.json"


@dataclass
class Place:
    """The API's URL, where it came from, and what the local system says about itself."""

    url: str
    source: str
    run: dict[str, Any] = field(default_factory=dict)


def find(given: str | None) -> Place:
    """The system that a command talks to."""
    if given:
        return Place(given.rstrip("/"), "--api")
    if os.environ.get("CARILLON_API_URL"):
        return Place(os.environ["CARILLON_API_URL"].rstrip("/"), "CARILLON_API_URL")
    path = Path(os.environ.get("CARILLON_DATA_DIR") or ".carillon") / RUN_FILE
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        return Place(str(run["api_url"]).rstrip("/"), str(path), run)
    except (OSError, ValueError, KeyError, TypeError):
        port = os.environ.get("CARILLON_API_PORT", "0")
        if port in {"", "0"}:
            return Place(DEFAULT_URL, "the usual port")
        return Place(f"http://127.0.0.1:{port}", "CARILLON_API_PORT")
