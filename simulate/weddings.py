"""The weddings of a simulated world, drawn or read: what the calendar says of them and what then happens.

Columns are numpy arrays of one length, a row per wedding; times are seconds since the epoch. `planned_` is what was
entered; everything else is what the world does with it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

SIZES: Final = ("small", "medium", "large", "luxury")
NEVER: Final = np.inf
"""When a forgotten wedding is entered into the calendar."""


@dataclass(frozen=True, slots=True)
class Weddings:
    """All weddings of a run.

    Args:
        starts: the ceremony as planned.
        known_at: when the calendar learns of it; `NEVER` for a forgotten one.
        zone: index into `zones`.
        size: index into `SIZES`.
        planned_team: vendors, planners and couple as entered.
        planned_guests: guests as entered.
        crew: connections of the team's people that really come.
        guests: connections of guests that really come.
        broadcasts: how many the wedding really sends.
        delay_s: how much later (or earlier) than planned it really begins.
        stormed: whether the weather moved it.
        zones: IANA time zones of the venues.
    """

    starts: Floats
    known_at: Floats
    zone: Ints
    size: Ints
    planned_team: Ints
    planned_guests: Ints
    crew: Ints
    guests: Ints
    broadcasts: Ints
    delay_s: Floats
    stormed: Flags
    zones: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def begins(self) -> Floats:
        """When the ceremony really begins."""
        return self.starts + self.delay_s

    def ordered(self) -> Weddings:
        """The same, the earliest first, so that a seed means the same run whatever order they were drawn in."""
        order = np.argsort(self.starts, kind="stable")
        columns = {one.name: getattr(self, one.name)[order] for one in fields(self) if one.name != "zones"}
        return Weddings(**columns, zones=self.zones)
