"""After a Region was lost: run once, in the API's image, when the remaining database has been promoted.

    python -m api.failover us-east-1 [--since-minutes 60]

Writes what was done as one line of JSON. docs/runbooks/region-failover.md says when, and how to start it in AWS.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from carillon import wiring
from carillon.adapters.postgres.failover import fail_over
from carillon.errors import CarillonError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry it out; answers the process's exit status: 0 done, 1 not possible, with a line on stderr that says why."""
    parser = argparse.ArgumentParser(prog="python -m api.failover", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lost", help="the Region that is gone")
    parser.add_argument("--since-minutes", type=int, default=60, help="how far back accepted broadcasts are sent again")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.lost == wiring.stores().region:
            parser.error(f"{chosen.lost} is where this runs")
        since = datetime.now(UTC) - timedelta(minutes=chosen.since_minutes)
        done = fail_over(wiring.database(), chosen.lost, since)
    except CarillonError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
