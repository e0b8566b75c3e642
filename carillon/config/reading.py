"""How a room's settings are declared, read from the environment, handed to others and shown."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from carillon.config.kinds import LaneSizes, LaneUrls
from carillon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASK: Final = "********"
T = TypeVar("T")


def setting(
    env: str,
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    secret: bool = False,
    between: tuple[float, float] | None = None,
) -> Any:
    """Declare a dataclass field that is read from the environment variable `env`.

    Args:
        env: name of the variable.
        doc: one sentence for the reference page.
        default: without one the variable must be set.
        secret: masked wherever settings are shown.
        between: smallest and largest number allowed.
    """
    return dataclasses.field(
        default=default, metadata={"env": env, "doc": doc, "secret": secret, "between": between}, kw_only=True
    )


def read(room: type[T], environ: Mapping[str, str]) -> T:
    """Build a room's settings from the environment.

    Raises:
        ConfigError: a variable is missing or its value is not what it takes; the message names it.
    """
    hints = get_type_hints(room)
    values = {
        spec.name: _parse(spec, hints[spec.name], environ[spec.metadata["env"]])
        for spec in dataclasses.fields(room)  # type: ignore[arg-type]
        if environ.get(spec.metadata["env"], "") != ""
    }
    missing = [
        spec.metadata["env"]
        for spec in dataclasses.fields(room)  # type: ignore[arg-type]
        if spec.name not in values and spec.default is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{', '.join(missing)} must be set; docs/CONFIG.md says to what")
    return room(**values)


def _parse(spec: dataclasses.Field[Any], kind: Any, text: str) -> Any:
    env, between = spec.metadata["env"], spec.metadata["between"]
    try:
        value = _BOOLEANS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{env}={text!r} is not {_words(kind)}; {spec.metadata['doc']}") from error
    if between and not between[0] <= value <= between[1]:
        raise ConfigError(f"{env}={text} is out of range: it takes {between[0]} to {between[1]}")
    return value


def _words(kind: Any) -> str:
    """What a value of that kind is called; a choice names what there is to choose."""
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    return str(_TYPE_WORDS.get(kind, kind.__name__))


_BOOLEANS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_TYPE_WORDS: Final = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    LaneUrls: "lane=URL ...",
    LaneSizes: "lane=number ...",
}


def environment(room: type[Any], **values: str) -> dict[str, str]:
    """The variables that tell a room its settings, for whoever starts a door: a stack, or the local run.

    Args:
        room: a settings dataclass.
        values: field name to text (which may be a template's placeholder); fields left out keep their default.

    Raises:
        ConfigError: the room has no such field.
    """
    known = {spec.name: spec.metadata["env"] for spec in dataclasses.fields(room)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{room.__name__} has no {', '.join(unknown)}; it has {', '.join(known)}")
    return {known[name]: value for name, value in values.items()}


def variable(room: type[Any], name: str) -> str:
    """The variable that a room's field is read from.

    Raises:
        ConfigError: the room has no such field.
    """
    return next(iter(environment(room, **{name: ""})))


def show(settings: Any) -> dict[str, Any]:
    """The settings by variable name, secrets masked, for `--show-config` and the log at start."""
    return {
        spec.metadata["env"]: _MASK if spec.metadata["secret"] else getattr(settings, spec.name)
        for spec in dataclasses.fields(settings)
    }
