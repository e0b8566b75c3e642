"""Weddings and who is on them."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Response

from api.auth import Editor, Reader
from api.bodies.directory import MemberIn, MemberOut, MemberPage, WeddingIn, WeddingOut, WeddingPage
from api.bodies.fields import RoleWord
from api.paging import DEFAULT_LIMIT, IdCursor, IdPath, Limit, cut
from api.problems import created, responses
from api.services import Serving
from carillon.errors import ForbiddenError, NotFoundError
from carillon.model import Role

router = APIRouter(prefix="/v1/weddings", tags=["weddings"])


@router.get("", responses=responses(ForbiddenError), summary="List weddings")
def list_all(caller: Reader, serving: Serving, cursor: IdCursor = None, limit: Limit = DEFAULT_LIMIT) -> WeddingPage:
    """List weddings in id order; a supplier sees those that it works on."""
    rows = serving.directory.weddings(after=cursor or "", limit=limit + 1, supplier_id=caller.supplier_id)
    page, following = cut(rows, limit, lambda row: row.wedding_id)
    return WeddingPage(items=[WeddingOut.of(row) for row in page], next_cursor=following)


@router.get("/{wedding_id}", responses=responses(ForbiddenError, NotFoundError), summary="Read a wedding")
def read(wedding_id: IdPath, caller: Reader, serving: Serving) -> WeddingOut:
    """One wedding."""
    return WeddingOut.of(serving.directory.wedding(wedding_id, supplier_id=caller.supplier_id))


@router.put(
    "/{wedding_id}",
    responses={**created(WeddingOut), **responses(ForbiddenError)},
    summary="Create or replace a wedding",
)
def put(
    wedding_id: IdPath,
    body: WeddingIn,
    caller: Editor,
    serving: Serving,
    response: Response,
    afterwards: BackgroundTasks,
) -> WeddingOut:
    """Create or replace a wedding; 201 when created. Its team stays, and the plan of capacity follows at once."""
    del caller
    wedding = body.to_wedding(wedding_id)
    stored = serving.directory.put_wedding(wedding)
    response.status_code = 201 if stored.created else 200
    if stored.created or stored.updated:
        afterwards.add_task(serving.replan, f"wedding {wedding_id} was put")
    return WeddingOut.of(wedding)


@router.get("/{wedding_id}/team", responses=responses(ForbiddenError, NotFoundError), summary="List a team")
def team(
    wedding_id: IdPath,
    caller: Reader,
    serving: Serving,
    role: Annotated[RoleWord | None, Query(description="Only these.", examples=["vendor"])] = None,
    cursor: IdCursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> MemberPage:
    """List who is on a wedding, in user id order."""
    serving.directory.wedding(wedding_id, supplier_id=caller.supplier_id)
    wanted = Role[role.upper()] if role else None
    rows = serving.directory.team(wedding_id, after=cursor or "", limit=limit + 1, role=wanted)
    page, following = cut(rows, limit, lambda row: row.user_id)
    return MemberPage(items=[MemberOut.of(row) for row in page], next_cursor=following)


@router.put(
    "/{wedding_id}/team/{user_id}",
    responses={**created(MemberOut), **responses(ForbiddenError, NotFoundError)},
    summary="Put on a team",
)
def put_member(
    wedding_id: IdPath, user_id: IdPath, body: MemberIn, caller: Editor, serving: Serving, response: Response
) -> MemberOut:
    """Put a person on a wedding, or change their role there; 201 when they were not on it."""
    del caller
    created = serving.directory.put_member(wedding_id, user_id, Role[body.role.upper()])
    response.status_code = 201 if created else 200
    return MemberOut.of(serving.directory.member(wedding_id, user_id))


@router.delete(
    "/{wedding_id}/team/{user_id}",
    status_code=204,
    responses=responses(ForbiddenError, NotFoundError),
    summary="Take off a team",
)
def remove_member(wedding_id: IdPath, user_id: IdPath, caller: Editor, serving: Serving) -> None:
    """Take a person off a wedding; again is fine."""
    del caller
    serving.directory.wedding(wedding_id)
    serving.directory.remove_member(wedding_id, user_id)
