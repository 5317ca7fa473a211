"""What each webhook event becomes."""

import json
from datetime import UTC, datetime

import pytest

from scheduler.core.command import ActionReport, Outcome
from scheduler.core.errors import ProviderProtocolError
from scheduler.core.observation import Reading, Source
from scheduler.enode.events import read_event
from scheduler.enode.mapping import digest_of
from scheduler.enode.values import ChargerClaim
from scheduler.ports import Notice
from tests.web_support import RECEIVED


def event(name, **members) -> bytes:
    return json.dumps({"event": name, "version": "2024-10-01", "user": {"id": "u"}, **members}).encode()


@pytest.mark.parametrize("name", ["discovered", "updated"])
def test_a_vehicle_is_a_reading_by_webhook(name):
    payload = event(f"user:vehicle:{name}", vehicle={"id": "v"})
    news = read_event(payload, RECEIVED)
    assert isinstance(news, Reading)
    assert (news.vehicle_id, news.user_id, news.source, news.received) == ("v", "u", Source.WEBHOOK, RECEIVED)
    assert news.digest == digest_of(payload)
    assert read_event(payload, RECEIVED, digest="of whoever took it in").digest == "of whoever took it in"


@pytest.mark.parametrize(
    ("payload", "notice"),
    [
        (
            event("user:vehicle:deleted", vehicle={"id": "v"}),
            Notice(what="deleted", user_id="u", vehicle_id="v"),
        ),
        (
            event("user:credentials:invalidated", vendor="TESLA"),
            Notice(what="credentials-invalid", user_id="u", detail="TESLA"),
        ),
        (
            event(
                "user:vehicle:smart-charging-status-updated",
                smartChargingStatus={"vehicleId": "v", "state": "PLAN:EXECUTING:STARTED"},
            ),
            Notice(what="smart-charging", user_id="u", vehicle_id="v", detail="PLAN:EXECUTING:STARTED"),
        ),
        (
            event(
                "user:schedule:execution-updated",
                status="ALIGNED",
                schedule={"id": "s", "targetId": "v", "targetType": "vehicle"},
            ),
            Notice(what="schedule", user_id="u", vehicle_id="v", detail="s"),
        ),
        (
            event("user:charger:deleted", charger={"id": "c"}),
            Notice(what="charger-deleted", user_id="u", detail="c"),
        ),
        (
            event("user:vendor-action:updated", vendorAction={"id": "a", "targetType": "charger", "targetId": "c"}),
            Notice(what="charger-action", user_id="u", detail="a"),
        ),
        (b'{"event": "system:heartbeat", "pendingEvents": 0}', Notice(what="heartbeat")),
        (b'{"event": "enode:webhook:test"}', Notice(what="test")),
        (event("user:hvac:updated", hvac={}), Notice(what="unknown", user_id="u", detail="user:hvac:updated")),
        (event("user:something:new"), Notice(what="unknown", user_id="u", detail="user:something:new")),
        (
            json.dumps({"event": "user:vehicle:updated", "version": "2031-01-01", "vehicle": {"id": "v"}}).encode(),
            Notice(what="unknown", detail="user:vehicle:updated"),
        ),
    ],
)
def test_other_events_are_notices(payload, notice):
    assert read_event(payload, RECEIVED) == notice


@pytest.mark.parametrize("name", ["discovered", "updated"])
def test_a_charger_says_whom_it_holds(name):
    charge = {"pluggedInVehicleId": "v", "lastUpdated": "2026-11-20T11:00:00Z"}
    news = read_event(event(f"user:charger:{name}", charger={"id": "c", "chargeState": charge}), RECEIVED)
    assert (news.what, news.user_id, news.vehicle_id) == ("charger-updated", "u", "v")
    claim = ChargerClaim(charger_id="c", vehicle_id="v", at=datetime(2026, 11, 20, 11, tzinfo=UTC))
    assert ChargerClaim.load(news.detail) == claim


def test_an_action_is_a_report():
    action = {"id": "a", "targetType": "vehicle", "targetId": "v", "kind": "STOP", "state": "CONFIRMED"}
    news = read_event(event("user:vendor-action:updated", vendorAction=action), RECEIVED)
    assert isinstance(news, ActionReport)
    assert (news.outcome, news.action_id, news.vehicle_id) == (Outcome.CONFIRMED, "a", "v")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b'{"event": 5}',
        event("user:vehicle:updated"),
        event("user:vehicle:updated", vehicle=None),
        event("user:vehicle:updated", vehicle=[]),
        event("user:vehicle:updated", vehicle={"id": ""}),
        event("user:charger:updated", charger={}),
        event("user:vendor-action:updated"),
        event("user:vendor-action:updated", vendorAction={"state": "PENDING"}),
    ],
)
def test_an_event_that_cannot_be_read_is_refused(payload):
    with pytest.raises(ProviderProtocolError):
        read_event(payload, RECEIVED)
