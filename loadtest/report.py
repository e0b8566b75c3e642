"""The end of a bench: one line of JSON on standard output, and a file and a picture in the artifacts folder."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from loadtest.running import machine, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WIDTH, HEIGHT, MARGIN = 720, 300, 48
COLOURS = ("#b4552d", "#2d6a8f", "#4c7a34", "#7d4f9e", "#8a6d1f", "#444444")
STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:46rem;padding:0 1rem;color:#222}"
    "svg{width:100%;height:auto}table{border-collapse:collapse}td{padding:.15rem .8rem .15rem 0;vertical-align:top}"
    "td:first-child{color:#666}text{font:12px system-ui,sans-serif;fill:#555}"
)


def finish(result: dict[str, Any], curves: Mapping[str, Sequence[float]], folder: Path) -> int:
    """Write everything; returns the exit status: 1 when something was lost or doubled.

    Args:
        result: The figures; `bench`, `lost` and `duplicates` are among them.
        curves: Name to milliseconds, drawn as cumulative distributions.
        folder: Where the file and the picture go.
    """
    result |= {"machine": machine()}
    folder.mkdir(parents=True, exist_ok=True)
    name = f"bench-{result['bench']}"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    (folder / f"{name}.html").write_text(page(result, curves))
    say(f"written to {folder / name}.json and .html")
    print(json.dumps(result), flush=True)
    return 1 if result["lost"] or result["duplicates"] else 0


def page(result: Mapping[str, Any], curves: Mapping[str, Sequence[float]]) -> str:
    """The picture: a page with the distributions and the figures."""
    title = html.escape(f"Carillon: bench {result['bench']}")
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{_cell(value)}</td></tr>" for name, value in result.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1>{distribution(curves)}<table>{rows}</table></html>\n"
    )


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "<br>".join(f"{html.escape(str(name))}: {_cell(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "<br><br>".join(_cell(one) for one in value)
    return html.escape(str(value))


def distribution(curves: Mapping[str, Sequence[float]]) -> str:
    """An SVG: which share of the values is at most so many milliseconds, one line per curve."""
    drawn = {name: sorted(values) for name, values in curves.items() if values}
    if not drawn:
        return ""
    most = max(values[-1] for values in drawn.values()) or 1.0
    right, bottom = WIDTH - MARGIN, HEIGHT - MARGIN
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Cumulative distributions">']
    for tenth in range(0, 11, 2):
        x, y = MARGIN + (right - MARGIN) * tenth / 10, bottom - (bottom - 16) * tenth / 10
        parts.append(f'<line x1="{MARGIN}" x2="{right}" y1="{y:.0f}" y2="{y:.0f}" stroke="#e4e0da"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.0f}" text-anchor="end">{tenth * 10} %</text>')
        parts.append(f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle">{most * tenth / 10:.0f} ms</text>')
    for number, (name, values) in enumerate(drawn.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{MARGIN + (right - MARGIN) * max(0.0, value) / most:.1f},{bottom - (bottom - 16) * share:.1f}"
            for value, share in _points(values)
        )
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        legend = f'x="{right}" y="{bottom - 12 - 16 * number}" text-anchor="end" style="fill:{colour}"'
        parts.append(f"<text {legend}>{html.escape(name)}</text>")
    return "".join(parts) + "</svg>"


def _points(ordered: Sequence[float], most: int = 200) -> list[tuple[float, float]]:
    """At most `most` + 1 points of the distribution, the first and the last among them."""
    count = len(ordered)
    places = sorted({round(step * (count - 1) / most) for step in range(most + 1)})
    return [(ordered[place], (place + 1) / count) for place in places]
