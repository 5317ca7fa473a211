"""Prices from a file that something else keeps up to date: CSV or JSON, gzipped or not.

What does not fit is treated as in every answer (`slots`): order and repetitions do no harm, a price that is no number
is unknown. Slots that overlap and differ, an instant without an offset and a row that cannot be read refuse the whole
file, wherever in it they stand.
"""

import asyncio
import csv
import gzip
import json
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from scheduler.core.errors import PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Row, in_utc, number, ordered, per_kwh, require_one_of, series

UNITS = ("kWh", "MWh", "ct/kWh")
"""What the setting may say: a currency is of the file, or of the setting beside it."""

_START, _END, _PRICE = ("start_utc", "start"), ("end_utc", "end"), ("price", "per_kwh")


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What the file holds: its own notes, and slots in the file's unit, ordered and disjoint."""

    notes: Mapping[str, str]
    slots: tuple[PriceSlot, ...]


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """Prices from the file at `path`, read again when it has changed.

    CSV: notes such as `# currency: EUR` and `# unit: EUR/MWh`, the heading `start_utc,end_utc,price`, then the rows.
    JSON: a list of `{"start": …, "end": …, "price": …}`, or an object with that list as `slots` beside
    its notes. Instants are ISO 8601 with an offset.

    `currency` (ISO 4217), `unit` (`kWh`, `MWh` or `ct/kWh`) and `zone` fill in what the file's notes do not say; where
    both speak they must agree.
    """

    path: str
    currency: str | None = None
    unit: str | None = None
    zone: str | None = None
    _cache: dict[tuple[int, int], _Content] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.unit is not None:
            require_one_of(self.unit, UNITS, "unit")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the file's slots that touch the span, per kWh.

        Raises:
            PricesNotPublished: the file holds none of them.
            PricesUnavailable: the file is not there or cannot be read by the rules above.
        """
        del web  # it stands on this machine
        content = await asyncio.to_thread(self._content)
        low = bisect_right(content.slots, span.start, key=lambda slot: slot.end)
        high = bisect_left(content.slots, span.end, key=lambda slot: slot.start)
        currency = self._agreed("currency", content.notes)
        return series(
            (Row(slot.start, slot.end, slot.per_kwh) for slot in content.slots[low:high]),
            unit=self._unit(content.notes, currency),
            currency=currency,
            span=span,
            at=at,
            zone=self._agreed("zone", content.notes, default=""),
        )

    def _content(self) -> _Content:
        path = Path(self.path)
        try:
            about = path.stat()
            key = (about.st_mtime_ns, about.st_size)
            if key not in self._cache:
                content = _read(path)
                self._cache.clear()
                self._cache[key] = content
            return self._cache[key]
        except (OSError, EOFError, RecursionError, ValueError, csv.Error, zlib.error, PricesUnavailable) as error:
            raise PricesUnavailable(f"cannot read prices from {self.path}: {error}") from error

    def _unit(self, notes: Mapping[str, str], currency: str) -> str:
        noted, wanted = notes.get("unit"), self.unit if self.unit in (None, "ct/kWh") else f"{currency}/{self.unit}"
        if noted is None and wanted is None:
            raise PricesUnavailable(f"{self.path} does not say its unit: set unit to one of {', '.join(UNITS)}")
        if noted is not None and wanted is not None and per_kwh(noted) != per_kwh(wanted):
            raise PricesUnavailable(f"{self.path} says its unit is {noted}, the setting says {self.unit}")
        return noted or wanted or ""

    def _agreed(self, name: str, notes: Mapping[str, str], default: str | None = None) -> str:
        noted, wanted = notes.get(name), getattr(self, name)
        if noted and wanted and noted != wanted and name != "zone":
            raise PricesUnavailable(f"{self.path} says its {name} is {noted}, the setting says {wanted}")
        agreed = wanted or noted or default
        if agreed is None:
            raise PricesUnavailable(f"{self.path} does not say its {name}: set {name}")
        if not str(agreed).isprintable():  # such as half of a character, which no store takes
            raise PricesUnavailable(f"{self.path} says its {name} is {agreed!r}, which is no text")
        return str(agreed)


def _read(path: Path) -> _Content:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    notes, rows = _json(text) if path.name.removesuffix(".gz").endswith(".json") else _csv(text)
    return _Content(notes=notes, slots=ordered(set(_slots(rows))))


def _csv(text: str) -> tuple[dict[str, str], Iterable[Mapping[str, Any]]]:
    lines = text.splitlines()
    notes = [line.lstrip("# ").partition(":") for line in lines if line.startswith("#")]
    rows = csv.DictReader(line for line in lines if line.strip() and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in notes}, rows


def _json(text: str) -> tuple[dict[str, str], Iterable[Mapping[str, Any]]]:
    document = json.loads(text)
    if isinstance(document, list):
        return {}, document
    if isinstance(document, dict) and isinstance(document.get("slots"), list):
        return {key: value for key, value in document.items() if isinstance(value, str)}, document["slots"]
    raise ValueError("JSON must be a list of slots, or an object with such a list as its member slots")


def _slots(rows: Iterable[Mapping[str, Any]]) -> Iterator[PriceSlot]:
    for nth, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise ValueError(f"slot {nth} is no row with names")  # noqa: TRY004 - one family for a bad file
        try:
            start, end = _instant(_member(row, _START)), _instant(_member(row, _END))
            Interval(start=start, end=end)
            price = number(_member(row, _PRICE))
        except ValueError as error:
            raise ValueError(f"slot {nth}: {error}") from error
        if price is not None:
            yield PriceSlot(start=start, end=end, per_kwh=price)


def _member(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in row:
            return row[name]
    raise ValueError(f"has no {names[0]}")


def _instant(value: Any) -> datetime:
    at = datetime.fromisoformat(str(value).strip())
    if at.tzinfo is None:
        raise ValueError(f"{value} has no offset; write {value}Z if it is UTC")
    return in_utc(at)
