"""What a client saw, for its user and for the load tool's report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """Counters of one session since it was made.

    Attributes:
        shown: events shown; `recovered` of them came in the answer to a `subscribe`.
        recovered: see above.
        duplicates: frames dropped because their offset (or event id) was had already.
        gaps: times a stream was found to lack an event, by a later offset or by `sync`.
        asks: `subscribe` frames sent.
        skipped: offsets that the server left out of a page; anything but 0 is a fault of the server.
        tombstones: events that had expired or were canceled before they came.
        reminders: events that came again because nobody acked them by hand.
        retractions: events taken back.
        spilled: events dropped because too many were held back; they are asked for again.
        reconnects: connections opened after the first.
        ignored: frames that were none, or of an unknown type, or answers to nothing.
    """

    shown: int = 0
    recovered: int = 0
    duplicates: int = 0
    gaps: int = 0
    asks: int = 0
    skipped: int = 0
    tombstones: int = 0
    reminders: int = 0
    retractions: int = 0
    spilled: int = 0
    reconnects: int = 0
    ignored: int = 0
