"""The market's price and everything the contract puts on top of it."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from policies.tariff.billing import BILLED_MIN, averaged, steps
from policies.tariff.parts import Part, require_finite, require_power
from policies.tariff.windows import Pieces, PricedWindow, amount_at, pieces
from scheduler.core.calendar import local_days
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Situation
from scheduler.core.prices import expected
from scheduler.core.terms import Price, PriceSlot, Term
from scheduler.core.timeline import Interval

PARTS = ("surcharge", "grid-fee", "tax", "vat")

INSTANT = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, kw_only=True)
class Spot:
    """What a kWh costs under a contract that follows the market.

    It begins with the market price of `source` (a name from `[[prices]]`) and goes through `order`: `surcharge`,
    `grid-fee` and `tax` add their amount [home currency per kWh], `vat` adds its percentage of what has been summed up
    to there. So `["surcharge", "vat", "grid-fee", "tax"]` is a contract whose fees and taxes are given with VAT in
    them, and one that begins with `vat` puts it on the market price alone. With `vat_on_negative = false` a sum below
    zero bears none.

    `surcharge_pct` is a percentage of the market price's size, so that a negative price is raised by it too. Where no
    row of `grid_fees` matches the fee is zero, where none of `taxes` does the tax is `tax_per_kwh`; of several that
    match the last holds.

    `billing_min` [minutes] is the step that the contract bills: shorter slots of the market count with their mean over
    it, before anything is added. Without it each slot counts by itself.

    `capacity_kw` is the power of the home above which a monthly fee rises [kW]. It changes no price and no plan;
    `kwhen check` warns of cars that can charge with more.
    """

    source: str
    billing_min: int | None = None
    surcharge_per_kwh: float = 0.0
    surcharge_pct: float = 0.0
    grid_fees: tuple[PricedWindow, ...] = ()
    tax_per_kwh: float = 0.0
    taxes: tuple[PricedWindow, ...] = ()
    vat_pct: float = 0.0
    vat_on_negative: bool = True
    order: tuple[str, ...] = PARTS
    capacity_kw: float | None = None

    def __post_init__(self) -> None:
        for name in ("surcharge_per_kwh", "tax_per_kwh"):
            require_finite(getattr(self, name), name)
        for name in ("surcharge_pct", "vat_pct"):
            if not 0 <= getattr(self, name) < 100:  # noqa: PLR2004 - no country comes near
                raise ValueError(f"{name} must be from 0 to below 100, not {getattr(self, name):g}")
        if sorted(self.order) != sorted(PARTS):
            raise ValueError(f"order must name each of {', '.join(PARTS)} once")
        if self.billing_min is not None and self.billing_min not in BILLED_MIN:
            raise ValueError(f"billing_min must be one of {', '.join(map(str, BILLED_MIN))}, not {self.billing_min}")
        require_power(self.capacity_kw)

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the price of every published slot from the local day's start on, and expected ones after the last.

        Only the market's part is expected, from its recent days; fees and taxes are known. Without any market price
        nothing is stated.

        Raises:
            ValueError: the source's prices are in another currency than the home's.
        """
        series = now.series(self.source)
        if series is None:
            return
        if series.currency != now.home.currency:
            raise ValueError(
                f"prices of {self.source} are in {series.currency}, the home reckons in {now.home.currency}"
            )
        span = local_days(now.at, now.limits.horizon, now.home.timezone)
        price = _paid_price(self, _Same(series), span, now.home.timezone)
        if price.slots:
            yield price

    def parts_at(self, prices: Mapping[str, PriceSeries], at: datetime, timezone: str) -> tuple[Part, ...]:
        """Return `market` and then the parts of `order` by their names; see `Tariff`."""
        series = prices.get(self.source)
        if series is None:
            return ()
        day = local_days(at, timedelta(0), timezone)
        slots = _market(_Same(series), day, timezone, self.billing_min)
        index = bisect_right(slots, at, key=lambda slot: slot.start) - 1
        if index < 0 or slots[index].end <= at:
            return ()
        fee, tax = (amount_at(added, at) for added in self._added(day, timezone))
        amounts, _ = self._amounts(slots[index].per_kwh, fee, tax)
        return tuple(map(Part, ("market", *self.order), amounts))

    def priced(self, slots: Iterable[PriceSlot], span: Interval, timezone: str) -> Iterator[PriceSlot]:
        """Walk market slots, grid fees and taxes side by side; a slot that an edge of theirs cuts becomes two."""
        fees, taxes = (iter(added) for added in self._added(span, timezone))
        (fee_holds, fee), (tax_holds, tax) = next(fees), next(taxes)
        for slot in slots:
            low, end = max(slot.start, span.start), min(slot.end, span.end)
            while low < end:
                while fee_holds.end <= low:
                    fee_holds, fee = next(fees)
                while tax_holds.end <= low:
                    tax_holds, tax = next(taxes)
                high = min(end, fee_holds.end, tax_holds.end)
                _, paid = self._amounts(slot.per_kwh, fee, tax)
                yield PriceSlot(start=low, end=high, per_kwh=paid, state=slot.state)
                low = high

    def _added(self, span: Interval, timezone: str) -> tuple[Pieces, Pieces]:
        """Return the grid fees and the taxes of a span."""
        fees = pieces(self.grid_fees, default=0.0, within=span, timezone=timezone)
        return fees, pieces(self.taxes, default=self.tax_per_kwh, within=span, timezone=timezone)

    def _amounts(self, market_per_kwh: float, grid_fee_per_kwh: float, tax_per_kwh: float) -> tuple[list[float], float]:
        """Return the amounts of the market and of each part in order, and their sum, added up as `total` does."""
        amounts, paid = [market_per_kwh], market_per_kwh
        for name in self.order:
            if name == "vat":
                amount = self._vat(paid)
            elif name == "tax":
                amount = tax_per_kwh
            elif name == "grid-fee":
                amount = grid_fee_per_kwh
            else:
                amount = self.surcharge_per_kwh + abs(market_per_kwh) * self.surcharge_pct / 100
            amounts.append(amount)
            paid += amount
        return amounts, paid

    def _vat(self, summed: float) -> float:
        return summed * self.vat_pct / 100 if summed >= 0 or self.vat_on_negative else 0.0


class _Same:
    """A series that equals only itself: comparing a thousand slots would cost more than pricing them."""

    def __init__(self, series: PriceSeries) -> None:
        self.slots = series.slots
        self.stand_ins = series.stand_ins

    def __hash__(self) -> int:
        return id(self.slots)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.slots is self.slots and other.stand_ins == self.stand_ins


@lru_cache(maxsize=64)  # asked at every cycle of every car, changes with the prices and the local day
def _paid_price(tariff: Spot, market: _Same, span: Interval, timezone: str) -> Price:
    slots = _market(market, span, timezone, tariff.billing_min)
    why = f"spot {tariff.source}{_stand_ins(market, span)}"
    return Price(slots=tuple(tariff.priced(slots, span, timezone)), why=why)


@lru_cache(maxsize=32)  # the tariffs of one market share it; parts are asked day by day
def _market(market: _Same, span: Interval, timezone: str, billing_min: int | None) -> tuple[PriceSlot, ...]:
    """Return the market's prices of whole local days, published and then expected, in the steps that are billed."""
    slots = market.slots + expected(market.slots, start=span.start, end=span.end, timezone=timezone)
    if billing_min is None:
        return slots
    return averaged(slots, steps(span, minutes=billing_min, timezone=timezone))


def _stand_ins(market: _Same, span: Interval) -> str:
    """Say which other source speaks within a span and from when, as ` (backup stands in from 2026-01-05T23:00Z)`."""
    said = []
    for name in dict.fromkeys(one.name for one in market.stand_ins):
        found = [one.interval for one in market.stand_ins if one.name == name and one.interval.end > span.start]
        if found:
            several = f"for {len(found)} stretches " if len(found) > 1 else ""
            until = f" to {found[-1].end:{INSTANT}}" if found[-1].end < market.slots[-1].end else ""
            said.append(f"{name} stands in {several}from {found[0].start:{INSTANT}}{until}")
    return f" ({'; '.join(said)})" if said else ""
