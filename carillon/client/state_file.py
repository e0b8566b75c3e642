"""Keeps a position in a file, so that `carillon listen --state FILE` goes on where it stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from carillon.errors import ConfigError
from carillon.model import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class StateFile:
    """A position as one small JSON file, replaced as a whole so that a crash leaves the old or the new one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Any] | None:
        """The position kept, None when there is no file yet.

        Raises:
            ConfigError: the file is not one of ours; it is left alone.
        """
        try:
            value = json.loads(self.path.read_text(encoding="utf-8"))
            lanes = {lane.word for lane in Lane}
            offsets = {lane: _offset(value["offsets"][lane]) for lane in value["offsets"] if lane in lanes}
            return {"epoch": str(value["epoch"]), "offsets": offsets}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ConfigError(f"{self.path} holds no position; delete it to start from what was acked") from error

    def prepare(self) -> None:
        """Find out now, not after the first event, whether positions can be kept here.

        Raises:
            OSError: they cannot.
        """
        fresh = self._fresh()
        fresh.touch()
        fresh.unlink()

    def _fresh(self) -> Path:
        return self.path.with_name(self.path.name + ".new")

    def save(self, position: Mapping[str, Any]) -> None:
        """Write the position; without fsync, because a position that is a little old costs duplicates only."""
        fresh = self._fresh()
        fresh.write_text(json.dumps(position), encoding="utf-8")
        fresh.replace(self.path)


def _offset(value: Any) -> int:
    if (offset := int(value)) < 0:
        raise ValueError("an offset below 0")
    return offset
