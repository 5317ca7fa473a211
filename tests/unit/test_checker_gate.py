"""The checker on what a command may rest on: S1 with S1a and S1b, S2, S3, S16, S17, S25."""

import pytest

from tests.unit.checker_journal import Journal, minute, ready


@pytest.fixture(scope="module")
def open_home():
    """Settings of a home that lists no charger."""
    return {"chargers": []}


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param(
            "S1", lambda j: j.at(1).start(basis=[]), lambda j: j.at(1).start(basis=[3]),
            id="the-basis-names-an-accepted-observation",
        ),
        pytest.param(
            "S1",
            lambda j: j.obs(ok=False).at(1).start(basis=[3, 6]),
            lambda j: j.obs(ok=True).at(1).start(basis=[3, 6]),
            id="no-refused-observation-in-the-basis",
        ),
        pytest.param(
            "S1", lambda j: j.obs("other", chg=None).at(1).start(basis=[6]), lambda j: j.obs().at(1).start(basis=[6]),
            id="another-vehicle's-observation-proves-nothing",
        ),
        pytest.param("S1", lambda j: j.at(11).start(), lambda j: j.at(10).start(), id="received-within-x-rx"),
        pytest.param(
            "S1",
            lambda j: j.at(20).obs(rx={"charge": 5 * 60 * 10**9}).at(21).start(),
            lambda j: j.at(20).obs(rx={"charge": 15 * 60 * 10**9}).at(21).start(),
            id="received-facet-by-facet",
        ),
        pytest.param(
            "S1",
            lambda j: j.at(40).obs(age={"charge": 31}).stop(),
            lambda j: j.at(40).obs(age={"charge": 30}).stop(),
            id="charge-facet-within-x-src",
        ),
        pytest.param(
            "S1", lambda j: j.at(40).obs(age={"charge": -3}).start(), lambda j: j.at(40).obs(age={"charge": -2}).start(),
            id="a-source-time-in-the-future-is-no-age",
        ),
        pytest.param(
            "S1", lambda j: j.at(40).obs(age={"charge": None}).start(), lambda j: j.at(40).obs().start(),
            id="a-missing-source-time-is-no-age",
        ),
        pytest.param("S1a", lambda j: j.obs(chg=None).at(1).start(), lambda j: j.obs().at(1).start(), id="no-charger-named"),
        pytest.param("S1a", lambda j: j.obs(chg="public").at(1).start(), lambda j: j.obs().at(1).start(), id="away-charger"),
        pytest.param("S1a", lambda j: j.obs(loc="work").at(1).start(), lambda j: j.obs().at(1).start(), id="conflict"),
        pytest.param(
            "S1a",
            lambda j: j.obs(loc=None).at(1).start(),
            lambda j: j.conf(trust=True).obs(loc=None).at(1).start(),
            id="no-location-counts-only-by-trust",
        ),
        pytest.param(
            "S1a",
            lambda j: j.obs("other").at(1).start(basis=[3]),
            lambda j: j.obs("other").obs("other", plugged=False).at(1).start(basis=[3]),
            id="two-claims-to-one-charger",
        ),
        pytest.param(
            "S1a",
            lambda j: j.obs("other").at(1).add("CHARGER", None, chg="box", vehicle="other").start(basis=[3]),
            lambda j: j.obs("other").at(1).add("CHARGER", None, chg="box", vehicle="car").start(basis=[3]),
            id="the-charger's-newer-word-ends-a-claim",
        ),
        pytest.param(
            "S1a",
            lambda j: j.at(1).obs("other").add("CHARGER", None, chg="box", vehicle="car", ts=minute(0.5)).start(basis=[3]),
            lambda j: j.at(1).obs("other").add("CHARGER", None, chg="box", vehicle="car", ts=minute(1.1)).start(basis=[3]),
            id="the-charger's-older-word-does-not",
        ),
        pytest.param("S2", lambda j: j.obs(plugged=False).at(1).start(), lambda j: j.at(1).start(), id="unplugged"),
        pytest.param("S2", lambda j: j.obs(plugged=None).at(1).start(), lambda j: j.at(1).start(), id="plug-unknown"),
        pytest.param(
            "S3",
            lambda j: j.conf(car={"mode": "observe"}).at(1).start(),
            lambda j: j.conf(car={"mode": "observe"}).conf().at(1).start(),
            id="the-vehicle-is-only-observed",
        ),
        pytest.param("S3", lambda j: j.conf(mode="off").at(1).start(), lambda j: j.at(1).start(), id="the-home-is-off"),
        pytest.param(
            "S3",
            lambda j: j.add("MODE", held_by="foreign").at(1).start(),
            lambda j: j.add("MODE", held_by="foreign").add("MODE", held_by=None).at(1).start(),
            id="held-by-a-foreign-controller",
        ),
        pytest.param(
            "S3",
            lambda j: j.add("MODE", mode="uncontrollable").at(1).start(),
            lambda j: j.add("MODE", mode="control").at(1).start(),
            id="uncontrollable",
        ),
        pytest.param(
            "S16",
            lambda j: j.at(5).obs(age={"location": 6}),
            lambda j: j.at(5).obs(age={"location": 6}, ok=False),
            id="an-accepted-facet-went-back",
        ),
        pytest.param(
            "S16",
            lambda j: j.at(5).obs(age={"battery": None}).at(6).obs(age={"battery": 7}),
            lambda j: j.at(5).obs(age={"battery": None}).at(6).obs(age={"battery": 6}),
            id="an-unknown-time-between-hides-nothing",
        ),
        pytest.param(
            "S17",
            lambda j: j.obs(src="webhook", dig="d1").obs(src="webhook", dig="d1"),
            lambda j: j.obs(src="webhook", dig="d1").obs(src="webhook", dig="d2").obs(dig="d2").obs("other", dig="d1"),
            id="an-event-applied-twice",
        ),
        pytest.param(
            "S17",
            lambda j: j.obs(src="webhook", dig="d1").restart().obs(src="webhook", dig="d1"),
            lambda j: j.obs(src="webhook", dig="d1").restart().obs(src="webhook", dig="d1", ok=False),
            id="an-event-applied-again-after-a-restart",
        ),
        pytest.param(
            "S25",
            lambda j: j.obs(charging=True).at(1).start(),
            lambda j: j.obs(charging=False).at(1).start(),
            id="a-first-command-without-a-difference",
        ),
    ],
)  # fmt: skip
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()


def test_a_new_run_must_observe_before_it_sends():
    blind = ready().at(1).restart(read=False).start(basis=[3])
    assert blind.rules() == {"S1", "S25"}
    # Evidence received by another run has no age on this run's clock.
    assert "charge was not received in this run" in [violation.text for violation in blind.check()]
    assert ready().at(1).restart().start().rules() == set()


def test_a_vehicle_never_observed_breaks_the_gate_and_the_quiet_restart():
    assert Journal().lease().need().start(basis=[]).rules() == {"S1", "S1a", "S2", "S25"}


def test_a_vehicle_that_no_home_has_is_not_commanded():
    assert ready().conf(car={"id": "sold"}).at(1).start().rules() == {"S1a", "S3"}


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param("S1a", {"chg": "box"}, {}, id="a-charger-that-is-not-listed"),
        pytest.param("S1a", {"loc": "work"}, {}, id="another-location"),
        pytest.param("S1a", {"loc": None}, {}, id="no-location"),
        pytest.param("S1a", {"kw": 14.4}, {"kw": 14.3}, id="more-power-than-the-home-has"),
        pytest.param(
            "S1", {"age": {"location": 31, "charge": 30}}, {"age": {"location": 30, "charge": 30}}, id="old-location"
        ),
        pytest.param("S1", {"age": {"location": None}}, {}, id="location-of-unknown-age"),
    ],
)
def test_a_home_without_chargers_rests_on_the_location_alone(open_home, rule, broken, kept):
    def journal(members):
        return Journal(**open_home).lease().need().prices((0, 999)).at(40).obs(**{"chg": None, **members}).stop()

    assert journal(broken).rules() == {rule}
    assert journal(kept).rules() == set()


def test_high_power_earlier_in_the_session_is_remembered(open_home):
    fast = Journal(**open_home).lease().need().obs(chg=None, kw=50.0).at(1).obs(chg=None)
    assert fast.at(2).start().rules() == {"S1a"}
    driven = Journal(**open_home).lease().need().obs(chg=None, kw=50.0).at(1).obs(chg=None, plugged=False)
    assert driven.at(6).obs(chg=None).start().rules() == set()


def test_a_location_from_before_the_plug_in_is_no_proof(open_home):
    def journal(location_age):
        return Journal(**open_home).lease().need().at(9).obs(chg=None, age={"location": location_age}).at(10).start()

    assert journal(3).rules() == {"S1"}
    assert journal(2).rules() == set()


class TestParkedAsleep:
    """S1b lets a START rest on older evidence; every condition is needed."""

    def journal(self, *, act="START", why="plan", asked=(570,), old=590, **seen):
        journal = Journal().lease().obs(age={"charge": 10}, soc=60)
        journal.need(deadline=None, lst=None)
        for at in asked:
            journal.at(at).add("REFRESH")
        journal.at(595).obs(**{"age": {"charge": old}, **seen})
        return journal.at(596).command("a", act, why, resume=None, rests="window")

    def test_a_parked_car_may_be_started(self):
        assert self.journal().rules() == set()

    @pytest.mark.parametrize(
        "broken",
        [
            pytest.param({"reach": False}, id="unreachable"),
            pytest.param({"seen": None}, id="no-vendor-contact"),
            pytest.param({"seen": 1_800_000_000 * 10**9 + 470 * 60 * 10**9}, id="old-vendor-contact"),
            pytest.param({"asked": ()}, id="no-refresh"),
            pytest.param({"asked": (565,)}, id="a-refresh-too-long-ago"),
            pytest.param({"asked": (595.5,)}, id="a-refresh-too-recent"),
        ],
    )
    def test_a_missing_condition_is_named(self, broken):
        assert self.journal(**broken).rules() == {"S1b"}

    @pytest.mark.parametrize("broken", [{"act": "STOP"}, {"why": "reconcile"}], ids=["a-stop", "another-reason"])
    def test_it_is_for_some_starts_only(self, broken):
        assert self.journal(**broken).rules() == {"S1"}

    def test_no_car_is_parked_longer_than_x_parked(self):
        def journal(old):
            asleep = Journal(params={"X_parked": 100 * 60 * 10**9}).lease().need().at(150).add("REFRESH").at(160)
            return asleep.obs(age={"charge": old}).start()

        assert journal(101).rules() == {"S1"}
        assert journal(100).rules() == set()

    def test_another_place_since_the_plug_in_ends_the_trust(self):
        strayed = ready().at(100).obs(age={"charge": 99}, loc="work").at(110).add("REFRESH")
        assert strayed.at(120).obs(age={"charge": 110}, ok=False).obs(age={"charge": 99}).start().rules() == {"S1b"}


def test_a_violation_names_the_event_and_the_vehicle():
    (violation,) = ready().obs(plugged=False).at(1).start().check()
    assert violation.as_json() == {"rule": "S2", "seq": 8, "vehicle": "car", "text": "not plugged in"}
    assert str(violation) == "S2 seq 8 vehicle car: not plugged in"
