"""Asks `carillon deploy-check` about a stage with the stage's own values: what `make deploy` does first.

    python -m stacks.deploy_check --stage prod [-c time_zone=Europe/Berlin] [--override]

Ends with the command's exit code. The command runs by itself, since stacks know no adapters.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from carillon.errors import ConfigError
from stacks import command_line
from stacks import stage as stages


def main() -> int:
    """Takes the same `-c key=value` as the CDK command line; 2 when a value is not possible."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    command_line.add_options(parser)
    # Not `--force`: that is an option of `cdk deploy`, which says nothing about weddings.
    parser.add_argument("--override", action="store_true", help="deploy all the same, and say what is overridden")
    # Whatever else is meant for the CDK is none of our business.
    arguments, _ = parser.parse_known_args()
    try:
        stage = command_line.stage_of(arguments)
    except ConfigError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)  # noqa: T201 - a command line prints
        return 2
    force = ["--force"] if arguments.override else []
    return subprocess.run([*_command(stage), *force], check=False).returncode  # noqa: S603 - no shell, and argparse reads it


def _command(stage: stages.Stage) -> list[str]:
    place = ["--region", stage.primary, "--time-zone", stage.time_zone, "--threshold", str(stage.freeze_weddings)]
    return [sys.executable, "-m", "carillon.cli", "deploy-check", "--stage", stage.name, *place]


if __name__ == "__main__":
    sys.exit(main())
