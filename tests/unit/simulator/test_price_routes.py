"""A hand on the market from another process: what its prices are, and days that are late."""

from datetime import UTC, date, datetime, timedelta

import aiohttp
import pytest

from simulator.clock import ManualClock
from simulator.scenario import standalone_world
from simulator.server import serve

NOW = datetime(2026, 1, 12, 13, 0, tzinfo=UTC)
TOMORROW = date(2026, 1, 13)
ASKED = {"date": "2026-01-13", "market": "DayAhead", "deliveryArea": "NO1", "currency": "NOK"}


@pytest.fixture
async def service():
    running = await serve(standalone_world(seed=1, start_at=NOW), ManualClock(NOW))
    async with aiohttp.ClientSession(running.url) as session:
        yield session
    await running.stop()


async def told(service, **changes):
    async with service.get("/prices/nord-pool/api/DayAheadPrices", params=ASKED | changes) as answer:
        return answer.status, await answer.json() if answer.status == 200 else None


async def test_a_day_can_be_moved_and_never_come(service):
    assert (await told(service))[0] == 200
    for at in (None, (NOW + timedelta(hours=1)).isoformat()):
        async with service.post("/_sim/prices", json={"zone": "NO1", "day": str(TOMORROW), "at": at}) as answer:
            assert answer.status == 200
        assert (await told(service))[0] == 204
    async with service.post(
        "/_sim/prices", json={"zone": "NO1", "day": str(TOMORROW), "at": NOW.isoformat()}
    ) as answer:
        assert (await answer.json())["late"] == {"2026-01-13": "2026-01-12T13:00:00.000Z"}
    assert (await told(service))[0] == 200


@pytest.mark.parametrize(
    "body", [{"zone": "SE9", "day": "2026-01-13", "at": None}, {"zone": "NO1", "day": "x", "at": None}]
)
async def test_what_makes_no_sense_is_refused(service, body):
    async with service.post("/_sim/prices", json=body) as answer:
        assert answer.status == 400


async def test_what_is_not_published_is_told_to_who_asks_behind_the_scene(service):
    query = {"zone": "NO1", "first": "2026-01-13", "last": "2026-01-14"}
    async with service.get("/_sim/prices", params=query) as answer:
        rows = await answer.json()
    assert len(rows) == 48
    _, day = await told(service)
    assert [round(row[2] * 1000, 2) for row in rows[:24]] == [
        one["entryPerArea"]["NO1"] for one in day["multiAreaEntries"]
    ]


@pytest.mark.parametrize("changes", [{"date": "soon"}, {"deliveryArea": "SE9"}, {"currency": "EUR"}])
async def test_a_question_that_makes_no_sense_is_refused(service, changes):
    assert (await told(service, **changes))[0] == 400


async def test_faults_strike_the_prices_alone(service):
    fault = {"kind": "status", "path": "/prices/*", "status": 503}
    async with service.post("/_sim/fault", json=fault) as answer:
        assert answer.status < 300
    assert (await told(service))[0] == 503
    async with service.get("/health/ready") as answer:
        assert answer.status == 204
