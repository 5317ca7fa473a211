"""Whatever comes from the provider, the mapping either reads it or says that it cannot."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.command import ActionReport
from scheduler.core.errors import ProviderProtocolError
from scheduler.core.observation import Delivery, Reading, Source
from scheduler.enode.events import read_event
from scheduler.enode.mapping import action_of, card_of, charger_of, digest_of, reading_of
from scheduler.ports import Notice
from tests.unit.enode import printed
from tests.web_support import NOON, RECEIVED

TEXT = st.text(max_size=12)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EVENTS = [
    "user:vehicle:updated",
    "user:vehicle:deleted",
    "user:charger:updated",
    "user:charger:deleted",
    "user:vendor-action:updated",
    "user:credentials:invalidated",
    "user:vehicle:smart-charging-status-updated",
    "user:schedule:execution-updated",
    "system:heartbeat",
]
PRINTED = json.loads(printed.without_comments(printed.VEHICLE))


def paths(document, so_far=()):
    """Yield the way to every member of a document."""
    for name, value in document.items():
        yield (*so_far, name)
        if isinstance(value, dict):
            yield from paths(value, (*so_far, name))


@st.composite
def spoilt_vehicles(draw):
    """The printed vehicle with some of its members replaced by anything, or missing."""
    document = json.loads(json.dumps(PRINTED))
    for path in draw(st.lists(st.sampled_from(list(paths(PRINTED))), min_size=1, max_size=6)):
        inner = document
        for name in path[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            if draw(st.booleans()):
                inner[path[-1]] = draw(ANYTHING)
            else:
                inner.pop(path[-1], None)
    return document


def check(reading: Reading) -> None:
    """Whatever was read is within what the core may rely on."""
    assert isinstance(reading.vehicle_id, str)
    assert reading.vehicle_id
    times = [reading.seen_at, *(facet.at for facet in (reading.charge, reading.place, reading.battery) if facet)]
    assert all(at is None or at.utcoffset() is not None for at in times)
    if reading.battery:
        assert reading.battery.soc_pct is None or 0 <= reading.battery.soc_pct <= 100
        assert reading.battery.capacity_kwh is None or 0 < reading.battery.capacity_kwh < math.inf
    if reading.charge:
        assert reading.charge.plugged in {True, False, None}
        assert reading.charge.power_kw is None or 0 <= reading.charge.power_kw < math.inf
        assert reading.charge.charger_id is None or isinstance(reading.charge.charger_id, str)
        if reading.charge.delivery is Delivery.UNPLUGGED:
            assert reading.charge.plugged is not True
    if reading.capabilities:
        assert all(isinstance(one, str) for one in reading.capabilities.intervention_ids)


@given(spoilt_vehicles())
@settings(max_examples=300, deadline=None)
def test_a_spoilt_vehicle_is_read_as_far_as_it_goes(document):
    raw = json.dumps(document).encode()
    if not (isinstance(document.get("id"), str) and document["id"]):
        with pytest.raises(ProviderProtocolError):
            reading_of(raw, source=Source.POLL, received=RECEIVED)
        return
    check(reading_of(raw, source=Source.POLL, received=RECEIVED))
    card_of(raw)


@given(document=spoilt_vehicles())
@settings(max_examples=100, deadline=None)
def test_members_that_are_sound_survive_those_that_are_not(document):
    if not isinstance(document.get("id"), str) or not document["id"]:
        document["id"] = "v"
    seen = reading_of(json.dumps(document).encode(), source=Source.POLL, received=RECEIVED)
    charge = document.get("chargeState")
    if isinstance(charge, dict) and charge.get("batteryLevel") == 66 and not isinstance(charge["batteryLevel"], bool):
        assert seen.battery.soc_pct == 66
    if isinstance(document.get("isReachable"), bool):
        assert seen.reachable is document["isReachable"]


@given(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
def test_nothing_but_one_error_leaves_the_mapping(raw):
    readers = [
        lambda: reading_of(raw, source=Source.POLL, received=RECEIVED),
        lambda: card_of(raw),
        lambda: charger_of(raw, received_at=NOON),
        lambda: action_of(raw, received_at=NOON),
        lambda: read_event(raw, RECEIVED),
    ]
    for read in readers:
        try:
            result = read()
        except ProviderProtocolError:
            continue
        assert result is not None
    assert len(digest_of(raw)) == 64


@given(
    name=st.sampled_from(EVENTS),
    members=st.dictionaries(
        st.sampled_from(["vehicle", "charger", "vendorAction", "vendor", "user", "smartChargingStatus", "schedule"]),
        ANYTHING | st.builds(dict, id=ANYTHING, chargeState=ANYTHING, targetId=ANYTHING, state=ANYTHING),
    ),
)
@settings(max_examples=200, deadline=None)
def test_an_event_is_news_or_refused(name, members):
    try:
        news = read_event(json.dumps({"event": name, **members}).encode(), RECEIVED)
    except ProviderProtocolError:
        return
    assert isinstance(news, Reading | ActionReport | Notice)
    assert news.vehicle_id is None or isinstance(news.vehicle_id, str)
    if isinstance(news, Reading):
        check(news)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"id":"v","chargeState":' + b'{"a":' * 50_000])
def test_depth_is_refused(raw):
    with pytest.raises(ProviderProtocolError):
        reading_of(raw, source=Source.POLL, received=RECEIVED)
