"""`capacity`: what stands for the weddings, what changes when, and why."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from carillon.cli import show
from carillon.cli.client import quoted
from carillon.cli.errors import Exit, at_least

if TYPE_CHECKING:
    from carillon.cli.client import Api

_PATH: Final = "/v1/ops/capacity"
_MOST_HOURS: Final = 48
_DECISIONS: Final = 5


def add(commands: Any) -> None:
    """Add the command."""
    text = "show what stands for the weddings now, what changes in the coming hours, and why"
    parser = commands.add_parser("capacity", help=text, description=text)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--hours", type=_hours, default=_MOST_HOURS, metavar="N", help="how far ahead, 1 to 48 (48)")
    what.add_argument("--explain", metavar="WEDDING", help="only what this wedding adds, and when")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def _hours(text: str) -> int:
    hours = at_least(1)(text)
    if hours > _MOST_HOURS:
        raise argparse.ArgumentTypeError(f"the plan is known for {_MOST_HOURS} hours, not for {text}")
    return hours


def run(args: argparse.Namespace, api: Api) -> int:
    """Show the plan, or one wedding's part in it."""
    if args.explain is not None:
        explanation = api.get(f"{_PATH}/weddings/{quoted(args.explain)}")
        if args.json:
            show.as_json(explanation)
        else:
            _print_lines(explanation["lines"])
        return Exit.FINE
    seen = _within(api.get(_PATH), args.hours)
    if args.json:
        show.as_json(seen)
    else:
        _print(seen, args.hours)
    return Exit.FINE


def _within(seen: dict[str, Any], hours: int) -> dict[str, Any]:
    until = datetime.fromisoformat(seen["at"]) + timedelta(hours=hours)
    soon = {
        name: [one for one in seen[name] if datetime.fromisoformat(one["at"]) < until]
        for name in ("changes", "expected")
    }
    return seen | soon


def _print(seen: dict[str, Any], hours: int) -> None:
    zone = ZoneInfo(seen["time_zone"])
    at = datetime.fromisoformat(seen["at"]).astimezone(zone)
    when = f"{at:%A, %Y-%m-%d %H:%M} {zone.key}, season {seen['season']}"
    print(f"{when}; weddings now and in the next 48 hours: {seen['weddings']}")
    most = max(seen["expected"], key=lambda hour: float(hour["connections"]))
    print(f"phones at most: {most['connections']:,.0f}, in the hour from {_clock(most['at'], zone)}")
    _print_sizes(seen["sizes"])
    _print_changes(seen["changes"], zone, hours)
    _print_quotas(seen["shortages"])
    _print_caps(seen["capped"])
    _print_budget(seen["budget"])
    _print_decisions(seen["decisions"][:_DECISIONS], zone)


def _print_sizes(sizes: list[dict[str, Any]]) -> None:
    print("\nNow")
    numbers = ("size", "rest", "most")
    rows = [one | {name: f"{one[name]:g}" for name in numbers} for one in sizes]
    show.table(rows, ("group", *numbers, "reason"), numbers=numbers)


def _print_changes(changes: list[dict[str, Any]], zone: ZoneInfo, hours: int) -> None:
    """By moment and reason: a wedding changes ten sizes at once."""
    print(f"\nChanges within {hours} hours")
    if not changes:
        print("none")
    together: dict[tuple[str, str], list[str]] = {}
    for one in changes:
        changed = f"{one['group']} {one['previous']:g} -> {one['size']:g}"
        together.setdefault((one["at"], one["reason"]), []).append(changed)
    for (at, reason), changed_then in together.items():
        clock = _clock(at, zone)
        print(f"{clock}  {show.plain(reason)}")
        print(f"{' ' * len(clock)}  {', '.join(changed_then)}")


def _print_quotas(shortages: list[dict[str, Any]]) -> None:
    print("\nQuotas")
    _print_lines([one["reason"] for one in shortages] or ["those granted are enough for the next 60 days"])


def _print_caps(capped: list[dict[str, Any]]) -> None:
    if capped:
        print("\nCaps that are too low")
        _print_lines(one["reason"] for one in capped)


def _print_budget(budget: dict[str, Any]) -> None:
    print("\nBudget")
    over = f", ${budget['over']:,.2f} over it" if budget["over"] else ""
    spent, planned, usd = (f"${budget[name]:,.2f}" for name in ("spent", "planned", "usd"))
    print(f"{budget['month']}: the plan adds {planned} by the month's end, {spent} so far, of {usd}{over}")
    _print_lines(cut["reason"] for cut in budget["cuts"])


def _print_decisions(decisions: list[dict[str, Any]], zone: ZoneInfo) -> None:
    if not decisions:
        return
    print("\nLast decisions")
    for one in decisions:
        previous = "-" if one["previous"] is None else f"{one['previous']:g}"
        failed = f"; FAILED: {one['failure']}" if one["failure"] else ""
        what = f"{one['group']} {previous} -> {one['size']:g}: {one['reason']}{failed}"
        print(f"{_clock(one['at'], zone)}  {show.plain(what)}")


def _print_lines(lines: Any) -> None:
    for line in lines:
        print(show.plain(line))


def _clock(at: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(at).astimezone(zone):%a %m-%d %H:%M}"
