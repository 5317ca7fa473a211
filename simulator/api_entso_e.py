"""The market's prices as the ENTSO-E Transparency Platform tells them: XML that leaves out repeated prices (A03)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from aiohttp import web

from simulator.answers import Refusal
from simulator.keys import CLOCK, WORLD
from simulator.market import DAY, Slot, Zone, bounds, delivery_day

routes = web.RouteTableDef()

ENTSO_E = "/prices/entso-e"
ENTSO_E_TOKEN = "a-token-of-the-simulated-platform"  # noqa: S105 - nothing real is behind it
NAMESPACE = "urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3"


@routes.get(ENTSO_E + "/api")
async def prices(request: web.Request) -> web.Response:
    """Answer whole delivery days of the first zone that touch the period; an acknowledgement where there are none."""
    if request.query.get("securityToken") != ENTSO_E_TOKEN:
        return _acknowledged("Unauthorized. Missing or invalid security token", status=401)
    try:
        start, end = (_digits(request.query[name]) for name in ("periodStart", "periodEnd"))
    except (KeyError, ValueError) as error:
        raise Refusal(400, f"a parameter is missing or wrong: {error}") from error
    zone = next(iter(request.app[WORLD].market.zones.values()))
    first, last = delivery_day(start), delivery_day(end - timedelta(seconds=1))
    days = [first + n * DAY for n in range((last - first).days + 1)]
    now = request.app[CLOCK].now()
    series = [_series(zone, zone.known(day, now), *bounds(day)) for day in days if zone.known(day, now)]
    if not series:
        return _acknowledged("No matching data found")
    text = f'<?xml version="1.0"?><Publication_MarketDocument xmlns="{NAMESPACE}">{"".join(series)}'
    return web.Response(text=text + "</Publication_MarketDocument>", content_type="text/xml")


def _series(zone: Zone, slots: list[Slot], start: datetime, end: datetime) -> str:
    step = slots[0].end - slots[0].start
    return (
        "<TimeSeries><auction.type>A01</auction.type>"
        f"<currency_Unit.name>{zone.currency}</currency_Unit.name>"
        "<price_Measure_Unit.name>MWH</price_Measure_Unit.name><curveType>A03</curveType>"
        f"<Period><timeInterval><start>{_minutes(start)}</start><end>{_minutes(end)}</end></timeInterval>"
        f"<resolution>PT{step // timedelta(minutes=1)}M</resolution>{''.join(_points(slots, start, step))}"
        "</Period></TimeSeries>"
    )


def _points(slots: list[Slot], start: datetime, step: timedelta) -> Iterator[str]:
    before = None
    for slot in slots:
        price = f"{slot.per_kwh * 1000:.2f}"
        if price != before:
            position = (slot.start - start) // step + 1
            yield f"<Point><position>{position}</position><price.amount>{price}</price.amount></Point>"
        before = price


def _acknowledged(reason: str, *, status: int = 200) -> web.Response:
    text = (
        '<?xml version="1.0"?><Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgement'
        f'document:7:0"><Reason><code>999</code><text>{escape(reason)}</text></Reason></Acknowledgement_MarketDocument>'
    )
    return web.Response(text=text, status=status, content_type="text/xml")


def _digits(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC)


def _minutes(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"
