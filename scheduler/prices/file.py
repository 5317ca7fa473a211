"""Prices from a file that something else keeps up to date: CSV or JSON, gzipped or not.

Rules for what does not fit: rows may come in any order; a row that comes twice counts once; a price that is missing, no
number, or infinite makes its slot unknown; overlapping slots with different edges or prices, an instant without an
offset and a row that cannot be read refuse the whole file.
"""

import asyncio
import csv
import gzip
import json
import math
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from scheduler.core.errors import PricesNotPublished, PricesUnavailable
from scheduler.core.model import PriceSeries
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval
from scheduler.ports import Web

PER_KWH = {"kWh": 1.0, "MWh": 0.001, "ct/kWh": 0.01}
"""What a price in each unit has to be multiplied with to be one per kWh."""

_HUNDREDTHS = {"ct", "c", "cent", "p", "ore", "øre", "öre"}

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
        if self.unit is not None and self.unit not in PER_KWH:
            raise ValueError(f"unit must be one of {', '.join(PER_KWH)}, not {self.unit!r}")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the file's slots that touch the span, per kWh.

        Raises:
            PricesNotPublished: the file holds none of them.
            PricesUnavailable: the file is not there or cannot be read by the rules above.
        """
        del web  # it stands on this machine
        content = await asyncio.to_thread(self._content)
        factor = self._factor(content.notes)
        slots = content.slots
        low = bisect_right(slots, span.start, key=lambda slot: slot.end)
        high = bisect_left(slots, span.end, key=lambda slot: slot.start)
        if low >= high:
            raise PricesNotPublished(f"{self.path} holds no price from {span.start} to {span.end}")
        return PriceSeries(
            name="file",
            currency=self._agreed("currency", content.notes),
            zone=self._agreed("zone", content.notes, default=""),
            slots=tuple(
                PriceSlot(start=slot.start, end=slot.end, per_kwh=slot.per_kwh * factor) for slot in slots[low:high]
            ),
            fetched_at=at,
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
        except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
            raise PricesUnavailable(f"cannot read prices from {self.path}: {error}") from error

    def _factor(self, notes: Mapping[str, str]) -> float:
        noted = _unit(notes["unit"]) if "unit" in notes else None
        if noted is None and self.unit is None:
            raise PricesUnavailable(f"{self.path} does not say its unit: set unit to one of {', '.join(PER_KWH)}")
        if noted is not None and self.unit is not None and noted != self.unit:
            raise PricesUnavailable(f"{self.path} says its unit is {notes['unit']}, the setting says {self.unit}")
        return PER_KWH[self.unit or noted or "kWh"]

    def _agreed(self, name: str, notes: Mapping[str, str], default: str | None = None) -> str:
        noted, wanted = notes.get(name), getattr(self, name)
        if noted and wanted and noted != wanted and name != "zone":
            raise PricesUnavailable(f"{self.path} says its {name} is {noted}, the setting says {wanted}")
        agreed = wanted or noted or default
        if agreed is None:
            raise PricesUnavailable(f"{self.path} does not say its {name}: set {name}")
        return str(agreed)


def _read(path: Path) -> _Content:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    notes, rows = _json(text) if path.name.removesuffix(".gz").endswith(".json") else _csv(text)
    return _Content(notes=notes, slots=_ordered(_slots(rows)))


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
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise ValueError(f"slot {number} is no row with names")  # noqa: TRY004 - one family for a bad file
        try:
            start, end = _instant(_member(row, _START)), _instant(_member(row, _END))
            Interval(start=start, end=end)
            price = _price(_member(row, _PRICE))
        except ValueError as error:
            raise ValueError(f"slot {number}: {error}") from error
        if price is not None:
            yield PriceSlot(start=start, end=end, per_kwh=price)


def _ordered(slots: Iterable[PriceSlot]) -> tuple[PriceSlot, ...]:
    ordered = sorted(set(slots), key=lambda slot: slot.start)
    clash = next((later for earlier, later in pairwise(ordered) if later.start < earlier.end), None)
    if clash is not None:
        raise ValueError(f"slots overlap at {clash.start} and differ")
    return tuple(ordered)


def _member(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in row:
            return row[name]
    raise ValueError(f"has no {names[0]}")


def _instant(value: Any) -> datetime:
    at = datetime.fromisoformat(str(value).strip())
    if at.tzinfo is None:
        raise ValueError(f"{value} has no offset; write {value}Z if it is UTC")
    return at.astimezone(UTC)


def _price(value: Any) -> float | None:
    try:
        price = float(value)
    except (TypeError, ValueError):
        return None
    return price if math.isfinite(price) and not isinstance(value, bool) else None


def _unit(noted: str) -> str:
    money, _, energy = noted.rpartition("/")
    if energy == "kWh":
        return "ct/kWh" if money.strip().lower() in _HUNDREDTHS else "kWh"
    if energy == "MWh":
        return "MWh"
    raise PricesUnavailable(f"prices in {noted} cannot be used; known are {', '.join(PER_KWH)}")
