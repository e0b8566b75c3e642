"""Frames as dataclasses whose fields know their shapes: one declaration reads, writes and describes a frame."""
# ruff: noqa: D102 - what the methods of a shape do is said once, in Shape

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from carillon.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carillon.protocol.shapes import Shape


class Wire:
    """Base of everything that travels; `tag` is the member that says what it is, ("", "") for a mere part."""

    __slots__ = ()
    tag: ClassVar[tuple[str, str]] = ("", "")


F = TypeVar("F", bound=Wire)


def wire(shape: Shape, doc: str, *, default: Any = dataclasses.MISSING) -> Any:
    """A field of a frame; one with a default may be missing and is not written while it has it."""
    return dataclasses.field(default=default, kw_only=True, metadata={"shape": shape, "doc": doc})


Field = tuple[str, "Shape", Any, str]
"""Name, shape, default (MISSING when it must be there) and the sentence about it."""
_FIELDS: Final[dict[type[Wire], tuple[Field, ...]]] = {}


def fields(kind: type[Wire]) -> tuple[Field, ...]:
    """The fields of a frame in wire order; read once per class, because this runs for every frame."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(
            (spec.name, spec.metadata["shape"], spec.default, spec.metadata["doc"])
            for spec in dataclasses.fields(kind)  # type: ignore[arg-type]
        )
    return _FIELDS[kind]


def build(kind: type[F], value: Mapping[str, Any], where: str = "") -> F:
    """Read a JSON object as a frame. Members that v1 does not know are left alone: a later minor change may add some.

    Raises:
        FrameError: a field is missing or not what it takes; the message names it.
    """
    got: dict[str, Any] = {}
    for name, shape, default, doc in fields(kind):
        if name in value:
            got[name] = shape.read(value[name], where + name)
        elif default is dataclasses.MISSING:
            raise FrameError(f"`{where}{name}` is missing: {doc}")
    return kind(**got)


def to_json(frame: Wire) -> dict[str, Any]:
    """The JSON object of a frame or part of one."""
    member, word = frame.tag
    out: dict[str, Any] = {}
    for name, shape, default, _ in fields(type(frame)):
        value = getattr(frame, name)
        if value != default:
            out[name] = shape.write(value)
    return ({member: word} | out) if member else out


def describe(kind: type[Wire]) -> dict[str, Any]:
    """The JSON Schema of a frame or part of one."""
    member, word = kind.tag
    properties: dict[str, Any] = {member: {"const": word}} if member else {}
    properties |= {name: shape.schema() | {"description": doc} for name, shape, _, doc in fields(kind)}
    required = [name for name, _, default, _ in fields(kind) if default is dataclasses.MISSING]
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": properties,
        "required": ([member] if member else []) + required,
    }


@dataclass(frozen=True)
class Part:
    """A frame-like object inside a frame."""

    kind: type[Wire]

    def read(self, value: Any, name: str) -> Any:
        if type(value) is not dict:
            raise FrameError(f"`{name}` must be a JSON object")
        return build(self.kind, value, f"{name}.")

    def write(self, value: Wire) -> dict[str, Any]:
        return to_json(value)

    def schema(self) -> dict[str, Any]:
        return describe(self.kind)


@dataclass(frozen=True)
class Items:
    """A list of objects, told apart by their `type`."""

    kinds: tuple[type[Wire], ...]

    def read(self, value: Any, name: str) -> tuple[Any, ...]:
        if type(value) is not list:
            raise FrameError(f"`{name}` must be a list")
        return tuple(self._item(item, f"{name}[{place}]") for place, item in enumerate(value))

    def _item(self, item: Any, name: str) -> Any:
        word = item.get("type") if type(item) is dict else None
        for kind in self.kinds:
            if kind.tag[1] == word:
                return build(kind, item, f"{name}.")
        raise FrameError(f"`{name}` must be an object of type {' or '.join(kind.tag[1] for kind in self.kinds)}")

    def write(self, value: tuple[Wire, ...]) -> list[dict[str, Any]]:
        return [to_json(item) for item in value]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in self.kinds]}}
