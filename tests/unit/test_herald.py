"""Each alert is told once by each notifier, whatever fails meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import MethodType

import pytest

from scheduler.core.errors import NotTold, StoreBusy
from scheduler.loop.herald import LATE, Herald, Post
from scheduler.ports import AlertChange, Batch, Message
from storage.memory import MemoryStore
from tests.web_support import NOON, StepClock

CAR = "car-1"
MINUTE = timedelta(minutes=1)
AT_RISK = AlertChange(
    code="DEADLINE_AT_RISK", vehicle_id=CAR, text="Blocked until 12:30Z.", severity="critical", raised_at=NOON
)


def name_of(subject: str | None) -> tuple[str, str]:
    return ("" if subject is None else "Blue"), "Europe/Oslo"


class Ear:
    """A notifier that keeps what it hears; `broken` is raised instead once set."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.asked = 0
        self.broken: Exception | None = None

    async def send(self, message: Message) -> None:
        self.asked += 1
        if self.broken is not None:
            raise self.broken
        self.heard.append(message)

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.heard]


@pytest.fixture
def clock():
    return StepClock()


@pytest.fixture
async def store(clock):
    made = MemoryStore(clock)
    await made.open(node="here")
    return made


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def durable():
    return {"is": True}


@pytest.fixture
def make(store, clock, durable):
    def make(*posts: Post) -> Herald:
        herald = Herald(store=store, clock=clock, called=name_of, durable=lambda: durable["is"])
        herald.replace(posts)
        return herald

    return make


@pytest.fixture
def herald(make, ear):
    return make(Post(name="phone", notifier=ear))


async def change(store, *alerts: AlertChange) -> None:
    await store.commit(Batch(alerts=alerts))


def cleared(alert: AlertChange, at) -> AlertChange:
    return replace(alert, text="", severity="info", cleared_at=at)


async def test_an_alert_is_told_once_with_the_name_of_the_car_in_local_time(herald, store, ear):
    await change(store, AT_RISK)
    await herald.tell()
    await herald.tell()
    (message,) = ear.heard
    assert message.title == "Blue: the car will not have what was asked for at a departure"
    assert message.text == "Blocked until 13:30.\nSince 13:00 (DEADLINE_AT_RISK)."
    assert (message.severity, message.over) == ("critical", False)


async def test_its_end_is_told_once(herald, store, clock, ear):
    await change(store, AT_RISK)
    await herald.tell()
    clock.advance(600)
    await change(store, cleared(AT_RISK, clock.now()))
    await herald.tell()
    await herald.tell()
    assert [one.over for one in ear.heard] == [False, True]
    assert ear.heard[1].title.startswith("Over: Blue")
    assert "From 13:00 to 13:10" in ear.heard[1].text
    assert ear.heard[0].key != ear.heard[1].key


async def test_ends_are_left_out_where_nobody_wants_them(make, store, clock, ear):
    herald = make(Post(name="phone", notifier=ear, ends=False))
    await change(store, AT_RISK)
    await herald.tell()
    await change(store, cleared(AT_RISK, clock.now() + MINUTE))
    await herald.tell()
    assert [one.over for one in ear.heard] == [False]


async def test_the_same_code_raised_again_is_another_alert(herald, store, clock, ear):
    await change(store, AT_RISK)
    await herald.tell()
    await change(store, cleared(AT_RISK, NOON + MINUTE))
    await change(store, replace(AT_RISK, raised_at=NOON + 2 * MINUTE))
    clock.advance(180)
    await herald.tell()
    assert [one.over for one in ear.heard] == [False, True, False]


@pytest.mark.parametrize(("least", "told"), [("info", 3), ("warning", 2), ("critical", 1)])
async def test_only_what_is_severe_enough_is_told(make, store, ear, least, told):
    await change(
        store,
        AT_RISK,
        AlertChange(code="NO_PAUSE", vehicle_id=CAR, text="", severity="info", raised_at=NOON),
        AlertChange(code="WEBHOOK_SILENT", vehicle_id=None, text="Silent.", severity="warning", raised_at=NOON),
    )
    await make(Post(name="phone", notifier=ear, least=least)).tell()
    assert len(ear.heard) == told


async def test_an_alert_of_the_daemon_itself_needs_no_car(herald, store, ear):
    await change(
        store, AlertChange(code="PROVIDER_DOWN", vehicle_id=None, text="", severity="critical", raised_at=NOON)
    )
    await herald.tell()
    assert ear.titles == ["The provider cannot be reached"]


async def test_a_restart_repeats_nothing(make, store, ear):
    await change(store, AT_RISK)
    for _ in range(2):
        await make(Post(name="phone", notifier=ear)).tell()
    assert len(ear.heard) == 1


async def test_history_is_not_told_to_a_new_notifier_but_what_holds_is(make, store, clock, ear):
    await change(store, AT_RISK)
    await change(store, cleared(AT_RISK, NOON + MINUTE))
    await change(store, replace(AT_RISK, code="GONE"))
    clock.advance(3600)
    await make(Post(name="phone", notifier=ear)).tell()
    assert ear.titles == ["Blue: the provider no longer knows the car"]


async def test_what_fails_is_tried_again_with_growing_pauses(herald, store, clock, ear):
    ear.broken = NotTold("no network")
    await change(store, AT_RISK)
    tries = []
    for second in range(0, 7200, 10):
        before = ear.asked
        await herald.tell()
        if ear.asked > before:
            tries.append(second)
        clock.advance(10)
    assert tries[:5] == [0, 30, 90, 210, 450]
    assert max(b - a for a, b in pairwise(tries)) <= 1800
    ear.broken = None
    clock.advance(1800)
    await herald.tell()
    assert len(ear.heard) == 1
    await change(store, replace(AT_RISK, code="GONE"))
    await herald.tell()  # no pause is left over
    assert len(ear.heard) == 2


async def test_an_alert_that_came_and_went_meanwhile_is_told_in_one_message(herald, store, clock, ear):
    await herald.tell()
    ear.broken = NotTold("no network")
    await change(store, AT_RISK)
    await herald.tell()
    clock.advance(600)
    await change(store, cleared(AT_RISK, clock.now()))
    ear.broken = None
    await herald.tell()
    (message,) = ear.heard
    assert message.over
    assert message.text == "Blocked until 13:30.\nFrom 13:00 to 13:10 (DEADLINE_AT_RISK)."


async def test_what_was_over_days_ago_is_not_told_any_more(herald, store, clock, ear):
    await herald.tell()
    await change(store, AT_RISK)
    await change(store, cleared(AT_RISK, NOON + MINUTE))
    clock.advance((LATE + 2 * MINUTE).total_seconds())
    await herald.tell()
    assert ear.heard == []


async def test_a_notifier_that_fails_holds_up_no_other(make, store, ear):
    broken = Ear()
    broken.broken = RuntimeError("a fault of its own")
    await change(store, AT_RISK)
    await make(Post(name="mail", notifier=broken), Post(name="phone", notifier=ear)).tell()
    assert (broken.asked, len(ear.heard)) == (1, 1)


async def test_one_run_at_a_time_and_another_for_what_came_meanwhile(herald, store, ear):
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(self: Ear, message: Message) -> None:
        self.heard.append(message)
        began.set()
        await go.wait()

    ear.send = MethodType(slow, ear)
    await change(store, AT_RISK)
    first = asyncio.create_task(herald.tell())
    await began.wait()
    await change(store, replace(AT_RISK, code="GONE", raised_at=NOON + MINUTE))
    second = asyncio.create_task(herald.tell())
    await asyncio.sleep(0)
    await herald.tell()  # a third one leaves it to the second
    assert len(ear.heard) == 1
    go.set()
    await asyncio.gather(first, second)
    assert len(ear.heard) == 2


async def test_a_store_that_takes_nothing_makes_no_message_come_twice(herald, store, ear, monkeypatch):
    async def refuse(*_args: object, **_more: object) -> None:
        raise StoreBusy("disk full")

    await change(store, AT_RISK)
    with monkeypatch.context() as broken:
        broken.setattr(store, "keep", refuse)
        await herald.tell()
        await herald.tell()
        assert len(ear.heard) == 1
        assert await store.all_kept("told") == {}
    await herald.tell()
    assert b"raised" in (await store.all_kept("told")).values()
    assert len(ear.heard) == 1


async def test_trouble_of_the_store_is_told_from_memory(herald, store, ear, durable, monkeypatch):
    async def refuse(*_args: object, **_more: object) -> None:
        raise StoreBusy("disk full")

    for name in ("keep", "all_kept", "alerts"):
        monkeypatch.setattr(store, name, refuse)
    durable["is"] = False
    await herald.tell()
    assert ear.heard == []  # it may pass at once
    herald._clock.advance(60)
    await herald.tell()
    await herald.tell()
    assert ear.titles == ["The store cannot keep what is decided"]
    monkeypatch.undo()
    durable["is"] = True
    await change(store, replace(AT_RISK, code="STORE_TROUBLE", vehicle_id=None))  # as it is kept afterwards
    await herald.tell()
    await herald.tell()
    assert ear.titles[1:] == ["Over: The store cannot keep what is decided"]


async def test_trouble_that_passes_at_once_is_not_told(herald, clock, ear, durable):
    durable["is"] = False
    await herald.tell()
    durable["is"] = True
    clock.advance(30)
    await herald.tell()
    await herald.tell()
    assert ear.heard == []
