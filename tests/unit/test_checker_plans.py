"""The checker on plans and on shut doors: S13, S22, S23, S24."""

import pytest

from tests.unit.checker_journal import minute, ready


def charging(journal):
    """The car charges in a slot that began 5 min ago."""
    return journal.obs(charging=True, kw=7.0).plan((5, 90), (120, 150)).at(10)


def due(journal):
    """As `charging`, because something is due."""
    return charging(journal.need(lst=minute(0)))


def unread(journal, *, until):
    """Lost credentials: the last reading is older than their loss."""
    return journal.at(1).alert("CREDENTIALS_LOST").at(until)


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param(
            "S13", lambda j: charging(j).plan((20, 105), (120, 150)), lambda j: charging(j).plan((10, 90), (120, 150)),
            id="a-slot-that-had-begun-is-withdrawn",
        ),
        pytest.param(
            "S13", lambda j: charging(j).plan((120, 230)), lambda j: charging(j).need(target=90).plan((120, 230)),
            id="another-need",
        ),
        pytest.param(
            "S13", lambda j: due(j).need(lst=minute(15)).plan((120, 230)),
            lambda j: due(j).need(lst=minute(200)).plan((120, 230)), id="what-was-due-is-charged",
        ),
        pytest.param(
            "S13", lambda j: charging(j).plan((120, 230)), lambda j: charging(j).prices((0, 9))
            .plan((120, 230)), id="other-prices",
        ),
        pytest.param(
            "S13", lambda j: charging(j).plan((120, 230)), lambda j: charging(j).plan((120, 190)),
            id="much-less-to-charge",
        ),
        pytest.param(
            "S13", lambda j: charging(j).plan((120, 230)), lambda j: charging(j).ovr("ready-by").plan((120, 230)),
            id="a-wish",
        ),
        pytest.param(
            "S13", lambda j: charging(j).plan((120, 230)), lambda j: charging(j).at(89.5).plan((120, 150)),
            id="less-than-a-tick-of-it",
        ),
        pytest.param(
            "S13", lambda j: charging(j).plan((120, 230)), lambda j: charging(j).obs(charging=False).plan((120, 230)),
            id="a-car-that-stopped",
        ),
        pytest.param("S22", lambda j: j.plan((10, 20), (15, 30)), lambda j: j.plan((10, 20), (20, 30)), id="overlap"),
        pytest.param("S22", lambda j: j.plan((20, 30), (10, 15)), lambda j: j.plan((10, 15), (20, 30)), id="order"),
        pytest.param("S22", lambda j: j.plan((20, 20)), lambda j: j.plan(), id="nothing-of-a-slot"),
        pytest.param("S22", lambda j: j.at(5).plan((4, 20)), lambda j: j.at(5).plan((5, 20)), id="the-past"),
        pytest.param(
            "S22", lambda j: j.plan((10, 8 * 1440 + 1)), lambda j: j.plan((10, 8 * 1440)), id="beyond-the-horizon"
        ),
        pytest.param(
            "S22", lambda j: j.conf(params={"horizon": minute(60) - minute(0)}).plan((10, 61)),
            lambda j: j.conf(params={"horizon": minute(60) - minute(0)}).plan((10, 60)), id="a-configured-horizon",
        ),
        pytest.param(
            "S22", lambda j: j.add("PLAN", plan="p", by="x", slots=[[minute(10), float("nan")]]),
            lambda j: j.add("PLAN", plan="p", by="x", slots=[[minute(10), minute(11)]]), id="not-a-number",
        ),
        pytest.param(
            "S23",
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:command", until=minute(9)).at(2).start(),
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:command", until=minute(9)).at(9).start(),
            id="a-command-before-its-time",
        ),
        pytest.param(
            "S23",
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:command:car", until=minute(9)).at(2).start(),
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:command:other", until=minute(9)).at(2).start(),
            id="a-bucket-of-one-vehicle",
        ),
        pytest.param(
            "S23",
            lambda j: j.at(1).add("LIMIT", None, bucket="enode", until=minute(9)).at(2).start(),
            lambda j: j.at(1).add("LIMIT", None, bucket="enode", until=minute(9)).at(2).intent("a", "START").send("a")
            .result("a", "failed"),
            id="a-client-that-let-nothing-out",
        ),
        pytest.param(
            "S23",
            lambda j: j.at(1).add("LIMIT", None, bucket="enode", until=minute(9)).at(1.1).start(),
            lambda j: j.at(1).intent("a", "START").send("a").at(1.1).add("LIMIT", None, bucket="enode", until=minute(9))
            .ack("a"),
            id="a-command-that-had-left",
        ),
        pytest.param(
            "S23",
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:read", until=minute(9)).at(3).obs(),
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:read", until=minute(9)).at(2).obs().at(3)
            .obs(src="webhook").at(9).obs(),
            id="a-reading-before-its-time",
        ),
        pytest.param(
            "S23",
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:read", until=minute(9)).at(3).obs(),
            lambda j: j.at(1).add("LIMIT", None, bucket="enode:read", until=minute(9)).at(3).restart(),
            id="another-run-knows-of-no-hold",
        ),
        pytest.param(
            "S24",
            lambda j: unread(j, until=5).start().at(6).obs(),
            lambda j: unread(j, until=5).obs().start().at(6).obs(),
            id="an-account-that-is-lost",
        ),
        pytest.param(
            "S24",
            lambda j: unread(j, until=5).obs(seen=minute(0)).start().at(6).obs(),
            lambda j: unread(j, until=5).start().alert("CREDENTIALS_LOST", "cleared").at(6).obs(),
            id="a-turn-that-ends-the-alert-sent-before-it-said-so",
        ),
        pytest.param(
            "S24",
            lambda j: j.at(1).alert("CREDENTIALS_LOST", v=None).at(5).start().at(6).obs(),
            lambda j: j.at(1).alert("CREDENTIALS_LOST", v="other").at(5).start().at(6).obs(),
            id="the-whole-account-or-another's",
        ),
    ],
)  # fmt: skip
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()


def test_a_session_of_its_own_has_plans_of_its_own():
    assert charging(ready()).add("PLUG", op="out").plan((120, 230)).rules() == set()


@pytest.mark.parametrize(
    ("starts", "broken"),
    [
        pytest.param((30, 31.1), True, id="by-more-than-a-tick"),
        pytest.param((30, 31), False, id="by-a-tick"),
        pytest.param((30, 30.7, 31.4), True, id="little-by-little"),
        pytest.param((30, 29.2, 30.6), True, id="there-and-further-back"),
        pytest.param((30, 29.2, 30.1), False, id="there-and-back"),
        pytest.param((30, 29, 29.6, 29, 29.6), True, id="there-and-back-again-and-again"),
    ],
)
def test_estimates_alone_do_not_put_off_the_next_start(starts, broken):
    journal = ready().obs(charging=False)
    for at, start in enumerate(starts):
        journal.at(at).plan((start, start + 60))
    assert journal.rules() == ({"S13"} if broken else set())


@pytest.mark.parametrize(
    "change", [lambda j: j.need(kwh=9, target=81), lambda j: j.ovr("ready-by"), lambda j: j.conf()]
)
def test_what_is_no_estimate_may_put_it_off(change):
    journal = change(ready().obs(charging=False).plan((30, 90)).at(1)).plan((40, 100))
    assert journal.rules() == set()
