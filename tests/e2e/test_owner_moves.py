"""What an owner does with a home that runs: have it elsewhere, or change it while a car is made to wait."""

import pytest

from scheduler.core.errors import HomeInvalid, Refused
from scheduler.core.garage import Position, Spot
from tests.e2e.stage import OSLO
from tests.e2e.terminal import Walk, walk
from tests.e2e.test_owner_upkeep import settle


def spot(latitude: float, longitude: float, **more: str) -> Spot:
    said = {"name": "Home", "timezone": "Europe/Oslo"} | more
    return Spot(**said, position=Position(latitude=latitude, longitude=longitude))


def test_a_home_is_told_about_before_it_is_moved_and_then_it_is_the_same_place_elsewhere():
    async def story(on: Walk) -> None:
        car = await settle(on)
        onboarding = on.app.onboarding
        table = (await onboarding.home_text("oslo")).table
        assert await onboarding.doubts("me", spot(OSLO.latitude, OSLO.longitude), home_id="oslo") == ()
        [near] = await onboarding.doubts("me", spot(OSLO.latitude, OSLO.longitude))
        assert "Home oslo is within 200 m" in near.text
        [exchanged] = await onboarding.doubts("me", spot(OSLO.longitude, OSLO.latitude), home_id="oslo")
        assert exchanged.exchanged
        [nowhere] = await onboarding.doubts("me", spot(0, 0), home_id="oslo")
        assert nowhere.barred
        with pytest.raises(Refused, match="Guinea"):
            await onboarding.change_home("oslo", table, spot=spot(0, 0))
        with pytest.raises(HomeInvalid):
            await onboarding.change_home("oslo", {**table, "timezone": "Nowhere"}, spot=spot(59.95, 10.7))
        [before] = (await onboarding.account("me", fresh=True)).locations
        assert before.position == Position(latitude=OSLO.latitude, longitude=OSLO.longitude)
        home = await onboarding.change_home("oslo", table, spot=spot(59.95, 10.7, name="New house"))
        account = await onboarding.account("me")
        [after] = account.locations
        assert (after.id, after.name) == (before.id, "New house") == (home.location_id, "New house")
        assert after.position == Position(latitude=59.95, longitude=10.7)
        assert [one.location_id for one in account.chargers] == [before.id]
        assert [one.id for one in home.vehicles] == [car.id]

    walk(story, webhooks=False)


def test_a_home_without_a_place_gets_one_with_its_chargers():
    async def story(on: Walk) -> None:
        await on.link("vehicle", "VOLKSWAGEN")
        await on.link("charger", "EASEE")
        [post] = (await on.app.onboarding.account("me", fresh=True)).chargers
        table = {"id": "oslo", "user_id": "me", "timezone": "Europe/Oslo", "mode": "off", "charger_ids": [post.id]}
        await on.app.onboarding.create_home({**table, "latitude": 1.0, "longitude": 1.0, "location_id": "gone"})
        home = await on.app.onboarding.change_home(
            "oslo", {**table, "latitude": 1.0, "longitude": 1.0}, spot=spot(OSLO.latitude, OSLO.longitude)
        )
        account = await on.app.onboarding.account("me")
        assert [one.id for one in account.locations] == [home.location_id]
        assert [one.location_id for one in account.chargers] == [home.location_id]
        kept = (await on.app.onboarding.home_text("oslo")).table
        assert (kept["latitude"], kept["longitude"]) == (OSLO.latitude, OSLO.longitude)

    walk(story, webhooks=False)


def test_a_home_is_moved_from_a_held_car_only_once_that_is_let_go():
    async def story(on: Walk) -> None:
        car = await settle(on)
        await on.wait(minutes=20)
        await on.kwhen("override", "charge", car.name)
        await on.wait(minutes=30)
        await on.kwhen("override", "hold", car.name)
        await on.wait(minutes=30)
        assert not car.charging
        onboarding = on.app.onboarding
        table = (await onboarding.home_text("oslo")).table
        await onboarding.change_home("oslo", {**table, "max_kw": 7.0})  # nobody is left behind by that
        for changed, where in (({**table, "mode": "observe"}, None), (table, spot(59.95, 10.7))):
            with pytest.raises(Refused, match="held by kwhen"):
                await onboarding.change_home("oslo", changed, spot=where)
        [place] = (await onboarding.account("me", fresh=True)).locations
        assert place.position is not None
        assert place.position.latitude == OSLO.latitude
        for _ in range(10):  # a start takes a while; the answer says so and the change may be asked for again
            if await _changed(on, {**table, "mode": "observe"}):
                break
            await on.wait(minutes=2)
        assert car.charging
        [home] = on.app.homes()
        assert home.mode == "observe"

    walk(story, webhooks=True)


async def _changed(on: Walk, table: dict[str, object]) -> bool:
    try:
        await on.app.onboarding.change_home("oslo", table, release=True)
    except Refused:
        return False
    return True
