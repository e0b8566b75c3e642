"""Asks `carillon deploy-check` about a stage with the stage's own values: what `make deploy` does first.

    python -m stacks.deploy_check --stage prod [-c time_zone=Europe/Berlin] [--force]

Ends with the command's exit code. The command runs by itself, since stacks know no adapters.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from carillon.errors import ConfigError
from stacks import stage as stages


def main() -> int:
    """Takes the same `-c key=value` as the CDK command line; 2 when a value is not possible."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True)
    parser.add_argument("-c", "--context", action="append", default=[], metavar="KEY=VALUE", help="as for the CDK")
    parser.add_argument("--force", action="store_true", help="deploy all the same")
    # Whatever else is meant for the CDK is none of our business.
    args, _ = parser.parse_known_args()
    given = dict(pair.partition("=")[::2] for pair in args.context) | {"stage": args.stage}
    try:
        stage = stages.read(given.get)
    except ConfigError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)  # noqa: T201 - a command line prints
        return 2
    return subprocess.run([*_command(stage), *(["--force"] if args.force else [])], check=False).returncode  # noqa: S603 - no shell, and argparse reads it


def _command(stage: stages.Stage) -> list[str]:
    place = ["--region", stage.primary, "--time-zone", stage.time_zone, "--threshold", str(stage.freeze_weddings)]
    return [sys.executable, "-m", "carillon.cli", "deploy-check", "--stage", stage.name, *place]


if __name__ == "__main__":
    sys.exit(main())
