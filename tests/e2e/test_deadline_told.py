"""Deadlines that are missed or nearly are: told two hours before where physics allows, on record once, by their cause."""

from collections.abc import Callable
from datetime import datetime, timedelta

from scheduler.core.alerts import AHEAD
from scheduler.core.command import Action
from scheduler.core.model import Hand, Override, Will
from tests.e2e.stage import DAY, Stage, perform

TOLD_WITHIN = timedelta(minutes=10)
"""`T_alert`: where physics leaves no two hours, so long after it could be known."""


def latest_start(stage: Stage, car: int = 0) -> datetime:
    """Return when a car that has not been charged yet had to begin, by its battery and its power alone."""
    hours = (stage.setup.target_pct - stage.cars[car].true_soc_pct()) / 100 * 58 / 11
    return stage.next("06:30") - DAY - timedelta(hours=hours)


async def at_risk(stage: Stage, car: int) -> datetime:
    """Return when a car's deadline was told to be at risk, which must have been once."""
    told = [one for one in await stage.alerts("DEADLINE_AT_RISK") if one.vehicle_id == stage.cars[car].id]
    assert len(told) == 1, (car, told)
    return told[0].raised_at


async def hold(stage: Stage, car: int) -> None:
    await stage.app.wish(stage.cars[car].id, Override(will=Will.HOLD, by=Hand.CLI, set_at=stage.now()))


async def lose_the_account(stage: Stage, car: int) -> None:
    stage.world.invalidate_credentials("user", stage.cars[car].vendor)


async def lose_the_place(stage: Stage, car: int) -> None:
    """Let the charger be of no location any more, and the car tell another: it is not proven to be at home then."""
    telemetry = stage.cars[car].telemetry
    stage.posts[car].location_id = None
    telemetry.distortion.position = stage.cars[car].home.moved(north_m=5_000)
    telemetry.refresher.now()


async def deliver_no_power(stage: Stage, car: int) -> None:
    stage.cars[car].mood.no_power_starts = 50


BEFORE: dict[str, Callable[[Stage, int], object]] = {
    "held by its owner": hold,
    "account lost": lose_the_account,
    "place not proven": lose_the_place,
    "no power flows": deliver_no_power,
}
"""What befalls one car each, in the evening: hours before the latest start."""


def test_a_deadline_at_risk_is_told_two_hours_before_the_latest_start():
    async def story(stage: Stage) -> None:
        for number, car in enumerate(stage.cars):
            car.vendor = f"VENDOR-{number}"
        await stage.until("17:00")
        for number in range(len(stage.cars)):
            stage.plug_in(number)
        await stage.until("18:00")
        for number, strike in enumerate(BEFORE.values()):
            await strike(stage, number)  # type: ignore[misc]
            if strike is not hold:
                stage.hinder(number)
        await stage.until("06:50")
        for number, what in enumerate(BEFORE):
            told_at = await at_risk(stage, number)
            assert latest_start(stage, number) - told_at >= AHEAD, what
        causes = {line["v"]: line["cause"] for line in await stage.journal("MISS")}
        assert [causes.pop(car.id) for car in stage.cars[:4]] == ["held", *["own-pause"] * 3]
        assert causes == {}
        assert len(await stage.journal("MISS")) == 4
        assert stage.cars[4].true_soc_pct() >= 78
        assert [a for a in await stage.app.store.alerts(open_only=False) if a.vehicle_id == stage.cars[4].id] == []

    perform(story, cars=5, webhooks=True)


def test_what_befalls_a_car_too_late_is_told_as_soon_as_it_can_be_known():
    """Power that is lost in mid charge, and a limit of the car's own that nobody knew of before the plug-in."""

    async def story(stage: Stage) -> None:
        weak, limited = stage.cars
        limited.charge_limit_pct = 60.0
        await stage.until("17:00")
        stage.plug_in()
        stage.plug_in(1)
        plugged_at = stage.now()
        await stage.until("02:00")
        weak.settle()
        weak.weakness_kw = 1.4
        weak.limit_changed()
        weakened_at = stage.now()
        await stage.until("06:50")
        assert await at_risk(stage, 0) - weakened_at <= TOLD_WITHIN
        (below,) = await stage.alerts("COMPLETE_BELOW_TARGET")
        assert below.vehicle_id == limited.id
        assert below.raised_at - plugged_at <= TOLD_WITHIN
        misses = {line["v"]: line["cause"] for line in await stage.journal("MISS")}
        assert misses == {weak.id: "own-pause"}, "a car at its own limit has what it can have"

    perform(story, cars=2)


def test_a_miss_after_a_pause_of_ours_has_a_code_of_its_own():
    """The outage begins right after the pause and outlasts the departure: what L1b excuses is a miss all the same."""

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.wait(minutes=8)
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        stage.world.set_outage(down=True, for_s=14 * 3600)
        await stage.until("06:40")
        due = stage.next("06:30") - DAY
        (missed,) = await stage.alerts("MISSED_AFTER_PAUSE")
        assert timedelta(0) <= missed.raised_at - due <= timedelta(minutes=2)
        assert missed.severity == "critical"
        (line,) = await stage.journal("MISS")
        assert (line["cause"], line["deadline"]) == ("own-pause", due.timestamp() * 1e9)
        told_at = await at_risk(stage, 0)
        assert latest_start(stage) - told_at >= AHEAD
        await stage.until("12:00")
        assert stage.car.true_soc_pct() >= 78, "it is made up for once the provider is back (L9)"
        (missed,) = await stage.alerts("MISSED_AFTER_PAUSE")
        assert missed.cleared_at is not None
        assert len(await stage.journal("MISS")) == 1

    perform(story)
