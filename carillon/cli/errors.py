"""How a command ends: exit codes that mean something, and one sentence about what to do."""

from __future__ import annotations

import argparse
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Exit(IntEnum):
    """What the exit code says."""

    FINE = 0
    FOUND = 1
    USAGE = 2
    REFUSED = 3
    UNAVAILABLE = 4


class CommandError(Exception):
    """The command cannot go on; what is shown is `code: message`, then `hint`."""

    def __init__(self, exit_code: Exit, code: str, message: str, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint
        self.facts = facts

    def to_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint, **self.facts}}


def usage(message: str, hint: str = "") -> CommandError:
    """What was typed cannot be meant."""
    return CommandError(Exit.USAGE, "usage", message, hint)


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `least` on."""

    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return number


_MOST_DIGITS = 9
