"""Pages: a limit and a cursor in, items and the next cursor out."""

from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

from fastapi import Path, Query, Request

from api.problems import invalid
from carillon.directory import ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.", examples=[100])]
IdCursor = Annotated[
    str | None, Query(pattern=ID_PATTERN, description="`next_cursor` of the page before.", examples=["u-0100"])
]
IdPath = Annotated[str, Path(pattern=ID_PATTERN, examples=["W1"])]
BroadcastPath = Annotated[
    UUID, Path(description="The broadcast's id.", examples=["01980a5d-ac96-774b-bcce-b302099a8057"])
]
DEFAULT_LIMIT = 100
T = TypeVar("T")


def cut(rows: "Sequence[T]", limit: int, cursor: "Callable[[T], str]") -> "tuple[Sequence[T], str | None]":
    """The page of `limit` rows out of `limit + 1`, and the cursor of the next page if there is one."""
    page = rows[:limit]
    return page, cursor(page[-1]) if len(rows) > limit else None


def only_known_parameters(request: Request) -> None:
    """Refuse a misspelled parameter: `?weding=W1` must not answer everything.

    Raises:
        InvalidInputError: the address has a parameter that this operation does not take.
    """
    known = sorted(parameter.alias for parameter in request.scope["route"].dependant.query_params)
    for name in request.query_params:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise invalid(name[:64], f"there is no such parameter; this address takes {takes}")
