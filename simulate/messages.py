"""What is sent: every message of a world, with its lane and how many phones it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from simulate.people import present

if TYPE_CHECKING:
    from simulate.scenarios import Spike
    from simulate.weddings import Floats, Ints, Weddings

PHASES: Final = ((-7_200.0, 0.0, 0.36), (0.0, 3_000.0, 0.05), (3_000.0, 20_400.0, 0.59))
"""From when to when around the ceremony, and what share of the messages: preparation, ceremony, the feast."""
PER_BROADCAST: Final = 4
"""Messages among the team for each broadcast to the whole wedding."""
LANES: Final = (0.02, 0.16, 0.56, 0.26)
WEATHER: Final = (1, 2, 3, 0)
"""Messages by lane that a wedding sends more when the weather moves it."""
FRONT_S: Final = 7_200.0
"""Weddings that begin within two hours of one another see the same front, and write within minutes."""


@dataclass(frozen=True, slots=True)
class Messages:
    """All messages, in order of time.

    Args:
        at: when accepted, seconds since the epoch.
        wedding: whose.
        lane: which.
        people: connections to reach, 1 at least.
        chance: a number in [0, 1) each, the same under every strategy.
    """

    at: Floats
    wedding: Ints
    lane: Ints
    people: Floats
    chance: Floats

    def __len__(self) -> int:
        return len(self.at)


def draw(random: np.random.Generator, weddings: Weddings, spikes: tuple[Spike, ...]) -> Messages:
    """Everything that is sent.

    Args:
        random: seeded by the caller.
        weddings: who sends.
        spikes: during which the same people send many times as much.
    """
    wedding, at, lane, whole = _usual(random, weddings)
    parts = [(wedding, at, lane, whole), *_spiked(random, at, wedding, lane, whole, spikes), _weather(random, weddings)]
    wedding, at, lane, whole = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    wedding, at, lane, whole = wedding[order], at[order], lane[order], whole[order]
    crew, guests = present(weddings, wedding, at)
    some = random.uniform(0.1, 0.7, len(at))
    people = np.maximum(1.0, np.rint(np.where(whole, crew + guests, some * crew)))
    return Messages(at, wedding, lane, people, random.random(len(at)))


_Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _usual(random: np.random.Generator, weddings: Weddings) -> _Columns:
    counts = weddings.broadcasts * (1 + PER_BROADCAST)
    wedding = np.repeat(np.arange(len(weddings)), counts)
    firsts, lasts, shares = (np.array(column) for column in zip(*PHASES, strict=True))
    phase = random.choice(len(PHASES), size=len(wedding), p=shares)
    since = random.uniform(firsts[phase], lasts[phase])
    lane = random.choice(len(Lane), size=len(wedding), p=LANES)
    whole = (random.random(len(wedding)) < 1 / (1 + PER_BROADCAST)) | (lane == Lane.CRITICAL)
    return wedding, weddings.begins[wedding] + since, lane, whole


def _spiked(
    random: np.random.Generator, at: Floats, wedding: Ints, lane: Ints, whole: Floats, spikes: tuple[Spike, ...]
) -> list[_Columns]:
    """Copies of what is sent anyway, moved about within a minute: the times ten are a rate, not a repetition."""
    made: list[_Columns] = []
    for spike in spikes:
        copies = random.poisson(spike.factor(at) - 1)
        chosen = np.repeat(np.arange(len(at)), copies)
        moved = at[chosen] + random.uniform(-30, 30, len(chosen))
        made.append((wedding[chosen], moved, lane[chosen], whole[chosen]))
    return made


def _weather(random: np.random.Generator, weddings: Weddings) -> _Columns:
    """A front is noticed by a whole zone within minutes: the nearest there is to everybody sending at once."""
    moved = np.flatnonzero(weddings.stormed & (weddings.broadcasts > 0))
    noticed = np.floor(weddings.starts[moved] / FRONT_S) * FRONT_S - 600
    lane = np.repeat(np.arange(len(Lane)), WEATHER)
    wedding = np.repeat(moved, len(lane))
    at = np.repeat(noticed, len(lane)) + random.exponential(60, len(wedding))
    return wedding, at, np.tile(lane, len(moved)), np.ones(len(wedding), dtype=bool)
