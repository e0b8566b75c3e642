"""What a field of a frame may hold: each shape reads, writes and describes itself, so that no two of them disagree."""
# ruff: noqa: D102 - what the methods of a shape do is said once, in Shape

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from carillon.errors import FrameChannelError, FrameError, FrameVersionError
from carillon.model import Lane
from carillon.names import INBOX, WIRE_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import IntEnum

MAX_WHOLE: Final = 2**53
"""The largest whole number that every JSON reader keeps exact (IEEE 754 doubles, RFC 8259 section 6)."""
LANE_OF_WORD: Final[dict[str, Lane]] = {lane.word: lane for lane in Lane}
WORD_OF_LANE: Final[dict[Lane, str]] = {lane: lane.word for lane in Lane}


class Shape(Protocol):
    """Reads a JSON value into Python (or raises FrameError), writes it back and tells its JSON Schema."""

    def read(self, value: Any, name: str) -> Any:
        """The Python value; `name` is the field, for the message of the FrameError."""
        ...

    def write(self, value: Any) -> Any:
        """The JSON value."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12."""
        ...


class _Plain:
    """A shape whose Python value is its JSON value."""

    def write(self, value: Any) -> Any:
        return value


@dataclass(frozen=True)
class Text(_Plain):
    """A string of `shortest` to `longest` characters."""

    longest: int
    shortest: int = 1

    def read(self, value: Any, name: str) -> str:
        if type(value) is not str or not self.shortest <= len(value) <= self.longest:
            raise FrameError(f"`{name}` must be a string of {self.shortest} to {self.longest} characters")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": self.shortest, "maxLength": self.longest}


@dataclass(frozen=True)
class Whole(_Plain):
    """A whole number from `least` to 2^53; true and false are none."""

    least: int = 0

    def read(self, value: Any, name: str) -> int:
        if type(value) is not int or not self.least <= value <= MAX_WHOLE:
            raise FrameError(f"`{name}` must be a whole number from {self.least} to 2^53")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": MAX_WHOLE}


class Flag(_Plain):
    """True or false."""

    def read(self, value: Any, name: str) -> bool:
        if type(value) is not bool:
            raise FrameError(f"`{name}` must be true or false")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Document(_Plain):
    """Any JSON object."""

    def read(self, value: Any, name: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise FrameError(f"`{name}` must be a JSON object")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


class FrameId(_Plain):
    """What ties an answer to its question: a whole number up to 2^53 or a short string, chosen by the client."""

    def read(self, value: Any, name: str) -> int | str:
        if type(value) is int and 0 <= value <= MAX_WHOLE:
            return value
        if type(value) is str and 1 <= len(value) <= 64:
            return value
        raise FrameError(f"`{name}` must be a whole number from 0 to 2^53 or a string of 1 to 64 characters")

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [Whole().schema(), Text(64).schema()]}


class Channel(_Plain):
    """The name of a channel; this version has the personal inbox alone."""

    def read(self, value: Any, name: str) -> str:
        if value != INBOX:
            raise FrameChannelError(f"`{name}` must be {INBOX!r}: it is the only channel so far")
        return INBOX

    def schema(self) -> dict[str, Any]:
        return {"const": INBOX}


class Version(_Plain):
    """The version of the protocol."""

    def read(self, value: Any, name: str) -> int:
        if type(value) is not int or value != WIRE_VERSION:
            raise FrameVersionError(f"`{name}` must be {WIRE_VERSION}, the only protocol version so far")
        return value

    def schema(self) -> dict[str, Any]:
        return {"const": WIRE_VERSION}


@dataclass(frozen=True)
class Word:
    """A member of one of the model's enumerations, spoken as a lower-case word."""

    words: Mapping[str, IntEnum]

    def read(self, value: Any, name: str) -> Any:
        if type(value) is not str or value not in self.words:
            raise FrameError(f"`{name}` must be one of {', '.join(self.words)}")
        return self.words[value]

    def write(self, value: IntEnum) -> str:
        return value.name.lower()

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


class Offsets:
    """Whole numbers by lane; a lane may be missing."""

    def read(self, value: Any, name: str) -> dict[Lane, int]:
        if type(value) is not dict:
            raise FrameError(f"`{name}` must be an object of whole numbers by lane")
        offsets: dict[Lane, int] = {}
        for word, offset in value.items():
            if word not in LANE_OF_WORD:
                raise FrameError(f"`{name}` names {word[:40]!r}, which is no lane; lanes: {', '.join(LANE_OF_WORD)}")
            if type(offset) is not int or not 0 <= offset <= MAX_WHOLE:
                raise FrameError(f"`{name}.{word}` must be a whole number from 0 to 2^53")
            offsets[LANE_OF_WORD[word]] = offset
        return offsets

    def write(self, value: Mapping[Lane, int]) -> dict[str, int]:
        return {WORD_OF_LANE[lane]: value[lane] for lane in sorted(value)}

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {word: Whole().schema() for word in LANE_OF_WORD},
            "additionalProperties": False,
        }


@dataclass(frozen=True)
class Nullable:
    """A shape, or null."""

    shape: Shape

    def read(self, value: Any, name: str) -> Any:
        return None if value is None else self.shape.read(value, name)

    def write(self, value: Any) -> Any:
        return None if value is None else self.shape.write(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.shape.schema(), {"type": "null"}]}
