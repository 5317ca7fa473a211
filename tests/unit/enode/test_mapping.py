"""What Enode's JSON becomes."""

import json
from datetime import UTC, datetime

import pytest

from scheduler.core.command import Action, Failure, Outcome
from scheduler.core.errors import ProviderProtocolError
from scheduler.core.observation import Delivery, Reading, Source
from scheduler.enode.mapping import (
    action_of,
    card_of,
    charger_of,
    charging_of,
    clean,
    delivery_of,
    digest_of,
    instant,
    plugged_of,
    reading_of,
)
from scheduler.enode.values import NeededIntervention
from tests.unit.enode import printed
from tests.web_support import NOON, RECEIVED


def reading(document) -> Reading:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return reading_of(raw, source=Source.POLL, received=RECEIVED)


def vehicle(**charge) -> dict:
    return {"id": "v", "userId": "u", "chargeState": charge}


@pytest.mark.parametrize("text", [printed.VEHICLE, printed.VEHICLE_PLAIN], ids=["with-comments", "plain"])
def test_the_printed_vehicle_is_read(text):
    seen = reading(printed.without_comments(text))
    assert seen.vehicle_id == "05ee9df5-d072-4ee8-b773-399dec8f5693"
    assert seen.user_id == "bb28471e-cde6-4eff-ace4-9a7f4f50882a"
    assert seen.reachable is True
    assert seen.seen_at == datetime(2024, 1, 7, 17, 4, 26, tzinfo=UTC)
    charge = seen.charge
    assert (charge.plugged, charge.charging, charge.delivery) == (True, True, Delivery.CHARGING)
    assert (charge.power_kw, charge.charger_id) == (2.3, "07f8368d-be7e-4dbd-8cf0-94d00dd67ad3")
    assert charge.at == datetime(2020, 4, 7, 17, 4, 26, tzinfo=UTC)
    assert (charge.full, charge.limit_pct) == (None, None)
    assert (seen.battery.soc_pct, seen.battery.capacity_kwh, seen.battery.at) == (66, 48.1, charge.at)
    assert seen.place is None  # not printed, so not reported
    abilities = seen.capabilities
    assert (abilities.start, abilities.stop, abilities.locate, abilities.read_charge) == (True, True, True, True)
    assert abilities.intervention_ids == ("4eaeb363-296d-4ccc-a973-7805e6f400bd",)
    assert seen.smart_charging is None
    assert seen.name == "Model S P85"


@pytest.mark.parametrize("text", [printed.CHARGER, printed.CHARGER_PLAIN], ids=["with-comments", "plain"])
def test_the_printed_charger_is_read(text):
    report = charger_of(printed.without_comments(text), received_at=NOON, charger_id="c")
    assert (report.plugged, report.charging, report.delivery) == (True, True, Delivery.CHARGING)
    assert report.vehicle_id == "05ee9df5-d072-4ee8-b773-399dec8f5693"
    assert (report.power_kw, report.at) == (2.3, datetime(2020, 4, 7, 17, 4, 26, tzinfo=UTC))
    assert report.location_id is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-07T17:04:26.000Z", datetime(2024, 1, 7, 17, 4, 26, tzinfo=UTC)),
        ("2024-01-07T17:04:26Z", datetime(2024, 1, 7, 17, 4, 26, tzinfo=UTC)),
        ("2024-01-07T17:04:26", datetime(2024, 1, 7, 17, 4, 26, tzinfo=UTC)),
        ("2024-01-07T18:04:26+01:00", datetime(2024, 1, 7, 17, 4, 26, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_an_instant_in_utc(text, expected):
    assert instant(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((d.value, d) for d in Delivery),
        ("PLUGGED_IN:THINKING", Delivery.UNKNOWN_PLUGGED),
        ("SOMETHING_NEW", Delivery.UNKNOWN),
        (None, Delivery.UNKNOWN),
    ],
)
def test_a_new_delivery_state_counts_by_its_prefix(text, expected):
    assert delivery_of(text) is expected


@pytest.mark.parametrize(
    ("said", "delivery", "plugged"),
    [
        (None, Delivery.UNPLUGGED, False),
        (None, Delivery.STOPPED, True),
        (None, Delivery.UNKNOWN_PLUGGED, True),
        (None, Delivery.UNKNOWN, None),
        (True, Delivery.UNKNOWN, True),
        (False, Delivery.UNKNOWN, False),
        (True, Delivery.CHARGING, True),
        (False, Delivery.UNPLUGGED, False),
        (True, Delivery.UNPLUGGED, None),
        (False, Delivery.CHARGING, None),
    ],
)
def test_the_plug_is_known_where_nothing_contradicts(said, delivery, plugged):
    assert plugged_of(said, delivery) is plugged


@pytest.mark.parametrize(
    ("said", "delivery", "charging"),
    [
        (None, Delivery.CHARGING, True),
        (None, Delivery.STOPPED, False),
        (None, Delivery.COMPLETE, False),
        (None, Delivery.UNPLUGGED, False),
        (None, Delivery.INITIALIZING, None),
        (None, Delivery.UNKNOWN_PLUGGED, None),
        (None, Delivery.UNKNOWN, None),
        (True, Delivery.INITIALIZING, True),
        (True, Delivery.UNKNOWN, True),
        (False, Delivery.UNKNOWN, False),
        (True, Delivery.STOPPED, None),
        (False, Delivery.CHARGING, None),
        (True, Delivery.UNPLUGGED, None),
    ],
)
def test_the_flow_is_known_where_nothing_contradicts(said, delivery, charging):
    assert charging_of(said, delivery) is charging


def test_a_member_of_a_wrong_type_makes_only_itself_unknown():
    seen = reading(
        {
            "id": "v",
            "userId": 7,
            "lastSeen": 1700000000,
            "isReachable": "yes",
            "information": ["?"],
            "chargeState": {
                "batteryLevel": "66",
                "batteryCapacity": 58,
                "isPluggedIn": True,
                "isCharging": "no",
                "chargeLimit": {},
                "powerDeliveryState": "PLUGGED_IN:STOPPED",
                "lastUpdated": "2026-11-20T11:00:00Z",
                "pluggedInChargerId": "c",
            },
            "location": {"id": "home", "lastUpdated": 3},
            "capabilities": {
                "stopCharging": {"isCapable": "maybe", "interventionIds": ["b"]},
                "startCharging": {"isCapable": True, "interventionIds": [1]},
                "location": "no",
            },
            "smartChargingPolicy": 1,
        }
    )
    assert (seen.user_id, seen.seen_at, seen.reachable, seen.name) == ("", None, None, None)
    assert (seen.charge.plugged, seen.charge.charger_id, seen.charge.delivery) == (True, "c", Delivery.STOPPED)
    assert (seen.charge.charging, seen.charge.limit_pct) == (None, None)
    assert (seen.battery.soc_pct, seen.battery.capacity_kwh) == (None, 58)
    assert (seen.place.location_id, seen.place.at) == ("home", None)
    assert (seen.capabilities.start, seen.capabilities.stop, seen.capabilities.locate) == (True, None, None)
    assert seen.capabilities.intervention_ids == ("b",)
    assert seen.smart_charging is None


@pytest.mark.parametrize("spoilt", [{"isPluggedIn": "yes"}, {"pluggedInChargerId": 5}, {"pluggedInChargerId": {}}])
def test_a_plug_that_cannot_be_read_is_not_inferred(spoilt):
    seen = reading(vehicle(powerDeliveryState="PLUGGED_IN:STOPPED", **spoilt))
    assert seen.charge.plugged is None


def test_a_charge_state_that_cannot_be_read_is_unknown_and_one_left_out_not_reported():
    assert reading({"id": "v", "chargeState": "gone"}).charge.plugged is None
    assert reading({"id": "v"}).charge is None
    assert reading({"id": "v", "chargeState": None}).battery is None


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("batteryLevel", 101),
        ("batteryLevel", -1),
        ("chargeRate", -0.1),
        ("chargeRate", 1001),
        ("chargeLimit", 120),
        ("batteryCapacity", 0),
        ("batteryCapacity", 1e9),
    ],
)
def test_a_figure_outside_its_range_is_unknown(member, value):
    seen = reading(vehicle(**{member: value}))
    figures = (seen.battery.soc_pct, seen.battery.capacity_kwh, seen.charge.power_kw, seen.charge.limit_pct)
    assert figures == (None, None, None, None)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_number_that_is_none_is_unknown(number):
    raw = f'{{"id": "v", "chargeState": {{"batteryLevel": {number}, "isPluggedIn": true}}}}'.encode()
    assert reading(raw).battery.soc_pct is None
    assert reading(raw).charge.plugged is True


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b'"x"', b"{}", b'{"id": null}', b'{"id": 5}', b"\xff{}"])
def test_an_object_that_is_no_vehicle_is_refused(raw):
    with pytest.raises(ProviderProtocolError):
        reading(raw)


def test_interventions_keep_their_order_and_the_optional_ones_are_told():
    document = json.dumps(
        {
            "id": "v",
            "capabilities": {
                "startCharging": {"isCapable": False, "interventionIds": ["charger", "both"]},
                "location": {"isCapable": True, "interventionIds": ["nice"]},
                "chargeState": {"isCapable": False, "interventionIds": ["both"]},
            },
        }
    ).encode()
    assert reading(document).capabilities.intervention_ids == ("charger", "both", "nice")
    assert card_of(document).needs == (
        NeededIntervention(id="charger", capability="startCharging", optional=False),
        NeededIntervention(id="both", capability="startCharging", optional=False),
        NeededIntervention(id="nice", capability="location", optional=True),
        NeededIntervention(id="both", capability="chargeState", optional=False),
    )


@pytest.mark.parametrize(
    ("members", "outcome", "failure"),
    [
        ({"state": "PENDING"}, Outcome.PENDING, None),
        ({"state": "CONFIRMED", "failureReason": None}, Outcome.CONFIRMED, None),
        (
            {"state": "FAILED", "failureReason": {"type": "NO_RESPONSE", "detail": "nobody there"}},
            Outcome.FAILED,
            Failure(type="NO_RESPONSE", detail="nobody there"),
        ),
        ({"state": "CANCELLED", "failureReason": {"type": "CONFLICT"}}, Outcome.CANCELLED, Failure(type="CONFLICT")),
        ({"state": "CANCELLED"}, Outcome.CANCELLED, None),
        ({"state": "FAILED", "failureReason": {"type": "NEW_ONE"}}, Outcome.FAILED, Failure(type="NEW_ONE")),
        ({"state": "FAILED", "failureReason": {"type": 5}}, Outcome.FAILED, Failure(type="UNKNOWN")),
        ({"state": "PONDERING", "failureReason": {"type": "X"}}, Outcome.PENDING, None),
        ({"state": None}, Outcome.PENDING, None),
        ({}, Outcome.PENDING, None),
    ],
)
def test_an_action_tells_its_outcome(members, outcome, failure):
    document = {"id": "a", "targetId": "v", "targetType": "vehicle", "kind": "START", **members}
    report = action_of(json.dumps(document).encode(), received_at=NOON)
    assert (report.outcome, report.failure) == (outcome, failure)
    assert (report.action_id, report.vehicle_id, report.kind) == ("a", "v", Action.START)


def test_an_action_of_a_charger_or_of_another_kind_names_no_vehicle_or_kind():
    document = {
        "id": "a",
        "targetId": "c",
        "targetType": "charger",
        "targetState": {"maxCurrent": 16},
        "state": "PENDING",
    }
    report = action_of(json.dumps(document).encode(), received_at=NOON)
    assert (report.vehicle_id, report.kind) == (None, None)


def test_the_digest_is_of_the_content_alone():
    assert digest_of(b'{"a": 1, "b": [1, 2]}') == digest_of(b'{"b":[1,2],\n"a":1}')
    assert digest_of(b'{"a": 1}') != digest_of(b'{"a": 2}')
    assert digest_of(b'{"a": [1, 2]}') != digest_of(b'{"a": [2, 1]}')


def test_their_texts_are_made_harmless():
    assert clean("a\nb\x00c\x1b[31m\u202ed", 100) == "a b c [31m d"
    assert clean("x" * 1000, 10) == "x" * 10
    assert clean(None, 10) == ""
