"""Courtesy to the grid (U1): what the plan begins and ends waits for its random delay, and departures are met."""

from datetime import UTC, datetime, timedelta

from scheduler.core.command import Action, Command, Why
from scheduler.core.decide import decide
from scheduler.core.model import Will
from scheduler.ports import Event
from storage.mapping import decode_decision, decode_situation, situation_refs
from tests.e2e.stage import Stage, perform, verified

SECOND = timedelta(seconds=1)
COURTESY = {"name": "random-delay", "avoid_peaks": False}
LONG = {**COURTESY, "longest_s": 1800}
FALLING = [0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.02, *[0.30] * 12, 0.20, 0.18, 0.16, 0.10]
"""The later in the night, the cheaper: the plan begins as late as it may."""

TWO_SPELLS = [0.40, 0.40, 0.10, 0.10, *[0.40] * 18, 0.05, 0.40]
"""Cheap from 22:00 to 23:00 and from 02:00 to 04:00."""


async def intents(stage: Stage) -> dict[str, Event]:
    """Return what each command of the first car was for, by its id."""
    return {line["cmd"]: line for line in await stage.journal("INTENT") if line["v"] == stage.car.id}


def edge_of(intent: Event) -> datetime:
    return datetime.fromtimestamp(intent["edge"] / 1e9, tz=UTC)


def waited(command: Command, intent: Event) -> bool:
    """Tell whether a command left when its delay was over, and not later than the daemon takes to turn."""
    due = edge_of(intent) + intent["delay_s"] * SECOND
    return due <= command.sent_at <= due + 2 * SECOND


async def replay(stage: Stage) -> None:
    """Decide every kept situation once more: the same delays are drawn."""
    store = stage.app.store
    drawn = set()
    async for kept in await store.decisions(vehicle_id=stage.car.id):
        blobs = {digest: await store.blob(digest) for digest in situation_refs(kept.situation)}
        decision = decide(decode_situation(kept.situation, blobs.__getitem__))
        assert decision == decode_decision(kept.decision)
        drawn.add(decision.delay)
    assert len(drawn - {None}) == 1


def test_the_nights_start_leaves_its_random_delay_after_the_edge_and_the_target_is_met():
    async def story(stage: Stage) -> None:
        await stage.night()
        stopped, started, reached = commands = await stage.commands()
        assert verified(commands)
        told = await intents(stage)
        one = told[started.id]
        assert f"{edge_of(one):%H:%M:%S}" == "01:00:00"
        assert 0 < one["delay_s"] <= 600
        assert waited(started, one)
        assert reached.why is Why.TARGET
        assert "delay_s" not in told[stopped.id] | told[reached.id]  # the plug-in is no edge, and a target is a target
        assert 78 <= stage.car.true_soc_pct() <= 83

    perform(story, policies=(COURTESY,))


def test_the_latest_start_leaves_time_for_the_longest_delay():
    async def story(stage: Stage) -> None:
        await stage.night()
        started = (await stage.commands(Action.START))[0]
        one = (await intents(stage))[started.id]
        assert started.why is Why.DEADLINE
        assert waited(started, one)
        needs = [line for line in await stage.journal("NEED") if line["t"] <= one["edge"] and line["lst"]]
        assert abs(needs[-1]["lst"] - one["edge"]) < 60 * 10**9
        assert needs[-1]["longest_s"] == 1800
        assert not one["cut"]
        assert await stage.alerts("DEADLINE_AT_RISK") == []
        assert stage.car.true_soc_pct() >= 79

    perform(story, policies=(LONG,), daily=FALLING, car={"auto_start": False})


def test_a_stop_at_the_end_of_a_cheap_spell_waits_too_and_is_planned_time():
    async def story(stage: Stage) -> None:
        await stage.night()
        told = await intents(stage)
        paused = next(c for c in await stage.commands(Action.STOP) if "delay_s" in told[c.id])
        one = told[paused.id]
        assert f"{edge_of(one):%H:%M}" == "23:00"
        assert waited(paused, one)
        (outlasting,) = (
            [start, end]
            for line in await stage.journal("PLAN")
            for start, end in line["slots"][:1]
            if 0 <= start - one["edge"] < 10**9
        )
        assert outlasting[1] == one["edge"] + one["delay_s"] * 10**9
        starts = await stage.commands(Action.START)
        assert [f"{edge_of(told[c.id]):%H:%M}" for c in starts] == ["22:00", "02:00"]
        assert all(waited(c, told[c.id]) for c in starts)
        assert len({told[c.id]["delay_s"] for c in (paused, *starts)}) == 3
        assert stage.car.true_soc_pct() >= 78

    perform(story, policies=(COURTESY,), daily=TWO_SPELLS)


def test_a_persons_wish_does_not_wait():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("22:30")
        await stage.wish(Will.CHARGE)
        await stage.wait(minutes=2)
        (started,) = await stage.commands(Action.START)
        assert started.why is Why.USER
        assert started.sent_at - stage.now() > -timedelta(seconds=125)
        await stage.wish(Will.AUTO)
        await stage.wait(minutes=30)
        assert "delay_s" not in str(await stage.journal("INTENT"))

    perform(story, policies=(LONG,))


def test_the_delay_outlives_a_restart():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("01:00:30")
        last = await stage.app.store.decision_at(stage.car.id, stage.now())
        assert last is not None
        assert "Starting at 01:00Z plus" in last.summary
        await stage.restart()
        await stage.until("06:50")
        (started,) = await stage.commands(Action.START)
        one = (await intents(stage))[started.id]
        assert f"{edge_of(one):%H:%M:%S}" == "01:00:00"
        assert one["delay_s"] > 60
        assert waited(started, one)
        await replay(stage)

    perform(story, policies=(COURTESY,), storage="sqlite:///{}/kwhen.db")


def test_two_cars_do_not_start_as_one():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in(0)
        stage.plug_in(1)
        await stage.until("01:31")
        (first,), (second,) = [await stage.commands(Action.START, car=number) for number in (0, 1)]
        assert abs(first.sent_at - second.sent_at) > 5 * SECOND

    perform(story, policies=(LONG,), cars=2)
