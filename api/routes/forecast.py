"""For operators: what a month will ask for and cost."""

from datetime import UTC
from typing import Annotated, Final

from fastapi import APIRouter, Query

from api.auth import Operator
from api.bodies.forecast import ForecastOut
from api.problems import responses
from api.services import Serving
from carillon.errors import ForbiddenError
from carillon.flow.forecasting import forecast_month
from carillon.policy import season

router = APIRouter(prefix="/v1/ops", tags=["operations"])
_SCHEMA: Final = {"pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"}
"""For whoever reads the document; the policy refuses what is no month, in better words."""


@router.get("/forecast", responses=responses(ForbiddenError), summary="Forecast")
def forecast(
    caller: Operator,
    serving: Serving,
    month: Annotated[
        str | None,
        Query(description="The season's current one by default.", examples=["2027-06"], json_schema_extra=_SCHEMA),
    ] = None,
) -> ForecastOut:
    """Tell day by day what a month will ask for, what will stand for it and what it costs."""
    del caller
    now = serving.ports.clock().astimezone(UTC)
    asked = f"{now.astimezone(season.zone(serving.capacity.time_zone)):%Y-%m}" if month is None else month
    return ForecastOut.model_validate(forecast_month(serving.calendar, serving.capacity, asked, now).to_json())
