"""`send`, `status`, `cancel`: broadcasts."""

from __future__ import annotations

import json
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from carillon.cli import show
from carillon.cli.client import quoted
from carillon.cli.errors import CommandError, Exit, usage
from carillon.model import Kind, Lane, Role

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api

_POLL_S: Final = 0.25
_TRIES: Final = 4
_OPEN: Final = ("accepted",)


def add(commands: Any) -> None:
    """Add the commands."""
    send = commands.add_parser("send", help="send a broadcast", description="Send a broadcast to an audience.")
    send.add_argument("--wedding", metavar="ID", help="to everybody on a wedding")
    send.add_argument("--role", choices=Role.words(), help="with --wedding: only to this role there")
    send.add_argument("--user", metavar="ID", action="append", default=[], help="to this person; repeat for more")
    send.add_argument("--segment", metavar="ID", help="to a segment")
    send.add_argument("--everyone", action="store_true", help="to everybody in the directory")
    send.add_argument("--priority", choices=Lane.words(), default="normal", help="normal if not said")
    send.add_argument("--kind", choices=Kind.words(), default="wedding", help="wedding if not said")
    send.add_argument("--name", required=True, help="what happened, such as timeline.shifted")
    send.add_argument(
        "--data", metavar="JSON", default="{}", help="what goes with it; @file reads a file, @- the input"
    )
    send.add_argument("--send-at", metavar="TIME", help="not before; RFC 3339, or 10m, 2h, 3d from now")
    send.add_argument("--expires-at", metavar="TIME", help="nobody gets it after that")
    send.add_argument("--escalate-after", metavar="S", type=int, help="critical only: again to who has not acked")
    send.add_argument("--idempotency-key", metavar="KEY", help="your own; a new one if not given")
    send.add_argument("--preview", action="store_true", help="only tell how many people it would reach")
    send.add_argument(
        "--wait", metavar="S", type=float, nargs="?", const=30.0, help="wait until everybody has acked, 30 s at most"
    )
    send.add_argument("--json", action="store_true", help="for programs")
    send.set_defaults(run=run_send)
    status = commands.add_parser("status", help="show where a broadcast's people stand")
    status.add_argument("broadcast", metavar="BROADCAST")
    status.add_argument("--unacked", action="store_true", help="also list who has not acked")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(run=run_status)
    cancel = commands.add_parser("cancel", help="stop a broadcast and take it back")
    cancel.add_argument("broadcast", metavar="BROADCAST")
    cancel.add_argument("--json", action="store_true", help="for programs")
    cancel.set_defaults(run=run_cancel)


def run_send(args: argparse.Namespace, api: Api) -> int:
    """Send; the idempotency key makes it safe to try again when the answer gets lost."""
    body = {
        "audience": _audience(args),
        "priority": args.priority,
        "kind": args.kind,
        "name": args.name,
        "data": _data(args.data),
        "send_at": show.moment(args.send_at) if args.send_at else None,
        "expires_at": show.moment(args.expires_at) if args.expires_at else None,
        "escalate_after_s": args.escalate_after,
    }
    if args.preview:
        return _show_preview(args, api.call("POST", "/v1/broadcasts/preview", json=body))
    headers = {"Idempotency-Key": args.idempotency_key or secrets.token_urlsafe(16)}
    sent = api.call("POST", "/v1/broadcasts", json=body, headers=headers, tries=_TRIES)
    if args.wait is None:
        show.as_json(sent) if args.json else print(f"accepted {sent['id']}")
        return Exit.FINE
    if not args.json:
        print(f"accepted {sent['id']}")
    status = _wait(api, sent["id"], args.wait)
    _show_status(args, status)
    done = status["state"] not in _OPEN and not status["unacked"]
    return Exit.FINE if done and status["state"] != "failed" else Exit.FOUND


def _audience(args: argparse.Namespace) -> dict[str, Any]:
    chosen = [bool(args.wedding), bool(args.user), bool(args.segment), args.everyone]
    if sum(chosen) != 1:
        raise usage("say to whom: exactly one of --wedding, --user, --segment, --everyone")
    if args.role and not args.wedding:
        raise usage("--role needs --wedding")
    if args.user:
        return {"type": "users", "user_ids": list(dict.fromkeys(args.user))}
    if args.segment:
        return {"type": "segment", "segment_id": args.segment}
    if args.everyone:
        return {"type": "everyone"}
    role = {"type": "role", "role": args.role} if args.role else {"type": "wedding"}
    return role | {"wedding_id": args.wedding}


def _data(text: str) -> dict[str, Any]:
    try:
        if text.startswith("@"):
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_no_number)
    except OSError as error:
        raise usage(f"--data: {error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise usage(f"--data is not JSON: {error}", """For instance: --data '{"ceremony": "15:30"}'""") from error
    if not isinstance(value, dict):
        raise usage("--data must be a JSON object", """For instance: --data '{"ceremony": "15:30"}'""")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _wait(api: Api, broadcast_id: str, patience_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + patience_s
    while True:
        status: dict[str, Any] = api.get(f"/v1/broadcasts/{broadcast_id}")
        done = status["state"] not in _OPEN and not status["unacked"] and not _unrecorded(status)
        if done or time.monotonic() >= deadline:
            return status
        time.sleep(_POLL_S)  # the HTTP API has no push; bounded by the patience asked for


def _unrecorded(status: dict[str, Any]) -> bool:
    """Whether the pieces of a large audience are still on their way to the consumers."""
    return bool(status["state"] == "processed" and (status["expected"] or 0) > status["recipients"])


def _show_preview(args: argparse.Namespace, preview: dict[str, Any]) -> int:
    if args.json:
        show.as_json(preview)
    else:
        show.table([preview], ("expected", "now", "inbox_only", "delayed", "filtered"))
    return Exit.FINE


def run_status(args: argparse.Namespace, api: Api) -> int:
    """Show a broadcast's status, and who has not acked."""
    status = api.get(f"/v1/broadcasts/{quoted(args.broadcast)}")
    path = f"/v1/broadcasts/{quoted(args.broadcast)}/deliveries"
    left = list(api.pages(path, 0, unacked=True)) if args.unacked else None
    if args.json:
        show.as_json(status | ({"unacked_deliveries": left} if left is not None else {}))
        return Exit.FINE
    _show_status(args, status)
    if left:
        print()
        show.table(left, ("user_id", "name", "role", "status", "attempts", "reason"))
    return Exit.FINE


def _show_status(args: argparse.Namespace, status: dict[str, Any]) -> None:
    if args.json:
        show.as_json(status)
        return
    print(f"{status['name']} ({status['priority']}): {status['state']}")
    if status["failure"]:
        print(f"failed: {show.plain(status['failure'])}")
    counts = {name: people for name, people in status["counts"].items() if people}
    show.table([counts | {"recipients": status["recipients"]}], (*counts, "recipients"))
    print(f"{status['unacked']} have not acked")
    if status["escalation"]:
        print(f"sent {status['escalation']['attempt']} times, {status['escalation']['unacked']} people are left")


def run_cancel(args: argparse.Namespace, api: Api) -> int:
    """Cancel a broadcast."""
    canceled = api.call("POST", f"/v1/broadcasts/{quoted(args.broadcast)}/cancel", tries=_TRIES)
    if canceled["state"] != "canceled":
        raise CommandError(Exit.FOUND, "conflict", f"the broadcast is {canceled['state']}")
    show.as_json(canceled) if args.json else print(f"canceled {canceled['id']}")
    return Exit.FINE
