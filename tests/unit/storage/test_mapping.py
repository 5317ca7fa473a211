"""The store's JSON: everything comes back as it was, from older rows too."""

import dataclasses
import json
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.core.command import ActionReport, Command
from scheduler.core.errors import StoreError
from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.model import Decision, Home, Limits, Override, PolicySpec, Situation, VehicleSpec, VehicleState
from scheduler.core.observation import Observation, Reading
from scheduler.core.terms import Block, MinDwell, Price, PriceSlot, Stated, Target, Term
from scheduler.core.timeline import Interval
from storage import mapping
from tests.unit.storage.core_values import values_of

AT = datetime(2026, 10, 25, 0, 30, 0, 1, tzinfo=UTC)

CODECS = [
    pytest.param(VehicleState, mapping.encode_state, mapping.decode_state, id="state"),
    pytest.param(Reading, mapping.encode_reading, mapping.decode_reading, id="reading"),
    pytest.param(ActionReport, mapping.encode_report, mapping.decode_report, id="report"),
    pytest.param(Override, mapping.encode_override, mapping.decode_override, id="override"),
    pytest.param(Command, mapping.encode_command, mapping.decode_command, id="command"),
    pytest.param(Decision, mapping.encode_decision, mapping.decode_decision, id="decision"),
    pytest.param(Home, mapping.encode_home, mapping.decode_home, id="home"),
]
moderate = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def situation(**members) -> Situation:
    home = Home(id="h1", user_id="u1", timezone="Europe/Oslo")
    given_members = {"at": AT, "mono_ns": 5, "run": 2, "home": home, "vehicle": VehicleSpec(id="v1")} | members
    return Situation(**given_members, observation=Observation())


@pytest.mark.parametrize(("kind", "encode", "decode"), CODECS)
@given(data=st.data())
@moderate
def test_a_value_comes_back_as_it_was(kind, encode, decode, data):
    value = data.draw(values_of(kind))
    assert decode(encode(value)) == value


@pytest.mark.parametrize(("kind", "encode", "decode"), CODECS)
@given(data=st.data())
@settings(moderate, max_examples=10)
def test_an_older_row_takes_the_defaults_of_what_it_lacks(kind, encode, decode, data):
    value = data.draw(values_of(kind))
    stored = json.loads(encode(value))
    for member in dataclasses.fields(kind):
        if member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING:
            continue
        older = {name: body for name, body in stored.items() if name != member.name}
        default = member.default if member.default is not dataclasses.MISSING else member.default_factory()
        assert decode(json.dumps(older).encode()) == dataclasses.replace(value, **{member.name: default})


@pytest.mark.parametrize(("kind", "encode", "decode"), CODECS)
@given(data=st.data())
@settings(moderate, max_examples=5)
def test_a_newer_row_loads_without_what_is_not_known(kind, encode, decode, data):
    value = data.draw(values_of(kind))
    stored = json.loads(encode(value)) | {"invented_later": [{"deep": 1}]}
    assert decode(json.dumps(stored).encode()) == value


@pytest.mark.parametrize("decode", [codec.values[2] for codec in CODECS])
@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b"null", b'{"id": 5}', b"\xff"])
def test_what_cannot_be_read_is_a_store_error(decode, stored):
    with pytest.raises(StoreError, match="cannot be read"):
        decode(stored)


@given(value=values_of(Situation))
@moderate
def test_a_situation_comes_back_as_it_was(value):
    stored, blobs = mapping.encode_situation(value)
    assert mapping.decode_situation(stored, blobs.get) == value
    assert mapping.situation_refs(stored) == blobs.keys()


@given(term=values_of(Term))
@settings(moderate, max_examples=200)
def test_every_kind_of_term_comes_back_as_it_was(term):
    value = situation(terms=(Stated(rank=3, policy="p", term=term),))
    stored, blobs = mapping.encode_situation(value)
    assert mapping.decode_situation(stored, blobs.get).terms == value.terms


def test_what_changes_rarely_is_named_by_hash():
    slots = tuple(
        PriceSlot(start=AT + timedelta(minutes=15 * i), end=AT + timedelta(minutes=15 * i + 15), per_kwh=i / 7)
        for i in range(192)
    )
    series = PriceSeries(name="spot", currency="EUR", slots=slots, fetched_at=AT)
    terms = (
        Stated(rank=0, policy="spot", term=Price(slots=slots)),
        Stated(rank=1, policy="ready-by", term=Target(soc_pct=80, by=AT)),
        Stated(rank=2, policy="quiet", term=Block(interval=Interval(start=AT, end=AT + timedelta(hours=1)))),
        Stated(rank=3, policy="home", term=MinDwell(duration=timedelta(minutes=10))),
    )
    now = situation(prices=(series,), terms=terms)
    stored, blobs = mapping.encode_situation(now)
    later, same_blobs = mapping.encode_situation(dataclasses.replace(now, at=AT + timedelta(minutes=1)))
    assert len(stored) < 2500
    assert blobs.keys() == same_blobs.keys()
    assert len(blobs) == 4  # home, limits, the series, the price term
    assert stored != later
    assert mapping.decode_situation(stored, blobs.get) == now


def test_a_calendar_is_named_by_hash_too_and_an_older_situation_has_none():
    airport = CalendarDeparture(calendar="family", at=AT, title="Airport", day=date(2026, 10, 25), soc_pct=100.0)
    now = situation(departures=(airport,))
    stored, blobs = mapping.encode_situation(now)
    assert b"Airport" not in stored
    assert len(blobs) == 3  # home, limits, the departures
    assert mapping.situation_refs(stored) == blobs.keys()
    assert mapping.decode_situation(stored, blobs.get) == now
    older = {name: body for name, body in json.loads(stored).items() if name != "departures"}
    assert mapping.decode_situation(json.dumps(older).encode(), blobs.get).departures == ()


def test_a_situation_says_what_of_it_is_gone():
    stored, blobs = mapping.encode_situation(situation())
    for digest in blobs:
        kept = {name: body for name, body in blobs.items() if name != digest}
        for lookup in (kept.get, kept.__getitem__):
            with pytest.raises(StoreError, match=f"{digest}, which is not stored"):
                mapping.decode_situation(stored, lookup)


def test_an_older_situation_takes_the_defaults_of_what_it_lacks():
    stored, blobs = mapping.encode_situation(situation())
    kept = {"at", "mono_ns", "run", "home", "limits", "vehicle", "observation"}
    older = json.dumps({name: body for name, body in json.loads(stored).items() if name in kept}).encode()
    assert mapping.decode_situation(older, blobs.get) == situation()


def test_a_term_of_a_kind_not_known_here_is_refused():
    stored, blobs = mapping.encode_situation(situation())
    strange = json.loads(stored) | {"terms": [{"rank": 0, "policy": "p", "kind": "wish", "term": {}}]}
    with pytest.raises(StoreError, match="wish"):
        mapping.decode_situation(json.dumps(strange).encode(), blobs.get)


def test_the_limits_of_a_situation_are_its_own():
    strict = situation(limits=Limits(n_hour=1, t_dwell=timedelta(seconds=90.5)))
    stored, blobs = mapping.encode_situation(strict)
    assert mapping.decode_situation(stored, blobs.get) == strict


def test_settings_keep_their_dates_and_times():
    written = {"at": time(7, 30), "on": date(2026, 10, 25), "from": AT, "deep": {"times": [time(2, 30)]}, "n": 1}
    home = Home(id="h", user_id="u", timezone="UTC", policies=(PolicySpec(name="ready-by", settings=written),))
    assert mapping.decode_home(mapping.encode_home(home)).policies[0].settings == written


def test_an_interval_that_ends_before_it_starts_is_refused():
    state = VehicleState(
        vehicle_id="v", home_id="h", user_id="u", committed=(Interval(start=AT, end=AT + timedelta(hours=1)),)
    )
    turned = json.loads(mapping.encode_state(state))
    turned["committed"][0]["end"] = "2020-01-01T00:00:00Z"
    with pytest.raises(StoreError, match="interval"):
        mapping.decode_state(json.dumps(turned))
