"""The checker on what must happen to a vehicle: L2, L3, L4, L5, L9, told by the journal alone."""

import pytest

from tests.unit.checker_journal import MINUTE, minute, ready

IDLE = {"charging": False}


def waiting(journal, *, until=50, seen=None, **need):
    """A vehicle that stands idle beyond its latest start at minute 40, without published prices."""
    told = {"lst": minute(40), "deadline": minute(180), "price_q": "none", **need}
    return journal.need(**told).plan((40, 150)).ticks(until, **(seen or IDLE))


def missing(journal, *, until, seen=None, **need):
    """A vehicle that stands idle: an hour of charging and half an hour of reserve before a deadline at minute 150."""
    told = {"lst": minute(60), "deadline": minute(150), "soc": 50, "target": 80, **need}
    return journal.need(**told).ticks(until, **(seen or IDLE))


def passed(journal, soc=70, until=25):
    """A reading after a deadline at minute 10."""
    return journal.need(deadline=minute(10)).ticks(12).obs(soc=soc, charging=True).ticks(until)


def past(journal, why="plan", soc=60, **changes):
    """Charging goes on past a deadline at minute 10, and is stopped."""
    journal.obs(charging=True, soc=60, kw=7.0).need(deadline=minute(10), lst=minute(900), **changes)
    journal.at(11).obs(charging=True, soc=soc, kw=7.0).need(deadline=minute(1440), lst=minute(900))
    return journal.stop(why=why)


FACETS = ("charge", "location", "battery")


def sent_ahead(journal, *, age):
    """A START that was sent while the clock ran twenty minutes ahead, and is read back once it was set right."""
    journal.step(20).at(1).obs(age=dict.fromkeys(FACETS, 20)).start().step(-20).at(2.5)
    seen = journal.obs(charging=True, age=dict.fromkeys(FACETS, age))
    return seen.result("a", shown=False, basis=[len(seen.events)])


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param("L2", waiting, lambda j: waiting(j, until=42), id="three-minutes-of-grace"),
        pytest.param("L2", waiting, lambda j: waiting(j, price_q="fresh"), id="published-prices-are-for-L1"),
        pytest.param("L2", waiting, lambda j: waiting(j, seen={"charging": True}), id="it-charges"),
        pytest.param("L2", waiting, lambda j: waiting(j, kwh=0.0), id="nothing-is-needed"),
        pytest.param(
            "L2", lambda j: waiting(j.alert("DEADLINE_AT_RISK")), lambda j: waiting(j.alert("INCAPABLE")),
            id="an-alert-says-why",
        ),
        pytest.param(
            "L2", lambda j: waiting(j, until=41).plan((60, 150)).ticks(50, **IDLE),
            lambda j: waiting(j, until=41).plan((60, 150)).alert("DEADLINE_AT_RISK").ticks(50, **IDLE),
            id="a-block-stands-in-the-way-and-it-is-told",
        ),
        pytest.param("L2", waiting, lambda j: waiting(j.ovr("hold")), id="the-user-holds"),
        pytest.param("L2", waiting, lambda j: waiting(j.conf(mode="observe")), id="only-observed"),
        pytest.param("L2", waiting, lambda j: waiting(j, seen={**IDLE, "loc": "work"}), id="away"),
        pytest.param(
            "L2", waiting, lambda j: waiting(j, seen={**IDLE, "age": {"charge": None}}), id="evidence-of-unknown-age"
        ),
        pytest.param("L2", waiting, lambda j: waiting(j, seen={**IDLE, "plugged": False}), id="unplugged"),
        pytest.param(
            "L2", waiting, lambda j: waiting(j, seen={**IDLE, "state": "PLUGGED_IN:COMPLETE"}), id="complete"
        ),
        pytest.param(
            "L2", waiting, lambda j: waiting(j, until=39).obs(**IDLE).start("a", why="deadline").ticks(50, **IDLE),
            id="a-command-is-on-its-way",
        ),
        pytest.param(
            "L2", waiting,
            lambda j: waiting(j, until=39).obs(**IDLE).start("a", why="deadline").result("a", "failed").ticks(70, **IDLE),
            id="one-has-failed",
        ),
        pytest.param("L3", lambda j: waiting(j, price_q="full", soc_q="unknown", soc=None),
            lambda j: waiting(j, price_q="full", soc_q="estimated"), id="without-a-state-of-charge"),
        pytest.param(
            "L4", lambda j: j.at(1).start().ticks(37), lambda j: j.at(1).start().ticks(36), id="no-result-in-time"
        ),
        pytest.param(
            "L4",
            lambda j: j.at(1).start().ticks(36).result("a").ticks(40).obs(**IDLE).start("b").ticks(80),
            lambda j: j.at(1).start().ticks(36).result("a").ticks(40).obs(**IDLE).start("b").ticks(70),
            id="every-command-for-itself",
        ),
        pytest.param(
            "L4", lambda j: j.at(1).start().at(2).result("a", shown=False), lambda j: j.at(1).start().at(2).result("a"),
            id="verified-by-nothing",
        ),
        pytest.param(
            "L4", lambda j: j.at(1).start().at(2).obs(charging=True, age={"charge": 1}).result("a", shown=False, basis=[9]),
            lambda j: j.at(1).start().at(2).obs(charging=True, age={"charge": 0.9}).result("a", shown=False, basis=[9]),
            id="verified-by-an-older-reading",
        ),
        pytest.param(
            "L4", lambda j: sent_ahead(j, age=1.5), lambda j: sent_ahead(j, age=0),
            id="sent-while-the-clock-ran-ahead",
        ),
        pytest.param(
            "L4", lambda j: j.at(1).start().at(2).obs(charging=False).result("a", shown=False, basis=[9]),
            lambda j: j.at(1).start().at(2).obs(charging=False, kw=3.0).result("a", shown=False, basis=[9]),
            id="verified-by-a-reading-that-shows-otherwise",
        ),
        pytest.param(
            "L4", lambda j: j.at(1).stop().at(2).obs(charging=False, kw=3.0).result("a", shown=False, basis=[9]),
            lambda j: j.at(1).stop().at(2).obs(charging=False).result("a", shown=False, basis=[9]),
            id="a-stop-with-power",
        ),
        pytest.param(
            "L4",
            lambda j: j.at(1).start().result("a", "failed").at(4.9).start("b"),
            lambda j: j.at(1).start().result("a", "failed").at(6).start("b"),
            id="five-minutes-after-a-failure",
        ),
        pytest.param(
            "L4",
            lambda j: j.at(1).start().result("a", "failed").at(6).start("b").result("b", "unverified").at(14.9).obs()
            .start("c"),
            lambda j: j.at(1).start().result("a", "failed").at(6).start("b").result("b", "unverified").at(16).obs()
            .start("c"),
            id="ten-after-the-second",
        ),
        pytest.param(
            "L4",
            lambda j: j.at(1).start().result("a", "failed").at(2).start("b"),
            lambda j: j.at(1).start().result("a", "failed").at(2).ovr("charge").start("b", why="user"),
            id="a-person-waits-for-nothing",
        ),
        pytest.param(
            "L4",
            lambda j: j.at(1).start().result("a", "failed").at(2).start("b"),
            lambda j: j.at(1).start().result("a", "failed", failure={"type": "HTTP_429"}).at(2).start("b"),
            id="the-provider-said-how-long",
        ),
        pytest.param(
            "L5", lambda j: missing(j, until=110), lambda j: missing(j, until=105), id="ten-minutes-to-tell"
        ),
        pytest.param(
            "L5", lambda j: missing(j, until=110), lambda j: missing(j, until=100).alert("DEADLINE_AT_RISK").ticks(130),
            id="it-is-told",
        ),
        pytest.param(
            "L5", lambda j: missing(j, until=110), lambda j: missing(j, until=110, target=50), id="within-the-tolerance"
        ),
        pytest.param(
            "L5", lambda j: missing(j.conf(slack=30 * MINUTE), until=110), lambda j: missing(j.conf(slack=60 * MINUTE),
            until=110), id="a-home-with-more-reserve",
        ),
        pytest.param(
            "L5", lambda j: missing(j, until=110), lambda j: missing(j.ovr("hands_off"), until=110), id="hands-off"
        ),
        pytest.param(
            "L5", lambda j: missing(j, until=110), lambda j: missing(j, until=110, seen={"charging": True}),
            id="it-charges-after-all",
        ),
        pytest.param("L5", passed, lambda j: passed(j, soc=78), id="a-miss-without-a-record"),
        pytest.param("L5", passed, lambda j: passed(j, until=22), id="ten-minutes-after-it-is-seen"),
        pytest.param("L5", passed, lambda j: passed(j.at(1).alert("DEADLINE_AT_RISK")), id="it-was-told"),
        pytest.param(
            "L5", passed, lambda j: passed(j, until=20).alert("COMPLETE_BELOW_TARGET").ticks(40), id="the-car's-own-limit"
        ),
        pytest.param("L5", passed, lambda j: passed(j.at(1).alert("SOC_FROZEN")), id="the-readings-stand-still"),
        pytest.param(
            "L5", lambda j: passed(j.at(1).alert("SOC_FROZEN").at(2).alert("SOC_FROZEN", "cleared")),
            lambda j: passed(j.at(1).alert("DEADLINE_AT_RISK").at(2).alert("DEADLINE_AT_RISK", "cleared")),
            id="what-explained-it-is-over",
        ),
        pytest.param(
            "L5", passed, lambda j: passed(
                j.at(1).alert("DEADLINE_AT_RISK").alert("SOC_FROZEN").at(2).alert("SOC_FROZEN", "cleared")
                .alert("DEADLINE_AT_RISK", "cleared")), id="it-was-told-beside-what-explained-it",
        ),
        pytest.param("L5", passed, lambda j: passed(j, until=20).ovr("hold").ticks(40), id="a-person-decides-otherwise"),
        pytest.param("L5", passed, lambda j: passed(j.obs(loc="office")), id="plugged-in-elsewhere"),
        pytest.param("L9", past, lambda j: past(j, soc=78), id="a-stop-below-the-target"),
        pytest.param("L9", past, lambda j: past(j, why="user"), id="a-person-stops"),
        pytest.param("L9", past, lambda j: past(j, target=60), id="the-target-was-met"),
    ],
)  # fmt: skip
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()
