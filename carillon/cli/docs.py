"""`docs`: generates the reference pages from the code, or says that they have drifted from it."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from carillon import config
from carillon.cli.errors import Exit, usage
from carillon.errors import every_error
from carillon.model import Lane
from carillon.names import DIMENSION_LANE, DIMENSION_SERVICE, METRICS, NAMESPACE, Metric, service_name
from carillon.protocol import schema

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from carillon.cli.client import Api

_LOCAL: Final = "local.settings:LocalSettings"
_METRIC_USD: Final = 0.30
"""A month, for the first 10,000 (CloudWatch price list, us-east-1, 2026-11)."""
_TYPES: Final = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def add(commands: Any) -> None:
    """Add the command."""
    text = "write the reference pages that come from the code, or check them"
    parser = commands.add_parser("docs", help=text, description=text)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the pages below docs/ and the schema of the wire")
    action.add_argument("--check", action="store_true", help="exit 1 if they differ from the code")
    parser.add_argument("--root", type=Path, default=Path(), help="folder that holds docs/")
    parser.add_argument(
        "--settings",
        metavar="MODULE:CLASS",
        action="append",
        default=[],
        help="settings for CONFIG.md beside the system's own",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Write or check."""
    del api
    pages = {
        "docs/ERRORS.md": errors_page(),
        "docs/CONFIG.md": config_page([*config.ROOMS, *_local(args.settings), *map(_room, args.settings)]),
        "docs/METRICS.md": metrics_page(),
        "docs/PROTOCOL.md": schema.page(),
        "web/client/protocol.schema.json": schema.schema_text(),
    }
    drifted = []
    for name, text in pages.items():
        path = args.root / name
        if args.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            drifted.append(path)
    for path in drifted:
        print(f"{path} differs from the code; run `carillon docs --write`", file=sys.stderr)
    return Exit.FOUND if drifted else Exit.FINE


def _local(named: Sequence[str]) -> list[type[Any]]:
    """The settings of one machine, which are on the page wherever they are at hand."""
    if _LOCAL in named:
        return []
    try:
        importlib.import_module(_LOCAL.partition(":")[0])
    except ModuleNotFoundError:
        return []
    return [_room(_LOCAL)]


def _room(place: str) -> type[Any]:
    module, _, name = place.partition(":")
    try:
        found: type[Any] = getattr(importlib.import_module(module), name)
        dataclasses.fields(found)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise usage(f"--settings {place!r}: {error}", "For instance: local.settings:LocalSettings") from error
    return found


def errors_page() -> str:
    """docs/ERRORS.md."""
    rows = [
        f"| `{error.code}` | {error.status} | {'yes' if error.temporary else 'no'} | {_sentence(error)} |"
        for error in every_error()
        if error.__module__ == "carillon.errors"
    ]
    return (
        "# Errors\n\n"
        "Generated from `carillon/errors.py` by `carillon docs --write`.\n\n"
        "The HTTP API answers every error as an RFC 9457 problem document (`application/problem+json`) with `type`,\n"
        "`title`, `status`, `detail`, `code`, `instance` and `errors`; the WebSocket API as an `error` frame with its\n"
        "`code`.\n"
        "Codes are stable. A temporary error may be gone when the same request is sent again.\n\n"
        "| code | HTTP status | temporary | what it means and what to do |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def metrics_page() -> str:
    """docs/METRICS.md."""
    series = sum(len(Lane) if facts.by_lane else 1 for facts in METRICS.values())
    lanes = ", ".join(f"`{lane.word}`" for lane in Lane)
    head = "| metric | unit | by lane | what it is | written by | alarms |\n|---|---|---|---|---|---|\n"
    return (
        "# Metrics\n\n"
        "Generated from `carillon/names.py` by `carillon docs --write`.\n\n"
        f"Namespace `{NAMESPACE}`. Every metric has the dimension `{DIMENSION_SERVICE}={service_name('STAGE')}`;\n"
        f"a metric by lane has `{DIMENSION_LANE}` beside it: {lanes}. They travel as lines of embedded metric\n"
        "format in the logs of functions and tasks, of which CloudWatch makes metrics. A count of zero is not\n"
        "written, a gauge always is. An alarm of a metric by lane has the lane in front of its name\n"
        "(`CriticalFirstPost`); those that end in `WeddingDay` count on days with a wedding only. An alarm's text\n"
        "names its runbook.\n\n"
        f"{len(METRICS)} metrics make {series} series a Region. CloudWatch asks ${_METRIC_USD:.2f} a month for each,\n"
        f"by the hours in which it is written: ${series * _METRIC_USD:.2f} at most.\n\n"
        + head
        + "\n".join(map(_metric, Metric))
        + "\n"
    )


def _metric(metric: Metric) -> str:
    facts = METRICS[metric]
    alarms = ", ".join(f"`{alarm}`" for alarm in facts.alarms)
    by_lane = "yes" if facts.by_lane else "no"
    return f"| `{metric}` | {facts.unit} | {by_lane} | {facts.doc} | {facts.emitted_by} | {alarms} |"


def config_page(rooms: Sequence[type[Any]]) -> str:
    """docs/CONFIG.md."""
    return (
        "# Configuration\n\n"
        "Generated from the settings classes by `carillon docs --write`. Everything is read from the environment,\n"
        "once, at start; a value that is missing or out of range stops the start with a sentence naming the\n"
        "variable.\n" + "".join(map(_section, rooms))
    )


def _section(room: type[Any]) -> str:
    hints = get_type_hints(room)
    rows = [_setting(spec, hints[spec.name]) for spec in dataclasses.fields(room)]
    head = "| variable | takes | default | what it is |\n|---|---|---|---|\n"
    return f"\n## {_sentence(room).rstrip('.')}\n\n{head}" + "\n".join(rows) + "\n"


def _setting(spec: dataclasses.Field[Any], kind: Any) -> str:
    facts = spec.metadata
    takes = _TYPES.get(kind, getattr(kind, "__name__", str(kind)))
    if facts["between"]:
        takes += f", {facts['between'][0]:g} to {facts['between'][1]:,g}"
    default = "required" if spec.default is dataclasses.MISSING else f"`{_spoken(spec.default)}`"
    if spec.default == "":
        default = "empty"
    secret = " Secret: masked wherever settings are shown." if facts["secret"] else ""
    return f"| `{facts['env']}` | {takes} | {default} | {facts['doc']}{secret} |"


def _spoken(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sentence(described: type[Any]) -> str:
    return " ".join((described.__doc__ or "").split("\n\n")[0].split())
