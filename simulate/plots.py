"""Pictures for somebody who plans weddings, not servers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import dates
from matplotlib.figure import Figure

from carillon.model import Lane
from simulate.figures import figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from simulate.run import Run
    from simulate.weddings import Floats

COLOURS: Final = {"fixed": "#8a8a8a", "reactive": "#c98a1b", "season": "#2d6a8f", "plan": "#4c7a34"}
NAMES: Final = {
    "fixed": "Fixed",
    "reactive": "Reacts only",
    "season": "Season schedule",
    "plan": "Carillon's plan",
}
TROUBLE: Final = "#b4552d"
FONT: Final[Any] = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "carillon"}
LONG_DAYS: Final = 10
AROUND_H: Final = 14


def draw(played: Run, document: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Write the pictures; returns name to file."""
    name = f"{played.scenario.name}"
    made = {}
    with mpl.rc_context(FONT):
        for picture, paint in (("phones", _phones), ("room", _room), ("late", _late)):
            canvas = Figure(figsize=(10, 4.2), dpi=110, layout="constrained")
            paint(canvas, played, document)
            made[picture] = folder / f"{name}-{picture}.png"
            canvas.savefig(made[picture], metadata={"Software": None})
    return made


def _times(start_s: float, step_s: float, count: int) -> list[datetime]:
    return [datetime.fromtimestamp(start_s + step_s * number, UTC) for number in range(count)]


def _phones(canvas: Figure, played: Run, document: Mapping[str, Any]) -> None:
    """What was expected a day ahead, and who came."""
    plot = canvas.subplots()
    forecast, came, step = played.accuracy.forecast, played.accuracy.came, 3600
    if played.clock.hours > LONG_DAYS * 24:
        step, forecast, came = 24 * 3600, _daily(forecast), _daily(came)
    times = _times(played.clock.start_s, step, len(came))
    plot.fill_between(times, came, color="#d9c7bb", label="phones that were online", step="mid")  # type: ignore[arg-type] # dates
    plot.step(times, forecast[: len(came)], color=COLOURS["plan"], where="mid", label="expected the day before")  # type: ignore[arg-type] # dates
    busiest = " (each day's busiest hour)" if step > 3600 else ""
    share = document["forecast_accuracy"]
    plot.set_title(f"Phones online{busiest}: the forecast was {share:.0%} right, hour by hour", loc="left")
    _axes(plot, "phones")
    plot.legend(frameon=False, loc="upper right")


def _daily(hourly: Floats) -> Floats:
    made: Floats = hourly[: len(hourly) // 24 * 24].reshape(-1, 24).max(axis=1)
    return made


def used(played: Run, name: str) -> Floats:
    """How much of what stands ready is asked for, in the part that has the least room; 1 is all of it."""
    capacity, load = played.played[name].capacity, played.load
    consumers = (load.busy / np.maximum(capacity.warm, 1e-9)).max(axis=0)
    tasks = load.api_cores / (capacity.tasks * figure("task_cores"))
    database = load.database_cores / (capacity.acu * figure("acu_cores"))
    made: Floats = np.maximum(np.maximum(consumers, tasks), database)
    return made


def _room(canvas: Figure, played: Run, document: Mapping[str, Any]) -> None:
    """The hours around the worst moment: how full the system is under each strategy."""
    plot, clock = canvas.subplots(), played.clock
    del document
    worst = int(np.argmax(played.load.posts_s.sum(axis=0)))
    half = clock.per(AROUND_H * 1800)
    first, last = max(0, worst - half), min(clock.count, worst + half)
    step = clock.per(60)
    times = _times(clock.start_s + first * clock.bucket_s, clock.bucket_s * step, len(range(first, last, step)))
    for name in played.played:
        row = used(played, name)[first:last]
        worst_of = [float(row[index : index + step].max()) * 100 for index in range(0, len(row), step)]
        wide = 2.4 if name == "plan" else 1.4
        dashes = "--" if name == "season" else "-"
        plot.plot(times, worst_of, dashes, color=COLOURS[name], label=NAMES[name], linewidth=wide)  # type: ignore[arg-type] # dates
    plot.axhline(100, color=TROUBLE, linewidth=1, linestyle=":")
    plot.text(times[0], 108, "above this line people wait", color=TROUBLE, fontsize=9)  # type: ignore[arg-type] # dates
    plot.set_yscale("log")
    plot.set_ylim(bottom=3)
    for number, (moment, word) in enumerate(_troubles(played, times[0], times[-1])):
        plot.axvline(moment, color="#bbb", linewidth=1, zorder=0)  # type: ignore[arg-type] # dates
        where = {"xycoords": ("data", "axes fraction"), "va": "top", "fontsize": 9, "color": "#666"}
        plot.annotate(f" {word}", (moment, 0.99 - 0.07 * number), **where)  # type: ignore[arg-type] # dates
    plot.set_title("How full the system is on its hardest evening", loc="left")
    _axes(plot, "% of what stands ready")
    plot.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    plot.legend(frameon=False, loc="upper left", ncols=2)


def _troubles(played: Run, first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    scenario = played.scenario
    made = [
        *((one.at_s, "ten times as much") for one in scenario.spikes),
        *((one.at_s, "everybody reconnects") for one in scenario.storms),
        *((one.at_s, "database moves") for one in scenario.fail_overs),
    ]
    moments = [(datetime.fromtimestamp(at, UTC), word) for at, word in made]
    return [(moment, word) for moment, word in moments if first <= moment <= last]


def _late(canvas: Figure, played: Run, document: Mapping[str, Any]) -> None:
    """Late emergencies, late messages and the bill, side by side."""
    del played
    plots = canvas.subplots(1, 3)
    told = document["strategies"]
    for plot, (title, of, shown) in zip(
        plots,
        (
            (f"Late {Lane.CRITICAL.word} messages", "late_critical", "{:,.0f}"),
            ("Late messages in all", "late", "{:,.0f}"),
            ("Cost", "cost_usd", "${:,.0f}"),
        ),
        strict=True,
    ):
        values = [told[name][of] for name in told]
        bars = plot.barh([NAMES[name] for name in told], values, color=[COLOURS[name] for name in told])
        plot.bar_label(bars, labels=[shown.format(value) for value in values], padding=4)
        plot.invert_yaxis()
        plot.set_title(title, loc="left")
        plot.set_xticks([])
        plot.spines["bottom"].set_visible(False)
        plot.margins(x=0.28)
        if plot is not plots[0]:
            plot.set_yticks([])


def _axes(plot: Axes, unit: str) -> None:
    plot.set_ylabel(unit)
    plot.margins(x=0.01)
    locator = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
    plot.xaxis.set_major_locator(locator)
    plot.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    plot.set_xlabel("UTC")
    if plot.get_yscale() == "linear":
        plot.set_ylim(bottom=0)
        plot.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
