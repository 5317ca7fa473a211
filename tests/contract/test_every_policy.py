"""What every policy owes the planner, the ones of other packages included."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.feeds import GRAMS
from scheduler.core.policy import Policy, nonsense_in
from scheduler.core.terms import Price
from scheduler.core.timeline import Interval
from scheduler.plugins import POLICIES, Registry
from tests.plugins.installing import installed
from tests.unit.policies.builders import market, situation, utc

NIGHT = {"start": "22:00", "end": "06:00", "days": ["mon-fri"]}

SETTINGS = {
    "ready-by": {"at": "02:30", "days": ["mon", "thu"], "departures": [{"at": "2026-10-25T02:30:00"}]},
    "minimum-soc": {"soc_pct": 25},
    "off-peak": {"windows": [NIGHT, {"start": "13:30", "end": "14:00"}]},
    "quiet-hours": {"windows": [NIGHT], "even_below_minimum": True},
    "random-delay": {"longest_s": 1800, "avoid_peaks": True},
    "price-limit": {"per_kwh": 0.2},
    "opportunity": {"soc_pct": 90, "per_kwh": -0.01},
    "flat": {"per_kwh": 0.3},
    "time-of-use": {"per_kwh": 0.3, "windows": [{**NIGHT, "per_kwh": 0.1}, {"months": ["dec"], "per_kwh": 0.2}]},
    "spot": {"source": "spot", "vat_pct": 25, "grid_fees": [{**NIGHT, "per_kwh": 0.05}]},
    "carbon": {"source": "grid", "per_tonne": 80},
    "school-run": {"at": "07:40", "distance_km": 20},
}
"""Settings for each policy. A new one has to be written down here, or the suite fails."""

ZONES = ("Europe/Oslo", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")

INSTANTS = st.one_of(
    st.datetimes(min_value=utc("2026-01-01").replace(tzinfo=None), max_value=utc("2027-12-31").replace(tzinfo=None)),
    st.sampled_from(["2026-03-29T00:59", "2026-03-29T01:00", "2026-10-25T00:30", "2026-10-25T01:00"]).map(
        lambda text: utc(text).replace(tzinfo=None)
    ),
).map(lambda at: utc(at.isoformat()))


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    with installed("kwhen-school-run", into=tmp_path_factory.mktemp("plugins")):
        registry = Registry(POLICIES)
        yield {name: registry.plugin(name).build(SETTINGS[name]) for name in SETTINGS}


def at_instant(at, zone, horizon=timedelta(days=8)):
    start = at.replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
    prices = market(*(0.1 + hour % 7 / 100 for hour in range(66)), start=start)
    grams = market(*(100.0 + hour % 5 * 40 for hour in range(40)), start=start, name="grid", currency=GRAMS)
    return situation(at=at, timezone=zone, prices=[prices, grams], horizon=horizon)


def test_no_built_in_policy_is_left_out():
    assert {plugin.name for plugin in Registry(POLICIES).all() if plugin.ours} <= set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
class TestEveryPolicy:
    @given(at=INSTANTS, zone=st.sampled_from(ZONES))
    @settings(max_examples=30, deadline=None)
    def test_states_terms_that_can_be_used(self, policies, name, at, zone):
        terms = list(policies[name].terms(at_instant(at, zone)))
        assert terms
        assert nonsense_in(terms, at=at) == ""

    @given(at=INSTANTS, zone=st.sampled_from(ZONES))
    @settings(max_examples=10, deadline=None)
    def test_says_the_same_of_the_same_situation(self, policies, name, at, zone):
        now = at_instant(at, zone)
        assert list(policies[name].terms(now)) == list(policies[name].terms(at_instant(at, zone)))
        assert now == at_instant(at, zone)

    @given(at=INSTANTS, zone=st.sampled_from(ZONES))
    @settings(max_examples=10, deadline=None)
    def test_states_spans_within_the_horizon_and_its_local_days(self, policies, name, at, zone):
        room = Interval(start=at - timedelta(hours=26), end=at + timedelta(days=8) + timedelta(hours=26))
        for span in spans(policies[name].terms(at_instant(at, zone))):
            assert room.start <= span.start
            assert span.end <= room.end

    def test_fits_the_protocol_and_cannot_be_changed(self, policies, name):
        policy = policies[name]
        assert isinstance(policy, Policy)
        with pytest.raises(AttributeError):
            policy.terms = None

    def test_explains_itself(self, policies, name):
        assert policies[name].__doc__
        assert all(term.why for term in policies[name].terms(at_instant(utc("2026-01-05T11:00"), "Europe/Oslo")))


def spans(terms):
    for term in terms:
        if isinstance(term, Price):
            yield from (Interval(start=slot.start, end=slot.end) for slot in term.slots)
        elif hasattr(term, "interval"):
            yield term.interval
