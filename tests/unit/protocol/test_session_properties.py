"""Whatever is lost, doubled or reordered on the way: every lane is shown exactly as the log has it, in order, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from carillon.model import Event, Kind, Lane
from carillon.protocol import effects as fx
from carillon.protocol.client_frames import Ack, Subscribe, Sync
from carillon.protocol.frames import Subscribed, Synced, encode, event_item, event_renderer
from carillon.protocol.session import Session

EPOCH = "k1"
PAGE = 3
STEPS_LIMIT = 20_000
# explaining a failure takes minutes here and says little
PROPERTY = settings(
    max_examples=300,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no failure
)


@dataclass
class Server:
    """A model of the server: a log per lane, pages of three, and a wire that the test lets frames go from."""

    log: dict[Lane, list[str]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    acked: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    wire: list[bytes | str] = field(default_factory=list)
    subscribed: bool = False

    def event(self, lane: Lane, offset: int) -> Event:
        return Event(lane, offset, self.log[lane][offset - 1], "x", Kind.WEDDING, ts=1, expires_at=None, data={})

    def append(self, lane: Lane) -> None:
        self.log[lane].append(f"{lane.word}-{len(self.log[lane]) + 1}")
        if self.subscribed:
            offset = len(self.log[lane])
            self.wire.append(event_renderer(self.event(lane, offset), EPOCH).render(offset))

    def heads(self) -> dict[Lane, int]:
        return {lane: len(events) for lane, events in self.log.items()}

    def take(self, frame: Any) -> None:
        match frame:
            case Subscribe():
                self.subscribed = True
                start = self.acked | (frame.recover.offsets if frame.recover else {})
                missing = [(lane, offset) for lane in Lane for offset in range(start[lane] + 1, self.heads()[lane] + 1)]
                page = missing[:PAGE]
                end = start | dict(page)
                events = tuple(event_item(self.event(lane, offset), EPOCH) for lane, offset in page)
                answer = Subscribed(
                    id=frame.id,
                    channel="inbox",
                    epoch=EPOCH,
                    offsets=end,
                    recovered=True,
                    more=len(page) < len(missing),
                    events=events,
                )
                self.wire.append(encode(answer))
            case Ack():
                for lane, offset in frame.offsets.items():
                    assert offset <= len(self.log[lane]), "acked what does not exist"
                    self.acked[lane] = max(self.acked[lane], offset)
            case Sync():
                self.wire.append(encode(Synced(id=frame.id, channel="inbox", epoch=EPOCH, offsets=self.heads())))


class World:
    """One session and the model server, with a pretend clock."""

    def __init__(self, jitter: list[float]) -> None:
        self.server = Server()
        self.now = 0.0
        self.shown: dict[Lane, list[str]] = {lane: [] for lane in Lane}
        self._jitter = jitter
        self._drawn = 0
        self.session = Session(self._random)
        self.carry(self.session.start(self.now))
        self.deliver(0)

    def _random(self) -> float:
        self._drawn += 1
        return self._jitter[self._drawn % len(self._jitter)]

    def carry(self, effects: list[fx.Effect]) -> None:
        for effect in effects:
            match effect:
                case fx.Connect():
                    self.server.subscribed = False
                    self.server.wire.clear()
                    self.carry(self.session.opened(self.now))
                case fx.Close():
                    self.server.subscribed = False
                    self.server.wire.clear()
                case fx.Send(frame):
                    self.server.take(frame)
                case fx.Show(event):
                    self.shown[event.lane].append(event.event_id)

    def deliver(self, place: int) -> None:
        if self.server.wire:
            self.carry(self.session.received(self.server.wire.pop(place % len(self.server.wire)), self.now))

    def advance(self, milliseconds: float) -> None:
        self.now += milliseconds
        self.carry(self.session.tick(self.now))

    def cut(self) -> None:
        self.server.subscribed = False
        self.server.wire.clear()
        self.carry(self.session.closed(1006, self.now))

    def calm_down(self) -> None:
        """Deliver everything, let time pass, and have the heads compared, until nothing is left to do."""
        for _ in range(STEPS_LIMIT):
            if self.server.wire:
                self.deliver(0)
            elif self.shown == self.server.log:
                return
            else:
                self.advance(1_000)
                self.carry(self.session.wake(self.now))
        raise AssertionError(f"never came to rest: {self.shown} of {self.server.log}")


# appends and deliveries come most, so that live frames really overtake each other between the accidents
ACTIONS = st.one_of(
    *[st.tuples(st.just("append"), st.sampled_from([Lane.CRITICAL, Lane.LOW]))] * 4,
    st.tuples(st.just("append"), st.sampled_from(list(Lane))),
    *[st.tuples(st.just("deliver"), st.integers(0, 5))] * 4,
    st.tuples(st.just("lose"), st.integers(0, 20)),
    st.tuples(st.just("double"), st.integers(0, 20)),
    st.tuples(st.just("advance"), st.sampled_from([1, 50, 400, 2_000, 12_000, 70_000])),
    st.tuples(st.just("cut"), st.none()),
    st.tuples(st.just("wake"), st.none()),
)


def act(world: World, action: str, argument: Any) -> None:
    wire = world.server.wire
    if action == "append":
        world.server.append(argument)
    elif action == "deliver":
        world.deliver(argument)
    elif action == "lose" and wire:
        wire.pop(argument % len(wire))
    elif action == "double" and wire:
        wire.append(wire[argument % len(wire)])
    elif action == "advance":
        world.advance(argument)
    elif action == "cut":
        world.cut()
    elif action == "wake":
        world.carry(world.session.wake(world.now))


@PROPERTY
@given(st.lists(ACTIONS, max_size=80), st.lists(st.floats(0, 0.999), min_size=1, max_size=5))
def test_every_lane_is_shown_as_logged_in_order_once(actions: list[tuple[str, Any]], jitter: list[float]) -> None:
    world = World(jitter)
    for action, argument in actions:
        act(world, action, argument)
        for lane, shown in world.shown.items():
            assert shown == world.server.log[lane][: len(shown)]
    world.calm_down()
    assert world.session.statistics.skipped == 0


@PROPERTY
@given(st.lists(ACTIONS, max_size=40), st.lists(ACTIONS, max_size=40))
def test_a_position_kept_across_a_restart_shows_the_rest_and_nothing_twice(
    before: list[tuple[str, Any]], after: list[tuple[str, Any]]
) -> None:
    world = World([0.5])
    for action, argument in before:
        act(world, action, argument)
    position = world.session.position
    world.session = Session(lambda: 0.5, position)
    world.server.wire.clear()
    world.carry(world.session.start(world.now))
    if position is None:
        return
    for action, argument in after:
        act(world, action, argument)
    world.calm_down()
    assert world.session.statistics.skipped == 0
