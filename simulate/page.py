"""The report as one page that holds its pictures."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING, Any, Final

from simulate.figures import table
from simulate.plots import COLOURS, NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#2b2523}"
    "h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2rem}img{width:100%;height:auto}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{padding:.35rem .7rem;text-align:right;border-bottom:1px solid #eee}"
    "td:first-child,th:first-child{text-align:left}th{font-weight:600;color:#6b625d;font-size:.85rem}"
    "i{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.5rem}"
    ".lead{font-size:1.1rem}.bad{color:#b4552d;font-weight:600}.good{color:#4c7a34;font-weight:600}"
    "details td{text-align:left;font-size:.85rem}footer{color:#6b625d;margin-top:2rem;font-size:.85rem}"
)
SAYS: Final = {
    "fixed": "what stands on an ordinary day, and never more",
    "reactive": "the same, and more once it is full",
    "season": "more on the season's evenings, by the clock",
    "plan": "more for each wedding, from the calendar",
}


def page(document: Mapping[str, Any], pictures: Mapping[str, Path]) -> str:
    """The page.

    Args:
        document: as `outcome.document` makes it.
        pictures: name to PNG file.
    """
    title = f"{document['weddings']:,} weddings: {document['says']}"
    images = {name: _image(file) for name, file in pictures.items()}
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{_lead(document)}"
        f"<h2>Four ways to be ready, the same weddings</h2>{_strategies(document)}{images['late']}"
        f"<h2>Was there room?</h2>{images['room']}{_notes(document)}"
        f"<h2>Did we know who would come?</h2>{images['phones']}{_figures()}"
        f"<footer>Seed {document['seed']}. Prices of {escape(document['prices']['region'])}, "
        f"{escape(document['prices']['as_of'])}: API tasks, consumers, database, sockets, calls and queues; what costs "
        "the same on any day (cache, network, logs) is left out. A message is late when its first phone was "
        "reached later than its lane promises, or its last one later than the lane's dwell objective.</footer></html>\n"
    )


def _image(file: Path) -> str:
    data = b64encode(file.read_bytes()).decode()
    return f'<img alt="{escape(file.stem)}" src="data:image/png;base64,{data}">'


def _lead(document: Mapping[str, Any]) -> str:
    plan, fixed = document["strategies"]["plan"], document["strategies"]["fixed"]
    word = "good" if not plan["late_critical"] else "bad"
    lost = f"{plan['lost']:,} were lost." if plan["lost"] else "Nothing was lost."
    return (
        f'<p class="lead">{document["messages"]:,} messages to phones, {document["deliveries"]:,} deliveries. '
        f'With the plan <span class="{word}">{plan["late_critical"]:,} critical messages came late</span>; with what '
        f"stands on an ordinary day, {fixed['late_critical']:,}. {lost}</p>"
    )


def _strategies(document: Mapping[str, Any]) -> str:
    heads = ("", "critical late", "late", "lost", "half within", "99 % within", "99.9 % within", "ready again", "cost")
    rows = "".join(_row(name, one) for name, one in document["strategies"].items())
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table>"


def _row(name: str, one: Mapping[str, Any]) -> str:
    critical = f'<span class="{"bad" if one["late_critical"] else "good"}">{one["late_critical"]:,}</span>'
    cells = (
        f'<i style="background:{COLOURS[name]}"></i>{NAMES[name]}<br><small>{SAYS[name]}</small>',
        critical,
        f"{one['late']:,}",
        f"{one['lost']:,}",
        *(_time(one[key]) for key in ("p50_ms", "p99_ms", "p999_ms")),
        "never" if one["time_to_capacity_s"] is None else f"{one['time_to_capacity_s']:g} s",
        f"${one['cost_usd']:,.0f}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "nothing sent"
    for most, unit, size in ((1_000, "ms", 1), (120_000, "s", 1_000), (7_200_000, "min", 60_000)):
        if milliseconds < most:
            return f"{milliseconds / size:.3g} {unit}"
    return f"{milliseconds / 3_600_000:,.0f} h"


def _notes(document: Mapping[str, Any]) -> str:
    quota = document["quota"]
    notes = [
        f"After the storm of reconnects everybody was back within {storm['all_back_after_s']:g} s."
        for storm in document["storms"]
    ]
    if quota["exceeded_s"]:
        notes.append(
            f'<span class="bad">API Gateway takes {quota["granted_rps"]:,} requests a second, and '
            f"{quota['needed_rps']:,} were needed; {quota['exceeded_s']:,} s were over it, from "
            f"{quota['exceeded_from']}.</span> No capacity helps there: ask AWS for more in time."
        )
    else:
        notes.append(
            f"At most {quota['needed_rps']:,} requests a second of the {quota['granted_rps']:,} that AWS grants."
        )
    most = document["fixed_at_the_plans_peak_usd"]
    notes.append(f"To keep the plan's largest size standing all the time would cost ${most:,.0f}.")
    forgotten = document["strategies"]["plan"]["late_of_forgotten_weddings"]
    notes.append(
        f"Weddings that nobody had entered into the calendar: {document['forgotten_weddings']}. With the plan "
        f"{forgotten} of their messages came late."
    )
    return "".join(f"<p>{note}</p>" for note in notes)


def _figures() -> str:
    rows = "".join(
        f"<tr><td>{escape(str(one['value']))}</td><td>{escape(one['what'])}</td><td>{escape(one['source'])}</td></tr>"
        for one in table().values()
    )
    return f"<details><summary>What this reckons with</summary><table>{rows}</table></details>"
