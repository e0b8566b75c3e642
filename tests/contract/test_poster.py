"""The poster against a server that answers, refuses, throttles, stalls and dies as scripted."""

from __future__ import annotations

import logging
import random
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carillon.adapters.apigateway import CallbackPoster, transport
from carillon.adapters.apigateway.credentials import Credentials
from carillon.config import CallbackSettings
from carillon.errors import ConfigError
from carillon.ports import Lease, Post, PostReport
from loadtest.sink import make_certificate
from tests.contract.scripted import CUT, DROP, HALF, STALL, Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DEADLINE_S = 10.0
"""Long enough that only a test about deadlines meets it."""
SHORT_S = 0.3


class Open:
    """A budget without an end; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def lease(self, want: int) -> Lease:
        self.asked.append(want)
        return Lease(want, 0.0)


class Empty:
    def lease(self, want: int) -> Lease:  # noqa: ARG002 - the port's shape
        return Lease(0, 0.01)


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


@contextmanager
def poster_for(url: str, *, concurrency: int = 8, **given: Any) -> Iterator[CallbackPoster]:
    opened = CallbackPoster(
        CallbackSettings(endpoint=url, concurrency=concurrency),
        region="us-east-1",
        credentials=lambda: Credentials("AKIDEXAMPLE", "secret", "token"),
        **given,
    )
    try:
        yield opened
    finally:
        opened.shutdown()


@pytest.fixture
def poster(server: Scripted) -> Iterator[CallbackPoster]:
    with poster_for(server.url) as opened:
        yield opened


def posts(*ids: str) -> list[Post]:
    return [Post(one, f'{{"to":"{one}"}}'.encode()) for one in ids]


def send(poster: CallbackPoster, *ids: str, deadline_s: float = DEADLINE_S) -> PostReport:
    return poster.post(posts(*ids), Open(), deadline_s)


def test_every_frame_arrives_whole_and_signed(server: Scripted, poster: CallbackPoster) -> None:
    before = time.time()
    ids = [f"L0SM9cOF{n}/+=" for n in range(50)]
    report = send(poster, *ids)
    assert sorted(report.sent) == sorted(ids)
    assert (report.gone, report.failed) == ((), {})
    assert report.first_sent_at is not None
    assert before <= report.first_sent_at <= time.time()
    assert {request.connection_id: request.body for request in server.requests} == {
        post.connection_id: post.body for post in posts(*ids)
    }
    for request in server.requests:
        assert request.method == "POST"
        assert request.headers["host"] == f"127.0.0.1:{server.port}"
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert request.headers["x-amz-security-token"] == "token"
        assert "expect" not in request.headers


def test_the_largest_frame_passes(server: Scripted, poster: CallbackPoster) -> None:
    body = bytes(range(256)) * 512
    assert poster.post([Post("a", body)], Open(), DEADLINE_S).sent == ("a",)
    assert server.requests[0].body == body


def test_nothing_to_post_costs_nothing(server: Scripted, poster: CallbackPoster) -> None:
    budget = Open()
    assert poster.post([], budget, DEADLINE_S) == PostReport((), (), {})
    assert (budget.asked, server.requests) == ([], [])


def test_posts_leave_in_the_order_given(server: Scripted) -> None:
    ids = [f"c{n}" for n in range(30)]
    with poster_for(server.url, concurrency=1) as poster:
        send(poster, *ids)
    assert [request.connection_id for request in server.requests] == ids


def test_a_post_that_is_due_again_goes_before_those_behind_it(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The couple stays ahead of the guests, also when its first try was throttled."""
    monkeypatch.setattr(random, "uniform", lambda low, _high: low)
    server.script("couple", 429, 200)
    with poster_for(server.url, concurrency=1) as poster:
        send(poster, "couple", "guest1", "guest2")
    assert [request.connection_id for request in server.requests] == ["couple", "couple", "guest1", "guest2"]


def test_connections_are_kept_from_call_to_call(server: Scripted) -> None:
    with poster_for(server.url, concurrency=4) as poster:
        for _ in range(5):
            send(poster, *(f"c{n}" for n in range(20)))
    assert len(server.requests) == 100
    assert server.connections <= 4


def test_a_cold_poster_does_not_open_all_its_connections_at_once(server: Scripted) -> None:
    ids = [f"c{n}" for n in range(40)]
    for connection_id in ids:
        server.script(connection_id, STALL, 200)
    with poster_for(server.url, concurrency=64) as poster:
        send(poster, *ids, deadline_s=SHORT_S)
        assert server.connections == transport.FIRST_CONNECTIONS
        send(poster, *(f"d{n}" for n in range(200)))
    assert transport.FIRST_CONNECTIONS < server.connections - transport.FIRST_CONNECTIONS <= 64


def test_threads_that_share_a_poster_take_turns(server: Scripted, poster: CallbackPoster) -> None:
    def post_some(thread: int) -> set[str]:
        return set(send(poster, *(f"t{thread}-{n}" for n in range(40))).sent)

    with ThreadPoolExecutor(4) as threads:
        sent = list(threads.map(post_some, range(4)))
    assert sent == [{f"t{thread}-{n}" for n in range(40)} for thread in range(4)]


def test_a_connection_is_replaced_when_it_is_old(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that changed behind the name is followed."""
    monkeypatch.setattr(transport, "CONNECTION_LIFE_S", (1, 1))
    with poster_for(server.url, concurrency=1) as poster:
        stop = time.monotonic() + 10
        while server.connections < 2 and time.monotonic() < stop:
            assert send(poster, "a").sent == ("a",)
    assert server.connections >= 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "forbidden"), (413, "too_large"), (400, "rejected"), (404, "rejected"), (307, "rejected")],
)
def test_a_refusal_is_final(server: Scripted, poster: CallbackPoster, status: int, reason: str) -> None:
    server.script("bad", status)
    report = send(poster, "bad", "good")
    assert report == PostReport(("good",), (), {"bad": reason}, report.first_sent_at)
    assert server.asked("bad") == 1


def test_a_gone_connection_is_told_apart_and_not_tried_again(server: Scripted, poster: CallbackPoster) -> None:
    server.script("ghost", 410)
    report = send(poster, "ghost")
    assert report == PostReport((), ("ghost",), {}, None)
    assert server.asked("ghost") == 1


def test_a_throttled_post_is_tried_until_it_passes(server: Scripted, poster: CallbackPoster) -> None:
    server.script("slow", 429, 429, 429, 429, 200)
    assert send(poster, "slow").sent == ("slow",)
    assert server.asked("slow") == 5


def test_every_try_is_paid_for(server: Scripted, poster: CallbackPoster) -> None:
    server.script("slow", 429, 500, 200)
    budget = Open()
    poster.post(posts("slow"), budget, DEADLINE_S)
    assert sum(budget.asked) == server.asked("slow") == 3


def test_a_post_throttled_to_the_end_says_so(server: Scripted, poster: CallbackPoster) -> None:
    server.script("slow", 429)
    report = send(poster, "slow", "good", deadline_s=SHORT_S)
    assert (report.sent, report.failed) == (("good",), {"slow": "throttled"})
    assert server.asked("slow") > 1


@pytest.mark.parametrize("fault", [500, 503, DROP, CUT, HALF])
def test_two_faults_are_forgiven(server: Scripted, poster: CallbackPoster, fault: int | str) -> None:
    server.script("unlucky", fault, fault, 200)
    assert send(poster, "unlucky").sent == ("unlucky",)


@pytest.mark.parametrize(
    ("fault", "reason"), [(500, "server"), (DROP, "connection"), (CUT, "connection"), (HALF, "connection")]
)
def test_a_third_fault_is_not(server: Scripted, poster: CallbackPoster, fault: int | str, reason: str) -> None:
    server.script("unlucky", fault)
    assert send(poster, "unlucky").failed == {"unlucky": reason}
    assert server.asked("unlucky") == 3


def test_a_request_under_way_on_a_kept_connection_that_dies_is_sent_again(server: Scripted) -> None:
    with poster_for(server.url, concurrency=1) as poster:
        send(poster, "a")
        server.script("a", DROP, 200)
        assert send(poster, "a").sent == ("a",)
    assert server.asked("a") == 3


def test_a_silent_server_is_a_timeout_and_delays_nobody_else(server: Scripted) -> None:
    server.script("mute", STALL)
    with poster_for(server.url, request_timeout_s=0.1) as poster:
        report = send(poster, "mute", "good")
    assert (report.sent, report.failed) == (("good",), {"mute": "timeout"})
    assert server.asked("mute") == 3


def test_the_deadline_ends_what_is_under_way_and_what_waits(server: Scripted) -> None:
    server.script("mute", STALL)
    with poster_for(server.url, concurrency=1) as poster:
        report = send(poster, "mute", "late", deadline_s=SHORT_S)
        assert report.failed == {"mute": "timeout", "late": "timeout"}
        assert send(poster, "late").sent == ("late",)


def test_nobody_listening_is_a_broken_connection(caplog: pytest.LogCaptureFixture) -> None:
    with Scripted() as server:
        url = server.url
    with poster_for(url) as poster, caplog.at_level(logging.WARNING):
        assert send(poster, "a", "b").failed == {"a": "connection", "b": "connection"}
    assert "2 of 2 failed: {'connection': 2}" in caplog.text


def test_without_budget_nothing_leaves(server: Scripted, poster: CallbackPoster) -> None:
    report = poster.post(posts("a", "b"), Empty(), SHORT_S)
    assert report == PostReport((), (), {"a": "budget", "b": "budget"})
    assert server.requests == []


def test_waiting_for_budget_does_not_hold_up_what_is_under_way(server: Scripted, poster: CallbackPoster) -> None:
    """The second token comes only once the first post was answered: were the wait blocking, neither would end."""

    class AfterTheFirst:
        granted = 0

        def lease(self, want: int) -> Lease:  # noqa: ARG002 - the port's shape
            if self.granted and not server.answered.is_set():
                return Lease(0, 0.005)
            self.granted += 1
            return Lease(1, 0.0)

    report = poster.post(posts("a", "b", "c"), AfterTheFirst(), DEADLINE_S)
    assert sorted(report.sent) == ["a", "b", "c"]


def test_a_budget_that_breaks_leaves_no_stray_answers_behind(server: Scripted, poster: CallbackPoster) -> None:
    class Breaking:
        given = 0

        def lease(self, want: int) -> Lease:  # noqa: ARG002 - the port's shape
            self.given += 1
            if self.given > 2:
                raise OSError("broken")
            return Lease(1, 0.0)

    for ghost in ("a", "b"):
        server.script(ghost, 410)
    with pytest.raises(OSError, match="broken"):
        poster.post(posts("a", "b", "c"), Breaking(), DEADLINE_S)
    assert send(poster, "d").sent == ("d",)


def test_a_name_is_looked_up(server: Scripted) -> None:
    with poster_for(f"http://localhost:{server.port}") as poster:
        assert send(poster, "a").sent == ("a",)


def test_the_budget_is_asked_for_in_blocks(server: Scripted, poster: CallbackPoster) -> None:
    budget = Open()
    poster.post(posts(*(f"c{n}" for n in range(250))), budget, DEADLINE_S)
    assert budget.asked == [100, 100, 50]


def test_an_id_named_twice_is_reported_once_by_its_worst_outcome(server: Scripted) -> None:
    server.script("a", 200, 403)
    server.script("b", 403, 410)
    server.script("c", 200, 410)
    with poster_for(server.url, concurrency=1) as poster:
        report = send(poster, "a", "a", "b", "b", "c", "c")
    assert report == PostReport((), ("b", "c"), {"a": "forbidden"}, report.first_sent_at)


OUTCOMES = st.sampled_from([200, 204, 400, 403, 410, 413, 429, 500, 503, DROP, CUT, HALF, STALL])


@given(
    scripts=st.dictionaries(
        st.text("abc=+/%", min_size=1, max_size=4), st.lists(OUTCOMES, min_size=1, max_size=4), max_size=12
    ),
    tokens=st.integers(0, 30),
    concurrency=st.integers(1, 4),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_id_ends_in_exactly_one_place(
    server: Scripted, scripts: dict[str, Sequence[int | str]], tokens: int, concurrency: int
) -> None:
    left = [tokens]

    class Some:
        def lease(self, want: int) -> Lease:
            granted = min(want, left[0])
            left[0] -= granted
            return Lease(granted, 0.01)

    for connection_id, answers in scripts.items():
        server.script(connection_id, *answers)
    with poster_for(server.url, concurrency=concurrency, request_timeout_s=0.05) as poster:
        report = poster.post(posts(*scripts), Some(), SHORT_S / 2)
    assert sorted([*report.sent, *report.gone, *report.failed]) == sorted(scripts)
    for connection_id in report.sent:
        assert {200, 204} & set(scripts[connection_id])
    for connection_id in report.gone:
        assert 410 in scripts[connection_id]


def test_sockets_are_closed_and_those_gone_already_are_fine(
    server: Scripted, poster: CallbackPoster, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("a", 204)
    server.script("b", 410)
    with caplog.at_level(logging.WARNING):
        poster.close(["a", "b"])
    assert sorted((request.method, request.connection_id) for request in server.requests) == [
        ("DELETE", "a"),
        ("DELETE", "b"),
    ]
    assert caplog.records == []


def test_a_socket_that_cannot_be_closed_is_logged(
    server: Scripted, poster: CallbackPoster, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("a", 403)
    with caplog.at_level(logging.WARNING):
        poster.close(["a"])
    assert "DELETE @connections: 1 of 1 failed: {'forbidden': 1}" in caplog.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_server(certificate: tuple[Path, Path]) -> Iterator[Scripted]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Scripted(context) as running:
        yield running


def test_a_trusted_server_is_posted_to_over_tls(tls_server: Scripted, certificate: tuple[Path, Path]) -> None:
    with poster_for(tls_server.url, trust_file=str(certificate[0])) as poster:
        assert send(poster, "a").sent == ("a",)


def test_an_untrusted_server_gets_nothing(
    tls_server: Scripted, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    other, _ = make_certificate(tmp_path_factory.mktemp("other"))
    with poster_for(tls_server.url, trust_file=str(other)) as poster, caplog.at_level(logging.WARNING):
        assert send(poster, "a").failed == {"a": "connection"}
    assert tls_server.requests == []
    assert "certificate" in caplog.text


def test_trust_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    with (
        pytest.raises(ConfigError, match=r"missing\.pem.*SSL_CERT_FILE"),
        poster_for("https://a.b", trust_file=missing),
    ):
        pass
