"""For operators: what stands for the weddings, and why."""

from datetime import UTC
from typing import Final

from fastapi import APIRouter

from api.auth import Operator
from api.bodies.capacity import CapacityOut, ExplanationOut
from api.paging import IdPath
from api.problems import responses
from api.services import Serving
from carillon.errors import ForbiddenError, NotFoundError
from carillon.flow.upcoming import explained, upcoming

router = APIRouter(prefix="/v1/ops", tags=["operations"])
_DECISIONS: Final = 20


@router.get("/capacity", responses=responses(ForbiddenError), summary="Capacity")
def capacity(caller: Operator, serving: Serving) -> CapacityOut:
    """Tell what stands for the weddings now, what changes within 48 hours and why, and what is short."""
    del caller
    now = serving.ports.clock().astimezone(UTC)
    ahead = upcoming(serving.calendar, serving.scaling_log, serving.capacity, now)
    return CapacityOut.of(ahead, serving.scaling_log.latest(_DECISIONS), serving.capacity, now)


@router.get(
    "/capacity/weddings/{wedding_id}", responses=responses(ForbiddenError, NotFoundError), summary="A wedding's part"
)
def explanation(wedding_id: IdPath, caller: Operator, serving: Serving) -> ExplanationOut:
    """Tell what one wedding adds to the plan, and when."""
    del caller
    return ExplanationOut.of(explained(serving.calendar, serving.capacity, wedding_id))
