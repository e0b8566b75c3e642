"""`weddings`, `users`, `segments`, `broadcasts`, `inbox`, `preferences`, `erase`: look at what there is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from carillon.cli import show
from carillon.cli.client import quoted
from carillon.cli.errors import Exit, at_least, usage
from carillon.model import Kind, Lane, Role, Tier, WeddingStatus

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from carillon.cli.client import Api

_CHANNELS: Final = ("realtime", "in_app")


def add(commands: Any) -> None:
    """Add the commands."""
    _list(commands, "weddings", "list weddings, or one wedding and its team", weddings, positional="wedding")
    users = _list(commands, "users", "list people", list_users)
    users.add_argument("--query", help="only those whose id or name begins with this")
    segments = _list(commands, "segments", "list segments, or create or replace one", list_segments)
    segments.add_argument("--put", metavar="ID", help="create or replace this segment")
    segments.add_argument("--name", help="of the segment to put")
    for option, kind in (("--role", Role), ("--tier", Tier), ("--status", WeddingStatus)):
        segments.add_argument(
            option, action="append", choices=kind.words(), default=[], help="repeat for more; none: any"
        )
    broadcasts = _list(commands, "broadcasts", "list broadcasts, the newest first", list_broadcasts)
    broadcasts.add_argument("--wedding", metavar="ID", help="only those of this wedding")
    inbox = _list(commands, "inbox", "show what a person has not acked", show_inbox, positional="user", optional=False)
    inbox.add_argument("--from-start", action="store_true", help="all that is kept, acked or not")
    _preferences(commands)
    erase = commands.add_parser("erase", help="erase a person for good")
    erase.add_argument("user", metavar="USER")
    erase.add_argument("--yes", action="store_true", help="do not ask; it cannot be taken back")
    erase.set_defaults(run=erase_user)


def _list(
    commands: Any, name: str, text: str, run: Any, *, positional: str = "", optional: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    if positional:
        parser.add_argument(positional, metavar=positional.upper(), nargs="?" if optional else None)
    parser.add_argument("--limit", type=at_least(0), default=100, help="how many at most (100); 0 for all")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)
    return parser


def _show(args: argparse.Namespace, items: Sequence[dict[str, Any]], columns: Sequence[str]) -> int:
    if args.json:
        show.as_json(list(items))
    else:
        show.table(items, columns)
    if args.limit and len(items) == args.limit:
        print(f"{args.limit} shown; --limit 0 shows all", file=sys.stderr)
    return Exit.FINE


def weddings(args: argparse.Namespace, api: Api) -> int:
    """List weddings, or show one."""
    if args.wedding is None:
        items = list(api.pages("/v1/weddings", args.limit))
        return _show(args, items, ("id", "name", "starts_at", "time_zone", "status", "guests"))
    wedding = api.get(f"/v1/weddings/{quoted(args.wedding)}")
    team = list(api.pages(f"/v1/weddings/{quoted(args.wedding)}/team", args.limit))
    if args.json:
        show.as_json(wedding | {"team": team})
        return Exit.FINE
    show.table([wedding], ("id", "name", "starts_at", "time_zone", "status", "guests"))
    print()
    return _show(args, team, ("user_id", "name", "role", "tier"))


def list_users(args: argparse.Namespace, api: Api) -> int:
    """List people."""
    items = list(api.pages("/v1/users", args.limit, query=args.query))
    return _show(args, items, ("id", "name", "role", "tier", "time_zone", "supplier_id"))


def list_segments(args: argparse.Namespace, api: Api) -> int:
    """List segments, or put one."""
    columns = ("id", "name", "roles", "tiers", "statuses")
    if args.put is None:
        return _show(args, list(api.pages("/v1/segments", args.limit)), columns)
    body = {"name": args.name or args.put, "roles": args.role, "tiers": args.tier, "statuses": args.status}
    return _show(args, [api.call("PUT", f"/v1/segments/{quoted(args.put)}", json=body)], columns)


def list_broadcasts(args: argparse.Namespace, api: Api) -> int:
    """List broadcasts."""
    items = list(api.pages("/v1/broadcasts", args.limit, wedding=args.wedding))
    rows = items if args.json else [item | {"audience": _audience(item["audience"])} for item in items]
    return _show(args, rows, ("id", "priority", "name", "audience", "state", "expected", "created_at"))


def _audience(audience: dict[str, Any]) -> str:
    names = audience.get("user_ids") or [
        audience[key] for key in ("wedding_id", "role", "segment_id") if key in audience
    ]
    return " ".join([audience["type"], ",".join(names[:3]) + ("..." if len(names) > 3 else "")]).strip()


def show_inbox(args: argparse.Namespace, api: Api) -> int:
    """Show an inbox, page by page."""
    events: list[dict[str, Any]] = []
    position: dict[str, Any] = dict.fromkeys(Lane.words(), 0) if args.from_start else {}
    while True:
        page = api.get(f"/v1/users/{quoted(args.user)}/inbox", **position)
        events += page["events"]
        if not page["more"] or (args.limit and len(events) >= args.limit):
            break
        position = {"epoch": page["epoch"], **page["offsets"]}
    events = events[: args.limit] if args.limit else events
    return _show(args, events, ("lane", "offset", "name", "kind", "wedding_id", "tombstone", "data"))


def _preferences(commands: Any) -> None:
    parser = commands.add_parser("preferences", help="show or choose what a person gets")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    get = actions.add_parser("get", help="show them")
    change = actions.add_parser("set", help="change what is given, keep the rest")
    for one in (get, change):
        one.add_argument("user", metavar="USER")
        one.add_argument("--json", action="store_true", help="for programs")
    change.add_argument("--kinds", metavar="A,B", help=f"only these: {', '.join(Kind.words())}; or none")
    change.add_argument("--channels", metavar="A,B", help="realtime, in_app; or none")
    change.add_argument("--critical-only", choices=("yes", "no"), help="only what cannot wait")
    change.add_argument("--quiet", metavar="22:00-08:00", help="quiet hours by the person's own clock; or off")
    get.set_defaults(run=get_preferences)
    change.set_defaults(run=set_preferences)


def get_preferences(args: argparse.Namespace, api: Api) -> int:
    """Show a person's preferences."""
    return _show_preferences(args, api.get(f"/v1/users/{quoted(args.user)}/preferences"))


def set_preferences(args: argparse.Namespace, api: Api) -> int:
    """Change a person's preferences."""
    body = api.get(f"/v1/users/{quoted(args.user)}/preferences")
    if args.kinds is not None:
        body["kinds"] = _words(args.kinds, Kind.words(), "--kinds")
    if args.channels is not None:
        body["channels"] = _words(args.channels, _CHANNELS, "--channels")
    if args.critical_only is not None:
        body["critical_only"] = args.critical_only == "yes"
    if args.quiet == "off":
        body["quiet_hours"]["enabled"] = False
    elif args.quiet is not None:
        start, _, end = args.quiet.partition("-")
        body["quiet_hours"] = {"enabled": True, "start": start, "end": end}
    return _show_preferences(args, api.call("PUT", f"/v1/users/{quoted(args.user)}/preferences", json=body))


def _words(text: str, known: Sequence[str], option: str) -> list[str]:
    words = [] if text == "none" else [word.strip() for word in text.split(",")]
    if strange := [word for word in words if word not in known]:
        raise usage(f"{option}: {strange[0]!r} is none of {', '.join(known)}")
    return words


def _show_preferences(args: argparse.Namespace, preferences: dict[str, Any]) -> int:
    if args.json:
        show.as_json(preferences)
        return Exit.FINE
    quiet = preferences["quiet_hours"]
    hours = f"{quiet['start']}-{quiet['end']} {'on' if quiet['enabled'] else 'off'}"
    rows = [{"preference": key, "value": preferences[key]} for key in ("kinds", "channels", "critical_only")]
    show.table([*rows, {"preference": "quiet_hours", "value": hours}], ("preference", "value"))
    return Exit.FINE


def erase_user(args: argparse.Namespace, api: Api) -> int:
    """Erase a person."""
    if not args.yes:
        raise usage(f"erasing {args.user} cannot be taken back", "Say --yes if that is what you want.")
    api.call("DELETE", f"/v1/users/{quoted(args.user)}")
    print(f"{args.user} is erased")
    return Exit.FINE
