"""Drives a Python session through the steps of `tests/scenarios/session.json`, in that file's words."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from carillon.model import Lane
from carillon.protocol import effects as fx
from carillon.protocol.session import Session
from carillon.protocol.wire import to_json

FILE = Path(__file__).parents[2] / "scenarios" / "session.json"
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
SCENARIOS: list[dict[str, Any]] = DOCUMENT["scenarios"]


def expand(frame: dict[str, Any]) -> dict[str, Any]:
    """A frame of the file with the members that it leaves to the defaults."""
    whole = DOCUMENT["defaults"].get(frame["type"], {}) | frame
    if "events" in whole:
        whole["events"] = [expand(item) for item in whole["events"]]
    return whole


def make(scenario: dict[str, Any]) -> Session:
    options = scenario.get("session", {})
    numbers = itertools.cycle(scenario.get("random", [0.5]))
    return Session(
        lambda: next(numbers), options.get("position"), automatic_acks=options.get("acks", "automatic") == "automatic"
    )


def perform(session: Session, step: dict[str, Any]) -> list[dict[str, Any]]:
    """Carry out one step and tell the effects in the file's words."""
    now, verb = step["at"], step["do"]
    calls = {
        "start": lambda: session.start(now),
        "stop": lambda: session.stop(now),
        "opened": lambda: session.opened(now),
        "received": lambda: session.received(_text(step), now),
        "flood": lambda: [effect for frame in _flood(step) for effect in session.received(frame, now)],
        "closed": lambda: session.closed(step["code"], now),
        "tick": lambda: session.tick(now),
        "wake": lambda: session.wake(now),
        "ack": lambda: session.ack(Lane[step["lane"].upper()], step["offset"], now),
        "authorized": lambda: session.authorized(step["expires_at"], now),
        "refresh": lambda: session.refresh(step["token"], step["expires_at"], now),
    }
    return [say(effect) for effect in calls[verb]()]


def _text(step: dict[str, Any]) -> str:
    return step["text"] if "text" in step else json.dumps(expand(step["frame"]))


def _flood(step: dict[str, Any]) -> list[str]:
    lane = step["lane"]
    events = [
        {"type": "event", "lane": lane, "offset": offset, "event_id": f"{lane[0]}{offset}"}
        for offset in range(step["from"], step["to"] + 1)
    ]
    return [json.dumps(expand(event)) for event in events]


def say(effect: fx.Effect) -> dict[str, Any]:  # noqa: PLR0911 - one line per kind of effect
    """An effect in the file's words."""
    match effect:
        case fx.Send(frame):
            return {"send": to_json(frame)}
        case fx.Connect():
            return {"connect": True}
        case fx.Close(code, _):
            return {"close": int(code)}
        case fx.Show(event):
            return {"show": f"{event.lane.word} {_offset(event)} {event.event_id}"}
        case fx.Remind(event):
            return {"remind": f"{event.lane.word} {_offset(event)} {event.event_id}", "attempt": event.attempt}
        case fx.Retract(event_id, event):
            return {"retract": event_id, "by": f"{event.lane.word} {_offset(event)} {event.event_id}"}
        case fx.WantToken():
            return {"want_token": True}
        case fx.State(name, reason, until_ms):
            return {"state": name} | ({"reason": reason} if reason else {}) | ({"until": until_ms} if until_ms else {})


def _offset(event: Any) -> str:
    return "null" if event.offset is None else str(event.offset)


def counted(session: Session) -> dict[str, int]:
    """The counters that are not 0."""
    return {name: count for name, count in asdict(session.statistics).items() if count}
