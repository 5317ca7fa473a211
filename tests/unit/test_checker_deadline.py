"""The checker on deadlines: L1 and L1b."""

import pytest

from tests.unit.checker_journal import Journal, minute

# Plugged in at minute 0 with 50 %, 0.5 kWh to the point, 10 kW: 80 % takes 90 min, so the true latest start of a
# deadline at minute 480 is minute 390.


def night(*changes, soc=50.0, deadline=480, until=500, **need):
    """A session that the given changes interrupt: pairs of a minute and what happens to the journal then."""
    journal = Journal().lease().at(0).truth(soc).obs().need(target=80, deadline=minute(deadline), **need)
    for at, change in sorted(changes, key=lambda one: one[0]):
        change(journal.at(at))
    return journal.at(until).truth(journal_soc(journal))


def journal_soc(journal):
    return [event["soc"] for event in journal.events if event["k"] == "TRUTH"][-1]


def truth(soc, **members):
    return lambda journal: journal.truth(soc, **members)


def own_stop(journal):
    return journal.obs().prices((0, 1440)).stop(resume=minute(200)).result("a")


def warn(journal):
    return journal.add("ALERT", code="DEADLINE_AT_RISK", sev="warning", until=None, op="raised")


CHARGED = [(390, truth(50, charging=True)), (480, truth(80))]
DOWN = (0.5, truth(50, path=False))


def raised(*changes, at, soc=80):
    """80 % are reached; then 95 % are asked for, which takes 45 min, and needs told later say the same."""

    def need(journal):
        return journal.need(target=95, deadline=minute(480))

    return night((100, truth(50, charging=True)), (190, truth(soc)), (at, need), (at + 10, need), *changes)


def limit_raised(*, at, soc=60):
    """It charges to its own limit of 60 %, and stays there though that is raised: 78 % takes 54 min more, from then."""
    return night(
        (0, truth(50, limit=60)), (100, truth(50, charging=True, limit=60)), (130, truth(soc, limit=60)),
        (at, truth(soc, limit=100)),
    )  # fmt: skip


def told_ahead(*, soc):
    """At minute 300 the daemon's clock shows 490, past the deadline, and it tells of the next one. The truth goes on."""

    def ahead(journal):
        return journal.step(190).need(target=80, deadline=minute(1920)).step(-190)

    return night((300, truth(50, charging=True)), (300, ahead), (310, truth(52, charging=True)), (480, truth(soc)))


def tapering(*kws, soc=77.0, kw_max=(10, 10, 10)):
    """Charging from half an hour after the plug-in until past the deadline, at powers that last as long as each other."""
    return night(
        (30, truth(50, charging=True, kw=kws[0], kw_max=kw_max[0])),
        (180, truth(65, charging=True, kw=kws[1], kw_max=kw_max[1])),
        (330, truth(74, charging=True, kw=kws[2], kw_max=kw_max[2])),
        (480, truth(soc)),
    )


@pytest.mark.parametrize(
    ("broken", "kept"),
    [
        pytest.param(night(), night(*CHARGED), id="never-charged"),
        pytest.param(
            night((390, truth(50, charging=True)), (480, truth(77.9))),
            night((390, truth(50, charging=True)), (480, truth(78))),
            id="short-by-more-than-eps",
        ),
        pytest.param(
            night((390, truth(50, charging=True, limit=70)), (480, truth(67, limit=70))),
            night((390, truth(50, charging=True, limit=70)), (480, truth(70, limit=70))),
            id="the-car's-own-limit-is-enough",
        ),
        pytest.param(
            night((420, truth(71.9, charging=True)), (500, truth(80))),
            night((420, truth(72, charging=True)), (500, truth(80))),
            id="between-two-truths-it-is-linear",
        ),
        pytest.param(
            night(DOWN, (345, truth(50)), deadline=480),
            night(DOWN, (346, truth(50)), deadline=480),
            id="forty-five-minutes-before-the-latest-start",
        ),
        pytest.param(
            night((40, truth(50, path=False)), (100, truth(50)), (145, truth(50, path=False))),
            night((40, truth(50, path=False)), (100, truth(50)), (140, truth(50, path=False))),
            id="forty-five-minutes-on-end",
        ),
        pytest.param(
            night((60, truth(50, charging=True)), (480, truth(60))),
            night((30, truth(50, charging=True)), (480, truth(60))),
            id="it-took-less-than-its-power-yet-the-hour-before-would-have-sufficed",
        ),
        pytest.param(tapering(10, 5, 10), tapering(10, 10, 5), id="begun-sooner-it-would-only-have-tapered-sooner"),
        pytest.param(tapering(10, 10, 5, soc=77.9), tapering(10, 10, 5), id="the-tapered-half-hour-was-enough"),
        pytest.param(tapering(10, None, 5), tapering(10, 10, 5), id="a-power-that-is-not-told-may-have-risen"),
        pytest.param(
            tapering(10, 10, 10), tapering(10, 10, 5), id="a-power-that-never-fell-may-be-a-neighbour's-doing"
        ),
        pytest.param(
            tapering(10, 10, 5, kw_max=(10, 10, 5)), tapering(10, 10, 5), id="a-supply-that-was-cut-is-no-taper"
        ),
        pytest.param(
            night(
                (0, truth(50, charging=True, kw=10)),
                (30, truth(60)),
                (60, truth(60, charging=True, kw=5)),
                (480, truth(77)),
            ),
            tapering(10, 10, 5),
            id="a-pause-in-between-is-no-late-beginning",
        ),
        pytest.param(limit_raised(at=381), limit_raised(at=382), id="its-own-limit-was-raised-too-late"),
        pytest.param(
            limit_raised(at=400, soc=57), limit_raised(at=400, soc=58), id="what-its-limit-was-before-is-owed"
        ),
        pytest.param(told_ahead(soc=77), told_ahead(soc=78), id="a-clock-that-ran-ahead-told-of-the-next-one-too-soon"),
        pytest.param(raised(at=300), raised(at=460), id="raised-too-late-to-be-met"),
        pytest.param(
            raised((250, truth(80, path=False)), (390, truth(80)), at=300),
            raised((250, truth(80, path=False)), (391, truth(80)), at=300),
            id="raised-while-no-command-could-be-sent",
        ),
        pytest.param(raised(at=460, soc=77), raised(at=460, soc=78), id="what-it-was-before-is-owed"),
        pytest.param(night(), night((60, lambda j: j.ovr("hold"))), id="the-user-holds"),
        pytest.param(
            night((60, lambda j: j.ovr("ready-by"))), night((60, lambda j: j.ovr("hands_off"))), id="hands-off"
        ),
        pytest.param(night(), night((60, lambda j: j.conf(mode="observe"))), id="only-observed"),
        pytest.param(night(until=480), night(until=479), id="no-truth-reaches-the-deadline"),
        pytest.param(
            night((480, truth(50, plugged=False))),
            night((479, truth(50, plugged=False))),
            id="unplugged-before-the-deadline",
        ),
        pytest.param(night(), night((60, lambda j: j.need(deadline=minute(900)))), id="the-deadline-moves-in-time"),
        pytest.param(
            night((480, lambda j: j.need(deadline=minute(900)))),
            night((479, lambda j: j.need(deadline=minute(900)))),
            id="the-deadline-in-force-as-time-reaches-it",
        ),
        pytest.param(
            night((60, lambda j: j.need(deadline=None))),
            night((60, lambda j: j.conf().need(deadline=None))),
            id="only-the-owner-withdraws-a-deadline",
        ),
    ],
)
def test_a_missed_deadline_is_named_and_its_sibling_is_not(broken, kept):
    assert broken.rules() == {"L1"}
    assert kept.rules() == set()


@pytest.mark.parametrize(
    "told",
    [{"kw_max": 10.0, "kwh_per_pct": 0.5}, {"max_kw": 10.0, "capacity_kwh": 50.0}],
    ids=["by-the-point", "by-capacity"],
)
def test_the_true_latest_start_follows_from_the_power_that_the_truth_tells(told):
    def journal(back_at, members):
        untold = {"kwh_per_pct": None, "kw_max": None, **members}
        silent = Journal().lease().truth(50, path=False, **untold).need(deadline=minute(480), lst=minute(300))
        return silent.at(back_at).truth(50, **untold).at(480).truth(50, **untold).rules()

    assert (journal(345, told), journal(346, told)) == ({"L1"}, set())
    assert (journal(255, {}), journal(256, {})) == ({"L1"}, set())  # untold, the latest start is the daemon's own


def test_a_session_away_from_home_has_no_deadline():
    assert (
        Journal().lease().truth(50, home=False).need(deadline=minute(60)).at(90).truth(50, home=False).rules() == set()
    )


class TestOwnStop:
    """A miss after our own STOP is L1b, unless nothing could be done about it and it was told."""

    def stopped(self, *changes, back=None):
        """Stopped by us at 60 with a resume at 200; the path is down from 190."""
        outage = (190, truth(60, path=False, cause="path"))
        recovery = () if back is None else ((back, truth(60, cause="path")),)
        stopping = ((60, own_stop), (61, truth(60, cause="command")), (76, truth(60, cause="time")))
        return night((5, truth(50, charging=True)), *stopping, outage, *recovery, *changes)

    def test_it_is_a_rule_of_its_own(self):
        assert self.stopped().rules() == {"L1b"}

    def test_it_stays_so_if_the_resume_came_too_late(self):
        assert self.stopped((470, truth(60, charging=True, cause="command"))).rules() == {"L1b"}

    def test_it_is_so_too_if_the_stop_came_before_charging_began(self):
        assert night((1, own_stop)).rules() == {"L1b"}

    def test_it_is_excused_if_the_path_was_down_and_the_alert_was_raised(self):
        assert self.stopped((250, warn)).rules() == set()

    def test_another_alert_tells_nothing_of_it(self):
        assert self.stopped((250, lambda j: j.add("ALERT", code="PROVIDER_DOWN", op="raised"))).rules() == {"L1b"}

    def test_an_alert_after_the_deadline_is_too_late(self):
        assert self.stopped((485, warn)).rules() == {"L1b"}

    def test_it_is_not_excused_if_the_path_came_back_in_time(self):
        assert self.stopped((250, warn), back=410).rules() == {"L1b"}
        assert self.stopped((250, warn), back=430).rules() == set()  # 60 %: the true latest start is minute 420

    def raised_after_the_target(self, *changes, first=250, told=True):
        """Stopped by us at the target; then a higher one is planned to be reached from a minute on. The path fails."""
        return night(
            (5, truth(50, charging=True)), (100, lambda j: j.obs().prices((0, 1440)).stop(why="target", resume=None)),
            (101, truth(80, cause="command")), (116, truth(80)),
            (150, lambda j: j.need(target=95, deadline=minute(480)).plan((first, first + 45))),
            (220, truth(80, path=False, cause="path")), (300, lambda j: j.plan((310, 355))),
            *(((290, warn),) if told else ()), *changes,
        )  # fmt: skip

    def test_a_target_raised_after_it_is_planned_anew(self):
        assert self.raised_after_the_target().rules() == set()
        assert self.raised_after_the_target(told=False).rules() == {"L1b"}
        assert self.raised_after_the_target(first=200).rules() == {"L1b"}  # the path was up when it was to go on
        assert self.raised_after_the_target((434, truth(80, cause="path"))).rules() == {"L1b"}

    def test_it_is_excused_if_the_target_was_out_of_reach_from_the_plug_in(self):
        assert night((1, own_stop), deadline=84).rules() == {"L1b"}  # 28 points at 10 kW take 84 min
        assert night((1, own_stop), deadline=83).rules() == set()

    @pytest.mark.parametrize("cause", ["person", "car"])
    def test_another_hand_after_it_is_the_last_cause(self, cause):
        resumed = (100, truth(60, charging=True, cause="command"))
        assert self.stopped(resumed, (120, truth(64, cause=cause))).rules() == {"L1"}

    def test_a_start_of_ours_after_it_that_the_car_ends_is_another_cause(self):
        resumed = ((100, lambda j: j.obs().start("b").result("b")), (101, truth(60, charging=True)))
        assert self.stopped(*resumed, (120, truth(64, cause="set"))).rules() == {"L1"}
