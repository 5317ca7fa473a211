"""What a running daemon tells of prices is what its plans go by."""

from datetime import timedelta

from scheduler.core.calendar import local_days
from scheduler.core.terms import PriceState, billed
from scheduler.http.price_views import home_prices_view
from scheduler.http.views import price_curve
from simulator.market import bounds, delivery_day
from tests.e2e.stage import DAY, HOUR, START_AT, Stage, perform


def test_a_home_is_told_the_prices_that_its_cars_are_planned_by():
    async def story(stage: Stage) -> None:
        await stage.wait(hours=1)
        app, now = stage.app, stage.app.clock.now()
        (home,) = app.homes()
        span = local_days(now, DAY, home.timezone)
        found = await app.home_prices(home, span)
        last = app.last(stage.car.id)
        assert last is not None
        assert billed(last[0].terms)
        planned = {slot.start: slot.per_kwh for slot in price_curve(last[0]) if slot.end <= span.end}
        assert {slot.start: slot.per_kwh for slot in found.slots if slot.start in planned} == planned
        assert found.span == span
        (source,) = app.price_sources()
        assert (source.kind, source.trouble, source.late) == ("nord-pool", "", False)
        assert source.fetched_at is not None
        assert now - source.fetched_at < 2 * HOUR
        view = home_prices_view(home, found, app.price_sources(), now=now)
        assert view["sources"][0]["until"] == bounds(delivery_day(START_AT) + DAY)[1].isoformat().replace("+00:00", "Z")

    perform(story, prices="nord-pool")


def test_while_tomorrow_is_late_it_is_told_as_expected_and_why():
    async def story(stage: Stage) -> None:
        await stage.wait(hours=5)
        app, now = stage.app, stage.app.clock.now()
        (home,) = app.homes()
        found = await app.home_prices(home, local_days(now, DAY, home.timezone))
        midnight = bounds(delivery_day(START_AT) + DAY)[0]
        assert {slot.state for slot in found.slots if slot.end <= midnight} == {PriceState.FINAL}
        assert {slot.state for slot in found.slots if slot.start >= midnight} == {PriceState.FORECAST}
        (source,) = app.price_sources()
        assert source.late
        assert source.trouble
        assert source.next_fetch_at is not None
        assert source.next_fetch_at - now <= timedelta(minutes=32)

    perform(story, prices="nord-pool", market=lambda zone: zone.late.update({delivery_day(START_AT) + DAY: None}))
