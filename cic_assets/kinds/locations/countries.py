"""Boxes around countries, and which one a time zone belongs to: enough to see coordinates that can't be meant.

Boxes are rounded outwards to a tenth of a degree and take in the islands that have the country's own code; after
Natural Earth's 1:10m countries (public domain). The zones' countries are tzdata's zone.tab.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Box(NamedTuple):
    """Degrees, WGS 84. A box never crosses the date line: where a country does, its box goes round the world."""

    south: float
    west: float
    north: float
    east: float


ANYWHERE = Box(-90.0, -180.0, 90.0, 180.0)
BOXES: dict[str, Box] = {
    "AD": Box(42.4, 1.3, 42.7, 1.9),
    "AL": Box(39.6, 19.2, 42.7, 21.1),
    "AT": Box(46.3, 9.5, 49.1, 17.2),
    "AU": Box(-55.2, 112.8, -9.1, 159.3),
    "BA": Box(42.5, 15.7, 45.3, 19.7),
    "BE": Box(49.4, 2.4, 51.6, 6.5),
    "BG": Box(41.2, 22.3, 44.3, 28.7),
    "BY": Box(51.2, 23.1, 56.2, 32.8),
    "CA": Box(41.6, -141.1, 83.2, -52.5),
    "CH": Box(45.8, 5.9, 47.9, 10.5),
    "CY": Box(34.5, 32.2, 35.8, 34.7),
    "CZ": Box(48.5, 12.0, 51.1, 18.9),
    "DE": Box(47.2, 5.8, 55.2, 15.1),
    "DK": Box(54.5, 8.0, 57.8, 15.3),
    "EE": Box(57.5, 21.7, 59.8, 28.3),
    "ES": Box(27.6, -18.3, 43.9, 4.4),
    "FI": Box(59.4, 19.0, 70.1, 31.6),
    "FO": Box(61.3, -7.8, 62.5, -6.2),
    "FR": Box(41.3, -5.3, 51.2, 9.7),
    "GB": Box(49.8, -13.8, 60.9, 1.9),
    "GG": Box(49.3, -2.8, 49.8, -2.1),
    "GI": Box(36.1, -5.4, 36.2, -5.3),
    "GR": Box(34.7, 19.3, 41.8, 29.7),
    "HR": Box(42.3, 13.4, 46.6, 19.5),
    "HU": Box(45.7, 16.0, 48.6, 23.0),
    "IE": Box(51.3, -10.8, 55.5, -5.9),
    "IM": Box(54.0, -4.9, 54.5, -4.2),
    "IS": Box(63.2, -24.6, 67.2, -13.4),
    "IT": Box(35.4, 6.6, 47.1, 18.6),
    "JE": Box(49.1, -2.4, 49.3, -1.9),
    "LI": Box(47.0, 9.4, 47.3, 9.7),
    "LT": Box(53.8, 20.9, 56.5, 26.9),
    "LU": Box(49.4, 5.7, 50.2, 6.6),
    "LV": Box(55.6, 20.9, 58.1, 28.3),
    "MC": Box(43.7, 7.3, 43.8, 7.5),
    "MD": Box(45.4, 26.6, 48.5, 30.2),
    "ME": Box(41.8, 18.4, 43.6, 20.4),
    "MK": Box(40.8, 20.4, 42.4, 23.1),
    "MT": Box(35.7, 14.1, 36.1, 14.6),
    "NL": Box(50.7, 3.3, 53.8, 7.3),
    "NO": Box(57.9, 4.4, 71.3, 31.3),
    "NZ": Box(-52.7, -180.0, -29.2, 180.0),
    "PL": Box(49.0, 14.1, 54.9, 24.2),
    "PT": Box(30.0, -31.4, 42.2, -6.1),
    "RO": Box(43.6, 20.2, 48.3, 29.8),
    "RS": Box(41.8, 18.8, 46.2, 23.1),
    "SE": Box(55.3, 10.9, 69.1, 24.2),
    "SI": Box(45.4, 13.3, 46.9, 16.7),
    "SK": Box(47.7, 16.8, 49.7, 22.6),
    "SM": Box(43.8, 12.4, 44.0, 12.6),
    "TR": Box(35.8, 25.6, 42.2, 44.9),
    "UA": Box(44.3, 22.1, 52.4, 40.3),
    "US": Box(18.8, -180.0, 71.5, 180.0),
    "XK": Box(41.8, 20.0, 43.3, 21.8),
}


@cache
def _countries() -> dict[str, str]:
    """Zone → ISO country, of zones that tzdata gives to one."""
    lines = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {row[2]: row[0] for row in rows if len(row) > 2}


def box_of(zone: str) -> Box | None:
    """The box of the country whose zone it is; None for zones without one (`UTC`) and countries that are not here."""
    return BOXES.get(_countries().get(zone, ""))
