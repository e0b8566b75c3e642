"""What a world asks of each part of the system, bucket by bucket; the same for every strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from simulate.figures import figure, spread

if TYPE_CHECKING:
    from simulate.clock import Clock
    from simulate.messages import Messages
    from simulate.people import Online
    from simulate.scenarios import Storm
    from simulate.weddings import Floats

RECORD_MS_PER_PERSON: Final = 0.03
"""An upsert of 500 takes 19 ms and one of 50 about 5 (docs/BENCHMARKS.md's fan-outs are made of such chunks)."""
SETTLE_MS: Final = 5.0
"""After the last post: look again, settle, delete the message. An assumption."""
STORE_SHARE: Final = 0.6
"""Of the time before the first post that is spent waiting for the database. An assumption."""
BACK_OFF_S: Final = 30.0
"""Clients come back with full jitter within half a minute (design.md, section 4)."""


@dataclass(frozen=True, slots=True)
class Load:
    """Per bucket, means; arrays of `clock.count`, by lane first where there are four.

    Args:
        connections: open.
        connects_s: newly opened per second, never more than API Gateway takes.
        reads_s: HTTP reads per second.
        messages_s: by lane.
        posts_s: by lane.
        busy: consumers that the messages keep busy, by lane, while the database is idle.
        api_cores: cores of API tasks in use.
        database_cores: cores of the writer in use.
        frames_s: requests of clients that count against API Gateway's rate.
        back_s: how long after each storm the last one was connected again.
    """

    connections: Floats
    connects_s: Floats
    reads_s: Floats
    messages_s: Floats
    posts_s: Floats
    busy: Floats
    api_cores: Floats
    database_cores: Floats
    frames_s: Floats
    back_s: tuple[float, ...]

    @property
    def requests_s(self) -> Floats:
        """All that counts against API Gateway's rate."""
        made: Floats = self.frames_s + self.posts_s.sum(axis=0)
        return made


def before_first_ms(people: Floats) -> Floats:
    """From the consumer taking a message to its first post, while nothing else happens."""
    fixed = spread("first_post_ms")[0] - spread("queue_hop_ms")[0] - 50 * RECORD_MS_PER_PERSON
    return fixed + RECORD_MS_PER_PERSON * people


def posting_ms(people: Floats) -> Floats:
    """From the first post to the last one answered: rounds of 64, or the core's own pace where that is slower."""
    rounds = np.ceil(people / figure("post_connections")) * figure("post_answer_ms")
    made: Floats = np.maximum(rounds, people / figure("posts_per_core_s") * 1000)
    return made


def busy_ms(people: Floats) -> Floats:
    """How long a message occupies a consumer."""
    return before_first_ms(people) + posting_ms(people) + SETTLE_MS


def of(clock: Clock, online: Online, messages: Messages, storms: tuple[Storm, ...]) -> Load:
    """Add everything up."""
    by_lane = [messages.lane == lane for lane in Lane]
    count = np.stack([clock.count_at(messages.at[one]) for one in by_lane]) / clock.bucket_s
    posts = np.stack([clock.count_at(messages.at[one], messages.people[one]) for one in by_lane]) / clock.bucket_s
    busy = np.stack([clock.count_at(messages.at[one], busy_ms(messages.people[one])) for one in by_lane])
    connects, back = _admitted(clock, online, storms)
    reads = online.connections * figure("reads_per_connection_h") / 3600
    syncs = online.connections / figure("sync_s")
    reached = posts.sum(axis=0)
    return Load(
        connections=online.connections,
        connects_s=connects,
        reads_s=reads,
        messages_s=count,
        posts_s=posts,
        busy=busy / 1000 / clock.bucket_s,
        api_cores=(count.sum(axis=0) * figure("broadcast_core_ms") + reads * figure("read_core_ms")) / 1000,
        database_cores=(reached * figure("database_core_ms") + (connects + syncs) * figure("connect_core_ms")) / 1000,
        frames_s=online.connections / figure("ping_s") + syncs + 2 * connects + reached * figure("acks_per_delivery"),
        back_s=back,
    )


def _admitted(clock: Clock, online: Online, storms: tuple[Storm, ...]) -> tuple[Floats, tuple[float, ...]]:
    """Connects as API Gateway admits them: what is above its rate comes back in the next bucket."""
    wanted = online.connects_s * clock.bucket_s
    waits = []
    for storm in storms:
        if not clock.start_s <= storm.at_s < clock.end_s:
            continue
        first = int((storm.at_s - clock.start_s) // clock.bucket_s)
        broken = storm.share * online.connections[first]
        spread_over = clock.per(BACK_OFF_S)
        wanted[first : first + spread_over] += broken / spread_over
        waits.append(max(BACK_OFF_S, broken / figure("connects_per_s")))
    most = figure("connects_per_s") * clock.bucket_s
    asked = np.cumsum(wanted - most)
    left = asked - np.minimum(np.minimum.accumulate(asked), 0)
    before = np.concatenate([[0.0], left[:-1]])
    admitted: Floats = (wanted + before - left) / clock.bucket_s
    return np.maximum(admitted, 0), tuple(waits)
