"""Prints what `carillon deploy-check` must know of a stage: `python -m stacks.freeze -c stage=prod`."""

from __future__ import annotations

import argparse
import shlex
import sys

from carillon.errors import ConfigError
from stacks import stage as stages


def main() -> int:
    """Takes the same `-c key=value` as the CDK command line; 2 when a value is not possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--context", action="append", default=[], metavar="KEY=VALUE")
    # Whatever else is meant for the CDK is none of our business.
    given = dict(pair.partition("=")[::2] for pair in parser.parse_known_args()[0].context)
    try:
        stage = stages.read(given.get)
    except ConfigError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)  # noqa: T201 - a command line prints
        return 2
    words = {
        "--stage": stage.name,
        "--region": stage.primary,
        "--time-zone": stage.time_zone,
        "--threshold": str(stage.freeze_weddings),
    }
    print(shlex.join(word for pair in words.items() for word in pair))  # noqa: T201 - same
    return 0


if __name__ == "__main__":
    sys.exit(main())
