"""What a car's sessions teach: the power it takes at home, and how that falls as it fills."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.energy import LEARNED_POWER_MARGIN, charge_curve, grid_energy, unseen_taper
from scheduler.core.learning import SESSIONS_A_BAND, taper_learned
from scheduler.core.model import BandSeen, Learned, Session, TaperBand
from scheduler.core.observation import Delivery
from storage.mapping import decode_state, encode_state
from tests.unit.core.builders import NOW, situation
from tests.unit.core.test_session import Story

FALLING = {80: 10.0, 85: 10.0, 90: 6.0, 95: 3.0}
"""A car that tapers from 90 % on [kW by band]."""


def ended(powers: dict[int, float], *, max_kw: float = 10.0, **more: object) -> Session:
    """Return a session that took these powers, an hour in each band."""
    bands = tuple(BandSeen(from_pct=float(pct), kwh=kw, hours=1.0) for pct, kw in sorted(powers.items()))
    made = Session(id="s", plugged_at=NOW, opened_at=NOW, at_home=True, max_kw=max_kw, energy_kwh=20.0, bands=bands)
    return replace(made, **more)


def taught(*sessions: Session, power_kw: float = 10.0) -> Learned:
    learned = Learned(power_kw=power_kw)
    for session in sessions:
        learned = taper_learned(learned, session)
    return learned


def powers(learned: Learned) -> dict[float, tuple[float, ...]]:
    return {band.from_pct: band.kws for band in learned.taper}


def charged(story: Story, *, start_min: float = 10, start_pct: float = 82, pct_a_reading: float = 1) -> Story:
    """Charge up to 99 %, with a reading each ten minutes: 10 kW below 90 %, then a kilowatt less for each 2 points."""
    story.says(0, Delivery.UNPLUGGED).says(5, Delivery.STOPPED, soc=start_pct)
    minute, soc_pct = start_min, start_pct
    while soc_pct < 100:
        story.says(minute, Delivery.CHARGING, kw=10.0 - max(0.0, soc_pct - 90) / 2, soc=soc_pct)
        minute, soc_pct = minute + 10, soc_pct + pct_a_reading
    story.says(minute, Delivery.UNPLUGGED).says(minute + 10, Delivery.UNPLUGGED)
    assert story.state.session is None
    return story


# --- the power --------------------------------------------------------------------------------------------------------


def test_the_beginning_of_a_charge_teaches_nothing():
    story = Story().says(0, Delivery.UNPLUGGED).says(5, Delivery.STOPPED)
    story.says(10, Delivery.CHARGING, kw=2.0).says(11, Delivery.CHARGING, kw=5.0)
    assert story.state.learned.power_kw is None
    assert story.says(12, Delivery.CHARGING, kw=10.0).state.learned.power_kw == 10.0


def test_a_charge_elsewhere_teaches_nothing():
    story = Story().says(0, Delivery.UNPLUGGED, charger="other")
    for minute in range(5, 60, 5):
        story.says(minute, Delivery.CHARGING, kw=50.0, charger="other")
    assert story.state.learned == Learned()


def test_small_changes_of_the_power_move_nothing():
    story = Story()
    for minute, kw in enumerate([10.0, 10.0, 10.1, 9.9, 10.15, 9.85]):
        story.says(10 * minute, Delivery.CHARGING, kw=kw)
    assert story.state.learned.power_kw == 10.0


def test_the_last_points_before_the_cars_own_limit_teach_nothing():
    story = Story()
    for minute, soc_pct in ((0, 77.0), (10, 78.0), (20, 79.5)):
        seen = replace(story.state.observation.charge, limit_pct=80.0)
        story.state = replace(story.state, observation=replace(story.state.observation, charge=seen))
        story.says(minute, Delivery.CHARGING, kw=10.0, soc=soc_pct)
    assert story.state.learned.power_kw == 10.0


# --- the taper --------------------------------------------------------------------------------------------------------


def test_a_session_teaches_what_it_took_in_each_band():
    learned = charged(Story()).state.learned
    assert powers(learned) == {80.0: (10.0,), 85.0: (10.0,), 90.0: (8.75,), 95.0: (pytest.approx(6.5),)}


def test_nothing_is_learned_of_the_taper_before_the_session_has_ended():
    story = Story().says(0, Delivery.UNPLUGGED).says(5, Delivery.STOPPED, soc=82)
    for step in range(12):
        story.says(10 + 10 * step, Delivery.CHARGING, kw=10.0 - step / 2, soc=82.0 + step)
    assert story.state.learned.taper == ()
    assert [band.from_pct for band in story.state.session.bands] == [80.0, 85.0, 90.0]


def test_readings_far_apart_in_charge_teach_nothing():
    assert charged(Story(), start_pct=80, pct_a_reading=6).state.learned.taper == ()


def test_the_middle_one_of_the_latest_sessions_counts():
    odd = FALLING | {90: 4.0}
    learned = taught(*[ended(FALLING)] * 2, ended(odd), *[ended(FALLING)] * 8)
    assert powers(learned)[90.0] == (6.0,) * SESSIONS_A_BAND
    learned = taught(*[ended(FALLING)] * 3, *[ended(odd)] * 2)
    curve = charge_curve(situation(charge_power_kw=11.0, learned=learned), low_pct=90.0)
    assert curve.most_kw == pytest.approx(6.0 * LEARNED_POWER_MARGIN)


@pytest.mark.parametrize(
    ("session", "bands"),
    [
        pytest.param(ended(FALLING), {80, 85, 90, 95}, id="an-ordinary-one"),
        pytest.param(ended(FALLING | {85: 3.7}), {80, 90, 95}, id="held-back-for-a-while"),
        pytest.param(ended({80: 3.7, 85: 3.7, 90: 3.7, 95: 3.0}, max_kw=3.7), set(), id="held-back-throughout"),
        pytest.param(ended(FALLING, at_home=False), set(), id="elsewhere"),
        pytest.param(ended({}, max_kw=11.0), set(), id="that-ended-below"),
        pytest.param(ended({}, bands=(BandSeen(from_pct=90.0, kwh=0.3, hours=0.05),)), set(), id="too-short"),
    ],
)
def test_only_what_the_car_did_by_itself_teaches(session, bands):
    assert set(powers(taught(session))) == bands


def test_what_is_learned_is_kept():
    story = charged(Story())
    story.says(500, Delivery.STOPPED, soc=85)
    story.says(510, Delivery.CHARGING, kw=9, soc=85).says(520, Delivery.CHARGING, kw=9, soc=86)
    story.says(530, Delivery.CHARGING, kw=9, soc=87)
    assert story.state.session.bands
    assert decode_state(encode_state(story.state)) == story.state


def test_a_state_from_before_the_taper_was_learned_still_loads():
    stored = encode_state(replace(charged(Story()).state, learned=Learned(power_kw=7.0)))
    assert b'"taper":[]' in stored
    older = stored.replace(b',"taper":[]', b"")
    assert b"taper" not in older
    assert decode_state(older).learned == Learned(power_kw=7.0)


# --- the curve --------------------------------------------------------------------------------------------------------

LEARNED = taught(ended(FALLING))


def hours(low_pct: float, target_pct: float, **more: object) -> float:
    """Return how long a car of 60 kWh is planned to take."""
    made = charge_curve(situation(learned=LEARNED, **({"charge_power_kw": 20.0} | more)), low_pct=low_pct)
    return made.seconds((target_pct - low_pct) / 100 * 60 / 0.9) / 3600


def test_the_curve_falls_as_learned_with_the_margin():
    full_h, nine_h, last_h = (5 * 0.6 / 0.9 / kw for kw in (9.5, 5.7, 2.8))
    assert hours(50, 90) == pytest.approx(8 * full_h)
    assert hours(50, 100) == pytest.approx(8 * full_h + nine_h + last_h)
    assert hours(92, 98) == pytest.approx(3 / 5 * nine_h + 3 / 5 * last_h)


def test_the_curve_never_rises_above_what_the_home_allows():
    assert hours(80, 100, home={"max_kw": 3.7}) == pytest.approx(15 * 0.6 / 0.9 / 3.7 + 5 * 0.6 / 0.9 / 2.8)


@pytest.mark.parametrize(
    ("low_pct", "capacity_kwh", "learned"),
    [(None, 60.0, LEARNED), (50.0, None, LEARNED), (50.0, 60.0, Learned(power_kw=10.0))],
)
def test_without_something_to_go_by_the_curve_is_one_power(low_pct, capacity_kwh, learned):
    now = situation(capacity_kwh=capacity_kwh, learned=learned, charge_power_kw=7.0)
    curve = charge_curve(now, low_pct=low_pct)
    assert (curve.kinks_s, curve.most_kw) == ((), pytest.approx(7.0))


@pytest.mark.parametrize(
    ("low_pct", "target_pct", "seen", "unseen_points"),
    [
        pytest.param(50.0, 90.0, {}, 0.0, id="no-car-tapers-below"),
        pytest.param(50.0, 100.0, {}, 10.0, id="nothing-seen"),
        pytest.param(94.0, 100.0, {}, 6.0, id="begun-above"),
        pytest.param(50.0, 100.0, {85: 10.0}, 10.0, id="seen-below"),
        pytest.param(50.0, 100.0, {90: 10.0}, 5.0, id="seen-in-part"),
        pytest.param(50.0, 100.0, FALLING, 0.0, id="seen-to-the-top"),
        pytest.param(None, 100.0, {}, 0.0, id="nothing-to-go-by"),
    ],
)
def test_what_no_session_has_shown_above_90_may_take_twice_its_time(low_pct, target_pct, seen, unseen_points):
    learned = taught(ended(seen)) if seen else Learned()
    now = situation(capacity_kwh=60.0, learned=learned, charge_power_kw=6.0)
    taking = charge_curve(now, low_pct=low_pct)
    energy_kwh = grid_energy(0.6 * (target_pct - (low_pct or 0.0)))
    takes = unseen_taper(now, taking, low_pct=low_pct, energy_kwh=energy_kwh)
    assert takes / timedelta(hours=1) == pytest.approx(grid_energy(0.6 * unseen_points) / taking.last_kw, abs=1e-6)


def test_unknown_power_has_no_curve():
    assert charge_curve(situation(charge_power_kw=None), low_pct=50.0) is None


def test_a_full_car_has_a_curve():
    assert charge_curve(situation(learned=LEARNED), low_pct=100.0).last_kw > 0


def test_a_curve_has_few_kinks():
    steep = {60 + 5 * n: 10.0 * 0.8**n for n in range(8)}
    learned = taught(ended(steep))
    assert len(charge_curve(situation(charge_power_kw=20.0, learned=learned), low_pct=10.0).kinks_s) <= 8
    flat = {60 + 5 * n: 10.0 - 0.05 * n for n in range(8)}
    assert charge_curve(situation(charge_power_kw=20.0, learned=taught(ended(flat))), low_pct=10.0).kinks_s == ()


def steadily(kw: float) -> dict[str, object]:
    return {"charging": True, "power_kw": kw, "session": {"started_since": NOW - timedelta(minutes=30)}}


def test_a_car_that_takes_less_than_assumed_below_the_taper_goes_on_like_that():
    assert hours(50, 100, **steadily(4.0)) == pytest.approx(45 * 0.6 / 0.9 / 4.0 + 5 * 0.6 / 0.9 / 2.8)


def test_a_car_that_tapers_as_usual_counts_as_learned():
    usual = hours(91, 100)
    assert [hours(91, 100, **steadily(kw)) for kw in (7.2, 6.5)] == [pytest.approx(usual)] * 2


def test_a_car_that_takes_less_than_usual_in_its_taper_takes_less_of_the_rest_too():
    assert hours(92.5, 100, **steadily(2.7)) == pytest.approx(2 * hours(92.5, 100))


def test_noise_of_power_and_charge_does_not_move_the_end():
    ends = [hours(50 + off, 100, **steadily(9.9 + off)) + off / 9.5 * 0.6 / 0.9 for off in (-0.4, -0.2, 0, 0.3, 0.5)]
    assert max(ends) - min(ends) < 1e-6


def test_a_taper_that_begins_early_is_not_taken_for_a_slow_charger():
    story = Story()
    story.state = replace(story.state, learned=taught(ended({65: 10.0, 70: 7.0, 75: 5.0}, max_kw=10.0)))
    for minute in range(0, 60, 10):
        story.says(minute, Delivery.CHARGING, kw=6.0, soc=72.0)
    assert story.state.learned.power_kw == 10.0
    assert TaperBand(from_pct=70.0, kws=(7.0,)) in story.state.learned.taper
