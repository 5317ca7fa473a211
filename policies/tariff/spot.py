"""The market's price and everything the contract puts on top of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from policies.tariff.windows import PricedWindow, pieces, require_finite
from scheduler.core.calendar import local_days
from scheduler.core.model import Situation
from scheduler.core.prices import expected
from scheduler.core.terms import Price, PriceSlot, Term
from scheduler.core.timeline import Interval

PARTS = ("surcharge", "grid-fee", "tax", "vat")


@dataclass(frozen=True, kw_only=True)
class Spot:
    """What a kWh costs under a contract that follows the market.

    It begins with the market price of `source` (a name from `[[prices]]`) and goes through `order`: `surcharge`,
    `grid-fee` and `tax` add their amount [home currency per kWh], `vat` multiplies what has been summed up to there.
    So `["surcharge", "vat", "grid-fee", "tax"]` is a contract whose fees and taxes are given with VAT in them. Where no
    grid fee row matches the fee is zero; of several that match the last holds. With `vat_on_negative = false` a sum
    below zero is not multiplied.
    """

    source: str
    surcharge_per_kwh: float = 0.0
    grid_fees: tuple[PricedWindow, ...] = ()
    tax_per_kwh: float = 0.0
    vat_pct: float = 0.0
    vat_on_negative: bool = True
    order: tuple[str, ...] = PARTS

    def __post_init__(self) -> None:
        for name in ("surcharge_per_kwh", "tax_per_kwh", "vat_pct"):
            require_finite(getattr(self, name), name)
        if not 0 <= self.vat_pct < 100:  # noqa: PLR2004 - no country comes near
            raise ValueError(f"vat_pct must be from 0 to below 100, not {self.vat_pct:g}")
        if sorted(self.order) != sorted(PARTS):
            raise ValueError(f"order must name each of {', '.join(PARTS)} once")

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
        price = _paid_price(self, _Same(series.slots), span, now.home.timezone)
        if price.slots:
            yield price

    def priced(self, slots: Iterable[PriceSlot], span: Interval, timezone: str) -> Iterator[PriceSlot]:
        """Walk market slots and grid fees side by side; a slot that a fee's edge cuts becomes two."""
        fees = iter(pieces(self.grid_fees, default=0.0, within=span, timezone=timezone))
        piece, fee = next(fees)
        for slot in slots:
            low, end = max(slot.start, span.start), min(slot.end, span.end)
            while low < end:
                while piece.end <= low:
                    piece, fee = next(fees)
                high = min(end, piece.end)
                yield PriceSlot(start=low, end=high, per_kwh=self._paid(slot.per_kwh, fee), state=slot.state)
                low = high

    def _paid(self, market_per_kwh: float, grid_fee_per_kwh: float) -> float:
        added = {"surcharge": self.surcharge_per_kwh, "grid-fee": grid_fee_per_kwh, "tax": self.tax_per_kwh}
        paid = market_per_kwh
        for part in self.order:
            if part != "vat":
                paid += added[part]
            elif paid >= 0 or self.vat_on_negative:
                paid *= 1 + self.vat_pct / 100
        return paid


class _Same:
    """A series of slots that equals only itself: comparing a thousand slots would cost more than pricing them."""

    def __init__(self, slots: tuple[PriceSlot, ...]) -> None:
        self.slots = slots

    def __hash__(self) -> int:
        return id(self.slots)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.slots is self.slots


@lru_cache(maxsize=64)  # asked at every cycle of every car, changes with the prices and the local day
def _paid_price(tariff: Spot, market: _Same, span: Interval, timezone: str) -> Price:
    slots = market.slots + _expected(market, span, timezone)
    return Price(slots=tuple(tariff.priced(slots, span, timezone)), why=f"spot {tariff.source}")


@lru_cache(maxsize=16)  # the tariffs of one market share it
def _expected(market: _Same, span: Interval, timezone: str) -> tuple[PriceSlot, ...]:
    return expected(market.slots, start=span.start, end=span.end, timezone=timezone)
