"""Answers of the price services, as their sources read them: all of our code but the socket."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from scheduler.core.errors import PriceError
from scheduler.core.feeds import PriceSeries
from scheduler.core.timeline import Interval, require_utc
from scheduler.prices.amber import Amber
from scheduler.prices.awattar import Awattar
from scheduler.prices.carbon_intensity_gb import CarbonIntensityGb
from scheduler.prices.comed import Comed
from scheduler.prices.easyenergy import EasyEnergy
from scheduler.prices.electricity_maps import ElectricityMaps
from scheduler.prices.energi_data_service import EnergiDataService
from scheduler.prices.energy_charts import EnergyCharts
from scheduler.prices.energyzero import EnergyZero
from scheduler.prices.entso_e import EntsoE
from scheduler.prices.nord_pool import NordPool
from scheduler.prices.octopus import Octopus
from scheduler.prices.smard import Smard
from scheduler.prices.tibber import Tibber
from scheduler.prices.url import UrlSource
from scheduler.prices.web import SourceWeb
from scheduler.web_client import Answer
from storage.price_slots import price_rows
from tests.fuzz.enode_targets import driven, storable
from tests.fuzz.seeds import captured, dumped, headed
from tests.fuzz.target import Target
from tests.unit.policies.builders import utc

AT = utc("2026-01-05T11:00")
SOON = Interval(start=utc("2026-01-05T00:00"), end=utc("2026-01-06T23:00"))
MOST_CALLS = 100
STATUSES = (200, 200, 200, 200, 200, 200, 204, 302, 400, 401, 404, 500)
ROWS = 4


@dataclass(frozen=True)
class Asked:
    """A source, and the span it is asked for."""

    source: Any
    within: Interval = SOON
    at: Any = AT


class _Web:
    """Answers every call alike."""

    def __init__(self, body: bytes, status: int) -> None:
        self._body, self._status, self._left = body, status, MOST_CALLS

    async def call(self, method: str, url: str, **_: Any) -> Answer:
        self._left -= 1
        assert self._left >= 0, "it goes on asking"
        return Answer(status=self._status, headers={}, body=self._body, what=f"{method} {url}")


def read(variants: Sequence[Asked], data: bytes) -> None:
    """First byte: the variant of the source and the status; then the body."""
    chosen = data[0] if data else 0
    asked = variants[chosen % len(variants)]
    client: Any = _Web(data[1:], 200 if chosen < 208 else STATUSES[chosen % len(STATUSES)])
    web = SourceWeb(client, token="token-of-nobody", token_at="KWHEN_PRICES_SECRET__TEST")
    judge(driven(asked.source.fetch(asked.within, at=asked.at, web=web)), asked.within)


def judge(series: PriceSeries, within: Interval) -> None:
    """Assert what the core and the store rely on."""
    slots = series.slots
    assert slots, "a series without slots"
    assert all(earlier.end <= later.start for earlier, later in pairwise(slots)), "slots out of order"
    for slot in slots:
        require_utc(slot.start, "start")
        require_utc(slot.end, "end")
        assert math.isfinite(slot.per_kwh), "a price that is no number"
        assert slot.start < within.end, "a slot beyond the span"
        assert slot.end > within.start, "a slot before the span"
    storable(series)
    for row in price_rows(series):
        assert all(-(2**63) <= value < 2**63 for value in row.values() if isinstance(value, int)), "an instant too far"


def days_of(start: str, days: int) -> Interval:
    """Return so many days from an instant on."""
    return Interval(start=utc(start), end=utc(start) + timedelta(days=days))


def _starts(step_min: int) -> list[Any]:
    return [AT + n * timedelta(minutes=step_min) for n in range(ROWS)]


def _z(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _ms(at: Any) -> int:
    return round(at.timestamp() * 1000)


def _hours(step: int = 60) -> list[tuple[Any, Any, float]]:
    return [(at, at + timedelta(minutes=step), 10.5 + n) for n, at in enumerate(_starts(step))]


def _entso_e() -> list[bytes]:
    points = "".join(f"<Point><position>{n}</position><price.amount>{n}.5</price.amount></Point>" for n in (1, 2, 4))
    made = f"""<?xml version="1.0" encoding="UTF-8"?>
<Publication_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3">
<TimeSeries><contract_MarketAgreement.type>A01</contract_MarketAgreement.type>
<currency_Unit.name>EUR</currency_Unit.name><price_Measure_Unit.name>MWH</price_Measure_Unit.name>
<curveType>A03</curveType><Period><timeInterval><start>2026-01-05T11:00Z</start><end>2026-01-05T15:00Z</end></timeInterval>
<resolution>PT60M</resolution>
{points}
</Period></TimeSeries></Publication_MarketDocument>"""
    return [made.encode(), *captured("entsoe/*.xml")]


def _amber() -> list[bytes]:
    kinds = ("ActualInterval", "CurrentInterval", "ForecastInterval", "ForecastInterval")
    return dumped(
        [
            {
                "type": kind,
                "duration": 30,
                "channelType": channel,
                "startTime": _z(a),
                "endTime": _z(b),
                "perKwh": price,
            }
            | {"estimate": True, "advancedPrice": {"low": 1.0, "predicted": 2.5, "high": 3.0}}
            for kind, (a, b, price) in zip(kinds, _hours(30), strict=True)
            for channel in ("general", "feedIn")
        ]
    )


def _tibber() -> list[bytes]:
    days = [{"total": p, "startsAt": f"{a:%Y-%m-%dT%H:%M:%S.000+00:00}", "currency": "NOK"} for a, _, p in _hours(15)]
    homes = [{"id": "one", "currentSubscription": {"priceInfo": {"today": days, "tomorrow": days[:1]}}}]
    wrong = {"data": None, "errors": [{"message": "no such user", "extensions": {"code": "UNAUTHENTICATED"}}]}
    told = [
        text.replace(b'"startsAt"', b'"currency":"SEK","startsAt"')
        for text in captured("tibber/*.json", "derived/tibber*.json")
    ]
    return [*dumped({"data": {"viewer": {"homes": homes}}}, wrong), *told]


def _energyzero() -> list[bytes]:
    rows = [{"start": _z(a), "end": _z(b), "price": {"value": str(p)}} for a, b, p in _hours(15)]
    answer = dict.fromkeys(("base", "base_with_vat", "all_in", "all_in_with_vat"), rows)
    return [*dumped({"interval": 1, **answer}, {"message": "prices not found"}), *captured("energyzero/rest*.json")]


def _easyenergy() -> list[bytes]:
    rows = [
        {"from": f"{a:%Y-%m-%dT%H:%M:%S.0000000}", "price": p, "priceIncVat": p, "invoicePrice": p, "granularity": kind, "unit": "kWh"}
        for kind in ("quarter",)
        for a, _, p in _hours(15)
    ]  # fmt: skip
    return [*dumped({"prices": rows}), *captured("easyenergy/*.json")]


def _nord_pool() -> list[bytes]:
    entries = [
        {"deliveryStart": _z(a), "deliveryEnd": _z(b), "entryPerArea": {"DK1": p, "SE3": p}} for a, b, p in _hours(15)
    ]
    states = [{"state": "Final", "areas": ["DK1", "SE3"]}]
    answer = {"currency": "EUR", "areaStates": states, "multiAreaEntries": entries, "multiIndexEntries": entries}
    return [*dumped(answer), *captured("nordpool/delivery*.json", "nordpool/indices*.json", "derived/nordpool*.json")]


def _octopus() -> list[bytes]:
    rows = [
        {"value_exc_vat": p, "value_inc_vat": p * 1.05, "valid_from": _z(a), "valid_to": _z(b), "payment_method": None}
        for a, b, p in _hours(30)
    ]
    long = [{**rows[0], "valid_from": "2020-01-01T00:00:00Z", "valid_to": None}]
    again = {"count": 4, "next": "https://api.octopus.energy/v1/products/", "previous": None, "results": rows}
    return [
        *dumped({"next": None, "results": rows}, {"next": None, "results": long}, again),
        *captured("octopus/*rates.json"),
    ]


def _energi_data() -> list[bytes]:
    rows = [
        {"TimeUTC": f"{a:%Y-%m-%dT%H:%M:%S}", "HourUTC": f"{a:%Y-%m-%dT%H:%M:%S}", "PriceArea": "DK1"}
        | {"DayAheadPriceEUR": p, "DayAheadPriceDKK": 7 * p, "SpotPriceEUR": p, "SpotPriceDKK": 7 * p}
        for a, _, p in _hours(15)
    ]
    return [*dumped({"total": 4, "records": rows}), *captured("derived/eds*.json")]


def _carbon_gb() -> list[bytes]:
    rows = [
        {
            "from": f"{a:%Y-%m-%dT%H:%MZ}",
            "to": f"{b:%Y-%m-%dT%H:%MZ}",
            "intensity": {"forecast": p, "actual": None, "index": "low"},
        }
        for a, b, p in _hours(30)
    ]
    region = {"regionid": 3, "shortname": "North", "postcode": "RG10", "data": rows}
    wrong = {"error": {"code": "400", "message": "Please enter a valid date"}}
    return [*dumped({"data": rows}, {"data": region}, wrong), *captured("carbon-intensity/*.json")]


def _electricity_maps() -> list[bytes]:
    rows = [{"zone": "DE", "carbonIntensity": p, "datetime": _z(a), "isEstimated": False} for a, _, p in _hours()]
    return dumped({**rows[0], "history": rows, "forecast": rows})


def _smard() -> list[bytes]:
    begin = _ms(utc("2026-01-04T23:00"))
    rows = [[_ms(a), p] for a, _, p in _hours(15)]
    return dumped({"timestamps": [begin - 7 * 86_400_000, begin], "series": [*rows, [_ms(AT) + 10**8, None]]})


def _plain_rows() -> list[bytes]:
    rows = [{"start": _z(a), "end": _z(b), "price": p} for a, b, p in _hours()]
    local = [
        {"start": f"2026-01-05T{11 + n}:00:00", "end": f"2026-01-05T{12 + n}:00:00", "price": str(n)}
        for n in range(ROWS)
    ]
    return [
        *dumped(rows, local, {"rows": rows}),
        *captured("awattar/*.json", "energy-charts/*.json", "derived/eds*.json"),
    ]


def _url(**settings: Any) -> UrlSource:
    plain = {
        "url": "https://x.test/{date}.json",
        "rows": "@",
        "start": "start",
        "price": "price",
        "unit": "EUR/MWh",
        "currency": "EUR",
    }
    return UrlSource(**{**plain, **settings})  # fmt: skip


OLD = days_of("2024-11-04T23:00", 2)
SOURCES: dict[str, tuple[tuple[Asked, ...], Callable[[], list[bytes]]]] = {
    "amber": ((Asked(Amber(site_id="01F5A5CRK")), Asked(Amber(site_id="01F5", channel="feedIn", resolution=5))), _amber),
    "awattar": (
        (Asked(Awattar(country="AT")), Asked(Awattar(country="AT"), days_of("2024-06-14T00:00", 3)), Asked(Awattar(country="DE"), days_of("2023-10-28T00:00", 3))),
        lambda: [
            *dumped({"data": [{"start_timestamp": _ms(a), "end_timestamp": _ms(b), "marketprice": p, "unit": "Eur/MWh"} for a, b, p in _hours()]}),
            *captured("awattar/*.json"),
        ],
    ),
    "carbon-intensity-gb": ((Asked(CarbonIntensityGb()), Asked(CarbonIntensityGb(postcode="RG10"))), _carbon_gb),
    "comed": (
        (Asked(None), Asked(None, days_of("2015-06-19T00:00", 1))),
        lambda: dumped([{"millisUTC": str(_ms(a)), "price": str(p)} for a, _, p in _hours(5)], [{"millisUTC": "1434686700000", "price": "2.0"}]),
    ),
    "easyenergy": (
        (Asked(EasyEnergy()), Asked(EasyEnergy(all_in=True)), Asked(EasyEnergy(vat=False, resolution="HOURLY")), Asked(EasyEnergy(), days_of("2026-04-18T22:00", 1))),
        _easyenergy,
    ),
    "electricity-maps": ((Asked(ElectricityMaps(zone="DE", forecast=True)), Asked(ElectricityMaps(zone="SE3"))), _electricity_maps),
    "energi-data-service": (
        (Asked(EnergiDataService(zone="DK1")), Asked(EnergiDataService(zone="DK1", currency="DKK"), days_of("2025-09-30T00:00", 2)), Asked(EnergiDataService(zone="DK1"), days_of("2025-10-25T22:00", 1))),
        _energi_data,
    ),
    "energy-charts": (
        (Asked(EnergyCharts(zone="DE-LU")), Asked(EnergyCharts(zone="AT"), days_of("2024-12-09T23:00", 2))),
        lambda: [
            *dumped({"unix_seconds": [_ms(a) // 1000 for a, _, _ in _hours()], "price": [1.0, None, -3.5, 2], "unit": "EUR / MWh"}),
            *captured("energy-charts/*raw.json"),
        ],
    ),
    "energyzero": ((Asked(EnergyZero()), Asked(EnergyZero(all_in=True, resolution="HOURLY")), Asked(EnergyZero(vat=False), days_of("2025-12-15T23:00", 3))), _energyzero),
    "entso-e": (
        (Asked(EntsoE(zone="DE-LU")), Asked(EntsoE(zone="FR"), days_of("2023-05-06T00:00", 2)), Asked(EntsoE(zone="BE"), days_of("2024-10-06T00:00", 4)), Asked(EntsoE(zone="ES"), days_of("2025-09-28T00:00", 5)), Asked(EntsoE(zone="DE-LU"), days_of("2026-02-01T00:00", 3))),
        _entso_e,
    ),
    "nord-pool": (
        (Asked(NordPool(zone="DK1")), Asked(NordPool(zone="SE3", resolution=15, currency="SEK")), Asked(NordPool(zone="SE3"), OLD), Asked(NordPool(zone="FI", resolution=15), days_of("2025-05-06T22:00", 1)), Asked(NordPool(zone="DK1"), days_of("2025-10-25T22:00", 1))),
        _nord_pool,
    ),
    "octopus": (
        (Asked(Octopus(tariff="E-1R-AGILE-18-02-21-J")), Asked(Octopus(product="GO-24", region="A", vat=False)), Asked(Octopus(tariff="E-1R-AGILE-18-02-21-J"), days_of("2024-05-07T00:00", 1))),
        _octopus,
    ),
    "smard": ((Asked(Smard(zone="DE-LU")), Asked(Smard(zone="AT", resolution="hour"))), _smard),
    "tibber": ((Asked(Tibber()), Asked(Tibber(home_id="one", resolution="HOURLY")), Asked(Tibber(), days_of("2025-09-18T00:00", 3))), _tibber),
    "url": (
        (
            Asked(_url()),
            Asked(_url(end="end", timezone="Europe/Oslo")),
            Asked(_url(rows="data", start="start_timestamp", price="marketprice"), days_of("2024-06-14T00:00", 2)),
            Asked(_url(rows="records", start="TimeDK", price="DayAheadPriceEUR", timezone="Europe/Copenhagen"), days_of("2025-10-25T00:00", 2)),
            Asked(_url(rows="rows[?price > `10`]", start="join('', [start, 'Z'])", price="to_number(price)", end="max_by([@], &end).end")),
        ),
        _plain_rows,
    ),
}  # fmt: skip
_XML = (
    b"<Point>", b"</Point>", b"<!DOCTYPE a>", b"<!ENTITY a 'b'>", b"&a;", b"&#0;", b"&#xD800;", b"<![CDATA[", b"]]>", b"<?x ?>", b"PT15M",
    b"PT0M", b"PT99H9999M", b"P1Y", b"A01", b"A03", b"A07", b"xmlns", b'encoding="UTF-16"', b'encoding="x"', b"position", b"TimeSeries",
)  # fmt: skip


def _variants(name: str, variants: tuple[Asked, ...]) -> Callable[[], tuple[Asked, ...]]:
    if name != "comed":
        return lambda: variants
    return lambda: tuple(Asked(Comed(), one.within) for one in variants)  # it remembers what it was told


def _target(name: str) -> Target:
    variants, seeds = SOURCES[name]
    fresh = _variants(name, variants)
    heads = [bytes([n]) for n in range(len(variants))]

    def run(data: bytes) -> None:
        read(fresh(), data)

    return Target(
        name=f"prices-{name}",
        run=run,
        seeds=lambda: headed(seeds(), *heads),
        expected=(PriceError,),
        head=1,
        form="text" if name == "entso-e" else "json",
        words=_XML if name == "entso-e" else (),
        cost=2.0 if name in {"comed", "url", "entso-e"} else 1.2,
    )


TARGETS = tuple(_target(name) for name in SOURCES)
