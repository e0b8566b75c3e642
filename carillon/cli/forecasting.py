"""`forecast`: what a month will ask for and cost, day by day."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from carillon.cli import show
from carillon.cli.errors import Exit, usage
from carillon.errors import InvalidInputError
from carillon.policy import months

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api

_SIZES: Final = {"tasks": "tasks", "ACU": "database.least_acu", "readers": "database.readers"}
_COUNTS: Final = {"weddings": "weddings", "phones": "connections", "messages": "messages"}
_NUMBERS: Final = (*_COUNTS, *_SIZES, "cost", "a wedding")


def add(commands: Any) -> None:
    """Add the command."""
    text = "forecast a month from the calendar: load, capacity and cost of every day, quotas and budget"
    parser = commands.add_parser("forecast", help=text, description=text)
    parser.add_argument("--month", metavar="YYYY-MM", help="which, as in 2027-06; the season's current one if left out")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Show a month."""
    if args.month is not None:
        try:
            months.first_days(args.month)
        except InvalidInputError as error:
            raise usage(f"--{error.message}") from error
    month = api.get("/v1/ops/forecast", month=args.month)
    if args.json:
        show.as_json(month)
    else:
        _print(month)
    return Exit.FINE


def _print(month: dict[str, Any]) -> None:
    first, total = date.fromisoformat(month["days"][0]["day"]), month["totals"]
    print(f"{first:%B %Y}, days of {month['time_zone']}, season {month['season']}\n")
    rows = [
        {"day": f"{date.fromisoformat(day['day']):%a %d}", **_row(day), "note": _note(day)} for day in month["days"]
    ]
    rows.append({"day": "month", **_row(total), "note": "phones: the most at once"})
    show.table(rows, ("day", *_NUMBERS, "note"), numbers=_NUMBERS)
    _print_cost(total)
    _print_budget(month["budget"])
    for day in month["days"]:
        for short in day["shortages"]:
            print(f"quota: {show.plain(short['reason'])}")
    if month["capped"]:
        print("\nCaps that are too low")
        for one in month["capped"]:
            print(show.plain(one["reason"]))


def _row(load: dict[str, Any]) -> dict[str, str]:
    sizes = load.get("capacity", {})
    each = load["usd_per_wedding"]
    return {
        **{name: f"{load[field]:,}" for name, field in _COUNTS.items()},
        **{name: f"{sizes[group]:g}" if group in sizes else "" for name, group in _SIZES.items()},
        "cost": f"${load['cost']['total']:,.2f}",
        "a wedding": "" if each is None else f"${each:,.2f}",
    }


def _note(day: dict[str, Any]) -> str:
    notes = [
        f"QUOTA {one['quota']}: ask {'today' if one['late'] else 'by ' + one['ask_by']}" for one in day["shortages"]
    ]
    return ", ".join(["BUDGET cuts", *notes] if day["cut"] else notes)


def _print_cost(total: dict[str, Any]) -> None:
    cost, each = total["cost"], total["usd_per_wedding"]
    parts = f"${cost['rest']:,.2f} at rest, ${cost['plan']:,.2f} planned above that, ${cost['usage']:,.2f} by use"
    weddings = "" if each is None else f"; a wedding's share of plan and use is ${each:,.2f}"
    print(f"\ncost: ${cost['total']:,.2f} = {parts}{weddings}")


def _print_budget(budget: dict[str, Any]) -> None:
    over = f", ${budget['over']:,.2f} over it, as allowed" if budget["over"] else ""
    print(f"budget: the plan adds ${budget['planned']:,.2f} of ${budget['usd']:,.2f}{over}")
    for cut in budget["cuts"]:
        print(f"budget: {show.plain(cut['reason'])}")
