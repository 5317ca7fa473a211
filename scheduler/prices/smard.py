"""Day-ahead prices of Germany and its neighbours from SMARD (Bundesnetzagentur): free, without a token, hours late."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import inf
from typing import ClassVar

import msgspec

from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Row, epoch, require_one_of, series
from scheduler.prices.zones import SMARD

STEPS = {"quarterhour": timedelta(minutes=15), "hour": timedelta(hours=1)}


class _Index(msgspec.Struct):
    timestamps: list[int]


class _Week(msgspec.Struct):
    series: list[tuple[int, float | None]]


@dataclass(frozen=True, kw_only=True)
class Smard:
    """Wholesale prices of `zone`, such as `DE-LU`, `AT` or `NL`: EUR, no VAT, no fees. CC BY 4.0, SMARD.de.

    `resolution`: `quarterhour`, the market's since October 2025, or `hour`. Best as a stand-in for another source.
    """

    zone: str
    resolution: str = "quarterhour"
    url: str = "https://www.smard.de"

    rhythm: ClassVar[DayAhead] = DayAhead(asked_from=time(14), late_from=time(18))

    def __post_init__(self) -> None:
        require_one_of(self.zone, SMARD, "zone")
        require_one_of(self.resolution, STEPS, "resolution")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span: one call for the index, one for each week. Raises PriceError."""
        number, step = SMARD[self.zone], STEPS[self.resolution]
        folder = f"{self.url}/app/chart_data/{number}/DE"
        index = await web.json(f"{folder}/index_{self.resolution}.json", _Index)
        rows: list[Row] = []
        for begin in _touching(index.timestamps, span):
            week = await web.json(f"{folder}/{number}_DE_{self.resolution}_{begin}.json", _Week)
            starts = [epoch(ms, per_second=1000) for ms, _ in week.series]
            rows += [Row(start, start + step, price) for start, (_, price) in zip(starts, week.series, strict=True)]
        return series(rows, unit="EUR/MWh", currency="EUR", span=span, at=at, zone=self.zone)


def _touching(begins: list[int], span: Interval) -> list[int]:
    """Return which files touch a span, by the instants they begin at [ms]; each reaches to the next, the last on."""
    first, last = span.start.timestamp() * 1000, span.end.timestamp() * 1000
    weeks = sorted(set(begins))
    return [begin for begin, end in zip(weeks, [*weeks[1:], inf], strict=False) if begin < last and end > first]
