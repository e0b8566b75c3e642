"""What `listen` does with a person's events: shows them, counts them, keeps the position."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from carillon.cli import show
from carillon.cli.errors import CommandError, Exit, usage
from carillon.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from carillon.client import InboxClient, StateFile
    from carillon.model import Lane
    from carillon.protocol.effects import State
    from carillon.protocol.server_frames import EventFrame

_WRONG_TOKEN: Final = (401, 403)


class Phone:
    """What a terminal does with the events of one person, and where it stands."""

    def __init__(self, args: argparse.Namespace, state: StateFile | None) -> None:
        self._args = args
        self._state = state
        self._left: dict[Lane, int] = {}
        self._seen = 0
        self.reason = ""
        self.client: InboxClient | None = None

    @property
    def start(self) -> dict[str, Any] | None:
        """The position to go on from.

        Raises:
            CommandError: the file holds none, or none can be kept there.
        """
        if self._state is None:
            return None
        try:
            self._state.prepare()
            return self._state.load()
        except ConfigError as error:
            raise usage(f"--state: {error.message}") from error
        except OSError as error:
            raise usage(f"--state: {self._state.path} cannot be written: {error.strerror}") from error

    def event(self, event: EventFrame) -> None:
        """Show an event, until there were enough."""
        assert self.client is not None
        if self._args.count is None:
            _print(event, self._args)
            return
        if self._seen == self._args.count:
            # A page brought more than were asked for: the next time begins with these.
            self._left.setdefault(event.lane, event.offset or 0)
            return
        self._seen += 1
        _print(event, self._args)
        if not self._args.no_ack and event.offset is not None:
            self.client.ack(event.lane, event.offset)
        if self._seen == self._args.count:
            self.client.stop()

    def reminder(self, event: EventFrame) -> None:
        """Show an event again."""
        if self._args.count is None or self._seen < self._args.count:
            _print(event, self._args)

    def state(self, state: State) -> None:
        """Tell how the connection is; a token that was refused will be again."""
        assert self.client is not None
        reason = f" ({state.reason})" if getattr(state, "reason", "") else ""
        _say(f"{state.name}{reason}")
        if state.name == "stopped":
            self.reason = state.reason
        elif self.client.refused in _WRONG_TOKEN:
            self.client.stop()

    def keep(self, position: dict[str, Any]) -> None:
        """Keep the position, short of what was not shown.

        Raises:
            CommandError: the file cannot be written any more.
        """
        if self._state is None:
            return
        offsets = dict(position["offsets"])
        for lane, offset in self._left.items():
            offsets[lane.word] = max(0, min(offsets.get(lane.word, 0), offset - 1))
        try:
            self._state.save(position | {"offsets": offsets})
        except OSError as error:
            raise usage(f"--state: {self._state.path} cannot be written: {error.strerror}") from error

    def end(self) -> None:
        """What remains to be done when the client has stopped.

        Raises:
            CommandError: it was the server that ended it.
        """
        assert self.client is not None
        if self._left and self.client.position is not None:
            self.keep(self.client.position)
        hint = "Check the token and the person's id; docs/PROTOCOL.md lists the close codes."
        if self.client.refused in _WRONG_TOKEN:
            message = f"the server refused the connection ({self.client.refused})"
            raise CommandError(Exit.REFUSED, "refused", message, hint)
        if self.reason not in {"", "goodbye"}:
            raise CommandError(Exit.REFUSED, "refused", f"the server ended the connection: {self.reason}", hint)

    def retraction(self, event_id: str, event: EventFrame) -> None:
        """Tell that an event no longer holds."""
        del event
        _say(f"taken back: {event_id}")


def _say(text: str) -> None:
    """What is not an event goes beside them, so that standard output holds events alone."""
    print(f"-- {text}", file=sys.stderr, flush=True)


def _print(event: EventFrame, args: argparse.Namespace) -> None:
    if args.json:
        fields = ("offset", "event_id", "name", "ts", "expires_at", "data", "wedding_id", "attempt")
        document = {"lane": event.lane.word, "kind": event.kind.word}
        print(json.dumps(document | {name: getattr(event, name) for name in fields}, ensure_ascii=False), flush=True)
        return
    at = datetime.fromtimestamp(event.ts / 1000, UTC).astimezone()
    again = f" (again, {event.attempt})" if event.attempt > 1 else ""
    where = f" {event.wedding_id}" if event.wedding_id else ""
    data = show.plain(event.data) if event.data else ""
    print(f"{at:%H:%M:%S} [{event.lane.word} {event.offset}]{where} {event.name}{again} {data}".rstrip(), flush=True)
