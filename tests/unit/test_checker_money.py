"""The checker on money: E2, E3. Both need the truth of a simulated run."""

import pytest

from tests.unit.checker_journal import minute, ready


def bill(journal, cost, at_once, *, start=0, end=60):
    return journal.add("BILL", cost=cost, at_once=at_once, **{"from": minute(start), "to": minute(end)})


def charging(journal, *, until=80, noted=None, desired="hold", **truth):
    """The car charges at home from minute 1 on, although it should hold."""
    journal.sit(desired).plan((200, 300)).at(1).truth(50, charging=True, **truth)
    if noted is not None:
        journal.add("NOTE", code="no_stop", why=noted)
    return journal.ticks(until, charging=True)


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param("E2", lambda j: bill(j, 2.12, 2.00), lambda j: bill(j, 2.10, 2.00), id="dearer-than-at-once"),
        pytest.param("E2", lambda j: bill(j, -1.80, -2.00), lambda j: bill(j, -1.90, -2.00), id="prices-below-zero"),
        pytest.param(
            "E2",
            lambda j: bill(j.at(1).start(why="plan"), 3, 2),
            lambda j: bill(j.at(1).start(why="deadline"), 3, 2),
            id="a-rescue-is-a-matter-apart",
        ),
        pytest.param("E2", lambda j: bill(j, 3, 2), lambda j: bill(j.ovr("charge"), 3, 2), id="so-is-a-wish"),
        pytest.param(
            "E2",
            lambda j: bill(j.ovr("charge"), 3, 2, start=5),
            lambda j: bill(j.ovr("charge"), 3, 2, start=0),
            id="in-the-session-that-is-billed",
        ),
        pytest.param("E3", charging, lambda j: charging(j, until=71), id="longer-than-t-verify"),
        pytest.param("E3", charging, lambda j: charging(j, desired="charge"), id="as-it-should"),
        pytest.param("E3", charging, lambda j: charging(j, desired="leave"), id="left-alone"),
        pytest.param("E3", charging, lambda j: charging(j, home=False), id="away"),
        pytest.param("E3", charging, lambda j: charging(j, path=False), id="out-of-reach"),
        pytest.param(
            "E3",
            lambda j: charging(j, noted="in-flight"),
            lambda j: charging(j, noted="no-slack"),
            id="pause-not-allowed",
        ),
        pytest.param("E3", charging, lambda j: charging(j.ovr("charge")), id="the-user-charges"),
        pytest.param("E3", charging, lambda j: charging(j.conf(mode="observe")), id="only-observed"),
        pytest.param(
            "E3", charging, lambda j: charging(j, until=60).plan((60, 300)).ticks(90, charging=True), id="in-a-slot"
        ),
    ],
)
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()
