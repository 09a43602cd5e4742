"""The calibration's page and figures."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tests.bench.calibration import COUNTY, POOLED, REAL, Operator
from tests.bench.measures import MEASURES
from tests.bench.plots import dirt_plot, measure_plot

QUANTILES = {"10 %": 0.1, "half": 0.5, "90 %": 0.9}
UNITS = {
    "sessions_per_day": "sessions per charge point and day",
    "duration": "duration, h",
    "energy": "energy, kWh",
    "power": "mean power, kW",
}
RULES = {
    "S01": "charge point, start or end missing",
    "S02": "end not after start",
    "S03": "energy missing or negative",
    "S04": "start in the future, or long ago",
    "S05": "far more energy than the rating allows",
    "S06": "more power than rated",
    "S07": "no energy",
    "S08": "under 0.5 kWh or over 250",
    "S09": "under a minute or over two days",
    "S11": "overlaps another session",
    "S14": "unit or price is doubtful",
    "S15": "day and month swapped, and repaired",
}
NOTES = {
    "sessions_per_day": "Charge points heard of for four weeks or longer; days without any file do not count.",
    "duration": "From plugging in to unplugging. Ticino has no rapid charge points, Dundee the longest stays.",
    "energy": "Sessions with energy. The county's cars are those of today, with larger batteries than those of 2016 to "
    "2018: its upper quarter takes more on purpose.",
    "power": "Energy divided by the whole stay. The county has some 150 kW points, on purpose: the cities had none.",
    "hour": "Starts, on the clock of the place.",
    "weekday": "Starts, by local day. Ticino is quiet on Saturdays and not on Sundays: its dates may be a day off.",
    "month": "Sessions per charge point and day, so that a growing network does not look like a season; Dundee's files "
    "lack December to February.",
}
DIRT_NOTE = (
    "Rules of the platform; a row can fire several. The county has about Dundee's rates. Overlaps, wrong instants and "
    "doubtful units are planted more often than they occur, so that every rule fires in a small county too; days and "
    "months are swapped in the first third of Cranmere's files only."
)
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>How real the simulated county is</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}}
img{{max-width:100%}}table{{border-collapse:collapse;margin:1rem 0;font-size:.92rem}}
th,td{{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #ddd}}th:first-child{{text-align:left}}
.note{{color:#555;margin:.2rem 0 2rem}}</style></head><body>
<h1>How real the simulated county is</h1>{body}</body></html>
"""


def write(out: Path, operators: Mapping[str, Operator], distances: pd.DataFrame) -> None:
    """Writes index.html, which needs no other file, figures.json, and the pictures as PNG beside them."""
    out.mkdir(parents=True, exist_ok=True)
    pictures = {name: _png(measure_plot(name, operators)) for name in MEASURES}
    pictures["dirt"] = _png(dirt_plot(operators, RULES))
    for name, content in pictures.items():
        (out / f"{name}.png").write_bytes(content)
    body = _intro(operators) + _distance_section(distances)
    body += "".join(_picture(pictures[name], MEASURES[name].title, NOTES[name]) for name in MEASURES)
    body += _picture(pictures["dirt"], "How dirty their files are", DIRT_NOTE)
    body += _table(_dirt(operators)) + "<h2>Figures</h2>" + _table(_summary(operators))
    (out / "index.html").write_text(PAGE.format(body=body), encoding="utf-8")
    (out / "figures.json").write_text(json.dumps(_figures(operators, distances), indent=1) + "\n")


def _intro(operators: Mapping[str, Operator]) -> str:
    real = [title for title in REAL.values() if title in operators]
    beside = f"beside those of {', '.join(real)}" if real else "alone: no real operator's files were found"
    names = ", ".join(name.title() for name in POOLED)
    return (
        f"<p>Sessions of the simulated county {escape(beside)}. All went through the platform's own ingest, rules and "
        f"facts. The county is {names} as one: the providers that send CSV files as councils do.</p>"
    )


def _distance_section(distances: pd.DataFrame) -> str:
    if distances.empty:
        return ""
    text = (
        "<h2>How far apart</h2><p>0: the same distribution; 1: nothing in common. For quantities the two-sample "
        "Kolmogorov–Smirnov statistic, for hours, weekdays and months the total variation. A good simulator is about "
        "as far from a city as cities are from each other.</p>"
    )
    return text + _table(verdicts(distances))


def verdicts(distances: pd.DataFrame) -> pd.DataFrame:
    """The distances, and in words how the county's nearest city compares with the cities among themselves."""
    ours = distances[[pair for pair in distances if pair[0] == COUNTY]]
    theirs = distances[[pair for pair in distances if pair[0] != COUNTY]]
    shown = distances.set_axis([" – ".join(_short(each) for each in pair) for pair in distances], axis=1).round(3)
    shown.index = pd.Index([MEASURES[name].title for name in distances.index])
    shown["the county is"] = [
        _verdict(ours.loc[name].min(), theirs.loc[name].to_numpy(float)) for name in distances.index
    ]
    return shown


def _verdict(nearest: float, among: np.ndarray) -> str:
    if not among.size:
        return ""
    if nearest <= among.min():
        return "nearer to a city than any two are"
    return "as near as the cities are" if nearest <= among.max() else "apart"


def _short(title: str) -> str:
    return {COUNTY: "county", "Perth & Kinross": "Perth"}.get(title, title)


def _dirt(operators: Mapping[str, Operator]) -> pd.DataFrame:
    """Percent of rows in, by rule."""
    rates = {title: {rule: operator.rate(rule) for rule in RULES} for title, operator in operators.items()}
    table = pd.DataFrame(rates).round(2)
    table.index = pd.Index([f"{rule} {text}, %" for rule, text in RULES.items()])
    table.loc["rows that arrived"] = [operator.rows[0] for operator in operators.values()]
    table.loc["quarantined, %"] = [round(100 * each.rows[1] / each.rows[0], 2) for each in operators.values()]
    return table


def _summary(operators: Mapping[str, Operator]) -> pd.DataFrame:
    """Means and quantiles of quantities."""
    found: dict[str, dict[str, float]] = {}
    for name in UNITS:
        for title, operator in operators.items():
            values, column = operator.values[name], found.setdefault(title, {})
            column[f"{UNITS[name]}: mean"] = float(values.mean())
            for word, share in QUANTILES.items():
                column[f"{UNITS[name]}: {word} below"] = float(np.quantile(values, share))
    return pd.DataFrame(found).round(2)


def _figures(operators: Mapping[str, Operator], distances: pd.DataFrame) -> dict[str, object]:
    return {
        "distances": {
            name: {" / ".join(pair): round(value, 4) for pair, value in row.items()}
            for name, row in distances.iterrows()
        },
        "rates_pct": {
            title: {rule: round(operator.rate(rule), 4) for rule in RULES} for title, operator in operators.items()
        },
        "rows": {title: operator.rows for title, operator in operators.items()},
        "quantities": _summary(operators).to_dict(),
        "shares": {
            title: {name: _numbers(operator.values[name]) for name, measure in MEASURES.items() if measure.size}
            for title, operator in operators.items()
        },
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    """JSON knows no NaN."""
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _picture(content: bytes, title: str, note: str) -> str:
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return f'<img alt="{escape(title)}" src="{source}"><p class="note">{escape(note)}</p>'


def _table(frame: pd.DataFrame) -> str:
    return str(frame.to_html(border=0, na_rep="–", float_format="{:g}".format))
