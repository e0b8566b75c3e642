"""Poster and governor together, as the consumers use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from valkey import Valkey as Client

from carillon.adapters.apigateway import CallbackPoster
from carillon.adapters.apigateway.credentials import Credentials
from carillon.adapters.governor import ValkeyGovernor
from carillon.config import CallbackSettings
from carillon.model import Lane
from carillon.ports import Post
from tests.contract.scripted import Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


def test_a_flood_stops_at_its_share_and_critical_still_gets_through(server: Scripted, valkey: str) -> None:
    """A budget of 100 that all but never refills: 50 low posts too many are refused here, not by AWS."""
    settings = CallbackSettings(endpoint=server.url, rate=0.001, burst=100, reserve=0.2)
    poster = CallbackPoster(settings, region="us-east-1", credentials=lambda: Credentials("AKIDEXAMPLE", "secret"))
    with Client.from_url(valkey, socket_timeout=5) as client:
        governor = ValkeyGovernor(client, settings)
        flood = poster.post([Post(f"low{n}", b"{}") for n in range(130)], governor.rate(Lane.LOW), 0.3)
        urgent = poster.post([Post(f"critical{n}", b"{}") for n in range(20)], governor.rate(Lane.CRITICAL), 10.0)
    poster.shutdown()
    assert set(flood.sent) == {f"low{n}" for n in range(80)}
    assert flood.failed == {f"low{n}": "budget" for n in range(80, 130)}
    assert set(urgent.sent) == {f"critical{n}" for n in range(20)}
    assert len(server.requests) == 100
