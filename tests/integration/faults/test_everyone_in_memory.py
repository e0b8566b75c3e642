"""Everybody who is a member throughout gets an `everyone` broadcast once, whatever happens while it is paged.

The flow with its ports in memory: between any two of its steps people join, leave and change their role, and its
consumers die after any number of the messages of a page were sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from carillon import testing
from carillon.flow.consume import consume
from carillon.flow.create import create
from carillon.model import Audience, AudienceType, Draft, Kind, Lane, Principal, Recipient, Role, Status
from carillon.names import Scope
from carillon.policy import batching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.ports import Message, Outgoing, Ports

PAGE = 4
STEPS = 400
NAMES = st.integers(0, 19).map(lambda number: f"u{number:02}")
CHANGES = st.one_of(
    st.tuples(st.just("join"), NAMES, st.sampled_from(Role)),
    st.tuples(st.just("leave"), NAMES, st.none()),
    st.tuples(st.just("become"), NAMES, st.sampled_from(Role)),
)
EVENTS = st.one_of(st.tuples(st.just("crash"), st.integers(0, 6), st.none()), CHANGES)


class CrashError(Exception):
    """The consumer died here."""


@dataclass
class Crashing:
    """The queue, whose sender dies after `left` more messages; None is a consumer that lives."""

    queue: object
    left: int | None = None

    def send(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            if self.left == 0:
                raise CrashError
            if self.left is not None:
                self.left -= 1
            self.queue.send([message])  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self.queue, name)


@dataclass
class Run:
    """One broadcast to everyone, and what happens meanwhile."""

    world: testing.World
    ports: Ports
    crashing: Crashing
    throughout: set[str]
    seen: set[str] = field(default_factory=set)

    def happens(self, what: str, value: object, role: Role | None) -> None:
        world = self.world
        if what == "crash":
            assert isinstance(value, int)
            self.crashing.left = value
            return
        user = str(value)
        if what == "leave":
            world.people.pop(user, None)
            self.throughout.discard(user)
        elif what == "join" or user in world.people:
            world.people[user] = Recipient(user, role or Role.GUEST, "UTC")
            world.changed[user] = world.now
            self.seen.add(user)

    def take(self) -> None:
        """Hand one message out; when its consumer dies, or hands it back, it is handed out again."""
        message = self.world.queue.pop(0)
        kept = self.handled(message)
        if kept:
            self.world.queue.append(replace(message, receive_count=message.receive_count + 1))

    def handled(self, message: Message) -> list[str]:
        died = False

        def unless(error: Exception) -> None:
            nonlocal died
            died = died or isinstance(error, CrashError)

        # The flow answers for what nobody foresaw; a crash leaves no time for that, so that its answer does not count.
        watched = _Watched(self.crashing, unless)
        kept = consume([message], replace(self.ports, queue=watched))  # type: ignore[arg-type]
        self.crashing.left = None
        return [message.message_id] if died else kept


class _Watched:
    """Tells of each error that a queue raises."""

    def __init__(self, queue: Crashing, tell: object) -> None:
        self._queue, self._tell = queue, tell

    def send(self, messages: Sequence[Outgoing]) -> None:
        try:
            self._queue.send(messages)
        except CrashError as error:
            self._tell(error)  # type: ignore[operator]
            raise

    def delay(self, messages: Sequence[Message], delay_s: int) -> None:
        """The dead call nobody."""

    def dead_letter(self, message: Message, reason: str) -> None:
        """Nor this."""


@settings(max_examples=300, deadline=None)
@given(
    members=st.dictionaries(NAMES, st.sampled_from(Role), min_size=1),
    events=st.lists(st.lists(EVENTS, max_size=3), max_size=25),
)
def test_members_throughout_get_it_once(
    members: dict[str, Role], events: list[list[tuple[str, object, Role | None]]]
) -> None:
    world = testing.World()
    world.people = {user: Recipient(user, role, "UTC") for user, role in members.items()}
    ports = testing.ports(world)
    run = Run(world, ports, Crashing(ports.queue), set(members))
    draft = Draft(Audience(AudienceType.EVERYONE), Lane.NORMAL, Kind.SYSTEM, "news", {})
    create(draft, Principal("ops", frozenset(Scope), 0), ports, broadcast_id=ports.new_id(), now=world.now)
    (broadcast_id,) = world.broadcasts
    coming = iter(events)
    with mock.patch.object(batching, "PAGE", PAGE), mock.patch.object(batching, "SMALLEST", 2):
        for _ in range(STEPS):
            for event in next(coming, ()):
                run.happens(*event)
            if not world.queue:
                break
            run.take()
    assert world.queue == []
    assert world.dead == []

    rows = {user: row for (one, user), row in world.deliveries.items() if one == broadcast_id}
    assert run.throughout <= rows.keys()
    assert rows.keys() <= set(members) | run.seen
    assert {row.status for row in rows.values()} <= {Status.QUEUED}
    assert {row.offset for row in rows.values()} <= {1}, "an offset beyond the first: somebody was recorded twice"
