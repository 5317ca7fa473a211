"""Prices for lives: recorded ones of the shared data, or made ones."""

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from simulator.market import Prices, Zone, recorded
from simulator.market_made import made
from tests.campaign.script import Script

MADE_LEVEL = 0.12
SPANS = {
    "60min": (datetime(2023, 1, 3, tzinfo=UTC), datetime(2024, 9, 28, tzinfo=UTC)),
    "15min": (datetime(2025, 10, 3, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)),
}
ZONES = {"DK1": "DK1", "DK2": "DK2", "SE2": "SE2", "SE3": "SE3", "AT": "AT"}
SERIES = tuple(f"{zone}_{step}" for zone in ("DK1", "DK2", "SE3", "SE2", "AT") for step in ("60min", "15min"))
"""Recorded series that every life may have: the zones that Nord Pool tells of, in EUR."""
LONG_SERIES = tuple(series for series in SERIES if series.endswith("60min"))


def data_folder() -> Path | None:
    """Return the folder of the shared data, or None where there is none."""
    named = Path(os.environ.get("KWHEN_DATA", Path(__file__).parents[3] / "shared" / "data"))
    return named if (named / "prices").is_dir() else None


def span_of(series: str) -> tuple[datetime, datetime]:
    """Return between which instants a life with this series may lie."""
    return SPANS[series.partition("_")[2]]


def zone_of(script: Script) -> Zone:
    """Return the market of a life.

    Raises:
        FileNotFoundError: it is recorded, and the shared data are not there.
    """
    if script.prices == "made":
        step = timedelta(minutes=(15, 30, 60)[script.seed % 3])
        return Zone(name="NO1", currency="EUR", prices=made(seed=script.seed, step=step, level_per_kwh=MADE_LEVEL))
    folder = data_folder()
    if folder is None:
        raise FileNotFoundError(
            f"the prices {script.prices} are recorded: name the folder of the shared data in KWHEN_DATA"
        )
    return Zone(name=script.prices.partition("_")[0], currency="EUR", prices=_recorded(folder, script.prices))


@lru_cache(maxsize=len(SERIES))
def _recorded(folder: Path, series: str) -> Prices:
    return recorded(folder / "prices" / f"{series}.csv.gz")
