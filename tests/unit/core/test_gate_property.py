"""Over arbitrary lives: no command leaves that the evidence does not carry, and the checker finds nothing broken."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from scheduler.core.command import Action, Command, Outcome, Why
from scheduler.core.model import Will
from scheduler.core.observation import Delivery
from tests.unit.core.life import HOMES, POLICIES, Life

OFTEN_HOME = st.sampled_from(["box"] * 8 + ["other", None])
OFTEN_HERE = st.sampled_from(["here"] * 8 + ["elsewhere", None])
PLUGGED = [Delivery.STOPPED, Delivery.CHARGING]
ODD = [d for d in Delivery if d not in PLUGGED]
AGES_MIN = st.sampled_from([0.0] * 8 + [5.0, 29.0, 31.0, 200.0, 17 * 60.0, -1.0, -3.0, -20.0])

readings = st.fixed_dictionaries(
    {
        "delivery": st.sampled_from(PLUGGED * 6 + ODD),
        "charger": OFTEN_HOME,
        "location": OFTEN_HERE,
        "soc_pct": st.sampled_from([5.0, 15.0, 19.5, 20.0, 50.0, 50.0, 50.0, 60.0, 79.0, 80.0, 95.0, None]),
        "charge_age_min": AGES_MIN | st.none(),
        "place_age_min": AGES_MIN | st.none(),
        "kw": st.sampled_from([7.0] * 6 + [1.4, 15.0]),
        "reachable": st.sampled_from([True] * 5 + [False, None]),
        "seen_age_min": st.sampled_from([0.0, 0.0, 0.0, 90.0, 150.0]),
        "full": st.sampled_from([None] * 6 + [False, True]),
        "smart": st.sampled_from([None] * 9 + [True, False]),
        "able": st.sampled_from([True] * 6 + [False]),
    }
)
usual = st.fixed_dictionaries({"delivery": st.sampled_from(PLUGGED), "soc_pct": st.sampled_from([10.0, 50.0, 80.0])})
ELSEWHERE = [
    {"location": "elsewhere"}, {"location": None}, {"charger": "other"}, {"charger": None}, {"charger": "box"},
    {"delivery": Delivery.CHARGING, "kw": 15.0}, {"delivery": Delivery.UNPLUGGED}, {"delivery": Delivery.UNKNOWN},
]  # fmt: skip
OTHERWISE_BAD = [
    {"charge_age_min": None}, {"place_age_min": None}, {"place_age_min": -3.0}, {"charge_age_min": -3.0},
    {"able": False}, {"smart": True}, {"soc_pct": None}, {"reachable": False},
]  # fmt: skip
DEFECTS = st.sampled_from(ELSEWHERE * 2 + OTHERWISE_BAD)
one_defect = st.tuples(usual, DEFECTS).map(lambda pair: pair[0] | pair[1])
waits = st.sampled_from([0.1, 0.6, 1.0, 1.1, 2.0, 5.0, 9.0, 11.0, 16.0, 31.0, 61.0])
reports = st.sampled_from(
    [(outcome, None) for outcome in Outcome]
    + [(Outcome.PENDING, None)] * 4
    + [(Outcome.CONFIRMED, None)] * 3
    + [(Outcome.REJECTED, "HTTP_422"), (Outcome.CANCELLED, "REQUESTED_CANCELLATION"), (Outcome.FAILED, "NO_RESPONSE")]
)
wishes = st.tuples(st.sampled_from(list(Will)), st.sampled_from([0.5, 3.0]))

steps = st.one_of(
    st.just(("obeys", None)),
    st.just(("obeys", None)),
    usual.map(lambda r: ("reads", r)),
    usual.map(lambda r: ("reads", r)),
    usual.map(lambda r: ("reads", r)),
    readings.map(lambda r: ("reads", r)),
    one_defect.map(lambda r: ("lasts", r)),
    one_defect.map(lambda r: ("lasts", r)),
    st.just(("pends", None)),
    st.sampled_from([9.0, 31.0, 61.0]).map(lambda m: ("sleeps", m)),
    waits.map(lambda w: ("waits", w)),
    waits.map(lambda w: ("waits", w)),
    reports.map(lambda r: ("reports", r)),
    wishes.map(lambda w: ("wishes", w)),
    st.just(("restarts", None)),
    st.sampled_from([-120.0, -1.0, 90.0]).map(lambda m: ("clock", m)),
    st.booleans().map(lambda durable: ("store", durable)),
    st.just(("credentials", None)),
)
lives = st.lists(steps, min_size=12, max_size=30)


class Judge:
    """Judges each command at the moment at which it leaves, and that each comes to its end in time."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.judged = 0

    def look(self) -> None:
        life = self.life
        for one in life.sent[self.judged :]:
            assert life.not_carried(one) == []
            assert life.trusted, "sent by a clock that is not trusted (S18)"
            assert life.state.credentials_lost_at is None, "sent with credentials lost (S24)"
            assert life.durable or one.command.action is Action.START, "STOP that cannot be kept (L11)"
            self._superseding(one.command)
        self.judged = len(life.sent)
        if life.state.command is not None:
            last = life.sent[-1].now
            aged = min(life.at - last.at, timedelta(microseconds=(life.mono_ns - last.mono_ns) // 1000))
            assert last.run != life.run or aged < timedelta(minutes=35), "no result within T_verify (L4)"
        assert life.checker.violations == []

    def _superseding(self, command: Command) -> None:
        """S4: what was in flight until now is replaced only by its opposite, and only for a strong reason."""
        now = self.life.lines[-1]["t"]
        ended = [line["cmd"] for line in self.life.lines if line.get("out") == "superseded" and line["t"] == now]
        replaced = [one.command for one in self.life.sent if one.command.id in ended]
        assert all(old.action is command.action.opposite for old in replaced)
        assert not replaced or command.why in (Why.USER, Why.DEADLINE, Why.TARGET)


def waited(life: Life, judge: Judge, minutes: float) -> None:
    judge.look()
    life.wait(minutes, each=judge.look)


def lasted(life: Life, judge: Judge, reading: dict[str, Any]) -> None:
    """Read something and let it last long enough to count."""
    life.reads(**reading)
    waited(life, judge, 2)


def pended(life: Life, judge: Judge, _: None) -> None:
    life.reports(Outcome.PENDING)
    waited(life, judge, 0.2)


def slept(life: Life, judge: Judge, minutes: float) -> None:
    """Let the car sleep: the provider answers what it answered before."""
    waited(life, judge, minutes)
    life.repeats()
    waited(life, judge, 1.5)


def stepped(life: Life, judge: Judge, minutes: float) -> None:
    life.step_clock(minutes)
    life.turn()


def kept(life: Life, judge: Judge, durable: bool) -> None:
    life.durable = durable
    life.turn()


STEPS: dict[str, Callable[[Life, Judge, Any], object]] = {
    "reads": lambda life, _, reading: life.reads(**reading),
    "lasts": lasted,
    "waits": waited,
    "sleeps": slept,
    "pends": pended,
    "obeys": lambda life, _, at_home: life.obeys(**at_home),
    "reports": lambda life, _, report: life.reports(report[0], failure=report[1]),
    "wishes": lambda life, _, wish: life.wishes(wish[0], hours=wish[1], soc_pct=90.0),
    "restarts": lambda life, *_: life.restart(),
    "clock": stepped,
    "store": kept,
    "credentials": lambda life, *_: life.loses_credentials(),
}


@settings(max_examples=60, deadline=None, derandomize=True, print_blob=True)
@given(
    home=st.sampled_from(sorted(HOMES)),
    policies=st.sampled_from(sorted(POLICIES)),
    hour=st.sampled_from([0, 5, 9, 11]),
    plugged=st.one_of(usual, one_defect),
    steps=lives,
)
def test_no_command_leaves_that_the_evidence_does_not_carry(home, policies, hour, plugged, steps):
    life = Life(home=home, policies=policies)
    judge = Judge(life)
    life.reads(Delivery.UNPLUGGED, charger=None)
    life.wait(6 + 60 * hour)
    at_home = {"charger": None if home == "bare" else "box"}
    for kind, what in [("lasts", plugged), *steps]:
        STEPS[kind](life, judge, at_home | (what or {}) if kind in ("reads", "lasts", "obeys") else what)
        judge.look()
    for one in life.sent:
        event(f"{one.command.action} {one.command.why}")


@pytest.mark.parametrize("home", sorted(HOMES))
def test_an_ordinary_evening_is_commanded_and_breaks_nothing(home):
    life = Life(home=home)
    charger = None if home == "bare" else "box"
    life.reads(Delivery.UNPLUGGED, charger=None)
    life.wait(6)
    life.reads(Delivery.CHARGING, charger=charger)
    life.wait(2)
    life.reports(Outcome.PENDING)
    life.reads(Delivery.STOPPED, charger=charger)
    while not any(one.command.action is Action.START for one in life.sent):
        life.wait(9)
        life.reads(Delivery.STOPPED, charger=charger)
    assert [(one.command.action, one.command.why) for one in life.sent] == [("STOP", "plan"), ("START", "plan")]
    assert life.sent[1].now.at - life.sent[0].now.at > timedelta(hours=4), "the night tariff begins at 22:00 UTC"
    assert life.checker.violations == []


@pytest.mark.parametrize("defect", ELSEWHERE, ids=str)
@pytest.mark.parametrize("home", sorted(HOMES))
def test_an_empty_car_with_one_thing_wrong_is_started_only_on_evidence(home, defect):
    life = Life(home=home)
    judge = Judge(life)
    reading = {"charger": None if home == "bare" else "box", "soc_pct": 10.0} | defect
    for _ in range(4):
        lasted(life, judge, reading)
    after = {"delivery": Delivery.STOPPED} | reading | ({"delivery": Delivery.STOPPED} if "kw" in reading else {})
    for _ in range(8):
        lasted(life, judge, after)
    assert life.checker.violations == []
