"""The poster: frames to connections through `@connections`, concurrently, at least once, within budget and deadline."""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from carillon.adapters.apigateway import credentials as aws
from carillon.adapters.apigateway.signer import Signer
from carillon.adapters.apigateway.transport import Answer, Transport, trust_store
from carillon.ports import Lease, Post, Poster, PostReport, Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.config import CallbackSettings

logger: Final = logging.getLogger(__name__)

REQUEST_TIMEOUT_S: Final = 2.0
"""Longest wait for one answer; API Gateway's own p99 is far below, so that what is slower is lost."""
CLOSE_DEADLINE_S: Final = 5.0
RETRIES: Final = 2
"""How often a post is tried again after a 5xx, a broken connection or a timeout; after a 429, until the deadline.

What was under way on a kept connection that dies unanswered is sent once more by libcurl itself, uncounted.
"""
LEASE_BLOCK: Final = 100
"""Most posts asked of the budget at once."""
_BACKOFF_S: Final = (0.05, 1.0)
"""First and longest pause before another try, of which full jitter takes a random part."""
_LEAST_PAUSE_S: Final = 0.001
_FINAL: Final = {403: "forbidden", 413: "too_large"}


class CallbackPoster(Poster):
    """Posts through API Gateway's `@connections`, or anything that speaks like it.

    Keep one for the life of the process: its connections stay open from call to call (each at most about a minute, so
    that a changed address is followed). One poster per worker: calls from several threads take turns. Not to be used on
    both sides of a fork.

    Args:
        settings: endpoint and number of connections.
        region: AWS Region of the endpoint.
        credentials: what to sign with; by default the environment's, or the container's.
        trust_file: PEM file of the authorities to trust; by default SSL_CERT_FILE or the system's. A file with Amazon's
            roots alone makes the first post of a cold start faster.
        request_timeout_s: longest wait for one answer.

    Raises:
        ConfigError: the endpoint, the credentials or the trusted certificates are missing or wrong.
    """

    def __init__(
        self,
        settings: CallbackSettings,
        *,
        region: str,
        credentials: aws.Provider | None = None,
        trust_file: str | None = None,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._signer = Signer(settings.endpoint, region=region, credentials=credentials or aws.provider())
        self._transport = Transport(connections=settings.concurrency, trust_file=trust_store(trust_file))
        self._request_timeout_s = request_timeout_s
        self._turn = threading.Lock()

    def post(self, posts: Sequence[Post], rate: Rate, deadline_s: float) -> PostReport:
        """Post all, in the order given, within `deadline_s` seconds from now; never raises for a single post.

        An id that is named twice is reported once, by the worst of its outcomes (gone, then failed, then sent).
        A status that `@connections` does not document fails as `rejected`.
        """
        return self._run("POST", posts, rate, deadline_s)

    def close(self, connection_ids: Sequence[str]) -> None:
        """Close these sockets; one that is gone already is fine, one that cannot be closed is logged."""
        self._run("DELETE", [Post(one, b"") for one in connection_ids], _Unlimited(), CLOSE_DEADLINE_S)

    def shutdown(self) -> None:
        """Close the poster's own connections; it is not used after that."""
        self._transport.close()

    def _run(self, method: str, posts: Sequence[Post], rate: Rate, deadline_s: float) -> PostReport:
        with self._turn:
            call = _Call(method, posts, rate, time.monotonic() + deadline_s, self._request_timeout_s)
            try:
                report = call.run(self._signer, self._transport)
            finally:  # the deadline, or a budget that raised: no answer may reach the next call
                self._transport.abandon()
        if report.failed:
            logger.warning(
                "%s @connections: %d of %d failed: %s%s",
                method,
                len(report.failed),
                len(posts),
                dict(Counter(report.failed.values())),
                f" ({call.detail})" if call.detail else "",
            )
        return report


class _Unlimited:
    """The budget of closing: rare, and never worth waiting for."""

    def lease(self, want: int) -> Lease:
        return Lease(want, 0.0)


@dataclass(slots=True)
class _Attempt:
    """A post on its way; `reason` is why its last try failed."""

    post: Post
    tries: int = 0
    throttles: int = 0
    reason: str = ""


class _Call:
    """One call of the poster: what waits, what is under way, what is over."""

    def __init__(
        self, method: str, posts: Sequence[Post], rate: Rate, deadline: float, request_timeout_s: float
    ) -> None:
        self._method = method
        self._rate = rate
        self._deadline = deadline
        self._request_timeout_s = request_timeout_s
        self._attempts = [_Attempt(post) for post in posts]
        self._ready: deque[int] = deque(range(len(posts)))
        self._later: list[tuple[float, int]] = []
        self._open = len(posts)
        self._tokens = 0
        self._lease_at = 0.0
        self._sent: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._failed: dict[str, str] = {}
        self._first_sent_at: float | None = None
        self.detail = ""

    def run(self, signer: Signer, transport: Transport) -> PostReport:
        """Until every post has an outcome; the deadline gives one to all that are left."""
        while self._open:
            now = time.monotonic()
            if now >= self._deadline:
                self._give_up(transport)
                break
            while self._later and self._later[0][0] <= now:
                self._ready.appendleft(heapq.heappop(self._later)[1])
            self._fill(signer, transport, now)
            for answer in transport.wait(self._pause(transport, now)):
                self._settle(answer)
        return self._report()

    def _fill(self, signer: Signer, transport: Transport, now: float) -> None:
        timeout_s = min(self._request_timeout_s, self._deadline - now)
        while self._ready and transport.free > 0 and (self._tokens or self._lease(now)):
            self._tokens -= 1
            key = self._ready.popleft()
            post = self._attempts[key].post
            signed = signer.sign(self._method, post.connection_id, post.body, time.time())
            transport.start(key, self._method, signed.url, signed.headers, post.body, timeout_s)

    def _lease(self, now: float) -> bool:
        if now < self._lease_at:
            return False
        lease = self._rate.lease(min(LEASE_BLOCK, len(self._ready)))
        self._tokens = lease.granted
        self._lease_at = 0.0 if lease.granted else now + max(lease.retry_after_s, _LEAST_PAUSE_S)
        return lease.granted > 0

    def _pause(self, transport: Transport, now: float) -> float:
        until = self._deadline
        if self._later:
            until = min(until, self._later[0][0])
        if self._ready and transport.free > 0:
            until = min(until, self._lease_at)
        return max(0.0, until - now)

    def _settle(self, answer: Answer) -> None:
        attempt, status = self._attempts[answer.key], answer.status
        self.detail = answer.detail or self.detail
        if 200 <= status < 300:
            self._end(self._sent, attempt)
            self._first_sent_at = self._first_sent_at or time.time()
        elif status == 410:
            self._end(self._gone, attempt)
        elif status == 429:
            attempt.throttles += 1
            self._again(answer.key, "throttled", attempt.throttles)
        elif status and status < 500:
            self._fail(attempt, _FINAL.get(status, "rejected"))
            self.detail = self.detail or f"HTTP {status}"
        else:
            attempt.tries += 1
            reason = answer.reason or "server"
            if attempt.tries > RETRIES:
                self._fail(attempt, reason)
            else:
                self._again(answer.key, reason, attempt.tries)

    def _again(self, key: int, reason: str, tries: int) -> None:
        self._attempts[key].reason = reason
        first, longest = _BACKOFF_S
        pause = random.uniform(0, min(longest, first * 2 ** min(tries, 10)))
        heapq.heappush(self._later, (time.monotonic() + pause, key))

    def _end(self, outcome: dict[str, None], attempt: _Attempt) -> None:
        outcome[attempt.post.connection_id] = None
        self._open -= 1

    def _fail(self, attempt: _Attempt, reason: str) -> None:
        self._failed.setdefault(attempt.post.connection_id, reason)
        self._open -= 1

    def _give_up(self, transport: Transport) -> None:
        """The deadline: what is under way is in doubt, what waits keeps the reason why it waits."""
        for key in transport.running:
            self._fail(self._attempts[key], "timeout")
        unstarted = "budget" if self._lease_at else "timeout"
        for key in [*self._ready, *(key for _, key in self._later)]:
            self._fail(self._attempts[key], self._attempts[key].reason or unstarted)

    def _report(self) -> PostReport:
        failed = {one: why for one, why in self._failed.items() if one not in self._gone}
        sent = tuple(one for one in self._sent if one not in failed and one not in self._gone)
        return PostReport(sent, tuple(self._gone), failed, self._first_sent_at)
