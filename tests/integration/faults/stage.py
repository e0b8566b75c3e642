"""What the fault tests stand on: one running system, weddings to send to, and short ways to ask and to break it."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
from valkey import Valkey

from carillon.model import Role, Status
from carillon.names import Scope
from local.queues import LANES, queue_name, sqs_client
from local.supervisor import State
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.system import System
    from tests.integration.faults.phones import Fleet

_NUMBERS = itertools.count(1)
_ADD_PEOPLE = """
WITH given AS (SELECT * FROM unnest(%(users)s::text[], %(roles)s::smallint[]) AS g (user_id, role)),
     people AS (INSERT INTO users (user_id, name, role) SELECT user_id, user_id, role FROM given)
SELECT 1"""
_ADD_TEAM = """
INSERT INTO wedding_team (wedding_id, user_id, role)
SELECT %(wedding)s, user_id, role FROM unnest(%(users)s::text[], %(roles)s::smallint[]) AS g (user_id, role)"""


@dataclass(frozen=True)
class Wedding:
    """A wedding in the directory: its id and its people, by role."""

    wedding_id: str
    people: Mapping[str, Role]

    @property
    def users(self) -> list[str]:
        """Everybody, sorted."""
        return sorted(self.people)

    @property
    def audience(self) -> dict[str, str]:
        """All of it."""
        return {"type": "wedding", "wedding_id": self.wedding_id}


@dataclass
class Stage:
    """The running system in a test's hands."""

    system: System
    fleet: Fleet
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.system.api_url, timeout=15)
        self.sqs = sqs_client(self.system.queues.endpoint)

    def close(self) -> None:
        """Hang up."""
        self.http.close()
        self.sqs.close()

    @staticmethod
    def now() -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)

    # the directory

    def people(self, roles: Mapping[str, Role]) -> None:
        """Add people who are on no wedding."""
        given = {"users": list(roles), "roles": [int(role) for role in roles.values()]}
        with psycopg.connect(self.system.dsn) as connection:
            connection.execute(_ADD_PEOPLE, given)

    def people_once(self, roles: Mapping[str, str]) -> None:
        """Add people by hand, as often as one likes."""
        for user_id, role in roles.items():
            self.ask("PUT", f"/v1/users/{user_id}", {"name": user_id, "role": role})

    def wedding(self, **how_many: int) -> Wedding:
        """A wedding of its own, such as `wedding(couple=2, guest=20)`."""
        wedding_id = f"W{next(_NUMBERS)}"
        counts = {Role[name.upper()]: count for name, count in how_many.items()}
        roles = {f"{wedding_id}-{role.word}-{n:04}": role for role, count in counts.items() for n in range(count)}
        self.people(roles)
        given = {"wedding": wedding_id, "users": list(roles), "roles": [int(role) for role in roles.values()]}
        with psycopg.connect(self.system.dsn) as connection:
            connection.execute("INSERT INTO weddings VALUES (%s, 'A wedding', now(), 'Europe/Berlin')", [wedding_id])
            connection.execute(_ADD_TEAM, given)
        return Wedding(wedding_id, roles)

    # the API

    def headers(self, scopes: Iterable[str] = Scope, *, sub: str = "ops", **more: Any) -> dict[str, str]:
        """The header of a token that may do this."""
        return {"Authorization": f"Bearer {self.system.issuer.token(sub, scopes, **more)}"}

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """One call that goes well; its JSON answer."""
        answer = self.http.request(method, path, json=document, headers=self.headers())
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def send(self, audience: Mapping[str, Any], lane: str = "normal", **more: Any) -> str:
        """Send a broadcast; its id."""
        document = {"audience": audience, "priority": lane, "kind": "wedding", "name": "timeline.shifted", "data": {}}
        return str(self.ask("POST", "/v1/broadcasts", document | more)["id"])

    def status(self, broadcast_id: str) -> dict[str, Any]:
        """Where a broadcast stands."""
        found: dict[str, Any] = self.ask("GET", f"/v1/broadcasts/{broadcast_id}")
        return found

    def verdict(self) -> dict[str, Any]:
        """What `verify` says of everything accepted since this test began."""
        found: dict[str, Any] = self.ask("GET", f"/v1/ops/verify?since={self.began:%Y-%m-%dT%H:%M:%S.%fZ}")
        return found

    def verify_clean(self, *, timeout_s: float = 30) -> dict[str, Any]:
        """Wait until nothing is under way any more; then nothing is lost, doubled or missing."""
        until(
            lambda: self.verdict()["totals"]["pending"] == 0,
            "verify to find nothing pending",
            timeout_s=timeout_s,
            seen=lambda: str(self.verdict()),
        )
        verdict = self.verdict()
        assert verdict["clean"], verdict
        return verdict

    # the stores

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database answers."""
        with psycopg.connect(self.system.dsn, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def statuses(self, broadcast_id: str) -> Counter[str]:
        """How many deliveries have which status."""
        return Counter({word: count for word, count in self.status(broadcast_id)["counts"].items() if count})

    def fates(self, broadcast_ids: Iterable[str]) -> Counter[tuple[str, int]]:
        """How many deliveries of these have which status after how many attempts."""
        found = self.rows("SELECT status, attempts FROM deliveries WHERE broadcast_id = ANY(%s)", list(broadcast_ids))
        return Counter((Status(status).word, attempts) for status, attempts in found)

    @property
    def valkey(self) -> Valkey:
        """A client of Valkey; use it in a `with`."""
        return Valkey.from_url(self.system.valkey_url)

    def queue_url(self, lane: str) -> str:
        """A lane's queue."""
        return f"{self.system.queues.queue_prefix_url}{queue_name(lane)}"

    def waiting_in(self, lane: str) -> int:
        """How many messages a lane's queue holds, handed out or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.sqs.get_queue_attributes(QueueUrl=self.queue_url(lane), AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def show_again_after(self, seconds: int) -> None:
        """Set the lanes' visibility timeout, so that a short test does not wait half a minute for a killed consumer."""
        for lane in LANES:
            self.sqs.set_queue_attributes(QueueUrl=self.queue_url(lane), Attributes={"VisibilityTimeout": str(seconds)})

    # what breaks

    def gateway_faults(self, **faults: float) -> dict[str, Any]:
        """Switch the gateway's faults on (none: off) and tell how often they struck."""
        url = f"http://127.0.0.1:{self.system.callback_port}/_faults"
        answer = httpx.post(url, json=faults) if faults else httpx.delete(url)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def struck(self) -> dict[str, int]:
        """How often each of the gateway's faults has struck."""
        told: dict[str, int] = httpx.get(f"http://127.0.0.1:{self.system.callback_port}/_faults").json()["struck"]
        return told

    def ready(self) -> bool:
        """Whether every component is there and a broadcast would be delivered."""
        try:
            answer = self.http.get("/readyz").status_code
        except httpx.TransportError:
            return False
        return answer == httpx.codes.OK and all(
            unit.state is State.READY for unit in self.system.supervisor.units.values()
        )

    def heal(self) -> None:
        """Bring back whatever a test has taken away."""
        for name, unit in self.system.supervisor.units.items():
            if unit.state in (State.HELD, State.GIVEN_UP):
                self.system.restart(name)
        until(self.ready, "the system to be ready", timeout_s=40)
