"""`verify`: is everything that was accepted where it belongs?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from carillon.cli import show
from carillon.cli.errors import Exit

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api

_POLL_S: Final = 0.5
_BROADCASTS: Final = ("accepted", "scheduled", "pending")
_PEOPLE: Final = ("recipients", "delivered", "sent", "queued", "delayed", "filtered", "expired", "failed", "canceled")
_WRONG: Final = ("lost", "duplicates", "gaps")


def add(commands: Any) -> None:
    """Add the command."""
    text = "check every accepted broadcast against the people it was for; exit code 1 on any loss"
    parser = commands.add_parser("verify", help=text, description=text)
    parser.add_argument("--since", metavar="TIME", help="from when on; RFC 3339, or 10m, 2h, 3d ago (24h)")
    parser.add_argument("--wait", metavar="S", type=float, default=0.0, help="wait for what is still under way")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Ask until nothing is under way any more, or the time is over."""
    since = show.moment(args.since, past=True) if args.since else None
    deadline = time.monotonic() + args.wait
    while True:
        verdict = api.get("/v1/ops/verify", since=since)
        unsettled = not verdict["clean"] or verdict["totals"]["pending"]
        if not unsettled or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)  # verify is asked, it does not call back; bounded by --wait
    if args.json:
        show.as_json(verdict)
    else:
        _print(verdict)
    return Exit.FOUND if unsettled else Exit.FINE


def _print(verdict: dict[str, Any]) -> None:
    totals = verdict["totals"]
    for title, names in (("broadcasts", _BROADCASTS), ("people", _PEOPLE), ("wrong", _WRONG)):
        print(f"{title + ':':<12}" + "  ".join(f"{name} {totals[name]}" for name in names))
    for problem in verdict["problems"]:
        where = f" {problem['broadcast_id']}" if problem["broadcast_id"] else ""
        print(f"{problem['kind']}{where}: {problem['count']} x {show.plain(problem['detail'])}")
        if problem["user_ids"]:
            print(f"  {', '.join(map(show.plain, problem['user_ids']))}")
    print("clean" if verdict["clean"] else "NOT CLEAN: something is lost, doubled or missing")
