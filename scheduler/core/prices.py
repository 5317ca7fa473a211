"""What a kWh costs, as far as it is known, and what stands in for a price where it is not.

The ladder: published prices (`fresh`), expected ones from days that are known (`older`), a static shape of the day
(`profile`), nothing at all (`now`). Only the first may justify a STOP; the others place future charging.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from scheduler.core.calendar import zone_named
from scheduler.core.feeds import GRAMS
from scheduler.core.model import PriceRung, Situation
from scheduler.core.terms import Price, PriceSlot, PriceState, billed, of_type

RECENT = timedelta(days=14)
"""How far back days are averaged: two of each weekday. `bench/expected_prices.py` compares this rule with others."""

FADING = 0.5
"""How much of an unusual day's distance from the usual is left a day later."""

DIGITS = 6
"""Expected prices are no finer than this."""

STEP_S = 900
DAY_S = 86_400
STEPS_A_DAY = DAY_S // STEP_S
SATURDAY = 5

PROFILE = tuple(
    1.0 if hour < 6 else 3.0 if 7 <= hour < 10 or 17 <= hour < 21 else 2.0  # noqa: PLR2004
    for hour in range(24)
)
"""The usual shape of a day: nights are cheap, mornings and evenings dear. Only the order means anything."""


class Span(NamedTuple):
    """A price over `[start_s, end_s)`, counted in seconds from now. `per_kwh` None is an unknown price.

    `weight` is added to it when a plan is chosen, and on no bill.
    """

    start_s: float
    end_s: float
    per_kwh: float | None
    published: bool
    weight: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Prices from now on: ordered, without a gap, up to the end that was asked for.

    Without `money` the numbers only order the day (a profile, a sum of which a part is missing, or what nobody is
    billed for): they cost nothing.
    """

    spans: tuple[Span, ...]
    rung: PriceRung
    money: bool


def curve(situation: Situation, *, until: datetime) -> Curve:
    """Return the sum of all billed prices from now until the given instant, what else weighs, and the rung it is on.

    Each price is first carried on beyond its last slot by what is expected there; a tariff that knows more of the past
    states expected slots itself. A gap between slots stays unknown. Where nothing is billed, what weighs stands in.
    """
    end_s = max(1.0, (until - situation.at).total_seconds())
    days = _LocalDays(situation.at, situation.home.timezone)
    bill = billed(situation.terms)
    every = of_type(situation.terms, Price)
    stated = [price.slots for price in bill or every]
    known = [slots for slots in stated if slots]
    if known:
        total = _carried_on(known[0], days, end_s)
        for slots in known[1:]:
            total = _added(total, _carried_on(slots, days, end_s))
        fresh = any(span.published for span in total)
        whole = len(known) == len(stated)
        if not whole:
            total = [span._replace(published=False) for span in total]
        for price in every if bill else ():
            if price.slots and not price.billed:
                total = _weighed(total, _carried_on(price.slots, days, end_s, fill=True))
        rung = PriceRung.FRESH if fresh and whole else PriceRung.OLDER
        return Curve(spans=tuple(total), rung=rung, money=whole and bool(bill))
    market = next((series.slots for series in situation.prices if series.slots and series.currency != GRAMS), None)
    if market is not None:
        past = [slot for slot in market if slot.start < situation.at]
        expected = _Expected(past or market, days).between(0.0, end_s)
        return Curve(spans=tuple(expected), rung=PriceRung.OLDER, money=False)
    if days.zone is None:
        return Curve(spans=(Span(0.0, end_s, 0.0, False),), rung=PriceRung.NOW, money=False)
    return Curve(spans=tuple(_profile(days, end_s)), rung=PriceRung.PROFILE, money=False)


def expected(slots: Sequence[PriceSlot], *, start: datetime, end: datetime, timezone: str) -> tuple[PriceSlot, ...]:
    """Return what is expected after the last published of the slots, within a span of time, as unpublished slots.

    The same slots give the same prices for every span. Without slots there is nothing to go by.
    """
    if not slots:
        return ()
    days = _LocalDays(slots[-1].end, timezone)
    start_s = max(0.0, (start - days.at).total_seconds())
    spans = _Expected(slots, days).between(start_s, (end - days.at).total_seconds())
    return tuple(
        PriceSlot(
            start=days.at + timedelta(seconds=span.start_s),
            end=days.at + timedelta(seconds=span.end_s),
            per_kwh=span.per_kwh or 0.0,
            state=PriceState.FORECAST,
        )
        for span in spans
    )


class _LocalDays:
    """Local time of day without a conversion for each slot: the offset is looked up once for a UTC day."""

    def __init__(self, at: datetime, timezone: str) -> None:
        try:
            self.zone: ZoneInfo | None = zone_named(timezone)
        except ValueError:
            self.zone = None
        self.at = at
        self.epoch_s = at.timestamp()
        self._offsets: dict[int, float | None] = {}

    def step(self, at_s: float) -> int:
        """Return which quarter of an hour of the local day it is; those of weekends come after those of the week."""
        local_s = at_s + self.epoch_s + self._offset(at_s + self.epoch_s)
        day, second = divmod(local_s, DAY_S)
        weekend = (int(day) + 3) % 7 >= SATURDAY  # 1 January 1970 was a Thursday
        return int(second // STEP_S) + STEPS_A_DAY * weekend

    def _offset(self, epoch_s: float) -> float:
        if self.zone is None:
            return 0.0
        day = int(epoch_s // DAY_S)
        if day not in self._offsets:
            first, last = self._look_up(day * DAY_S), self._look_up((day + 1) * DAY_S)
            self._offsets[day] = first if first == last else None
        offset = self._offsets[day]
        return self._look_up(epoch_s) if offset is None else offset

    def _look_up(self, epoch_s: float) -> float:
        offset = datetime.fromtimestamp(epoch_s, UTC).astimezone(self.zone).utcoffset()
        return (offset or timedelta(0)).total_seconds()


class _Expected:
    """What each quarter of an hour of the local day is expected to cost, from recent days.

    That is its mean over the last 14 days of its kind (working day or weekend), and on top of it how far the last 24
    hours known lay above such means: half of that for the first day ahead, half as much for each day more.
    """

    def __init__(self, slots: Sequence[PriceSlot], days: _LocalDays) -> None:
        self._days = days
        known = [slot for slot in slots if slot.published] or slots
        self._end_s = (known[-1].end - days.at).total_seconds()
        steps = list(self._steps(known))
        sums, counts = [0.0] * (2 * STEPS_A_DAY), [0] * (2 * STEPS_A_DAY)
        for _, step, per_kwh in steps:
            sums[step] += per_kwh
            counts[step] += 1
        mean = sum(sums) / len(steps)
        self._means = [self._mean(step, sums, counts, mean) for step in range(2 * STEPS_A_DAY)]
        above = [per_kwh - self._means[step] for start_s, step, per_kwh in steps if start_s >= self._end_s - DAY_S]
        self._above = sum(above) / len(above)

    def _steps(self, slots: Iterable[PriceSlot]) -> Iterator[tuple[float, int, float]]:
        """Yield recent slots in steps: where each starts, which quarter of the local day it is, and its price."""
        since_s = self._end_s - RECENT.total_seconds()
        for slot in slots:
            end_s = (slot.end - self._days.at).total_seconds()
            if end_s <= since_s:
                continue
            start_s = max(since_s, (slot.start - self._days.at).total_seconds())
            while start_s < end_s:
                yield start_s, self._days.step(start_s), slot.per_kwh
                start_s += STEP_S

    @staticmethod
    def _mean(step: int, sums: list[float], counts: list[int], mean: float) -> float:
        if counts[step]:
            return sums[step] / counts[step]
        other = (step + STEPS_A_DAY) % (2 * STEPS_A_DAY)
        return sums[other] / counts[other] if counts[other] else mean

    def between(self, start_s: float, end_s: float) -> list[Span]:
        """Return the expected prices of a stretch, neighbours of one price joined."""
        return _stepped(self._days, start_s, end_s, self._price)

    def _price(self, at_s: float) -> float:
        days_ahead = max(1, int((at_s - self._end_s) // DAY_S) + 1)
        return round(self._means[self._days.step(at_s)] + self._above * FADING**days_ahead, DIGITS)


def _profile(days: _LocalDays, end_s: float) -> list[Span]:
    return _stepped(days, 0.0, end_s, lambda at_s: PROFILE[days.step(at_s) % STEPS_A_DAY * STEP_S // 3600])


def _stepped(days: _LocalDays, start_s: float, end_s: float, price: Callable[[float], float]) -> list[Span]:
    spans: list[Span] = []
    while start_s < end_s:
        edge = min(end_s, start_s + STEP_S - (start_s + days.epoch_s) % STEP_S)
        value = price(start_s)
        if spans and spans[-1].per_kwh == value:
            spans[-1] = spans[-1]._replace(end_s=edge)
        else:
            spans.append(Span(start_s, edge, value, False))
        start_s = edge
    return spans


def _carried_on(slots: Sequence[PriceSlot], days: _LocalDays, end_s: float, *, fill: bool = False) -> list[Span]:
    """Return one price from now on: its slots, in the gaps unknown (`fill`: expected), after the last expected."""
    spans: list[Span] = []
    reached, reached_at = 0.0, days.at
    for slot in sorted(slots, key=attrgetter("start")):
        if slot.end <= days.at:
            continue
        start_s = reached if slot.start == reached_at else (slot.start - days.at).total_seconds()
        if start_s >= end_s:
            break
        reached_at = slot.end
        stop_s = min(end_s, (slot.end - days.at).total_seconds())
        if start_s > reached:
            gap = _Expected(slots, days).between(reached, start_s) if fill else [Span(reached, start_s, None, False)]
            spans += gap
            reached = start_s
        if stop_s > reached:  # of slots that overlap, the earlier holds
            last = spans[-1] if spans else None
            if last is not None and last.per_kwh == slot.per_kwh and last.published == slot.published:
                spans[-1] = Span(last.start_s, stop_s, slot.per_kwh, slot.published)
            else:
                spans.append(Span(reached, stop_s, slot.per_kwh, slot.published))
            reached = stop_s
    if reached < end_s:
        spans += _Expected(slots, days).between(reached, end_s)
    return spans


def _added(first: Iterable[Span], second: Sequence[Span]) -> list[Span]:
    """Return the sum of two prices that cover the same stretch; unknown where either is."""
    total: list[Span] = []
    for span, other in _side_by_side(first, second):
        unknown = span.per_kwh is None or other.per_kwh is None
        value = None if unknown else (span.per_kwh or 0.0) + (other.per_kwh or 0.0)
        total.append(span._replace(per_kwh=value, published=span.published and other.published))
    return total


def _weighed(total: Iterable[Span], weight: Sequence[Span]) -> list[Span]:
    """Return the prices with a weight beside what they cost; both cover the same stretch."""
    return [span._replace(weight=span.weight + (other.per_kwh or 0.0)) for span, other in _side_by_side(total, weight)]


def _side_by_side(first: Iterable[Span], second: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Yield the spans of the first, cut where those of the second begin and end, each with the one that covers it."""
    others = iter(second)
    other = next(others)
    for span in first:
        start_s = span.start_s
        while start_s < span.end_s:
            while other.end_s <= start_s:
                other = next(others)
            edge = min(span.end_s, other.end_s)
            yield span._replace(start_s=start_s, end_s=edge), other
            start_s = edge
