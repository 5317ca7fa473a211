"""The checker on courtesy to the grid: U1."""

import pytest

from tests.unit.checker_journal import Journal, minute, ready

EDGE = {"edge": minute(60), "delay_s": 240, "cut": False}
DUE = 64


def planned(longest_s: float | None = 600, **need) -> Journal:
    """A car that is to charge from minute 60 to 120, at a home with a random delay."""
    more = {} if longest_s is None else {"longest_s": longest_s}
    return ready().need(**more, **need).add("PLAN", plan="p", slots=[[minute(60), minute(120)]], by="built-in")


def started(journal, at=DUE, why="plan", **intent):
    return journal.at(at).obs().start("a", why, **{**EDGE, **intent})


def stopped(journal, at=124, **intent):
    drawn = {"edge": minute(120), "delay_s": 240, "cut": False}
    return journal.at(at).obs(charging=True, kw=7.0).stop("a", **{**drawn, **intent})


@pytest.mark.parametrize(
    ("broken", "kept"),
    [
        pytest.param(lambda j: started(j, 63.9), lambda j: started(j, 64), id="too-early"),
        pytest.param(lambda j: stopped(j, 123.9), lambda j: stopped(j, 124), id="a-stop-too-early"),
        pytest.param(
            lambda j: started(j, 71, delay_s=601), lambda j: started(j, 71, delay_s=600), id="longer-than-the-longest"
        ),
        pytest.param(lambda j: started(j, delay_s=-1), lambda j: started(j, delay_s=0), id="less-than-nothing"),
        pytest.param(
            lambda j: started(j, 60, edge=None, delay_s=None), lambda j: started(j, 70, edge=None, delay_s=None),
            id="at-an-edge-without-a-delay",
        ),
        pytest.param(
            lambda j: stopped(j, 121, edge=None, delay_s=None), lambda j: stopped(j, 130, edge=None, delay_s=None),
            id="a-stop-at-an-edge-without-a-delay",
        ),
        pytest.param(
            lambda j: started(j.at(60).add("PLAN", plan="q", slots=[[minute(60), minute(120)]]), 61, delay_s=None),
            lambda j: started(j.at(59).add("PLAN", plan="q", slots=[[minute(90), minute(120)]]), 61, delay_s=None),
            id="a-plan-made-after-the-edge-hides-it-not",
        ),
        pytest.param(
            lambda j: started(j, 60, "deadline", cut=True), lambda j: started(j.need(lst=minute(60), longest_s=600), 60,
            "deadline", cut=True), id="cut-short-before-the-latest-start",
        ),
        pytest.param(
            lambda j: started(j.need(lst=minute(60), longest_s=600), 60, "deadline"),
            lambda j: started(j.need(lst=minute(60), longest_s=600), 60, "min_soc"), id="a-minimum-does-not-wait",
        ),
        pytest.param(
            lambda j: started(j, 60, "plan", edge=None), lambda j: started(j, 60, "user", edge=None), id="nor-a-person"
        ),
        pytest.param(
            lambda j: started(j, 61, edge=None),
            lambda j: started(j.at(60.5).ovr("auto", op="clear"), 61, edge=None), id="nor-what-follows-a-wish",
        ),
        pytest.param(
            lambda j: started(started(j).result("a", "failed").at(70), 70, delay_s=300),
            lambda j: started(started(j).result("a", "failed").at(70), 70), id="drawn-twice",
        ),
    ],
)  # fmt: skip
def test_what_the_plan_moves_waits_for_its_random_delay(broken, kept):
    assert "U1" in broken(planned()).rules()
    assert "U1" not in kept(planned()).rules()


@pytest.mark.parametrize("longest_s", [None, 0])
def test_a_home_without_random_delays_owes_none(longest_s):
    assert "U1" not in started(planned(longest_s), 60, edge=None, delay_s=None).rules()


def test_with_another_configuration_an_edge_may_get_another_delay():
    journal = started(planned()).result("a", "failed").conf().at(70)
    assert "U1" not in started(journal, 70, delay_s=300).rules()


def test_the_delay_of_one_vehicle_is_not_that_of_another():
    journal = started(planned()).obs("other").add("NEED", "other", target=80, lst=minute(300), longest_s=600)
    more = {"basis": [3], "epoch": 1, "durable": True, **EDGE, "delay_s": 30}
    journal.add("INTENT", "other", cmd="b", act="START", why="plan", **more).add("SEND", "other", cmd="b", act="START")
    assert "U1" not in journal.rules()
