"""Every example payload of the provider is read, and requests are made as the examples show them."""

import json
from datetime import UTC, datetime

import pytest

from scheduler.core.command import Action, Outcome
from scheduler.core.observation import Delivery, Reading, Source
from scheduler.enode import linking, wire
from scheduler.enode.events import read_event
from scheduler.enode.mapping import action_of, charger_of, reading_of
from scheduler.enode.subscription import Subscription
from scheduler.ports import Notice
from tests.web_support import NOON, RECEIVED

NEVER_SENT = {
    "location-tariff-put-request.json",
    "max-current-request.json",
    "schedule-create-request.json",
    "tariff-put-request.json",
}
MADE_ELSEWHERE = {
    "charger-update-request.json",
    "charging-request-start.json",
    "charging-request-stop.json",
    "location-create-request.json",
}
NO_OBJECT = {"webhook-signature-vectors.json", "interventions-list.json"}


@pytest.fixture
def examples(reference_dir):
    return reference_dir / "enode-examples"


def kind_of(name: str):
    kinds = {
        "problem-": wire.ProblemJson,
        "intervention.": wire.InterventionJson,
        "location.": wire.LocationJson,
        "user.": wire.UserJson,
        "webhook-subscription": wire.WebhookJson,
        "webhook-test": wire.WebhookTestJson,
        "link-response": wire.LinkJson,
        "oauth": wire.TokenJson,
    }
    return next((kind for start, kind in kinds.items() if name.startswith(start)), None)


def is_request(name: str) -> bool:
    return not name.startswith("problem-") and (name.endswith("-request.json") or "-request-" in name)


def test_every_file_is_read_by_something(examples):
    read_by = {}
    for path in sorted(examples.glob("*.json")):
        name, raw = path.name, path.read_bytes()
        if is_request(name):
            assert json.loads(raw)
            read_by[name] = "request"
        elif name.endswith("-page.json"):
            page = wire.read(wire.Page, raw)
            assert not page.spoilt
            assert page.data
            read_by[name] = "page"
        elif name.startswith("webhook-delivery"):
            read_by[name] = [read_event(json.dumps(event).encode(), RECEIVED) for event in json.loads(raw)]
        elif name.startswith("vehicle-"):
            read_by[name] = reading_of(raw, source=Source.POLL, received=RECEIVED)
        elif "action" in name:
            read_by[name] = action_of(raw, received_at=NOON)
        elif name.startswith("charger-"):
            read_by[name] = charger_of(raw, received_at=NOON)
        elif name in NO_OBJECT:
            assert isinstance(json.loads(raw), list)
            read_by[name] = "list"
        else:
            value = wire.read(kind_of(name), raw)
            assert not value.spoilt
            read_by[name] = value
    assert len(read_by) >= 60
    assert all(read_by.values())


def test_sound_events_take_the_short_way(examples, monkeypatch):
    """Reading member by member is 50 times slower, and only for what is spoilt."""

    def never(_kind, value):
        raise AssertionError(value)

    monkeypatch.setattr(wire, "_forgiving", never)
    for path in examples.glob("webhook-delivery-*.json"):
        for event in json.loads(path.read_bytes()):
            assert read_event(json.dumps(event).encode(), RECEIVED)
    for path in examples.glob("*-page.json"):
        assert wire.read(wire.Page, path.read_bytes()).data


@pytest.mark.parametrize(
    ("name", "plugged", "charging", "charger", "place", "soc_pct", "reachable"),
    [
        ("at-home-plugged-charger-not-recognised", True, False, None, "5e2d", 41, True),
        ("away-unplugged", False, False, None, None, 71, True),
        ("plugged-at-paired-charger-charging", True, True, "0b7a", "5e2d", 54, True),
        ("plugged-at-paired-charger-no-gps", True, False, "0b7a", "5e2d", 54, True),
        ("plugged-at-paired-charger-stopped", True, False, "0b7a", "5e2d", 54, True),
        ("plugged-at-public-charger", True, True, None, None, 33, True),
        ("sparse-as-in-seed", True, True, "0b7a", "not reported", 54, True),
        ("unreachable-unknown", None, None, None, None, None, False),
    ],
)
def test_each_vehicle_means_what_its_name_says(
    examples, *, name, plugged, charging, charger, place, soc_pct, reachable
):
    raw = (examples / f"vehicle-{name}.json").read_bytes()
    seen = reading_of(raw, source=Source.POLL, received=RECEIVED)
    assert (seen.charge.plugged, seen.charge.charging) == (plugged, charging)
    assert (seen.charge.charger_id or "")[:4] == (charger or "")
    assert seen.reachable is reachable
    if soc_pct is None:
        assert seen.battery.soc_pct is None
    else:
        assert seen.battery.soc_pct == json.loads(raw)["chargeState"]["batteryLevel"]
    if place == "not reported":
        assert seen.place is None
    else:
        assert (seen.place.location_id or "")[:4] == (place or "")


def test_each_action_means_what_its_name_says(examples):
    outcomes = {
        path.stem: action_of(path.read_bytes(), received_at=NOON) for path in examples.glob("charge-action-*.json")
    }
    assert outcomes["charge-action-confirmed"].outcome is Outcome.CONFIRMED
    assert outcomes["charge-action-pending"].outcome is Outcome.PENDING
    assert outcomes["charge-action-stop-pending"].kind is Action.STOP
    assert outcomes["charge-action-failed-no-response"].failure.type == "NO_RESPONSE"
    cancelled = {
        name.removeprefix("charge-action-cancelled-"): a.failure.type
        for name, a in outcomes.items()
        if "cancelled" in name
    }
    assert cancelled == {
        "conflict": "CONFLICT",
        "failed-precondition": "FAILED_PRECONDITION",
        "not-found": "NOT_FOUND",
        "requested": "REQUESTED_CANCELLATION",
        "unnecessary": "UNNECESSARY",
    }


def test_a_batch_is_read_event_by_event(examples):
    batch = json.loads((examples / "webhook-delivery-batch.json").read_bytes())
    charger, vehicle, action = (read_event(json.dumps(event).encode(), RECEIVED) for event in batch)
    assert isinstance(charger, Notice)
    assert (charger.what, charger.vehicle_id) == ("charger-updated", "c6f3b9a2-5d1e-4f0b-9a37-2b1c8e4d7f10")
    assert isinstance(vehicle, Reading)
    assert (vehicle.charge.delivery, vehicle.source) == (Delivery.CHARGING, Source.WEBHOOK)
    assert vehicle.place.at == datetime(2026, 11, 20, 17, 41, 30, tzinfo=UTC)
    assert (action.outcome, action.kind) == (Outcome.CONFIRMED, Action.START)


def test_link_sessions_are_asked_for_as_the_examples_show(examples):
    vehicle = json.loads((examples / "link-request-vehicle.json").read_bytes())
    request = linking.LinkRequest(redirect_uri=vehicle["redirectUri"], language="en-US", color_scheme="system")
    assert request.body(vendor_type="vehicle", scopes=linking.VEHICLE_SCOPES) == vehicle
    charger = json.loads((examples / "link-request-charger.json").read_bytes())
    request = linking.LinkRequest(redirect_uri=charger["redirectUri"], vendor="ZAPTEC")
    assert request.body(vendor_type="charger", scopes=linking.CHARGER_SCOPES) == charger


def test_a_subscription_is_asked_for_as_the_example_shows(examples):
    wanted = json.loads((examples / "webhook-create-request.json").read_bytes())
    header = wanted["authentication"]
    subscription = Subscription(
        url=wanted["url"],
        secret=wanted["secret"],
        events=wanted["events"],
        header=(header["headerName"], header["headerValue"]),
    )
    assert subscription.body() == wanted


def test_no_request_example_is_forgotten(examples):
    requests = {path.name for path in examples.glob("*.json") if is_request(path.name)}
    here = {"link-request-vehicle.json", "link-request-charger.json", "webhook-create-request.json"}
    assert requests == NEVER_SENT | MADE_ELSEWHERE | here
