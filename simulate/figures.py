"""What the simulator reckons with: every figure once, with where it comes from, in `figures.json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PRICES: Final = ROOT / "stacks" / "cost" / "prices.json"
"""The one price list; the stacks' cost report reads the same file."""


@cache
def table() -> dict[str, dict[str, Any]]:
    """All of them: name to `value`, `what` and `source`."""
    read: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "figures.json").read_text())
    return read


def figure(name: str) -> float:
    """A single value."""
    return float(table()[name]["value"])


def spread(name: str) -> tuple[float, float, float]:
    """The p50, p95 and p99 of a distribution."""
    middle, high, highest = table()[name]["value"]
    return float(middle), float(high), float(highest)


@cache
def price_list() -> dict[str, Any]:
    """The price list as in the file."""
    read: dict[str, Any] = json.loads(PRICES.read_text())
    return read


def price(name: str, kind: str = "") -> float:
    """A unit price in USD; `kind` is an architecture, where the price has one."""
    found = price_list()["prices"][name]
    return float(found[kind] if kind else found)
