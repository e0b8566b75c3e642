"""Batches, retries and queue messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.errors import PoisonError
from carillon.model import Audience, AudienceType, Lane, Recipient, Role
from carillon.policy import batching, messages, retry
from carillon.policy.lanes import LANES, MAX_RECEIVES

ID = "018f0000-0000-7000-8000-000000000001"
lanes = st.sampled_from(list(Lane))


@given(lane=lanes, people=st.integers(0, 100_000))
def test_pieces_hold_25_to_500_people(lane: Lane, people: int) -> None:
    assert 25 <= batching.piece_size(lane, people) <= 500


def test_a_page_keeps_all_consumers_of_its_lane_busy() -> None:
    assert [batching.piece_size(lane, 1_000) for lane in Lane] == [125, 167, 250, 500]


@given(items=st.lists(st.integers()), size=st.integers(1, 50))
def test_a_cut_loses_nothing(items: list[int], size: int) -> None:
    parts = list(batching.cut(items, size))
    assert [item for part in parts for item in part] == items
    assert all(1 <= len(part) <= size for part in parts)


def test_couple_before_planner_before_vendor_before_guest() -> None:
    people = [Recipient(f"{role.word}{number}", role, "UTC") for number in (2, 1) for role in reversed(Role)]
    assert [person.user_id for person in batching.in_order(people)] == [
        "couple1", "couple2", "planner1", "planner2", "vendor1", "vendor2", "guest1", "guest2"
    ]  # fmt: skip


@given(lane=lanes, receives=st.integers(1, 50), jitter=st.floats(0, 1, exclude_max=True))
def test_delays_are_within_what_sqs_takes(lane: Lane, receives: int, jitter: float) -> None:
    assert 1 <= retry.outage_delay_s(lane, receives, jitter) <= 300
    assert 1 <= retry.busy_delay_s(lane, receives, jitter) <= 30


def test_critical_comes_back_within_seconds() -> None:
    assert max(retry.outage_delay_s(Lane.CRITICAL, receives, 0.999) for receives in range(1, 21)) <= 5
    assert {retry.busy_delay_s(Lane.CRITICAL, receives, 0.999) for receives in range(1, 51)} == {1}


@pytest.mark.parametrize("lane", list(Lane))
def test_an_outage_of_an_hour_dead_letters_nothing(lane: Lane) -> None:
    """With full jitter the mean delay counts: half of the ceiling."""
    assert sum(retry.outage_delay_s(lane, receives, 0.5) for receives in range(1, MAX_RECEIVES)) > 3600


def test_lanes_have_the_promised_numbers() -> None:
    assert {lane: (LANES[lane].attempts, LANES[lane].concurrency) for lane in Lane} == {
        Lane.CRITICAL: (5, 8),
        Lane.HIGH: (3, 6),
        Lane.NORMAL: (3, 4),
        Lane.LOW: (3, 2),
    }
    assert LANES[Lane.CRITICAL].visibility_s == 15


texts = st.text(min_size=1, max_size=20)
all_messages = st.one_of(
    st.builds(messages.Deliver, st.just(ID), st.none() | st.lists(texts, max_size=5).map(tuple), st.text(max_size=9)),
    st.builds(messages.Expand, st.just(ID), st.integers(0, 5), st.text(max_size=9), st.integers(0, 999)),
    st.builds(messages.Escalate, st.just(ID), st.integers(1, 9)),
)


@given(message=all_messages)
def test_messages_survive_the_queue(message: messages.LaneMessage) -> None:
    assert messages.decode(messages.encode(message)) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        f'{{"type":"sing","broadcast_id":"{ID}"}}',
        '{"type":"deliver","broadcast_id":"not a uuid"}',
        f'{{"type":"deliver","broadcast_id":"{ID}","users":"anna"}}',
        f'{{"type":"deliver","broadcast_id":"{ID}","users":[1]}}',
        f'{{"type":"deliver","broadcast_id":"{ID}","surprise":1}}',
        f'{{"type":"expand","broadcast_id":"{ID}","stage":"0"}}',
        f'{{"type":"expand","broadcast_id":"{ID}","stage":-1}}',
        f'{{"type":"escalate","broadcast_id":"{ID}"}}',
        f'{{"type":"escalate","broadcast_id":"{ID}","attempt":true}}',
    ],
)
def test_what_is_no_message_is_poison(text: str) -> None:
    with pytest.raises(PoisonError):
        messages.decode(text)


def test_the_deduplication_id_is_the_contents() -> None:
    one, two = (messages.encode(messages.Deliver(ID, users)) for users in (("a", "b"), ("a", "c")))
    assert messages.deduplication_id("g", one) == messages.deduplication_id("g", one)
    assert messages.deduplication_id("g", one) != messages.deduplication_id("g", two)
    assert messages.deduplication_id("g", one) != messages.deduplication_id("h", one)
    assert len(messages.deduplication_id("g", one)) <= 128


def test_only_wedding_audiences_share_a_group() -> None:
    wedding = Audience(AudienceType.WEDDING, wedding_id="W1")
    role = Audience(AudienceType.ROLE, wedding_id="W1", role=Role.VENDOR)
    everyone = Audience(AudienceType.EVERYONE)
    assert messages.group_id(ID, wedding) == messages.group_id("other", role) == "wedding:W1"
    assert messages.group_id(ID, everyone, 1) != messages.group_id(ID, everyone, 2)
    assert isinstance(messages.first_message(ID, everyone), messages.Expand)
    assert isinstance(messages.first_message(ID, wedding), messages.Deliver)
