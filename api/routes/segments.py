"""Named segments of people across weddings."""

from fastapi import APIRouter, Response

from api.auth import Editor, Reader
from api.bodies.directory import SegmentIn, SegmentOut, SegmentPage
from api.paging import DEFAULT_LIMIT, IdCursor, IdPath, Limit, cut
from api.problems import created, responses
from api.services import Serving
from carillon.errors import ForbiddenError, NotFoundError

router = APIRouter(prefix="/v1/segments", tags=["segments"])


@router.get("", responses=responses(ForbiddenError), summary="List segments")
def list_all(caller: Reader, serving: Serving, cursor: IdCursor = None, limit: Limit = DEFAULT_LIMIT) -> SegmentPage:
    """List segments in id order."""
    del caller
    rows = serving.directory.segments(after=cursor or "", limit=limit + 1)
    page, following = cut(rows, limit, lambda row: row.segment_id)
    return SegmentPage(items=[SegmentOut.of(row) for row in page], next_cursor=following)


@router.get("/{segment_id}", responses=responses(ForbiddenError, NotFoundError), summary="Read a segment")
def read(segment_id: IdPath, caller: Reader, serving: Serving) -> SegmentOut:
    """One segment."""
    del caller
    return SegmentOut.of(serving.directory.segment(segment_id))


@router.put(
    "/{segment_id}",
    responses={**created(SegmentOut), **responses(ForbiddenError)},
    summary="Create or replace a segment",
)
def put(segment_id: IdPath, body: SegmentIn, caller: Editor, serving: Serving, response: Response) -> SegmentOut:
    """Create or replace a segment; 201 when created."""
    del caller
    segment = body.to_segment(segment_id)
    response.status_code = 201 if serving.directory.put_segment(segment) else 200
    return SegmentOut.of(segment)
