"""The checker on commands: S4, S5, S6, S7, S8, S14, S26."""

import pytest

from tests.unit.checker_journal import minute, ready


def lost_reply(journal):
    """A START whose reply was lost, and the vehicle read again 90 s later."""
    return (
        journal.at(1).intent("a", "START").send("a").add("AMBIG", cmd="a", why="time-out").at(2.5).obs(src="readback")
    )


def crash(journal, *, sent):
    """A run that ends with a command open, and the next run's first look."""
    journal.at(1).intent("a", "START")
    if sent:
        journal.send("a")
    return journal.at(3).restart().at(4)


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param(
            "S4",
            lambda j: j.at(1).start("a").at(2).start("b"),
            lambda j: j.at(1).start("a").result("a", "failed").at(6).start("b"),
            id="the-same-action-while-one-is-pending",
        ),
        pytest.param(
            "S4",
            lambda j: j.at(1).start("a").at(2).start("b", why="user"),
            lambda j: j.at(1).start("a").at(2).stop("b", why="user"),
            id="not-even-for-the-user",
        ),
        pytest.param(
            "S4",
            lambda j: j.at(1).start("a").at(12).obs().stop("b"),
            lambda j: j.at(1).start("a").at(12).obs().stop("b", why="target"),
            id="only-a-strong-reason-supersedes",
        ),
        pytest.param(
            "S4",
            lambda j: j.at(1).start("a").at(2).send("a"),
            lambda j: j.at(1).start("a").at(2).ack("a"),
            id="the-same-command-again",
        ),
        pytest.param("S5", lambda j: j.at(1).send("a"), lambda j: j.at(1).intent("a", "START").send("a"), id="no-intent"),
        pytest.param(
            "S5",
            lambda j: j.at(1).send("a").intent("a", "START"),
            lambda j: j.at(1).intent("a", "START").send("a"),
            id="an-intent-written-after-the-send",
        ),
        pytest.param(
            "S5",
            lambda j: j.at(1).start(durable=False),
            lambda j: j.need(soc=10).at(1).start(why="min_soc", durable=False),
            id="not-durable-though-nothing-presses",
        ),
        pytest.param(
            "S5",
            lambda j: j.need(lst=minute(2)).at(1).start(why="deadline", durable=False),
            lambda j: j.need(lst=minute(1)).at(1).start(why="deadline", durable=False),
            id="not-durable-before-the-latest-start",
        ),
        pytest.param(
            "S5",
            lambda j: j.at(1).intent("a", "START").send("a", "STOP"),
            lambda j: j.at(1).intent("a", "START").send("a", "START"),
            id="sent-otherwise-than-intended",
        ),
        pytest.param(
            "S5",
            lambda j: crash(j, sent=False).start("b"),
            lambda j: crash(j, sent=False).add("READBACK", cmd="a", found=False).start("b"),
            id="an-intent-of-a-crashed-run-is-read-back-first",
        ),
        pytest.param(
            "S5",
            lambda j: crash(j, sent=False).start("b"),
            lambda j: crash(j, sent=False).send("a", epoch=2),
            id="an-intent-never-sent-may-be-sent-by-the-next-run",
        ),
        pytest.param(
            "S6",
            lambda j: j.at(1).start("a").ack("a", "second"),
            lambda j: j.at(1).start("a").ack("a", "action-a"),
            id="a-second-action",
        ),
        pytest.param(
            "S6",
            lambda j: lost_reply(j).at(4).send("a"),
            lambda j: lost_reply(j).add("READBACK", cmd="a", found=False).at(4).send("a"),
            id="a-repeat-without-read-back",
        ),
        pytest.param(
            "S6",
            lambda j: lost_reply(j).add("READBACK", cmd="a", found=True).at(4).send("a"),
            lambda j: lost_reply(j).add("READBACK", cmd="a", found=True).at(4).ack("a").result("a"),
            id="a-repeat-of-what-was-found",
        ),
        pytest.param(
            "S6",
            lambda j: lost_reply(j).add("READBACK", cmd="a", found=False).at(2.9).send("a"),
            lambda j: lost_reply(j).add("READBACK", cmd="a", found=False).at(3).send("a"),
            id="a-repeat-too-early",
        ),
        pytest.param(
            "S6",
            lambda j: j.at(1).intent("a", "START").send("a").add("AMBIG", cmd="a", why="time-out").at(4)
            .add("READBACK", cmd="a", found=False).send("a"),
            lambda j: lost_reply(j).at(4).add("READBACK", cmd="a", found=False).send("a"),
            id="a-read-back-that-read-nothing",
        ),
        pytest.param(
            "S6",
            lambda j: j.at(1).start("a").result("a", "failed").at(6).send("a"),
            lambda j: j.at(1).start("a").result("a", "failed").at(6).start("b"),
            id="a-repeat-after-the-result",
        ),
        pytest.param(
            "S7",
            lambda j: j.at(1).start("a").result("a").at(10).obs().stop("b"),
            lambda j: j.at(1).start("a").result("a").at(11).obs().stop("b"),
            id="opposite-commands-too-close",
        ),
        pytest.param(
            "S7",
            lambda j: j.at(1).stop("a").result("a").at(2).start("b"),
            lambda j: j.at(1).stop("a").result("a").at(2).start("b", why="deadline"),
            id="a-late-start-may-be-close",
        ),
        pytest.param(
            "S7",
            lambda j: j.at(1).stop("a").result("a").need(lst=minute(2.1)).at(2).start("b"),
            lambda j: j.at(1).stop("a").result("a").need(lst=minute(2)).at(2).start("b"),
            id="the-latest-start-itself-is-late",
        ),
        pytest.param(
            "S7",
            lambda j: j.at(1).stop("a").result("a").at(2).start("b"),
            lambda j: j.at(1).stop("a").result("a").at(2).start("b", why="user"),
            id="a-user's-command-may-be-close",
        ),
        pytest.param(
            "S8",
            lambda j: j.ovr("hold").at(1).start(why="deadline"),
            lambda j: j.ovr("hold").ovr("hold", op="clear").at(1).start(why="deadline"),
            id="a-hold-is-not-undone-for-a-deadline",
        ),
        pytest.param(
            "S8",
            lambda j: j.ovr("hold", until=minute(2)).at(1).start(),
            lambda j: j.ovr("hold", until=minute(1)).at(1).start(),
            id="an-override-ends-at-its-until",
        ),
        pytest.param(
            "S8",
            lambda j: j.ovr("charge").at(1).stop(),
            lambda j: j.ovr("charge").at(1).stop(why="target"),
            id="a-charge-is-stopped-only-at-the-target",
        ),
        pytest.param(
            "S8",
            lambda j: j.ovr("hands_off", **{"from": "unknown"}).at(1).start(),
            lambda j: j.ovr("hands_off", **{"from": "unknown"}).at(1).start(why="user"),
            id="hands-off",
        ),
        pytest.param("S8", lambda j: j.ovr("hold").at(1).start(), lambda j: j.ovr("ready-by").at(1).start(), id="ready-by"),
        pytest.param(
            "S8",
            lambda j: j.ovr("hold").at(1).obs(plugged=False).at(5).obs().start(),
            lambda j: j.ovr("hold").at(1).obs(plugged=False).at(6).obs().start(),
            id="an-override-ends-by-a-lasting-unplug",
        ),
        pytest.param(
            "S8",
            lambda j: j.obs(plugged=False).at(1).ovr("hold").at(9).obs().start(),
            lambda j: j.ovr("hold").at(1).add("PLUG", op="out").start(),
            id="a-wish-made-while-unplugged-is-for-the-next-session",
        ),
        pytest.param(
            "S8",
            lambda j: j.ovr("hold").at(1).ovr("hold", op="clear", **{"from": "unknown"}),
            lambda j: j.ovr("hold").at(1).obs(plugged=False).ovr("hold", op="clear", **{"from": "unknown"}),
            id="an-override-ended-by-nobody",
        ),
        pytest.param(
            "S8",
            lambda j: j.at(1).start("a", why="reconcile").result("a").at(2).start("b", why="reconcile"),
            lambda j: j.at(1).start("a", why="reconcile").result("a", "failed").at(6).start("b", why="reconcile"),
            id="a-second-correction-in-a-session",
        ),
        pytest.param(
            "S8",
            lambda j: j.at(1).start("a", why="reconcile").result("a").at(2).start("b", why="reconcile"),
            lambda j: j.at(1).start("a", why="reconcile").result("a").at(2).start("b"),
            id="a-plan-is-no-correction",
        ),
        pytest.param(
            "S8",
            lambda j: j.at(1).start("a", why="reconcile").result("a").at(2).start("b", why="reconcile"),
            lambda j: j.at(1).start("a").result("a").at(2).start("b", why="reconcile"),
            id="a-first-correction-after-a-plan",
        ),
        pytest.param(
            "S14",
            lambda j: j.lease(op="lost").at(1).start(),
            lambda j: j.lease(op="lost").lease(op="renewed").at(1).start(),
            id="no-lease",
        ),
        pytest.param(
            "S14",
            lambda j: j.lease(exp=minute(1)).at(1).start(),
            lambda j: j.lease(exp=minute(1.1)).at(1).start(),
            id="an-expired-lease",
        ),
        pytest.param("S14", lambda j: j.at(1).start(epoch=0), lambda j: j.at(1).start(epoch=1), id="another-epoch"),
        pytest.param(
            "S26",
            lambda j: j.at(1).start("a").at(2).obs(plugged=False).at(3.1).add("TICK", None, n=1),
            lambda j: j.at(1).start("a").at(2).obs(plugged=False).at(3).add("CANCEL", cmd="a", pid="p").at(9).add("TICK", None, n=1),
            id="unplugged-while-pending",
        ),
        pytest.param(
            "S26",
            lambda j: j.at(1).start("a").at(2).obs(loc="work").at(4).result("a", "failed"),
            lambda j: j.at(1).start("a").at(2).obs(loc="work").at(3).result("a", "failed").at(4).add("TICK", None, n=1),
            id="away-while-pending",
        ),
        pytest.param(
            "S26",
            lambda j: j.at(1).intent("a", "START").send("a").at(2).obs(chg=None).at(4).ack("a").at(5.1).add("TICK", None, n=1),
            lambda j: j.at(1).intent("a", "START").send("a").at(2).obs(chg=None).at(9).add("TICK", None, n=1),
            id="the-minute-begins-when-there-is-an-action-to-cancel",
        ),
    ],
)  # fmt: skip
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()


def test_a_crash_in_mid_send_needs_a_read_back_before_the_repeat():
    assert crash(ready(), sent=True).send("a", epoch=2).rules() == {"S5", "S6"}
    assert crash(ready(), sent=True).add("READBACK", cmd="a", found=False).send("a", epoch=2).rules() == set()


def test_what_the_next_run_sent_itself_needs_no_read_back():
    taken_up = crash(ready(), sent=False).send("a", epoch=2).ack("a").at(5)
    assert taken_up.stop("b", why="user").rules() == set()


def test_nothing_else_is_sent_while_a_command_is_recalled():
    gone = ready().at(1).start("a").at(2).obs(plugged=False).add("CANCEL", cmd="a", pid="action-a")
    assert gone.stop("b", why="user").rules() == {"S2", "S26"}
    back = ready().at(1).start("a").at(2).obs(plugged=False).add("CANCEL", cmd="a", pid="action-a")
    assert back.at(3).obs().stop("b", why="user").rules() == set()


@pytest.mark.parametrize(
    ("limit", "apart_min", "count"),
    [pytest.param("N_hour", 10, 6, id="six-an-hour"), pytest.param("N_day", 58, 24, id="twenty-four-a-day")],
)
def test_commands_are_counted_in_a_sliding_window(limit, apart_min, count):
    def journal(commands, *, last_why="plan", last_at=None):
        many = ready().need(lst=None)  # a START after its latest start would be free of limits
        for n in range(commands - 1):
            many.at(1 + apart_min * n).obs().start(f"c{n}").result(f"c{n}")
        many.at(1 + apart_min * (commands - 1) if last_at is None else last_at)
        return many.obs().start("last", why=last_why)

    assert journal(count).rules() == set()
    assert journal(count + 1, last_at=apart_min * (count - 1) + 1.5).rules() == {"S7"}
    assert journal(count + 1, last_why="deadline", last_at=apart_min * (count - 1) + 1.5).rules() == set()
    assert journal(count + 1, last_at={"N_hour": 61, "N_day": 1441}[limit]).rules() == set()


def test_a_node_whose_epoch_was_overtaken_may_not_send():
    taken_over = ready()
    taken_over.at(1).restart(epoch=2).start("b").result("b")
    woken = taken_over.at(2)
    woken.run, woken._booted = "run-1", 0.0
    assert woken.obs().start("c").rules() == {"S14"}


def test_a_new_run_sends_with_its_own_lease():
    unleased = ready().at(1)
    unleased.run, unleased._booted = "run-2", 1.0
    assert unleased.conf().obs().start(epoch=1).rules() == {"S14"}
