"""Fields that more than one body has."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from carillon.directory import ID_PATTERN, LONGEST_NAME, is_name, time_zone
from carillon.rows import FIRST_YEAR, LAST_YEAR

Priority = Literal["critical", "high", "normal", "low"]
KindWord = Literal["system", "business", "collaboration", "wedding"]
RoleWord = Literal["couple", "planner", "vendor", "guest"]
TierWord = Literal["free", "paid", "premium"]
WeddingStatusWord = Literal["planned", "confirmed", "completed", "canceled"]
StatusWord = Literal["delayed", "filtered", "queued", "sent", "delivered", "expired", "failed", "canceled"]

Id = Annotated[str, Field(pattern=ID_PATTERN)]
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _moment(value: Any) -> datetime:
    """RFC 3339 text only: numbers and other spellings that a parser might take are surely mistakes."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("takes a time with an offset, such as 2027-06-12T15:00:00+02:00")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError(f"is no time: {error}") from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year must be from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


def _shown_name(value: Any) -> Any:
    if isinstance(value, str) and not is_name(value):
        raise ValueError(f"takes 1 to {LONGEST_NAME} characters, without control characters")
    return value


Name = Annotated[str, BeforeValidator(_shown_name), Field(min_length=1, max_length=LONGEST_NAME)]


def _known_zone(value: Any) -> Any:
    if isinstance(value, str) and time_zone(value) is None:
        raise ValueError("takes an IANA time zone, such as Europe/Lisbon")
    return value


Zone = Annotated[str, BeforeValidator(_known_zone), Field(max_length=64)]


class In(BaseModel):
    """A body that comes in: unknown members are mistakes, and nothing is guessed into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Out(BaseModel):
    """A body that goes out."""

    model_config = ConfigDict(ser_json_timedelta="float")
