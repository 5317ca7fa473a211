"""From rows of an answer to a price series: units, order, overlaps, and ends that an answer leaves out.

Rules for what does not fit: rows may come in any order; a row that comes twice counts once; a price that is missing, no
number, or infinite makes its slot unknown; slots that overlap and differ refuse the whole answer.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, NamedTuple

from msgspec import Meta

from scheduler.core.calendar import zone_named
from scheduler.core.errors import PricesNotPublished, PricesUnavailable
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval

HUNDREDTHS = frozenset({"ct", "c", "cent", "cents", "p", "ore", "øre", "öre"})
"""Names of a hundredth of a currency, in lower case."""

HOUR = timedelta(hours=1)

LONGEST = timedelta(days=400)
"""A slot that says it is longer ends at the edges of what was asked for: nobody's price is known for years."""

DIGITS = 9
"""Prices per kWh are no finer than this: floats on the wire carry noise (110.099998)."""

Instant = Annotated[datetime, Meta(tz=True)]
"""A member of an answer that is an instant with an offset; msgspec refuses one without."""


class Row(NamedTuple):
    """One price as an answer tells it, in the answer's own unit. A price of None is not known."""

    start: datetime
    end: datetime
    price: float | None
    state: PriceState = PriceState.FINAL


def series(
    rows: Iterable[Row],
    *,
    unit: str,
    currency: str,
    span: Interval,
    at: datetime,
    zone: str = "",
    whole: timedelta = LONGEST,
) -> PriceSeries:
    """Return the rows that touch a span of time as a series, per kWh.

    Args:
        rows: aware instants in any zone, in any order.
        unit: of the rows, such as `EUR/MWh`, `ct/kWh` or `gCO2/kWh`.
        currency: of the series (ISO 4217, or `GRAMS`).
        span: what was asked for. Slots that reach beyond its edges stay whole if they are no longer than `whole`.
        at: the instant of fetching.
        zone: what the prices are of, for people.
        whole: longer slots end at the edges of the span: a price that holds for months says nothing of all of them.

    Raises:
        PricesNotPublished: no row with a price touches the span.
        PricesUnavailable: rows overlap and differ, end before they start, or have no offset; the unit is unknown.
    """
    factor = per_kwh(unit)
    near = (_cut(row, span, whole) for row in rows)
    found = {slot for row in near if (slot := _slot(row, factor)) and slot.start < span.end and slot.end > span.start}
    if not found:
        raise PricesNotPublished(f"there is no price from {span.start:%Y-%m-%d %H:%MZ} to {span.end:%Y-%m-%d %H:%MZ}")
    return PriceSeries(name="", currency=currency, zone=zone, slots=ordered(found), fetched_at=at)


def ordered(slots: Iterable[PriceSlot]) -> tuple[PriceSlot, ...]:
    """Return different slots by their start.

    Raises:
        PricesUnavailable: two of them overlap.
    """
    found = sorted(slots, key=lambda slot: slot.start)
    clash = next((later for earlier, later in pairwise(found) if later.start < earlier.end), None)
    if clash is not None:
        raise PricesUnavailable(f"slots overlap at {clash.start:%Y-%m-%d %H:%MZ} and differ")
    return tuple(found)


def with_ends(prices: Mapping[datetime, float | None], *, step: timedelta = HOUR) -> list[Row]:
    """Return rows of prices of which only the starts are told.

    A slot is as long as the shorter of the ways to its neighbours, so that no price is stretched over a hole; the only
    slot of an answer is one `step` long.

    Raises:
        PricesUnavailable: an instant at the edge of the calendar.
    """
    starts = sorted(map(in_utc, prices))
    ways = [later - earlier for earlier, later in pairwise(starts)]
    lengths = [min(*both, LONGEST) for both in pairwise([ways[0], *ways, ways[-1]])] if ways else [step]
    return [Row(start, start + length, prices[start]) for start, length in zip(starts, lengths, strict=False)]


def per_kwh(unit: str) -> float:
    """Return what a price in a unit such as `EUR/MWh` is multiplied with to be one per kWh of the whole currency.

    Raises:
        PricesUnavailable: the unit is not understood.
    """
    money, _, energy = unit.replace(" ", "").rpartition("/")
    factor = {"kwh": 1.0, "mwh": 0.001}.get(energy.lower())
    if factor is None or not money:
        raise PricesUnavailable(f"prices in {unit!r} cannot be used; known are EUR/kWh, EUR/MWh, ct/kWh and the like")
    return factor / 100 if money.lower() in HUNDREDTHS else factor


def local_dates(span: Interval, timezone: str) -> list[date]:
    """Return the dates of a time zone that touch a span, in order."""
    zone = zone_named(timezone)
    first, last = span.start.astimezone(zone).date(), (span.end - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def require_one_of(value: object, valid: Collection[object], name: str) -> None:
    """Refuse a setting that is none of those known.

    Raises:
        ValueError: and `name` says which setting it was.
    """
    if value not in valid:
        raise ValueError(f"{name} must be one of {', '.join(map(str, valid))}, not {value!r}")


def require_currency(currency: str) -> None:
    """Refuse a currency that is none of ISO 4217, nor the grams of carbon.

    Raises:
        ValueError: and it says what would do.
    """
    if currency != GRAMS and not re.fullmatch("[A-Z]{3}", currency):
        raise ValueError(f"currency must be one of ISO 4217 such as EUR, or {GRAMS}, not {currency!r}")


def require_unit(unit: str, currency: str) -> None:
    """Refuse a unit that is not understood, or is of another currency; hundredths have no currency of their own.

    Raises:
        ValueError: and it says what is wrong.
    """
    try:
        per_kwh(unit)
    except PricesUnavailable as error:
        raise ValueError(f"unit: {error}") from None
    money = unit.rpartition("/")[0].strip()
    if money.lower() not in HUNDREDTHS and money != currency:
        raise ValueError(f"unit is of {money}, currency is {currency}")


def floored(at: datetime, step: timedelta) -> datetime:
    """Return the last whole step (counted from midnight UTC) at or before an instant. Raises as `in_utc` does."""
    at = in_utc(at)
    return at - (at - at.replace(hour=0, minute=0, second=0, microsecond=0)) % step


def sureness(start: datetime, *, at: datetime, final: bool) -> PriceState:
    """Return how sure a value is whose slot begins at `start`: one that has begun counts as published."""
    if final:
        return PriceState.FINAL
    return PriceState.PRELIMINARY if start <= at else PriceState.FORECAST


def number(told: object) -> float | None:
    """Return a price as an answer has it, as text too; None for what is no finite number."""
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return None
    try:
        price = float(told)
    except (ValueError, OverflowError):
        return None
    return price if math.isfinite(price) else None


def epoch(told: float, *, per_second: int = 1) -> datetime:
    """Return the instant so many seconds, or parts of them, after 1970.

    Raises:
        PricesUnavailable: it lies beyond the calendar.
    """
    try:
        return in_utc(datetime.fromtimestamp(told / per_second, UTC))
    except (ValueError, OverflowError, OSError):
        raise PricesUnavailable("a number told as the seconds since 1970 lies beyond the calendar") from None


def in_utc(at: datetime) -> datetime:
    """Return an aware instant in UTC.

    Raises:
        PricesUnavailable: it lies in the first or last years of the calendar, where a slot leads out of it.
    """
    if not MINYEAR + 1 < at.year < MAXYEAR - 1:  # a year more at both ends: in UTC it may be another
        raise PricesUnavailable(f"{at} lies at the edge of the calendar, where no price is")
    return at.astimezone(UTC)


def instant(text: str) -> datetime:
    """Return the UTC instant of an ISO 8601 text with an offset.

    Raises:
        PricesUnavailable: it is none, or has no offset.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise PricesUnavailable(f"{text!r} is no instant of ISO 8601") from None
    if at.tzinfo is None:
        raise PricesUnavailable(f"{text!r} has no offset, so it means no instant")
    return in_utc(at)


def _cut(row: Row, span: Interval, whole: timedelta) -> Row:
    if row.start.tzinfo is None or row.end.tzinfo is None:  # this machine's own zone would be taken
        raise PricesUnavailable(f"{row.start} .. {row.end} has no offset, so it means no slot")
    if row.end - row.start <= whole or row.end <= span.start or row.start >= span.end:
        return row
    return row._replace(start=max(row.start, span.start), end=min(row.end, span.end))


def _slot(row: Row, factor: float) -> PriceSlot | None:
    if row.price is None or not math.isfinite(row.price):
        return None
    try:
        start, end = row.start.astimezone(UTC), row.end.astimezone(UTC)
        return PriceSlot(start=start, end=end, per_kwh=round(row.price * factor, DIGITS), state=row.state)
    except (ValueError, OverflowError) as error:
        raise PricesUnavailable(f"{row.start} .. {row.end} is no slot: {error}") from error
