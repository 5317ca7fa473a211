"""Our price sources against the simulated services, over HTTP: what the market made is what arrives."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval
from scheduler.ports import PriceSource
from scheduler.prices.entso_e import EntsoE
from scheduler.prices.nord_pool import NordPool
from scheduler.prices.octopus import Octopus
from scheduler.prices.tibber import Tibber
from scheduler.prices.web import SourceWeb
from scheduler.web_client import WebClient, WebLimits
from simulator.api_entso_e import ENTSO_E, ENTSO_E_TOKEN
from simulator.api_prices import NORD_POOL, OCTOPUS, TIBBER, TIBBER_TOKEN
from simulator.clock import ManualClock
from simulator.market import Slot, Zone, bounds, recorded
from simulator.server import serve
from simulator.world import World
from tests.web_support import StepClock

DAY = timedelta(days=1)
TARIFF = "E-1R-AGILE-18-02-21-J"
LIMITS = WebLimits(attempts=1)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A simulated service, the source that asks it, and the recorded series it tells."""

    file: str
    zone: str
    source: Callable[[str], PriceSource]
    token: str = ""
    currency: str = "EUR"
    digits: int = 6


SERVICES = {
    "nord-pool": Service(
        file="DK1_15min", zone="DK1", source=lambda url: NordPool(zone="DK1", url=url + NORD_POOL), digits=5
    ),
    "octopus": Service(
        file="GB-AGILE-J_30min",
        zone=TARIFF,
        source=lambda url: Octopus(tariff=TARIFF, url=url + OCTOPUS),
        currency="GBP",
    ),
    "tibber": Service(
        file="SE3_15min", zone="SE3", source=lambda url: Tibber(url=url + TIBBER), token=TIBBER_TOKEN, digits=4
    ),
    "entso-e": Service(
        file="AT_15min",
        zone="AT",
        source=lambda url: EntsoE(zone="AT", url=url + ENTSO_E),
        token=ENTSO_E_TOKEN,
        digits=5,
    ),
}
QUARTERS = [(date(2026, 3, 29), 92), (date(2026, 1, 13), 96), (date(2025, 10, 26), 100)]
HALVES = [(date(2022, 3, 27), 46), (date(2022, 1, 13), 48), (date(2022, 10, 30), 50)]
DAYS = [
    (name, day, count) for name in SERVICES for day, count in (HALVES if name == "octopus" else QUARTERS)
]  # fmt: skip


@asynccontextmanager
async def asking(
    data_dir: Path, name: str, now: datetime, *, token: str | None = None
) -> AsyncIterator[tuple[World, Callable[[date], Awaitable[PriceSeries]]]]:
    """Run a service; yield its world and what asks for a delivery day."""
    service, world = SERVICES[name], World(seed=1, start_at=now)
    prices = recorded(data_dir / "prices" / f"{service.file}.csv.gz")
    world.market.add(Zone(name=service.zone, currency=service.currency, prices=prices))
    running = await serve(world, ManualClock(now))
    async with WebClient(StepClock(now), limits=LIMITS) as client:
        source, web = service.source(running.url), SourceWeb(client, token=service.token if token is None else token)

        async def fetch(day: date) -> PriceSeries:
            start, end = bounds(day)
            return await source.fetch(Interval(start=start, end=end), at=now, web=web)

        try:
            yield world, fetch
        finally:
            await running.stop()


def exactly(slots: Iterable[PriceSlot], market: Iterable[Slot], digits: int) -> bool:
    told = [(slot.start, slot.end, round(slot.per_kwh, digits)) for slot in slots]
    return told == [(slot.start, slot.end, round(slot.per_kwh, digits)) for slot in market]


def an_ordinary_day(name: str) -> date:
    return HALVES[1][0] if name == "octopus" else QUARTERS[1][0]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(("name", "day", "count"), DAYS)
async def test_a_recorded_day_arrives_as_it_was(data_dir, name, day, count):
    service = SERVICES[name]
    async with asking(data_dir, name, noon(day)) as (world, fetch):
        series = await fetch(day)
        assert len(series.slots) == count
        assert exactly(series.slots, world.market.zones[service.zone].prices(day), service.digits)
        assert series.currency == service.currency
        assert {slot.state for slot in series.slots} == {PriceState.FINAL}


@pytest.mark.parametrize("name", SERVICES)
async def test_before_the_publication_there_is_nothing_yet(data_dir, name):
    day = an_ordinary_day(name)
    async with asking(data_dir, name, noon(day) - 2 * DAY) as (_, fetch):
        with pytest.raises(PricesNotPublished):
            await fetch(day)


async def test_what_is_preliminary_says_so(data_dir):
    day = an_ordinary_day("nord-pool")
    async with asking(data_dir, "nord-pool", noon(day)) as (world, fetch):
        world.market.zones["DK1"].preliminary[day] = noon(day) + DAY
        assert {slot.state for slot in (await fetch(day)).slots} == {PriceState.PRELIMINARY}


@pytest.mark.parametrize("name", ["tibber", "entso-e"])
async def test_a_wrong_token_is_refused_and_not_told(data_dir, name):
    day = an_ordinary_day(name)
    async with asking(data_dir, name, noon(day), token="not-the-right-one") as (_, fetch):
        with pytest.raises(PricesRefused) as refused:
            await fetch(day)
    assert "not-the-right-one" not in str(refused.value)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 503}, {"kind": "truncate"}, {"kind": "html"}, {"kind": "drop"}]
)
async def test_a_service_that_fails_is_unavailable(data_dir, name, fault):
    day = an_ordinary_day(name)
    async with asking(data_dir, name, noon(day)) as (world, fetch):
        world.faults.add(path="/prices/*", **fault)
        with pytest.raises(PricesUnavailable):
            await fetch(day)


async def test_a_service_that_wants_us_to_wait_is_heard(data_dir):
    day = an_ordinary_day("octopus")
    async with asking(data_dir, "octopus", noon(day)) as (world, fetch):
        world.faults.add("status", path="/prices/*", status=429, retry_after_s=1800)
        with pytest.raises(PricesUnavailable) as busy:
            await fetch(day)
    assert busy.value.retry_after_s == 1800
