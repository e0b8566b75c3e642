"""For operators: whether everything accepted has arrived, and whether this system would deliver now."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from api.auth import Operator
from api.bodies.fields import Moment, Out
from api.problems import MEDIA_TYPE, document, invalid, responses
from api.services import Serving
from carillon.errors import ForbiddenError, OutageError

if TYPE_CHECKING:
    from api.services import Probe, Services
    from carillon.reports import Verdict

router = APIRouter(tags=["operations"])
_WINDOW: Final = timedelta(hours=24)
_OLDEST: Final = timedelta(days=35)


class ProblemOut(Out):
    """Something that verify found."""

    kind: Literal["lost", "duplicate", "gap", "beyond_head", "failed", "pending"]
    detail: str
    count: int
    broadcast_id: str | None
    user_ids: list[str]


class VerdictOut(Out):
    """Every broadcast accepted since a moment, reconciled with the directory, the deliveries and the streams."""

    since: datetime
    clean: bool = Field(description="Nothing lost, doubled or missing; what is pending may still arrive.")
    totals: dict[str, int]
    problems: list[ProblemOut]

    @classmethod
    def of(cls, verdict: "Verdict") -> Self:
        """A verdict of the reports."""
        problems = [
            {
                "kind": one.kind,
                "detail": one.detail,
                "count": one.count,
                "broadcast_id": one.broadcast_id,
                "user_ids": list(one.user_ids),
            }
            for one in verdict.problems
        ]
        return cls.model_validate(
            {"since": verdict.since, "clean": verdict.clean, "totals": dict(verdict.totals), "problems": problems}
        )


@router.get("/v1/ops/verify", responses=responses(ForbiddenError), summary="Verify")
def verify(
    caller: Operator,
    serving: Serving,
    since: Annotated[
        Moment | None, Query(description="From when on; a day back by default.", examples=["2027-06-12T00:00:00Z"])
    ] = None,
) -> VerdictOut:
    """Reconcile every accepted broadcast with its recipients, independently of what the flow noted."""
    del caller
    now = serving.ports.clock()
    start = since or now - _WINDOW
    if not now - _OLDEST <= start <= now:
        raise invalid("since", f"takes a time in the last {_OLDEST.days} days, which is how long deliveries are kept")
    return VerdictOut.of(serving.reports.verify(start, now))


class Healthy(Out):
    """The process is alive."""

    status: Literal["ok"]


@router.get("/healthz", summary="Alive?")
async def healthz() -> Healthy:
    """Tell that the process is alive; whether it could deliver is what `/readyz` says."""
    # On the loop itself: the threads may all be waiting for a store.
    return Healthy(status="ok")


# Load balancers and monitors often ask without wanting the body.
router.add_api_route("/healthz", healthz, methods=["HEAD"], include_in_schema=False)


class Component(Out):
    """One component's state."""

    state: Literal["ok", "degraded", "down"]
    detail: str | None = None


class Ready(Out):
    """A broadcast accepted now would be delivered."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ready": True, "components": {"database": {"state": "ok"}}}]}
    )
    ready: Literal[True]
    components: dict[str, Component]


@router.get("/readyz", summary="Ready?", response_model=Ready, responses=responses(OutageError))
def readyz(request: Request, serving: Serving) -> Ready | JSONResponse:
    """Answer 200 only when a broadcast would really be delivered; a cache that is away only makes it slower."""
    components = {name: _ask(probe) for name, probe in _probes(serving).items()}
    if serving.ports.index.lookup(["readyz"]) is None:
        components["valkey"] = Component(state="degraded", detail="connections are looked up in the database")
    else:
        components["valkey"] = Component(state="ok")
    down = sorted(name for name, component in components.items() if component.state == "down")
    if not down:
        return Ready(ready=True, components=components)
    error = OutageError(f"not ready: {', '.join(down)}", retry_after_s=1)
    states = {name: component.model_dump() for name, component in components.items()}
    body = document(error, request.url.path) | {"ready": False, "components": states}
    return JSONResponse(body, error.status, {"Retry-After": "1"}, MEDIA_TYPE)


router.add_api_route("/readyz", readyz, methods=["HEAD"], response_model=Ready, include_in_schema=False)


def _probes(serving: "Services") -> "dict[str, Probe]":
    def database() -> str | None:
        return None if serving.reports.writable() else "the database is read-only"

    def queue() -> str | None:
        return None if serving.ports.queue.ready() else "not all lanes can be reached"

    return {"database": database, "queue": queue, **serving.probes}


def _ask(probe: "Probe") -> Component:
    try:
        detail = probe()
    except Exception as error:  # noqa: BLE001 - a probe that cannot answer is an answer
        detail = str(error) or type(error).__name__
    return Component(state="ok" if detail is None else "down", detail=detail)
