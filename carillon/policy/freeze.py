"""When nothing is deployed: Saturdays, and days with many weddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.policy.season import is_saturday

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo


def frozen(now: datetime, zone: ZoneInfo, weddings: int | None, threshold: int) -> str | None:
    """Why nothing is deployed now, in words; None when it may be.

    Args:
        now: aware.
        zone: whose Saturday and whose day count.
        weddings: of the local day so far as it is known; None before anything was deployed.
        threshold: more weddings than this freeze the day.
    """
    if is_saturday(now, zone):
        return f"it is Saturday in {zone.key}"
    if weddings is not None and weddings > threshold:
        return f"there are {weddings} weddings today in {zone.key}, more than {threshold}"
    return None
