"""The home gate: every row of the table, every case of the pairing page, every age."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.gate import gate, place
from scheduler.core.model import Home, Place
from scheduler.core.observation import ChargeFacet, Delivery, Observation, PlaceFacet, Stamp
from tests.unit.core.builders import NOW, situation

HOME, AWAY, UNPLUGGED, UNPROVEN = Place.HOME, Place.AWAY, Place.UNPLUGGED, Place.UNPROVEN

LISTED = {"charger_ids": ("charger", "second")}
TRUSTING = {"charger_ids": ("charger",), "trust_charger": True}
BARE = {"charger_ids": ()}
BARE_TRUSTING = {"charger_ids": (), "trust_charger": True}


def scene(*, charger_id=None, location_id=None, home=None, **changes):
    now = situation(home=home, **changes)
    seen = now.observation
    return replace(
        now,
        observation=replace(
            seen,
            charge=replace(seen.charge, charger_id=charger_id),
            place=replace(seen.place, location_id=location_id),
        ),
    )


@pytest.mark.parametrize(
    ("home", "charger_id", "location_id", "verdict", "why"),
    [
        pytest.param(LISTED, "charger", "location", HOME, "charger", id="home-charger-at-home"),
        pytest.param(LISTED, "second", "location", HOME, "charger", id="second-charger-at-home"),
        pytest.param(LISTED, "charger", None, UNPROVEN, "charger-without-location", id="charger-has-no-location"),
        pytest.param(TRUSTING, "charger", None, HOME, "trusted-charger", id="charger-without-location-is-trusted"),
        pytest.param(LISTED, "charger", "elsewhere", UNPROVEN, "conflict", id="conflict"),
        pytest.param(TRUSTING, "charger", "elsewhere", UNPROVEN, "conflict", id="trust-does-not-overrule-a-conflict"),
        pytest.param(LISTED, "other", "location", AWAY, "other-charger", id="other-charger-though-location-says-home"),
        pytest.param(LISTED, "other", None, AWAY, "other-charger", id="other-charger-no-location"),
        pytest.param(LISTED, "other", "elsewhere", AWAY, "other-charger", id="other-charger-elsewhere"),
        pytest.param(LISTED, None, "location", UNPROVEN, "pair-not-recognised", id="pair-not-recognised-yet"),
        pytest.param(LISTED, None, "elsewhere", AWAY, "not-at-charger", id="plugged-elsewhere"),
        pytest.param(LISTED, None, None, AWAY, "not-at-charger", id="public-or-unknown-charging"),
        pytest.param(TRUSTING, None, "location", UNPROVEN, "pair-not-recognised", id="trust-needs-the-charger"),
        pytest.param(TRUSTING, None, None, AWAY, "not-at-charger", id="trust-without-charger"),
        pytest.param(BARE, None, "location", HOME, "location", id="no-charger-at-home"),
        pytest.param(BARE, None, "elsewhere", AWAY, "other-location", id="no-charger-elsewhere"),
        pytest.param(BARE, None, None, UNPROVEN, "place-unknown", id="no-charger-no-place"),
        pytest.param(BARE, "any", "location", UNPROVEN, "unlisted-charger", id="unlisted-charger-at-home"),
        pytest.param(BARE, "any", None, UNPROVEN, "unlisted-charger", id="unlisted-charger"),
        pytest.param(BARE, "any", "elsewhere", UNPROVEN, "unlisted-charger", id="unlisted-charger-elsewhere"),
        pytest.param(BARE_TRUSTING, "any", None, UNPROVEN, "unlisted-charger", id="trust-is-for-listed-chargers"),
        pytest.param(BARE_TRUSTING, None, None, UNPROVEN, "place-unknown", id="trust-is-no-location"),
    ],
)
def test_the_place_rests_on_charger_and_location_alone(home, charger_id, location_id, verdict, why):
    found = gate(scene(home=home, charger_id=charger_id, location_id=location_id))
    assert (found.place, found.why) == (verdict, why)
    assert found.text


@pytest.mark.parametrize("home", [LISTED, TRUSTING, BARE, BARE_TRUSTING])
@pytest.mark.parametrize(
    ("plugged", "verdict"), [pytest.param(False, UNPLUGGED, id="unplugged"), pytest.param(None, UNPROVEN, id="unknown")]
)
@pytest.mark.parametrize("location_id", ["location", "elsewhere", None])
def test_nothing_counts_without_the_plug(home, plugged, verdict, location_id):
    now = scene(home=home, charger_id="charger" if home.get("charger_ids") else None, location_id=location_id)
    now = replace(now, observation=replace(now.observation, charge=replace(now.observation.charge, plugged=plugged)))
    assert gate(now).place is verdict


def at_home(**changes):
    return scene(charger_id="charger", location_id="location", **changes)


def bare_home(**changes):
    return scene(home=BARE, location_id="location", **changes)


def aged(now, *, charge=None, location=None, heard=None, run=None):
    seen = now.observation
    received = seen.received
    if heard is not None:
        received = Stamp(at=NOW - heard, mono_ns=-int(heard.total_seconds() * 1e9), run=received.run)
    if run is not None:
        received = replace(received, run=run)
    charge_at = NOW - charge if charge is not None else seen.charge.at
    location_at = NOW - location if location is not None else seen.place.at
    return replace(
        now,
        observation=replace(
            seen,
            charge=replace(seen.charge, at=charge_at),
            place=replace(seen.place, at=location_at),
            received=received,
        ),
    )


MIN = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("now", "verdict", "why"),
    [
        pytest.param(aged(at_home(), charge=30 * MIN), HOME, "charger", id="charge-facet-just-young-enough"),
        pytest.param(aged(at_home(), charge=31 * MIN), UNPROVEN, "stale", id="charge-facet-too-old"),
        pytest.param(
            aged(at_home(), location=48 * 60 * MIN), HOME, "charger", id="location-age-is-idle-with-a-charger"
        ),
        pytest.param(aged(bare_home(), location=31 * MIN), UNPROVEN, "stale", id="location-too-old-when-it-is-all"),
        pytest.param(aged(at_home(), heard=10 * MIN), HOME, "charger", id="heard-just-now-enough"),
        pytest.param(aged(at_home(), heard=11 * MIN), UNPROVEN, "unheard", id="heard-too-long-ago"),
        pytest.param(aged(at_home(), run=0), UNPROVEN, "not-seen", id="seen-by-an-earlier-run-only"),
        pytest.param(aged(at_home(), charge=-2 * MIN), HOME, "charger", id="clock-skew-tolerated"),
        pytest.param(aged(at_home(), charge=-3 * MIN), UNPROVEN, "age-unknown", id="from-the-future"),
        pytest.param(
            aged(bare_home(plugged_for=10 * MIN), location=13 * MIN),
            UNPROVEN,
            "location-before-plug",
            id="place-before-plug",
        ),
        pytest.param(
            aged(bare_home(plugged_for=10 * MIN), location=11 * MIN), HOME, "location", id="place-with-the-plug"
        ),
    ],
)
def test_evidence_ages_facet_by_facet(now, verdict, why):
    found = gate(now)
    assert (found.place, found.why) == (verdict, why)


def test_an_undated_facet_proves_nothing():
    now = at_home()
    now = replace(now, observation=replace(now.observation, charge=replace(now.observation.charge, at=None)))
    assert gate(now).why == "age-unknown"


def parked(**changes):
    now = aged(at_home(), charge=10 * 60 * MIN)
    now = replace(now, refreshed_at=NOW - 2 * MIN)
    return replace(now, observation=replace(now.observation, **changes))


def test_a_car_asleep_where_it_was_parked_may_be_started():
    found = gate(parked())
    assert (found.place, found.why, found.parked) == (HOME, "parked", True)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(parked(reachable=False), id="unreachable"),
        pytest.param(parked(reachable=None), id="reach-unknown"),
        pytest.param(parked(seen_at=NOW - timedelta(hours=3)), id="vendor-without-contact"),
        pytest.param(replace(parked(), refreshed_at=None), id="no-refresh-asked"),
        pytest.param(replace(parked(), refreshed_at=NOW - timedelta(seconds=30)), id="refresh-just-asked"),
        pytest.param(replace(parked(), refreshed_at=NOW - 31 * MIN), id="refresh-long-ago"),
        pytest.param(aged(parked(), charge=17 * 60 * MIN), id="parked-too-long"),
        pytest.param(replace(parked(), session=replace(parked().session, at_home=False)), id="seen-elsewhere-since"),
    ],
)
def test_old_evidence_is_not_stretched_further(now):
    assert gate(now).why == "stale"


def test_a_new_reading_must_last():
    fresh = at_home(plugged_for=timedelta(seconds=59))
    assert gate(fresh).why == "settling"
    assert gate(fresh, for_user=True).place is HOME
    assert gate(at_home(plugged_for=timedelta(seconds=60))).place is HOME


def test_two_cars_at_one_charger_are_both_unproven():
    assert gate(replace(at_home(), claimed_elsewhere=True)).why == "claimed"


def test_more_power_than_the_home_gives_was_not_drawn_at_home():
    limit = {"charger_ids": (), "max_kw": 11.0}
    assert gate(scene(home=limit, location_id="location", session={"max_kw": 14.4})).why == "power"
    assert gate(scene(home=limit, location_id="location", session={"max_kw": 14.2})).place is HOME


def test_place_reads_the_observation_alone():
    home = Home(id="h", user_id="u", timezone="UTC", location_id="location", charger_ids=("charger",))
    seen = Observation(
        charge=ChargeFacet(plugged=True, charger_id="charger", delivery=Delivery.STOPPED),
        place=PlaceFacet(location_id="location"),
    )
    assert place(home, seen).place is HOME
