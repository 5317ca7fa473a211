"""The market's prices in the formats of three services: Nord Pool's data portal, Octopus Energy and Tibber.

Nord Pool: the zone is the delivery area. Octopus: the zone is the tariff code, its prices are retail with VAT. Tibber:
the zone is the market's `tibber`, else the first; its prices are retail.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from simulator.answers import Refusal
from simulator.keys import CLOCK, WORLD
from simulator.market import DAY, Market, Slot, Zone, bounds, delivery_day

routes = web.RouteTableDef()

NORD_POOL, OCTOPUS, TIBBER = "/prices/nord-pool", "/prices/octopus", "/prices/tibber"
TIBBER_TOKEN = "a-token-of-the-simulated-tibber"  # noqa: S105 - nothing real is behind it
TIBBER_HOME = "96a14971-525a-4420-aae9-e5aedaa129ff"
PAGE_SIZE, LONGEST_PAGE = 100, 1500
VAT = 1.05
HOUR = timedelta(hours=1)


def _market(request: web.Request) -> tuple[Market, datetime]:
    return request.app[WORLD].market, request.app[CLOCK].now()


@routes.get(NORD_POOL + "/api/DayAheadPrices")
async def day_ahead_prices(request: web.Request) -> web.Response:
    """Answer the prices of one delivery day; 204 while one of the areas is not published."""
    market, now = _market(request)
    query = request.query
    try:
        day = date.fromisoformat(query["date"])
        zones = [market.zones[name] for name in query["deliveryArea"].split(",")]
    except (KeyError, ValueError) as error:
        raise Refusal(400, f"a parameter is missing or unknown: {error}") from error
    if any(zone.currency != query.get("currency", "EUR") for zone in zones):
        raise Refusal(400, "these areas are not priced in that currency here")
    told = {zone.name: zone.known(day, now) for zone in zones}
    if not all(told.values()):
        return web.Response(status=204)
    return web.json_response(_delivery_period(day, zones, told, now))


def _delivery_period(day: date, zones: Sequence[Zone], told: dict[str, list[Slot]], now: datetime) -> dict[str, Any]:
    spans: dict[tuple[datetime, datetime], dict[str, Any]] = {}
    for name, slots in told.items():
        for slot in slots:
            spans.setdefault((slot.start, slot.end), {})[name] = _times(slot.per_kwh, 1000, digits=2)
    states: dict[str, list[str]] = {}
    for zone in zones:
        states.setdefault("Final" if zone.final(day, now) else "Preliminary", []).append(zone.name)
    return {
        "deliveryDateCET": day.isoformat(),
        "version": 2,
        "updatedAt": _zulu(zones[0].published_at(day) or now),
        "deliveryAreas": list(told),
        "market": "DayAhead",
        "multiAreaEntries": [
            {"deliveryStart": _zulu(start), "deliveryEnd": _zulu(end), "entryPerArea": prices}
            for (start, end), prices in spans.items()
        ],
        "blockPriceAggregates": [],
        "currency": zones[0].currency,
        "exchangeRate": 1,
        "areaStates": [{"state": state, "areas": areas} for state, areas in states.items()],
        "areaAverages": [{"areaCode": name, "price": _mean_per_mwh(slots)} for name, slots in told.items()],
    }


@routes.get(OCTOPUS + "/v1/products/{product}/electricity-tariffs/{tariff}/standard-unit-rates/")
async def unit_rates(request: web.Request) -> web.Response:
    """Answer the half hours of a tariff that touch a period, newest first, page by page."""
    market, now = _market(request)
    zone = market.zones.get(request.match_info["tariff"])
    if zone is None:
        raise Refusal(404, "No ElectricityTariff matches the given query.")
    try:
        start, end = (_read(request.query[name]) for name in ("period_from", "period_to"))
        page, size = int(request.query.get("page", 1)), int(request.query.get("page_size", PAGE_SIZE))
    except (KeyError, ValueError) as error:
        raise Refusal(400, f"a parameter is missing or wrong: {error}") from error
    size = min(size, LONGEST_PAGE)
    slots = sorted(zone.between(start, end, now), key=lambda slot: slot.start, reverse=True)
    shown = slots[(page - 1) * size : page * size]
    return web.json_response(
        {
            "count": len(slots),
            "next": str(request.url.update_query(page=page + 1)) if page * size < len(slots) else None,
            "previous": str(request.url.update_query(page=page - 1)) if page > 1 else None,
            "results": [_rate(slot) for slot in shown],
        }
    )


def _rate(slot: Slot) -> dict[str, Any]:
    return {
        "value_exc_vat": _times(slot.per_kwh, 100 / VAT, digits=4),
        "value_inc_vat": _times(slot.per_kwh, 100, digits=4),
        "valid_from": _zulu(slot.start),
        "valid_to": _zulu(slot.end),
        "payment_method": None,
    }


@routes.post(TIBBER + "/v1-beta/gql")
async def price_info(request: web.Request) -> web.Response:
    """Answer today's and tomorrow's prices of the one home, in quarters where the query asks for them."""
    market, now = _market(request)
    if request.headers.get("authorization") != f"Bearer {TIBBER_TOKEN}":
        error = {"message": "No valid access token in request", "extensions": {"code": "UNAUTHENTICATED"}}
        return web.json_response({"errors": [error], "data": None})
    query = (await request.json()).get("query", "")
    zone = market.tibber or next(iter(market.zones.values()))
    today = delivery_day(now)
    step = timedelta(minutes=15) if "QUARTER_HOURLY" in query else HOUR
    days = {
        name: [_tibber_price(slot, zone) for slot in _in_steps(zone.known(day, now), day, step)]
        for name, day in (("today", today), ("tomorrow", today + DAY))
    }
    home = {
        "id": TIBBER_HOME,
        "timeZone": zone.timezone,
        "currentSubscription": {"priceInfo": days},
    }
    return web.json_response({"data": {"viewer": {"homes": [home]}}})


def _in_steps(slots: Sequence[Slot], day: date, step: timedelta) -> list[Slot]:
    """Return slots of one length: longer ones repeated, shorter ones averaged; a step without a price is left out."""
    at, end = bounds(day)
    found = []
    while at < end and slots:
        inside = [slot.per_kwh for slot in slots if slot.start < at + step and slot.end > at]
        if inside:
            found.append(Slot(start=at, end=at + step, per_kwh=fmean(inside)))
        at += step
    return found


def _tibber_price(slot: Slot, zone: Zone) -> dict[str, Any]:
    total = round(slot.per_kwh, 4)
    energy = round(total * 0.8, 4)
    starts_at = slot.start.astimezone(ZoneInfo(zone.timezone)).isoformat(timespec="milliseconds")
    tax = round(total - energy, 4)
    return {"total": total, "energy": energy, "tax": tax, "startsAt": starts_at, "currency": zone.currency}


def _times(price: Any, factor: float, *, digits: int) -> Any:
    """Return a price in another unit; what is no finite number stays as it is."""
    return round(price * factor, digits) if _is_number(price) else price


def _mean_per_mwh(slots: Sequence[Slot]) -> float:
    return round(fmean([slot.per_kwh for slot in slots if _is_number(slot.per_kwh)] or [0.0]) * 1000, 2)


def _is_number(price: Any) -> bool:
    return isinstance(price, (int, float)) and math.isfinite(price)


def _zulu(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _read(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return at.astimezone(UTC)
