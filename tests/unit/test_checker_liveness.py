"""The checker on the daemon's own life, on a lost store, on rest and on recovery: L6, L7, L8, L10, L11, L12."""

import pytest

from tests.unit.checker_journal import Journal, minute, ready

IDLE = {"charging": False}


def started():
    """A run that has begun, and has read nothing yet; there is one vehicle besides the car."""
    return Journal().lease().add("LIFE", None, op="start")


def read(journal, at):
    """Both vehicles are read at a minute, and the daemon goes on until minute 20."""
    return journal.ticks(at).obs().obs("other", chg=None).ticks(20)


def silent(journal):
    """No webhook arrives from minute 1 on."""
    return journal.obs("other", chg=None).at(1).alert("WEBHOOK_SILENT", v=None)


def unanswered(journal):
    """It has been so for long enough; the other vehicle is not read from minute 20 on."""
    return silent(journal).ticks(40, **IDLE)


def unstored(journal):
    """The store takes no beat from minute 47 to 49; what it is owed may be written behind the next."""
    journal.ticks(46, **IDLE).at(50).add("TICK", None, n=50)
    journal._beats = 50
    return journal


def polled(journal, until, **seen):
    """The car is read every five minutes, the other every fifteen."""
    while journal._now < until:
        journal.ticks(journal._now + 15, **IDLE, **seen).obs("other", chg=None)
    return journal


def returned(journal, at=30):
    """The provider was down from minute 2 on, which was told, and comes back at a minute."""
    journal.truth(50).ticks(2).truth(50, path=False, cause="path").ticks(9).alert("PROVIDER_DOWN", v=None).ticks(at)
    return journal.truth(50, path=True, cause="path")


def calm(journal, *, desired="charge", charging=False, until=75, **truth):
    """Faults are over at minute 30; then nothing is heard but the car's readings."""
    journal.sit(desired).truth(50).ticks(2).truth(50, path=False, cause="path").ticks(30, **IDLE)
    journal.truth(50, path=True, cause="path", charging=charging, **truth)
    return journal.ticks(until, charging=charging)


def forgotten(journal, **members):
    """A START from memory, with ticks to follow."""
    return journal.need(soc=10).at(1).start(why="min_soc", durable=False, **members)


def refreshed(journal, *minutes, desired="hold", **seen):
    """A held vehicle is woken at some minutes."""
    journal.obs(**{**IDLE, **seen}).sit(desired)
    for at in minutes:
        journal.at(at).add("REFRESH")
    return journal.at(minutes[-1] + 1).add("TICK", None, n=1)


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param(
            "L6", calm, lambda j: calm(j, charging=True), id="it-should-charge-and-does-not"
        ),
        pytest.param("L6", calm, lambda j: calm(j, until=70), id="forty-minutes-to-converge"),
        pytest.param("L6", calm, lambda j: calm(j, limit=51), id="a-full-one-takes-no-more"),
        pytest.param("L6", calm, lambda j: calm(j, home=False), id="only-at-home"),
        pytest.param("L6", calm, lambda j: calm(j.alert("INCAPABLE")), id="an-alert-says-why"),
        pytest.param("L6", calm, lambda j: calm(j, until=69).ovr("hold").ticks(75), id="a-person's-wish"),
        pytest.param(
            "L6", calm, lambda j: calm(j, until=50).truth(50, path=False).ticks(75), id="another-fault"
        ),
        pytest.param(
            "L6", calm, lambda j: calm(j, until=50).sit("hold").sit("charge").ticks(75), id="another-plan"
        ),
        pytest.param(
            "L6",
            lambda j: j.sit("charge").truth(50, charging=True).add("FAULT", None, op="begin", what="x").ticks(30)
            .add("FAULT", None, op="end", what="x").truth(50).ticks(75),
            lambda j: j.sit("charge").truth(50, charging=True).add("FAULT", None, op="begin", what="x")
            .add("FAULT", None, op="begin", what="y").ticks(30).add("FAULT", None, op="end", what="x").truth(50).ticks(75),
            id="the-last-of-the-faults",
        ),
        pytest.param("L7", lambda j: j.ticks(5).ticks(9, every=3), lambda j: j.ticks(5).ticks(9, every=2), id="a-gap"),
        pytest.param(
            "L7", lambda j: j.ticks(5).at(8).add("TICK", None, n=6), lambda j: j.ticks(5).at(8).add("TICK", None, n=8),
            id="beats-that-a-failing-store-did-not-take",
        ),
        pytest.param(
            "L7",
            lambda j: j.ticks(5).at(7.5).obs().at(9.6).obs().at(400).obs(),
            lambda j: j.ticks(5).at(7).obs().at(9).restart().at(12).obs(),
            id="a-run-goes-on-without-ticks",
        ),
        pytest.param(
            "L7",
            lambda j: j.ticks(5).at(7.5).obs().at(9.6).obs().restart().at(12).obs(),
            lambda j: j.ticks(5).at(7.5).obs().at(9.6).obs().at(10).add("TICK", None, n=10),
            id="a-run-went-on-without-ticks-until-it-ended-or-its-store-took-nothing",
        ),
        pytest.param(
            "L7",
            lambda j: j.ticks(5).at(7.5).obs().at(9.6).obs().restart().at(12).obs(),
            lambda j: j.ticks(5).at(7.5).obs(late=True).at(9.6).obs(late=True).restart().at(12).obs(),
            id="a-run-ended-as-soon-as-its-store-took-what-it-owed",
        ),
        pytest.param(
            "L8", lambda j: silent(j).ticks(60, **IDLE), lambda j: polled(silent(j), 60), id="one-is-not-polled"
        ),
        pytest.param(
            "L8", lambda j: silent(j).ticks(60, **IDLE), lambda j: silent(j).alert("PROVIDER_DOWN", v=None).ticks(60),
            id="nobody-answers",
        ),
        pytest.param(
            "L8", lambda j: unanswered(j).ticks(48, **IDLE), lambda j: unanswered(j).ticks(47, **IDLE),
            id="that-nobody-answers-is-told-eight-minutes-later",
        ),
        pytest.param(
            "L8", lambda j: unanswered(j.truth(50, v="other")).ticks(42, **IDLE),
            lambda j: unanswered(j.truth(50, v="other")).truth(50, v="other", path=False).ticks(47, **IDLE),
            id="that-nobody-answers-the-truth-tells-at-once",
        ),
        pytest.param(
            "L8", lambda j: silent(j).ticks(60, **IDLE),
            lambda j: silent(j).ticks(20, **IDLE).alert("WEBHOOK_SILENT", "cleared", v=None).ticks(60, **IDLE),
            id="webhooks-arrive-again",
        ),
        pytest.param(
            "L8", lambda j: unstored(silent(j)).ticks(52, **IDLE),
            lambda j: unstored(silent(j)).at(47).obs("other", chg=None, late=True).at(50).ticks(52, **IDLE),
            id="a-reading-that-the-store-took-late",
        ),
        pytest.param(
            "L11",
            lambda j: forgotten(j).ticks(4),
            lambda j: forgotten(j).ticks(3).alert("STORE_TROUBLE", v=None).ticks(9),
            id="nobody-is-told-of-the-store",
        ),
        pytest.param(
            "L11",
            lambda j: forgotten(j).ticks(4),
            lambda j: forgotten(j.alert("STORE_TROUBLE", v=None)).ticks(9),
            id="it-was-told-before",
        ),
        pytest.param("L12", lambda j: refreshed(j, 1, 58), lambda j: refreshed(j, 1, 61), id="woken-twice-in-an-hour"),
        pytest.param(
            "L12", lambda j: refreshed(j, 1, 20), lambda j: refreshed(j, 1, 20, desired="charge"), id="there-is-something-to-do"
        ),
        pytest.param(
            "L12", lambda j: refreshed(j, 1, 20), lambda j: refreshed(j, 1).at(20).add("REFRESH").sit("charge").at(21).obs(**IDLE),
            id="what-there-is-to-do-is-told-behind-it",
        ),
        pytest.param(
            "L12", lambda j: refreshed(j, 1, 20), lambda j: refreshed(j, 1).ovr("ready-by").at(20).add("REFRESH"),
            id="a-wish-gives-something-to-do",
        ),
        pytest.param(
            "L12", lambda j: refreshed(j, 1, plugged=False), lambda j: refreshed(j, 1, plugged=None), id="unplugged"
        ),
    ],
)  # fmt: skip
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()


def test_a_vehicle_that_should_hold_does_not_charge_either():
    assert calm(ready(), desired="hold", charging=True).rules() == {"L6", "E3"}
    noted = ready().add("NOTE", code="no_stop", why="path")
    assert calm(noted, desired="hold", charging=True).rules() == set()


def test_a_stop_from_memory_breaks_l11_too():
    journal = ready().need(lst=0).alert("STORE_TROUBLE", v=None).at(1).stop(why="target", durable=False)
    assert journal.rules() == {"S5", "L11"}


def test_more_than_two_commands_after_a_fault_are_no_convergence():
    def spent(count):
        journal = (
            ready().sit("charge").truth(50).truth(50, path=False).ticks(30, **IDLE).truth(50, path=True, cause="path")
        )
        for number in range(count):
            journal.ticks(31 + 12 * number, **IDLE).obs(**IDLE).start(f"c{number}").result(f"c{number}")
            journal.obs(**IDLE)
        return {one.rule for one in journal.truth(50, charging=True).ticks(75).check()}

    assert spent(3) == {"L6"}
    assert spent(2) == set()


class TestRecovery:
    def test_every_vehicle_is_read_within_two_minutes_of_the_start(self):
        def told(at):
            return read(both(started()), at).rules()

        assert told(2) == set()
        assert told(4) == {"L10"}

    def test_without_the_truth_the_provider_may_have_been_away(self):
        assert read(started(), 7).rules() == set()
        assert read(started(), 12).rules() == {"L10"}
        assert read(started().alert("PROVIDER_DOWN", v=None), 12).rules() == set()

    def test_a_vehicle_that_is_off_need_not_be_read(self):
        journal = Journal(car={"mode": "off"}).lease().add("LIFE", None, op="start").ticks(20)
        assert journal.rules() == set()

    def test_who_is_told_to_be_down_is_read_soon_when_it_is_back(self):
        assert returned(ready()).ticks(31).obs().ticks(40).rules() == set()
        assert returned(ready()).ticks(33).obs().ticks(40).rules() == {"L10"}

    def test_after_an_outage_an_event_is_a_reading_and_so_is_one_just_before_the_truth(self):
        assert returned(ready()).ticks(31).obs(src="webhook").ticks(40).rules() == set()
        assert returned(ready(), at=30).ticks(40).rules() == {"L10"}
        journal = ready().truth(50).ticks(2).truth(50, path=False, cause="path").ticks(9)
        journal.alert("PROVIDER_DOWN", v=None).ticks(30).obs().truth(50, path=True, cause="path")
        assert journal.ticks(40).rules() == set()

    def test_what_was_told_before_the_way_to_a_car_closed_is_another_trouble(self):
        journal = ready().truth(50).ticks(2).alert("CREDENTIALS_LOST", v=None)
        journal.ticks(4).truth(50, path=False, cause="path").ticks(30).truth(50, path=True, cause="path")
        assert journal.ticks(40).rules() == set()

    def test_after_a_start_an_event_is_none(self):
        journal = both(started()).at(1).obs(src="webhook").obs("other", src="webhook")
        assert journal.ticks(4).rules() == {"L10"}

    def test_a_provider_that_asks_for_a_pause_is_back_when_that_is_over(self):
        def held(until):
            journal = returned(ready().at(9).add("LIMIT", None, bucket="enode:read", until=minute(until)))
            return journal.ticks(41).rules()

        assert held(40) == set()
        assert held(31) == {"L10"}

    def test_an_alert_outlasts_a_restart(self):
        def after(op):
            journal = ready().at(1).alert("DEADLINE_AT_RISK").at(2)
            if op == "cleared":
                journal.alert("DEADLINE_AT_RISK", op)
            return journal.restart().at(3).alert("DEADLINE_AT_RISK").rules()

        assert after("raised") == {"L10"}
        assert after("cleared") == set()


def both(journal):
    """The truth of both vehicles: a command could reach them."""
    journal.truth(50)
    truth = {k: m for k, m in journal.events[-1].items() if k not in ("seq", "t", "m", "run", "node", "k", "v")}
    return journal.add("TRUTH", "other", **truth)


def test_a_full_vehicle_is_left_asleep():
    assert refreshed(ready(), 1, state="PLUGGED_IN:COMPLETE").rules() == {"L12"}
    assert refreshed(ready(), 1, state="PLUGGED_IN:STOPPED").rules() == set()
    assert refreshed(ready().ovr("charge"), 1, state="PLUGGED_IN:COMPLETE").rules() == set()


@pytest.mark.parametrize(
    ("apart", "between", "cause", "broken"),
    [
        pytest.param(359, lambda journal: journal, None, True, id="within-six-hours"),
        pytest.param(360, lambda journal: journal, None, False, id="after-six-hours"),
        pytest.param(9, lambda journal: journal.obs(), None, True, id="soon"),
        pytest.param(9, lambda journal: journal.obs(), "held", False, id="another-cause"),
        pytest.param(
            9, lambda journal: journal.add("PLUG", op="out").add("PLUG", op="in"), None, False, id="a-session"
        ),
        pytest.param(9, lambda journal: journal.ovr("ready-by"), None, False, id="a-wish"),
        pytest.param(9, lambda journal: journal.at(3).start("a").result("a"), None, True, id="a-command"),
    ],
)
def test_no_alert_is_told_again_within_six_hours(apart, between, cause, broken):
    def twice(op):
        journal = ready().at(1).alert("STARTED_NO_POWER").at(2).alert("STARTED_NO_POWER", "cleared")
        journal = between(journal).at(1 + apart)
        return journal.add("ALERT", code="STARTED_NO_POWER", sev="warning", op=op, until=None, cause=cause).rules()

    assert twice("raised") == ({"L5"} if broken else set())
    assert twice("reopened") == set()
