"""Faults on demand: what API Gateway and networks do now and then, switched on by a test, from a seed."""

import dataclasses
import enum
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

MAX_DELAY_MS = 60_000


class FaultError(ValueError):
    """The settings cannot be used; the text names the field."""


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """Which faults are on. A share is a probability from 0 to 1; a `_next` counts down with each use.

    Attributes:
        seed: Start of the random choices; the same seed and calls give the same faults.
        lost_disconnect_share: Connections that end without a `$disconnect` event.
        slow_ms: Each post is answered (and its frame sent) this much later.
        gone_after_open_ms: Posts to a connection younger than this get 410, as before it is established.
        limit_next: So many posts get 429.
        limit_share: And this share of the others.
        error_next: So many posts get `error_status`.
        error_share: And this share of the others.
        error_status: 500 to 599.
        drop_before_next: So many posts have their connection reset before the frame is sent.
        drop_before_share: And this share of the others.
        drop_after_next: So many posts have their connection reset after the frame was sent.
        drop_after_share: And this share of the others.
    """

    seed: int = 0
    lost_disconnect_share: float = 0.0
    slow_ms: float = 0.0
    gone_after_open_ms: float = 0.0
    limit_next: int = 0
    limit_share: float = 0.0
    error_next: int = 0
    error_share: float = 0.0
    error_status: int = 500
    drop_before_next: int = 0
    drop_before_share: float = 0.0
    drop_after_next: int = 0
    drop_after_share: float = 0.0


class Fault(enum.Enum):
    """What may happen to one post."""

    LIMIT = "limit"
    ERROR = "error"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"


def _checked(name: str, value: Any) -> Any:
    """Return `value` when the field `name` may have it."""
    whole = name == "seed" or name.endswith(("_next", "_status"))
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise FaultError(f"{name} must be a {'whole ' if whole else ''}number, not {value!r}")
    low, high = 0.0, float("inf")
    if name.endswith("_share"):
        high = 1.0
    elif name.endswith("_ms"):
        high = MAX_DELAY_MS
    elif name == "error_status":
        low, high = 500, 599
    if not low <= value <= high:
        raise FaultError(f"{name} must be from {low:g} to {high:g}, not {value!r}")
    return value


class Faults:
    """The faults that are on now, and how often each has struck."""

    def __init__(self) -> None:
        self.settings = FaultSettings()
        self.on = False
        self.struck: Counter[str] = Counter()
        self._random = Random(0)
        self._left: Counter[Fault] = Counter()

    def change(self, document: Any) -> None:
        """Change the fields that `document` names and keep the others.

        Raises:
            FaultError: When a field is unknown or out of range; nothing is changed then.
        """
        if not isinstance(document, dict):
            raise FaultError("faults must be a JSON object")
        known = {item.name for item in dataclasses.fields(FaultSettings)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise FaultError(f"{', '.join(unknown)} not known; known are {', '.join(sorted(known))}")
        checked = {name: _checked(name, value) for name, value in document.items()}
        self._take(dataclasses.replace(self._now(), **checked), reseed="seed" in checked)

    def clear(self) -> None:
        """Switch every fault off and forget the counts."""
        self.struck.clear()
        self._take(FaultSettings(), reseed=True)

    def document(self) -> dict[str, Any]:
        """Return the settings, with what is left of each `_next`, and the counts."""
        return {**dataclasses.asdict(self._now()), "struck": dict(self.struck)}

    def strike(self) -> Fault | None:
        """Choose what happens to one post."""
        for fault in Fault:
            share: float = getattr(self.settings, f"{fault.value}_share")
            if self._left[fault] > 0:
                self._left[fault] -= 1
            elif not (share and self._random.random() < share):
                continue
            self.struck[fault.value] += 1
            return fault
        return None

    def too_young(self, age_s: float) -> bool:
        """Tell whether a connection of this age still answers 410."""
        young = age_s * 1000 < self.settings.gone_after_open_ms
        self.struck["gone"] += young
        return young

    def loses_disconnect(self) -> bool:
        """Choose whether one `$disconnect` is lost."""
        lost = self.on and self._random.random() < self.settings.lost_disconnect_share
        self.struck["lost_disconnect"] += lost
        return lost

    def _now(self) -> FaultSettings:
        left = {f"{fault.value}_next": self._left[fault] for fault in Fault}
        return dataclasses.replace(self.settings, **left)

    def _take(self, settings: FaultSettings, *, reseed: bool) -> None:
        if reseed:
            self._random = Random(settings.seed)
        self.settings = settings
        for fault in Fault:
            self._left[fault] = getattr(settings, f"{fault.value}_next")
        quiet = FaultSettings(seed=settings.seed, error_status=settings.error_status)
        self.on = settings != quiet
