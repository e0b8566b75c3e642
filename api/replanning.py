"""Tells the planner that the calendar changed, when the change is stored and its sender has been answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from carillon.errors import CarillonError

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)


def tell(replan: Callable[[str], None], cause: str) -> None:
    """Have the planner look at once. A queue that is away fails nothing: the next round sees the change too."""
    try:
        replan(cause)
    except CarillonError as error:
        _LOG.warning("the planner was not told that %s, its next round will see it: %s", cause, error.message)
