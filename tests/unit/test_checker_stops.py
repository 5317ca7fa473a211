"""The checker on STOP and on the target: S9, S10, S11, S12."""

import pytest

from tests.unit.checker_journal import minute, ready


def paused(journal, out="verified", *, accepted=True):
    """A pause of ours and a resume that ended so, then forty quiet minutes and a command that went well."""
    journal.at(1).stop("a").result("a").at(20).obs()
    journal = journal.start("b") if accepted else journal.intent("b", "START").send("b")
    journal.result("b", out)
    return journal.at(31).obs().start("c").result("c").at(62).obs()


def full(journal, **seen):
    """A reading at the target while the vehicle charges at home."""
    return journal.at(1).obs(**{"soc": 80, "charging": True, "kw": 7.0, **seen})


def nearly(journal):
    """By the estimate the vehicle is at its target, and a reason not to stop it is noted."""
    return journal.at(0.5).obs(soc=79, charging=True).add("NOTE", code="no_stop", why="store").sit("hold")


def later(journal, minutes=16.1):
    return journal.at(minutes).add("TICK", None, n=1)


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param("S9", lambda j: j.need(soc=19).at(1).stop(), lambda j: j.need(soc=20).at(1).stop(), id="below-minimum"),
        pytest.param(
            "S9", lambda j: j.need(soc_q="unknown").at(1).stop(), lambda j: j.need(soc_q="estimated").at(1).stop(),
            id="unknown-state-of-charge",
        ),
        pytest.param(
            "S9",
            lambda j: j.need(soc=None, soc_q="unknown").at(1).stop(),
            lambda j: j.conf(car={"energy_per_session_kwh": 9.0}).need(soc=None, soc_q="unknown").at(1).stop(),
            id="a-configured-energy-stands-in",
        ),
        pytest.param(
            "S9", lambda j: j.at(1).obs(soc=15).stop(why="cap"), lambda j: j.at(1).obs(soc=15).stop(why="user"),
            id="a-newer-reading-counts",
        ),
        pytest.param(
            "S9",
            lambda j: j.need(soc=10).at(1).obs().stop(why="reconcile"),
            lambda j: j.need(soc=60).at(1).obs().stop(why="reconcile"),
            id="a-frozen-reading-is-no-news",
        ),
        pytest.param("S10", lambda j: j.prices().at(1).stop(), lambda j: j.at(1).stop(), id="no-prices"),
        pytest.param(
            "S10", lambda j: j.prices((0, 5), (6, 60)).at(5).stop(), lambda j: j.prices((0, 5), (5, 60)).at(5).stop(),
            id="a-gap-in-the-prices",
        ),
        pytest.param(
            "S10", lambda j: j.prices((0, 1)).at(1).stop(why="cap"), lambda j: j.prices((1, 2)).at(1).stop(why="cap"),
            id="an-expired-price",
        ),
        pytest.param(
            "S10", lambda j: j.prices().at(1).stop(rests="price"), lambda j: j.prices().at(1).stop(rests="window"),
            id="a-window-needs-no-price",
        ),
        pytest.param(
            "S10",
            lambda j: j.prices().at(1).stop(why="reconcile", rests="price"),
            lambda j: j.prices().at(1).stop(why="reconcile"),
            id="a-correction-that-rests-on-a-price",
        ),
        pytest.param(
            "S11",
            lambda j: j.at(1).stop(resume=minute(271)),
            lambda j: j.at(1).stop(resume=minute(270)),
            id="too-little-slack",
        ),
        pytest.param(
            "S11",
            lambda j: j.at(1).stop(resume=None),
            lambda j: j.need(kwh=0).at(1).stop(resume=None),
            id="no-resume-though-energy-is-missing",
        ),
        pytest.param(
            "S11",
            lambda j: j.at(1).start().add("AMBIG", cmd="a", why="time-out").result("a").at(30).obs().stop("b"),
            lambda j: j.at(1).start().add("AMBIG", cmd="a", why="time-out").result("a").at(31).obs().stop("b"),
            id="an-ambiguous-command-lately",
        ),
        pytest.param(
            "S11",
            lambda j: j.at(1).start().result("a", "failed").at(90).obs().stop("b"),
            lambda j: j.at(1).start().result("a", "failed").at(50).obs().start("c").result("c").at(90).obs().stop("b"),
            id="the-last-command-failed",
        ),
        pytest.param(
            "S11",
            lambda j: j.at(1).start().result("a", "failed").at(90).obs().stop("b"),
            lambda j: j.at(1).start().result("a", "failed").at(50).add("PLUG", op="in").at(90).obs().stop("b"),
            id="the-last-command-of-this-session",
        ),
        pytest.param(
            "S11",
            lambda j: j.at(1).start().result("a", "unverified").at(20).obs().stop("b", why="cap"),
            lambda j: j.at(1).start().result("a", "superseded").at(20).obs().stop("b", why="cap"),
            id="without-effect-is-failed",
        ),
        pytest.param(
            "S11",
            lambda j: j.conf(car={"no_pause": True}).at(1).stop(),
            lambda j: j.conf(car={"no_pause": True}).at(1).stop(why="target"),
            id="configured-not-to-be-paused",
        ),
        pytest.param(
            "S11",
            lambda j: j.add("MODE", no_pause=True).at(1).stop(why="reconcile"),
            lambda j: j.add("MODE", no_pause=False).at(1).stop(why="reconcile"),
            id="found-not-to-be-paused",
        ),
        pytest.param("S11", lambda j: paused(j, "failed").stop("d"), lambda j: paused(j).stop("d"), id="a-resume-failed"),
        pytest.param(
            "S11",
            lambda j: paused(j, "failed").stop("d"),
            lambda j: paused(j, "failed", accepted=False).stop("d"),
            id="a-resume-that-never-left",
        ),
        pytest.param("S12", lambda j: j.at(1).obs(soc=80).start(), lambda j: j.at(1).obs(soc=79).start(), id="start-when-full"),
        pytest.param(
            "S12",
            lambda j: j.at(1).obs(soc=81).start(why="deadline"),
            lambda j: j.at(1).obs(soc=81).start(why="user"),
            id="only-the-user-goes-beyond",
        ),
        pytest.param(
            "S12",
            lambda j: j.at(40).obs(soc=81, age={"battery": 30}).start(),
            lambda j: j.at(40).obs(soc=81, age={"battery": 31}).start(),
            id="an-old-reading-forbids-nothing",
        ),
        pytest.param("S12", lambda j: later(full(j)), lambda j: later(full(j), 16), id="not-stopped-within-15-min"),
        pytest.param(
            "S12",
            lambda j: later(full(j).at(5).add("NOTE", code="other")),
            lambda j: later(full(j).at(5).add("NOTE", code="no_stop", why="balancing")),
            id="a-noted-reason",
        ),
        pytest.param(
            "S12",
            lambda j: later(full(nearly(j).sit("charge").at(0.9).obs(soc=79, charging=True))),
            lambda j: later(full(nearly(j).at(0.9).obs(soc=79, charging=True))),
            id="a-reason-noted-when-the-estimate-was-there-before-the-reading",
        ),
        pytest.param(
            "S12", lambda j: later(full(j)), lambda j: later(full(j).at(16).obs(soc=81, charging=True).stop(why="target")),
            id="a-stop-in-time",
        ),
        pytest.param(
            "S12", lambda j: later(full(j).at(9).obs(soc=81, charging=True)),
            lambda j: later(full(j).at(9).obs(soc=80, charging=False)),
            id="the-car-stops-by-itself",
        ),
        pytest.param("S12", lambda j: later(full(j)), lambda j: later(full(j).at(9).need(target=90)), id="a-target-raised"),
        pytest.param(
            "S12",
            lambda j: later(full(j).at(9).need()),
            lambda j: later(full(j).at(9).ovr("charge")),
            id="only-what-changes-the-case-ends-the-wait",
        ),
        pytest.param(
            "S12",
            lambda j: later(full(j).at(5).intent("b", "STOP")),
            lambda j: later(full(j).at(5).intent("b", "STOP", "target")),
            id="an-intent-for-the-target-is-an-answer",
        ),
        pytest.param(
            "S12",
            lambda j: later(full(j.at(0.5).start("b").result("b")).at(5).start("c", why="user")),
            lambda j: later(full(j.at(0.5).start("b").result("b")).at(11).stop("c")),
            id="a-start-is-no-answer",
        ),
        pytest.param(
            "S12",
            lambda j: later(full(j.at(0.5).start("b"))),
            lambda j: later(full(j.at(0.5).stop("b"))),
            id="a-stop-already-on-its-way",
        ),
        pytest.param("S12", lambda j: later(full(j)), lambda j: later(full(j.ovr("charge"))), id="the-user-charges"),
        pytest.param("S12", lambda j: later(full(j)), lambda j: later(full(j, loc="work")), id="not-at-home"),
        pytest.param("S12", lambda j: later(full(j)), lambda j: later(full(j.conf(mode="observe"))), id="only-observed"),
        pytest.param(
            "S12", lambda j: later(full(j)), lambda j: later(full(j.conf(car={"hold_mode": "never-stop"}))),
            id="configured-never-to-stop",
        ),
        pytest.param(
            "S12", lambda j: later(full(j)), lambda j: later(full(j).at(9).add("LIFE", None, op="stop").at(60).restart()),
            id="a-run-that-ends-owes-nothing",
        ),
    ],
)  # fmt: skip
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()


def test_the_reading_that_was_not_followed_is_the_event_named():
    journal = full(ready())
    reading = journal.events[-1]["seq"]
    assert [violation.seq for violation in later(journal).check()] == [reading]


def test_a_reading_not_followed_is_named_once():
    journal = full(ready())
    for minutes in range(2, 60):
        journal.at(minutes).obs(soc=80, charging=True)
    assert len(journal.check()) == 1
