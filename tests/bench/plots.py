"""One picture per measure, with all operators over each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.calibration import COUNTY, REAL, Operator
from tests.bench.measures import MEASURES

# Colours that colour-blind readers can tell apart (Okabe and Ito).
COLOURS = dict(zip(REAL.values(), ("#0072B2", "#D55E00", "#009E73"), strict=True)) | {COUNTY: "black"}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Axes of quantities: range, and ticks with their words; logarithmic where values span decades.
AXES: dict[str, tuple[tuple[float, float], bool, dict[float, str]]] = {
    "sessions_per_day": ((0.02, 40), True, {n: f"{n:g}" for n in (0.03, 0.1, 0.3, 1, 3, 10, 30)}),
    "duration": (
        (1 / 60, 96), True,
        {1 / 60: "1 min", 1 / 12: "5 min", 0.25: "15 min", 1: "1 h", 4: "4 h", 12: "12 h", 24: "1 day", 72: "3 days"},
    ),
    "energy": ((0, 60), False, {n: f"{n}" for n in range(0, 61, 10)}),
    "power": ((0.1, 150), True, {n: f"{n:g}" for n in (0.1, 0.3, 1, 3.7, 7, 22, 50, 150)}),
}  # fmt: skip
DISCRETE_TICKS = {
    "hour": {n: f"{n}:00" for n in range(0, 24, 3)},
    "weekday": dict(enumerate(WEEKDAYS)),
    "month": dict(enumerate(MONTHS, start=1)),
}


def measure_plot(name: str, operators: Mapping[str, Operator]) -> Figure:
    """Distributions of one measure."""
    measure = MEASURES[name]
    figure, axes = _figure(measure.title)
    for title, operator in operators.items():
        draw = _shares if measure.size else _ecdf
        draw(axes, name, operator.values[name], _style(title))
    axes.set_xlabel(measure.axis)
    if measure.size:
        _discrete_axes(axes, name)
    else:
        _quantity_axes(axes, name)
    axes.plot([], [], color="#aaaaaa", linewidth=1, label="each simulated provider")
    _legend(figure)
    return figure


def _figure(title: str, height: float = 4.8) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, height), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold")
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _style(title: str) -> dict[str, Any]:
    if title in COLOURS:
        return {"color": COLOURS[title], "linewidth": 3 if title == COUNTY else 2, "label": title, "zorder": 3}
    return {"color": "#aaaaaa", "linewidth": 1, "zorder": 2}


def _ecdf(axes: Axes, name: str, values: np.ndarray, style: dict[str, Any]) -> None:
    shares = np.linspace(0, 100, 1001)
    axes.plot(np.quantile(values, shares / 100), shares, **style)


def _quantity_axes(axes: Axes, name: str) -> None:
    limits, is_log, ticks = AXES[name]
    if is_log:
        axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(decimals=0))
    what = "charge points" if name == "sessions_per_day" else "sessions"
    axes.set_ylabel(f"Share of {what} up to this value")


def _shares(axes: Axes, name: str, values: np.ndarray, style: dict[str, Any]) -> None:
    first = MEASURES[name].first
    axes.plot(range(first, first + len(values)), 100 * values, marker="o", markersize=4, **style)


def _discrete_axes(axes: Axes, name: str) -> None:
    ticks = DISCRETE_TICKS[name]
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(decimals=0))
    axes.set_ylabel("Share of sessions" if name != "month" else "Share of the year's use")


def _legend(figure: Figure) -> None:
    """Below, where it hides nothing."""
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=10)


def dirt_plot(operators: Mapping[str, Operator], rules: Mapping[str, str]) -> Figure:
    """Share of rows that each rule fired on; zero stands at the left edge."""
    figure, axes = _figure("How dirty their files are", height=6.4)
    shown = [title for title in COLOURS if title in operators]
    for place, title in enumerate(shown):
        rates = [operators[title].rate(rule) for rule in rules]
        # One below the other, so that equal rates do not hide each other.
        heights = np.arange(len(rules)) + 0.17 * (place - (len(shown) - 1) / 2)
        marker = "D" if title == COUNTY else "o"
        axes.plot(rates, heights, marker, markersize=7, color=COLOURS[title], label=title, clip_on=False)
    axes.set_yticks(range(len(rules)), [f"{text} ({rule})" for rule, text in rules.items()])
    axes.set_xscale("symlog", linthresh=0.1, linscale=0.5)
    axes.set_xlim(-0.01, 60)
    ticks = (0, 0.1, 0.3, 1, 3, 10, 30)
    axes.set_xticks(ticks, [f"{tick:g} %" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("Share of the rows that arrived")
    axes.set_ylim(len(rules) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.hlines(np.arange(len(rules) - 1) + 0.5, -0.01, 60, color="#dddddd", linewidth=0.7)
    _legend(figure)
    return figure
