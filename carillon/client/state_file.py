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
            offsets = {lane: int(value["offsets"][lane]) for lane in value["offsets"] if lane in lanes}
            return {"epoch": str(value["epoch"]), "offsets": offsets}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{self.path} holds no position; delete it to start from what was acked") from error

    def save(self, position: Mapping[str, Any]) -> None:
        """Write the position; without fsync, because a position that is a little old costs duplicates only."""
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.write_text(json.dumps(position), encoding="utf-8")
        fresh.replace(self.path)
