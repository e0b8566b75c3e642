"""How the product is wired, as the CDK stacks say: read from the committed extract of their templates.

`wiring.json` is made by `python -m stacks.extract`; a test fails when it is no longer what the templates say. A value
that AWS only knows at deploy is null there, and this machine puts its own in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.errors import WiringError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE: Final = Path(__file__).with_name("wiring.json")
Declared = dict[str, str | None]
"""A door's variables as its template has them; null is what only the place of the deployment knows."""


@dataclass(frozen=True)
class Function:
    """A Lambda function.

    Args:
        handler: its dotted path.
        timeout_s: longest run.
        environment: its variables.
    """

    handler: str
    timeout_s: float
    environment: Declared

    @property
    def module(self) -> str:
        """What a worker imports before the first event."""
        return self.handler.rsplit(".", 1)[0]


@dataclass(frozen=True)
class Source:
    """An event source mapping from the queue called `queue`.

    Args:
        queue: its name in `Wiring.queues`.
        batch_size: messages per invocation at most.
        partial: whether the function answers which messages failed.
        function: what they are handed to.
    """

    queue: str
    batch_size: int
    partial: bool
    function: Function


@dataclass(frozen=True)
class Wiring:
    """Everything that the local run does not decide itself.

    Args:
        queues: name to CloudFormation properties; the name of a lane, or that with `-dead-letters`.
        routes: WebSocket route key to its function, or to the text that a mock integration answers.
        sources: the event source mappings.
        service: the variables of the HTTP API's container.
    """

    queues: dict[str, dict[str, Any]]
    routes: dict[str, Function | str]
    sources: tuple[Source, ...]
    service: Declared

    @property
    def sockets(self) -> tuple[Function, ...]:
        """The functions behind the WebSocket API."""
        return tuple(route for route in self.routes.values() if isinstance(route, Function))


def from_document(document: Mapping[str, Any]) -> Wiring:
    """The wiring in an extract.

    Raises:
        WiringError: something that the local run needs is missing.
    """
    try:
        return Wiring(
            queues=document["queues"],
            routes={
                key: route["mock"] if "mock" in route else _function(route) for key, route in document["routes"].items()
            },
            sources=tuple(
                Source(one["queue"], one["batch_size"], one["partial"], _function(one)) for one in document["mappings"]
            ),
            service=document["service"]["environment"],
        )
    except (KeyError, TypeError) as error:
        raise WiringError(f"{FILE.name} lacks {error}; make it anew with `make docs`") from error


def _function(document: Mapping[str, Any]) -> Function:
    return Function(document["handler"], float(document["timeout_s"]), document["environment"])


@cache
def wiring() -> Wiring:
    """The committed extract."""
    return from_document(json.loads(FILE.read_text()))


def environment(declared: Iterable[Declared], here: Mapping[str, str]) -> dict[str, str]:
    """What a door's process is told: exactly the variables of its templates, with the places of this machine.

    Args:
        declared: of each function that the process runs.
        here: this machine's values, which win over a template's.

    Raises:
        WiringError: a template sets a variable that this machine has no value for, or two of them differ.
    """
    told: dict[str, str] = {}
    for variables in declared:
        for name, text in variables.items():
            value = here.get(name, text)
            if value is None:
                raise WiringError(f"the stacks set {name} at deploy, and the local run has no value for it")
            if told.setdefault(name, value) != value:
                raise WiringError(f"functions that share a process here are told different things by {name}")
    return told
