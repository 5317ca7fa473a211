"""What ENTSO-E's price document (A44) says, as rows.

Rules. The interval of a period decides how many prices it has, not its points. On a curve A03 a point that is left out
repeats the one before it, at the end of the period too; on any other it is not known. Where several series speak of one
time, the lowest sequence holds, and of one sequence the finest; the others are left out wherever they touch what holds.
Sequence 1, or none, is the coupled auction; any other is an auction of its own, whose prices are not those of the
contract, so they are only expected. Intraday auctions (A07) are passed over.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from xml.etree.ElementTree import Element

from scheduler.core.errors import PricesUnavailable
from scheduler.core.terms import PriceState
from scheduler.core.timeline import Interval, merge
from scheduler.prices.slots import Row, instant

LONGEST = timedelta(days=400)
"""A period may be so long; the service itself tells a year at most."""


class _Rank(NamedTuple):
    """What holds before what: the lower rank."""

    sequence: int
    step: timedelta


def rows_of(document: Element, *, currency: str) -> list[Row]:
    """Return the prices per MWh that hold.

    Raises:
        PricesUnavailable: a series is in another currency or unit, or the document is not one of prices.
    """
    try:
        ranked = [one for series in document.iterfind("{*}TimeSeries") for one in _told(series, currency)]
    except (TypeError, ValueError) as error:
        raise PricesUnavailable(f"ENTSO-E's document cannot be read: {error}") from None
    held: list[Row] = []
    for _, group in groupby(sorted(ranked, key=itemgetter(0)), key=itemgetter(0)):
        taken = merge(Interval(start=row.start, end=row.end) for row in held)
        held += [row for _, row in group if not any(row.start < one.end and one.start < row.end for one in taken)]
    return held


def _told(series: Element, currency: str) -> Iterator[tuple[_Rank, Row]]:
    if _text(series, "contract_MarketAgreement.type", "A01") != "A01":
        return
    unit = (_text(series, "currency_Unit.name"), _text(series, "price_Measure_Unit.name").upper())
    if unit != (currency, "MWH"):
        raise PricesUnavailable(f"ENTSO-E told prices in {'/'.join(unit)}, asked for {currency}/MWH")
    sequence = int(_text(series, "classificationSequence_AttributeInstanceComponent.position", "1"))
    state = PriceState.FINAL if sequence == 1 else PriceState.FORECAST
    repeats = _text(series, "curveType") == "A03"
    for period in series.iterfind("{*}Period"):
        step = _duration(_text(period, "resolution"))
        for start, price in _prices(period, step, repeats=repeats):
            yield _Rank(sequence, step), Row(start, start + step, price, state)


def _prices(period: Element, step: timedelta, *, repeats: bool) -> Iterator[tuple[datetime, float]]:
    start, end = (instant(_text(period, f"timeInterval/{{*}}{edge}")) for edge in ("start", "end"))
    count, rest = divmod(end - start, step)
    if rest or not timedelta(0) < end - start <= LONGEST:
        raise PricesUnavailable(f"ENTSO-E told of {start} to {end} in steps of {step}")
    told = {(int(_text(point, "position")), _text(point, "price.amount")) for point in period.iterfind("{*}Point")}
    points = dict(told)
    if len(points) < len(told):
        raise PricesUnavailable(f"ENTSO-E told two prices for one time of {start} to {end}")
    price = ""
    for n in range(count):
        price = points.get(n + 1, price if repeats else "")
        if price:
            yield start + n * step, float(price)


def _duration(text: str) -> timedelta:
    """Return the length of a slot such as `PT15M` or `PT1H`. Raises ValueError."""
    found = re.fullmatch(r"PT(?:(\d{1,2})H)?(?:(\d{1,4})M)?", text)
    length = timedelta(hours=int(found[1] or 0), minutes=int(found[2] or 0)) if found else None
    if not length:
        raise ValueError(f"{text!r} is no length of a slot")
    return length


def _text(element: Element, name: str, default: str = "") -> str:
    return (element.findtext(f"{{*}}{name}") or default).strip()
