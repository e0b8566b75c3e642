"""`deploy-check`: refuses a deployment on Saturdays and on days with many weddings."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from carillon.cli.errors import CommandError, Exit, at_least, usage
from carillon.errors import ConfigError, OutageError
from carillon.policy import season
from carillon.policy.freeze import frozen

if TYPE_CHECKING:
    import argparse
    from zoneinfo import ZoneInfo

    from carillon.cli.client import Api

_FORCE: Final = "make deploy STAGE=... FORCE=1"


def add(commands: Any) -> None:
    """Add the command."""
    text = "say whether a stage may be deployed now"
    parser = commands.add_parser(
        "deploy-check",
        help=text,
        description="Says whether a stage may be deployed now: not on Saturdays, and not on days with more weddings "
        "than the threshold, counted by the deployed planner. Exit codes: 0 it may, 3 it may not, 4 nobody knows.",
    )
    parser.add_argument("--stage", required=True, help="which one; its own planner counts the weddings")
    parser.add_argument("--region", required=True, help="AWS Region of its planner")
    parser.add_argument("--time-zone", required=True, metavar="ZONE", help="whose Saturdays and days count")
    parser.add_argument("--threshold", required=True, type=at_least(0), metavar="N", help="more weddings freeze a day")
    parser.add_argument("--force", action="store_true", help="deploy all the same, and say what is overridden")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Look at the clock and the calendar."""
    del api
    try:
        refusal = _refusal(args, season.zone(args.time_zone), _now())
    except ConfigError as error:
        raise usage(error.message) from error
    if refusal is None:
        return Exit.FINE
    if not args.force:
        raise refusal
    print(f"FORCE: {args.stage} is deployed although {refusal.message}", file=sys.stderr)
    return Exit.FINE


def _now() -> datetime:
    return datetime.now(UTC)


def _refusal(args: argparse.Namespace, zone: ZoneInfo, now: datetime) -> CommandError | None:
    """A Saturday is known without asking anybody."""
    reason = frozen(now, zone, None, args.threshold)
    if reason is None:
        try:
            weddings = _weddings(args.stage, args.region, zone, now)
        except OutageError as error:
            hint = (
                "Log in to the stage's account with the right to cloudwatch:GetMetricData and try again, or look at "
                f"the wedding calendar yourself and run {_FORCE}."
            )
            return CommandError(Exit.UNAVAILABLE, "deploy.unknown", f"nobody knows the day: {error.message}", hint)
        if weddings is None:
            print(
                f"{args.stage}: the planner has told of no weddings today, as before a first deployment. If this is "
                "not the first, look at the alarm of the planner.",
                file=sys.stderr,
            )
        reason = frozen(now, zone, weddings, args.threshold)
    if reason is None:
        return None
    return CommandError(Exit.REFUSED, "deploy.frozen", reason, f"Wait until it is over, or run {_FORCE}.")


def _weddings(stage: str, region: str, zone: ZoneInfo, now: datetime) -> int | None:
    from carillon.adapters.weddings_metric import most_weddings  # noqa: PLC0415 - boto3: 100 ms of every command

    start, _ = season.day_at(now, zone)
    return most_weddings(stage, region, start, now)
