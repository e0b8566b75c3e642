"""Which scopes it takes to send, or to take back, in a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.errors import ForbiddenError
from carillon.model import Lane
from carillon.names import Scope

if TYPE_CHECKING:
    from carillon.model import Principal


def require_scopes(principal: Principal, lane: Lane) -> None:
    """Check the token's scopes; critical takes one more.

    Raises:
        ForbiddenError: one is missing; `facts["missing"]` names them.
    """
    needed = {Scope.BROADCAST_WRITE} | ({Scope.BROADCAST_CRITICAL} if lane is Lane.CRITICAL else set())
    missing = sorted(needed - principal.scopes)
    if missing:
        raise ForbiddenError(f"the token lacks the scope {' and '.join(missing)}", missing=missing)
