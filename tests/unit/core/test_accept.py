"""What is taken from a reading: facets move forward in source time only, and one odd sample proves nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.accept import accept
from scheduler.core.observation import BatteryFacet, ChargeFacet, Observation, PlaceFacet, Reading, Source, Stamp

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)


def reading(*, after=0 * MIN, rx=None, plugged=True, soc=None, location="location", charger="charger", undated=False):
    at = None if undated else T0 + after
    return Reading(
        vehicle_id="car",
        user_id="user",
        source=Source.POLL,
        received=Stamp(at=T0 + (after if rx is None else rx), mono_ns=0, run=1),
        charge=ChargeFacet(at=at, plugged=plugged, charger_id=charger),
        place=PlaceFacet(at=at, location_id=location),
        battery=BatteryFacet(at=at, soc_pct=soc),
        seen_at=at,
    )


def taken(*readings):
    seen, last = Observation(), None
    for one in readings:
        last = accept(seen, one)
        seen = last.observation
    return last


def test_an_older_reading_changes_nothing_but_the_record():
    last = taken(reading(after=5 * MIN, plugged=False), reading(after=4 * MIN, rx=6 * MIN, plugged=True))
    assert last.observation.charge.plugged is False
    assert not last.ok
    assert "charge older" in last.why


def test_the_same_source_time_is_heard_again():
    last = taken(reading(), reading(after=0 * MIN, rx=7 * MIN))
    assert last.facets == ("charge", "location", "battery")
    assert last.observation.received.at == T0 + 7 * MIN


def test_an_undated_reading_does_not_replace_a_dated_one():
    assert "undated" in taken(reading(), reading(after=1 * MIN, plugged=False, undated=True)).why


def test_a_reading_from_far_in_the_future_does_not_lock_out_the_true_ones():
    last = taken(reading(), reading(after=60 * MIN, rx=1 * MIN, plugged=False), reading(after=2 * MIN, plugged=True))
    assert last.observation.charge.at == T0 + 2 * MIN


def test_facets_are_judged_apart():
    newer_place = Reading(
        vehicle_id="car", user_id="user", source=Source.WEBHOOK, received=Stamp(at=T0 + 5 * MIN, mono_ns=0, run=1),
        charge=ChargeFacet(at=T0 - MIN, plugged=False), place=PlaceFacet(at=T0 + 5 * MIN, location_id="elsewhere"),
    )  # fmt: skip
    last = taken(reading(), newer_place)
    assert last.facets == ("location",)
    assert last.observation.charge.plugged is True
    assert last.observation.place.location_id == "elsewhere"


def test_a_changed_plug_starts_to_settle_anew_and_an_unchanged_one_does_not():
    assert taken(reading(), reading(after=3 * MIN)).observation.plug_since == T0
    assert taken(reading(), reading(after=3 * MIN, charger="other")).observation.plug_since == T0 + 3 * MIN
    assert taken(reading(), reading(after=3 * MIN, location=None)).observation.place_since == T0 + 3 * MIN


@pytest.mark.parametrize(
    ("socs", "kept"),
    [
        pytest.param([50, 0], 50, id="one-zero-proves-nothing"),
        pytest.param([50, 0, 51], 51, id="a-zero-is-forgotten-when-it-passes"),
        pytest.param([50, 0, 0], 0, id="two-that-agree-are-believed"),
        pytest.param([50, 36], 36, id="a-small-drop-is-believed"),
        pytest.param([50, 30, 60], 60, id="up-again"),
        pytest.param([None, 0], 0, id="a-first-reading-is-believed"),
    ],
)
def test_a_drop_while_plugged_in_needs_a_second_sample(socs, kept):
    last = taken(*(reading(after=i * MIN, soc=soc) for i, soc in enumerate(socs)))
    assert last.observation.battery.soc_pct == kept


def test_the_same_stale_sample_read_twice_is_no_second_sample():
    last = taken(reading(soc=50), reading(after=MIN, soc=0), reading(after=MIN, rx=2 * MIN, soc=0))
    assert last.observation.battery.soc_pct == 50


def test_a_reading_without_a_state_of_charge_takes_none_away():
    last = taken(reading(soc=50), reading(after=5 * MIN))
    assert last.facets == ("charge", "location", "battery")
    assert last.observation.battery == BatteryFacet(at=T0, soc_pct=50), "it stays as old as it is"
    assert (
        taken(reading(soc=50), reading(after=5 * MIN), reading(after=9 * MIN, soc=52)).observation.battery.soc_pct == 52
    )
