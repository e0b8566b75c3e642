"""Phones: real clients on real sockets, all on one loop in a thread, and what each of them showed to its person."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from carillon.client import InboxClient
from carillon.model import Lane
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from carillon.protocol.server_frames import EventFrame
    from local.system import System

JITTER = 0.05
"""Reconnects come soon, so that a test does not wait for the patience that a crowd of real phones needs."""


class Phone:
    """One device of a person. It keeps its position while it is away, as a real one does."""

    def __init__(self, fleet: Fleet, user_id: str, *, ttl_s: float = 3600, acks: bool = True) -> None:
        self.user_id = user_id
        self.events: list[EventFrame] = []
        self.reminders: list[EventFrame] = []
        self.retracted: list[str] = []
        self.states: list[tuple[str, str]] = []
        self._fleet = fleet

        async def token() -> str:
            return fleet.token(user_id, ttl_s)

        self.client = InboxClient(
            fleet.url,
            token,
            on_event=self.events.append,
            on_reminder=self.reminders.append,
            on_retraction=lambda event_id, _event: self.retracted.append(event_id),
            on_state=lambda state: self.states.append((state.name, state.reason)),
            automatic_acks=acks,
            jitter=lambda: JITTER,
        )

    def come(self) -> Self:
        """Come online; returns at once."""
        self._fleet.call(self.client.start)
        return self

    def leave(self) -> None:
        """Go offline."""
        self._fleet.call(self.client.stop)

    @property
    def live(self) -> bool:
        """Whether it has caught up and listens."""
        return self.client.state == "live"

    @property
    def shown(self) -> list[str]:
        """The ids of the events its person saw, in that order."""
        return [event.event_id for event in self.events]

    def has(self, event_ids: Iterable[str]) -> bool:
        """Whether it showed all of these."""
        return set(event_ids) <= set(self.shown)

    def faults(self) -> list[str]:
        """What no client may ever see: an event twice, or a stream out of order or with a hole."""
        twice = [event_id for event_id, times in Counter(self.shown).items() if times > 1]
        found = [f"{self.user_id} saw {event_id} twice" for event_id in twice]
        for lane in Lane:
            offsets = [event.offset for event in self.events if event.lane is lane and event.offset is not None]
            if offsets and offsets != list(range(offsets[0], offsets[0] + len(offsets))):
                found.append(f"{self.user_id} saw {lane.word} as {offsets}")
        skipped = self.client.statistics.skipped
        return [*found, f"{self.user_id} was not given {skipped} offsets"] if skipped else found


class Fleet:
    """All phones of a run."""

    def __init__(self, system: System) -> None:
        self.url = system.ws_url
        self.token: Callable[[str, float], str] = lambda user_id, ttl_s: system.issuer.token(user_id, ttl_s=ttl_s)
        self.phones: list[Phone] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="phones", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.send_home()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def call(self, work: Callable[[], Any]) -> Any:
        """Run `work` on the phones' loop and give its answer."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def phone(self, user_id: str, **more: Any) -> Phone:
        """A new device of a person, offline."""
        phone = Phone(self, user_id, **more)
        self.phones.append(phone)
        return phone

    def online(self, user_ids: Iterable[str], **more: Any) -> list[Phone]:
        """A device for each, live."""
        phones = [self.phone(user_id, **more).come() for user_id in user_ids]
        all_live(phones)
        return phones

    def send_home(self) -> None:
        """Take every phone offline and forget it; waits until their sockets are closed."""
        self.call(lambda: [phone.client.stop() for phone in self.phones])
        self.phones.clear()
        until(
            lambda: self.call(self._sockets) == 0,
            "the phones' sockets to be closed",
            seen=lambda: self.call(self._sockets),
        )

    def _sockets(self) -> int:
        """How many are open; one more is the loop's own."""
        return len(self._loop._selector.get_map()) - 1  # type: ignore[attr-defined]


def all_live(phones: Sequence[Phone], *, timeout_s: float = 30) -> None:
    """Wait until every phone listens."""
    until(
        lambda: all(phone.live for phone in phones),
        f"{len(phones)} phones to be live",
        timeout_s=timeout_s,
        seen=lambda: str([(phone.user_id, phone.states[-2:]) for phone in phones if not phone.live][:5]),
    )


def all_have(phones: Sequence[Phone], event_ids: Sequence[str], *, timeout_s: float = 30) -> None:
    """Wait until every phone has shown all of these, then look that none saw anything twice or out of order."""
    wanted = set(event_ids)
    until(
        lambda: all(phone.has(wanted) for phone in phones),
        f"{len(phones)} phones to show {len(wanted)} events",
        timeout_s=timeout_s,
        seen=lambda: str(
            [(phone.user_id, phone.client.state, sorted(wanted - set(phone.shown))[:3]) for phone in phones]
        ),
    )
    assert [fault for phone in phones for fault in phone.faults()] == []
