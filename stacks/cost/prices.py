"""The price list, in one dated file, and the shapes that costs have."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
HOURS_A_MONTH: Final = 730.0
"""As AWS's own calculator counts."""


@dataclass(frozen=True)
class Line:
    """One driver of the cost.

    Args:
        driver: what is paid for, in words.
        usd: for the whole of the time looked at.
        why: the quantity and its unit price.
    """

    driver: str
    usd: float
    why: str


@dataclass
class Bill:
    """What some span of time costs.

    Args:
        title: the span.
        hours: its length.
        lines: the drivers; those of one name are added up.
    """

    title: str
    hours: float
    lines: list[Line] = field(default_factory=list)

    @property
    def usd(self) -> float:
        """In all."""
        return sum(line.usd for line in self.lines)

    def drivers(self) -> list[Line]:
        """The drivers, the dearest first, each once."""
        lines = [line for line in self.lines if line.usd]
        names = list(dict.fromkeys(line.driver for line in lines))
        grouped = {name: [line for line in lines if line.driver == name] for name in names}
        whole = [Line(name, sum(one.usd for one in lines), _whys(lines)) for name, lines in grouped.items()]
        return sorted(whole, key=lambda line: -line.usd)


def _whys(lines: list[Line]) -> str:
    """Each reason once, with how often it counts."""
    counted = Counter(line.why for line in lines)
    return "; ".join(f"{times} x {why}" if times > 1 else why for why, times in counted.items())


@cache
def price_list() -> dict[str, Any]:
    """The whole file: `as_of`, `region`, `currency`, `source`, `prices`."""
    read: dict[str, Any] = json.loads((FOLDER / "prices.json").read_text())
    return read


def price(name: str, kind: str = "") -> float:
    """A unit price in USD.

    Args:
        name: as in the file.
        kind: which one, where the price depends on an architecture or a node type.

    Raises:
        KeyError: the file has no such price; add it with its source.
    """
    found = price_list()["prices"][name]
    if kind and kind not in found:
        raise KeyError(f"prices.json has no {name} for {kind}")
    return float(found[kind] if kind else found)
