"""A provider that does not want us, another that meddles, and one car in trouble among others (P04, P11, P22, P31)."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise

from scheduler.core.command import Action
from scheduler.core.model import Hand, Will
from simulator.faults import REQUEST_KINDS
from simulator.physics import Battery
from tests.e2e.stage import Stage, perform, verified


def test_p04_a_client_that_is_refused_asks_four_times_an_hour_and_says_so():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        lost_at = stage.now()
        for path in ("/users/*", "/vehicles/*"):
            stage.world.faults.add("expired_token", path=path)
        stage.world.faults.add("status", path="/oauth2/token", status=401)
        await stage.until("00:30")
        asked = [datetime.fromisoformat(r["at"]) for r in stage.requests("POST", "/oauth2/token", since=lost_at)]
        assert len(asked) >= 10
        assert all(later - earlier >= timedelta(minutes=15) for earlier, later in pairwise(asked))
        assert stage.actuations(lost_at) == []
        (alert,) = await stage.alerts("CREDENTIALS_LOST")
        assert alert.raised_at - asked[0] <= timedelta(minutes=5)
        stage.world.faults.clear()
        await stage.until("06:50")
        assert (await stage.alerts("CREDENTIALS_LOST"))[0].cleared_at is not None
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p11_another_hand_that_starts_the_car_again_and_again_is_not_fought():
    async def meddle(stage: Stage) -> None:
        while True:
            await stage.wait(minutes=2)
            if stage.car.plugged and not stage.car.charging:
                stage.car.person_starts()

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("18:00")
        other = asyncio.create_task(meddle(stage))
        await stage.until("06:50")
        other.cancel()
        with suppress(asyncio.CancelledError):
            await other
        assert [c.action for c in await stage.commands()] == [Action.STOP], "ours, before anybody meddled"
        (told,) = await stage.journal("OVR")
        assert (told["will"], told["from"]) == (Will.CHARGE, Hand.CAR)
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p22_the_same_car_under_another_id_is_not_taken_for_the_old_one():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        old = stage.car
        stage.world.remove_vehicle(old)
        again = stage.world.add_vehicle(
            "user", name=old.name, vin=old.vin, battery=Battery(capacity_kwh=58), soc_pct=42, max_power_kw=11.0
        )
        again.plug_in(stage.posts[0])
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        assert [a.vehicle_id for a in await stage.alerts("GONE")] == [old.id]
        assert stage.world.actions.accepted[again.id] == 0
        assert stage.app.state(again.id) is None

    perform(story, webhooks=True)


def test_p31_a_car_for_which_everything_fails_harms_no_other():
    """What is asked of one car by itself fails in every way, and so does the car; five others do not notice."""

    async def story(stage: Stage) -> None:
        faults, theirs = stage.world.faults, f"/vehicles/{stage.car.id}*"
        for kind in REQUEST_KINDS:
            faults.add(kind, path=theirs, share=0.3, delay_s=60)
        stage.car.mood.no_power_starts, stage.car.telemetry.distortion.flickers = 3, 5
        await stage.until("17:00")
        for number in range(len(stage.cars)):
            stage.plug_in(number)
        await stage.until("03:40")
        for number, car in list(enumerate(stage.cars))[1:]:
            commands = await stage.commands(car=number)
            assert [c.action for c in commands] == [Action.STOP, Action.START, Action.STOP]
            assert verified(commands)
            assert car.true_soc_pct() >= 78
        assert len({kind for _, kind, _ in faults.struck}) >= 4
        others = [a for a in await stage.app.store.alerts(open_only=False, limit=1000) if a.vehicle_id != stage.car.id]
        assert others == []

    perform(story, cars=6)
