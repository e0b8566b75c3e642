"""Draws the architecture from the templates, as an SVG: what there is, how it is sized, what leads to what.

    python -m stacks.picture --write docs/images/architecture.svg
    python -m stacks.picture --check docs/images/architecture.svg

Drawn from the stage `prod`. Every number in it is read from a template, so the picture cannot be out of date unnoticed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from stacks.extract import consumers, extract, keep

if TYPE_CHECKING:
    from stacks.places import Templates

STAGE: Final = "prod"
_COLUMN: Final = 228
_BOX: Final = 184
_LINE: Final = 17
_TOP: Final = 70
_TITLES: Final = ("In", "Doors", "Lanes", "Consumers", "Stores")
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#2b2522}.t{font-weight:600}.s{fill:#7a6f68;font-size:12px}"
    ".h{font-size:15px;font-weight:600;fill:#8c2f39}rect{fill:#fff;stroke:#cbbfb4;rx:8px}"
    "path{fill:none;stroke:#a08c7d;stroke-width:1.4;marker-end:url(#a)}"
)


@dataclass(frozen=True)
class Node:
    """A box.

    Args:
        name: what arrows call it.
        column: 0 to 4.
        lines: its title, then what it is sized with.
    """

    name: str
    column: int
    lines: tuple[str, ...]

    @property
    def height(self) -> int:
        """In SVG units."""
        return 16 + _LINE * len(self.lines)


def nodes(templates: Templates) -> list[Node]:
    """What there is, column by column."""
    wired = extract(templates)
    doors = sorted({route["handler"] for route in wired["routes"].values() if "handler" in route})
    mocks = [key for key, route in wired["routes"].items() if "mock" in route]
    return [
        Node("people", 0, ("Browsers and phones", "planners, couples,", "vendors, guests")),
        Node("cdn", 0, ("CloudFront", f"firewall of {_rules(templates)} rules", "console and client from S3")),
        Node("socket", 0, ("WebSocket API", *_routes(wired), f"{', '.join(mocks)}: no function")),
        Node("clock", 0, ("EventBridge Scheduler", f"{len(wired['schedules'])} schedules")),
        Node("api", 1, ("HTTP API and relay", *_tasks(templates))),
        *(Node(handler, 1, (handler.split(".")[1], "function behind routes")) for handler in doors),
        *(Node(one, 1, (one.split(".")[1], "function on schedules")) for one in _scheduled(wired)),
        *(
            Node(
                name,
                2,
                (f"{name} lane", f"hidden {queue['VisibilityTimeout']} s", f"{queue['maxReceiveCount']} receives"),
            )
            for name, queue in _lanes(wired)
        ),
        Node("buried", 2, ("dead letters", f"{len(wired['queues']) - len(_lanes(wired))} queues")),
        *(Node(f"consumer {name}", 3, (f"{name} consumer", *_consumer(templates, name))) for name, _ in _lanes(wired)),
        Node("undertaker", 3, ("dead_letter", "marks, never drops")),
        Node("postgres", 4, ("Aurora PostgreSQL", *_aurora(templates))),
        Node("valkey", 4, ("ElastiCache Valkey", *_valkey(templates))),
        Node(
            "watch", 4, ("CloudWatch", f"{len(templates.of('AWS::CloudWatch::Alarm'))} alarms", *_dashboards(templates))
        ),
    ]


def arrows(wired: dict[str, Any]) -> list[tuple[str, str]]:
    """What leads to what."""
    doors = sorted({route["handler"] for route in wired["routes"].values() if "handler" in route})
    lanes = [name for name, _ in _lanes(wired)]
    return [
        ("cdn", "api"),
        *(("socket", door) for door in doors),
        *(("clock", one) for one in _scheduled(wired)),
        *(("api", lane) for lane in lanes),
        *((lane, f"consumer {lane}") for lane in lanes),
        ("buried", "undertaker"),
        *((f"consumer {lane}", "postgres") for lane in lanes[:1]),
        *((f"consumer {lane}", "valkey") for lane in lanes[1:2]),
    ]


def _routes(wired: dict[str, Any]) -> list[str]:
    keys = list(wired["routes"])
    return [", ".join(keys[start : start + 2]) for start in range(0, len(keys), 2)]


def _lanes(wired: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [(name, queue) for name, queue in wired["queues"].items() if "maxReceiveCount" in queue]
    return sorted(found, key=lambda pair: ("critical", "high", "normal", "low").index(pair[0]))


def _scheduled(wired: dict[str, Any]) -> list[str]:
    return sorted({one["handler"] for one in wired["schedules"]})


def _rules(templates: Templates) -> int:
    return sum(len(acl.get("Rules", ())) for acl in templates.of("AWS::WAFv2::WebACL").values())


def _tasks(templates: Templates) -> tuple[str, ...]:
    (definition,) = templates.of("AWS::ECS::TaskDefinition").values()
    targets = templates.of("AWS::ApplicationAutoScaling::ScalableTarget").values()
    tasks = next(one for one in targets if one["ScalableDimension"] == "ecs:service:DesiredCount")
    return (
        f"{tasks['MinCapacity']} to {tasks['MaxCapacity']} Fargate tasks",
        f"{int(definition['Cpu']) / 1024:g} vCPU, {definition['Memory']} MB, {_chip(definition)}",
    )


def _chip(definition: dict[str, Any]) -> str:
    return str(definition.get("RuntimePlatform", {}).get("CpuArchitecture", "X86_64")).lower()


def _consumer(templates: Templates, lane: str) -> tuple[str, ...]:
    function = consumers(templates)[lane]
    return (f"at most {function['ReservedConcurrentExecutions']} at once", f"{function['MemorySize']} MB")


def _aurora(templates: Templates) -> tuple[str, ...]:
    scaling = next(iter(templates.of("AWS::RDS::DBCluster").values()))["ServerlessV2ScalingConfiguration"]
    instances = len(templates.of("AWS::RDS::DBInstance"))
    return (
        f"{instances} instances",
        f"{scaling['MinCapacity']:g} to {scaling['MaxCapacity']:g} ACU each",
        f"{len(templates.of('AWS::RDS::DBProxy'))} proxy, log-in by IAM",
    )


def _valkey(templates: Templates) -> tuple[str, ...]:
    (group,) = templates.of("AWS::ElastiCache::ReplicationGroup").values()
    return (
        f"{group['NumNodeGroups']} shards, {group['ReplicasPerNodeGroup']} replica each",
        str(group["CacheNodeType"]),
    )


def _dashboards(templates: Templates) -> tuple[str, ...]:
    return (f"{len(templates.of('AWS::CloudWatch::Dashboard'))} dashboards",)


def draw(boxes: list[Node], leads: list[tuple[str, str]]) -> str:
    """The SVG."""
    at: dict[str, tuple[int, int, int]] = {}
    depth = [_TOP] * len(_TITLES)
    parts = [
        f'<text class="h" x="{20 + column * _COLUMN}" y="44">{title}</text>' for column, title in enumerate(_TITLES)
    ]
    for box in boxes:
        left, top = 20 + box.column * _COLUMN, depth[box.column]
        at[box.name] = (left, top, box.height)
        depth[box.column] += box.height + 14
        parts.append(_box(box, left, top))
    parts = [_arrow(at[start], at[end]) for start, end in leads] + parts
    height, width = max(depth) + 10, 20 + len(_TITLES) * _COLUMN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Carillon on AWS"><style>{_STYLE}</style><defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" '
        f'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#a08c7d;marker-end:none"/>'
        f'</marker></defs><rect width="{width}" height="{height}" style="fill:#fbf8f4;stroke:none"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _box(box: Node, left: int, top: int) -> str:
    lines = "".join(
        f'<text class="{kind}" x="{left + 10}" y="{top + 20 + index * _LINE}">{escape(line)}</text>'
        for index, (kind, line) in enumerate(zip("tsssssss", box.lines, strict=False))
    )
    return f'<rect x="{left}" y="{top}" width="{_BOX}" height="{box.height}"/>{lines}'


def _arrow(start: tuple[int, int, int], end: tuple[int, int, int]) -> str:
    left, top = start[0] + _BOX, start[1] + start[2] // 2
    right, bottom = end[0], end[1] + end[2] // 2
    return f'<path d="M{left} {top}C{left + 20} {top} {right - 20} {bottom} {right} {bottom}"/>'


def main() -> int:
    """Write the picture, or check it."""
    what = (__doc__ or "").splitlines()[0]
    return keep(what, STAGE, lambda templates: draw(nodes(templates), arrows(extract(templates))))


if __name__ == "__main__":
    sys.exit(main())
