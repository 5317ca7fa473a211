"""People with hands of their own, and cars that tell nonsense about themselves (P12 to P24)."""

import random
from datetime import timedelta

import pytest

from scheduler.core.command import Action
from scheduler.core.model import Will
from simulator.physics import Battery
from simulator.telemetry import Distortion
from tests.e2e.stage import DAY, Stage, perform, verified


def test_p12_a_person_stops_twice_and_is_obeyed():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("01:30")
        stage.car.person_stops()
        stopped_at = stage.now()
        await stage.until("02:00")
        (told,) = await stage.alerts("STOPPED_BY_ANOTHER")
        assert told.raised_at - stopped_at <= timedelta(minutes=5)
        _, correction = await stage.commands(Action.START)
        assert correction.sent_at - stopped_at >= timedelta(minutes=10)
        stage.car.person_stops()
        await stage.until("06:50")
        assert len(await stage.commands(Action.START)) == 2
        override = stage.state().override
        assert override is not None
        assert override.will is Will.HOLD
        assert len(await stage.alerts("DEADLINE_AT_RISK")) == 1

    perform(story)


def test_p12_a_stop_through_our_own_faces_is_never_undone():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        await stage.wish(Will.HOLD)
        await stage.until("06:50")
        assert await stage.commands(Action.START) == []
        (risk,) = await stage.alerts("DEADLINE_AT_RISK")
        assert risk.raised_at <= stage.next("01:35") - DAY

    perform(story)


def test_p13_a_person_who_starts_at_a_dear_hour_is_left_alone():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("19:00")
        stage.car.person_starts()
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()][:1] == [Action.STOP]
        assert [c for c in (await stage.commands())[1:] if c.why != "target"] == []
        override = stage.state().override
        assert override is not None
        assert override.will is Will.CHARGE
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p14_a_plug_that_flaps_is_not_answered_by_commands():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:40")
        session = stage.state().session
        chance = random.Random(3)
        for _ in range(40):
            stage.car.telemetry.distortion.flickers = int(chance.random() < 0.3)
            stage.car.telemetry.refresher.now()
            await stage.wait(minutes=1)
        assert session is not None
        assert (kept := stage.state().session) is not None
        assert kept.id == session.id
        assert len(await stage.commands()) <= 3
        await stage.until("06:50")
        assert len(await stage.commands()) <= 6
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p15_unknown_is_neither_plugged_in_nor_unplugged():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:30")
        session = stage.state().session
        stage.car.telemetry.distortion = Distortion(blank=True)
        stage.car.telemetry.refresher.now()
        await stage.until("02:30")
        assert await stage.commands(Action.START) == []
        assert session is not None
        assert (kept := stage.state().session) is not None
        assert kept.id == session.id
        (risk,) = await stage.alerts("DEADLINE_AT_RISK")
        assert risk.raised_at <= stage.next("02:00") - DAY
        stage.car.telemetry.distortion = Distortion()
        stage.car.telemetry.refresher.now()
        await stage.until("06:50")
        assert verified(await stage.commands())
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p16_a_car_without_any_place_is_never_at_home():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert await stage.commands() == []
        found = stage.app.last(stage.car.id)
        assert found is not None
        assert found[1].verdict.why == "place-unknown"

    perform(story, chargers=False, car={"has_gps": False})


def test_p17_a_place_that_jumps_for_one_reading():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        telemetry = stage.car.telemetry
        telemetry.distortion.position = stage.car.home.moved(north_m=5_000)
        telemetry.refresher.now()
        await stage.wait(minutes=6)
        found = stage.app.last(stage.car.id)
        assert found is not None
        assert found[1].verdict.why == "place-unknown"
        telemetry.distortion.position = None
        telemetry.refresher.now()
        await stage.until("06:50")
        assert await stage.journal("OVR") == []
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.car.true_soc_pct() >= 78

    perform(story, chargers=False)


def test_p18_an_old_place_says_nothing_of_a_new_plug():
    async def story(stage: Stage) -> None:
        await stage.until("16:30")
        stage.car.telemetry.distortion.frozen_place = True
        stage.car.drive_to(stage.car.home.moved(north_m=12_000))
        await stage.until("17:00")
        stage.car.plug_in(power_kw=11.0)
        await stage.until("06:50")
        assert await stage.journal("SEND") == []
        found = stage.app.last(stage.car.id)
        assert found is not None
        assert found[1].verdict.why == "location-before-plug"
        assert stage.world.actions.away == []

    perform(story, chargers=False)


def test_p19_an_empty_battery_is_not_believed_of_one_sample():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        telemetry = stage.car.telemetry
        telemetry.distortion.soc_pct = 0
        telemetry.refresher.now()
        await stage.wait(minutes=6)
        telemetry.distortion.soc_pct = None
        telemetry.refresher.now()
        await stage.until("06:50")
        (start,) = await stage.commands(Action.START)
        assert start.sent_at >= stage.next("00:59") - DAY
        assert stage.car.true_soc_pct() >= 78

    perform(story)


@pytest.mark.parametrize("frozen_at", ["17:30", "02:00", "02:40"])
def test_p20_a_frozen_reading_does_not_charge_beyond_the_target(frozen_at):
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until(frozen_at)
        stage.car.telemetry.distortion.frozen_soc = True
        await stage.until("06:50")
        assert 78 <= stage.car.true_soc_pct() <= 85

    perform(story)


def test_p21_a_reading_from_before_the_trip_is_mended_by_later_ones():
    async def story(stage: Stage) -> None:
        stage.car.telemetry.distortion.soc_pct = 75
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("17:30")
        stage.car.telemetry.distortion.soc_pct = None
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p22_a_car_that_is_deleted_is_left_alone_and_told_of():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.world.remove_vehicle(stage.car)
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        assert len(await stage.alerts("GONE")) == 1
        assert len(stage.requests("GET", f"/vehicles/{stage.car.id}")) <= 16 * 60

    perform(story)


def test_p23_values_that_no_document_names():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.world.faults.add("unknown_values", method="GET", for_s=3600)
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p24_a_car_on_the_second_page():
    async def story(stage: Stage) -> None:
        for _ in range(60):
            other = stage.world.add_vehicle("user", battery=Battery(capacity_kwh=50), soc_pct=50)
            other.telemetry.refresher.stop()
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("17:20")
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        assert stage.requests("GET", "/users/user/vehicles*after=*")

    perform(story)
