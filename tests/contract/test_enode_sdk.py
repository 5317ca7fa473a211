"""The simulator as seen by an independent client: the SDK published for the real provider."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from simulator.clock import ManualClock
from simulator.places import Point
from simulator.server import Running, serve
from simulator.world import World

enode = pytest.importorskip("enode", reason="the independent SDK is not installed")
errors = pytest.importorskip("enode.errors")
models = pytest.importorskip("enode.models")

START_AT = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
HOME = Point(latitude=59.9165, longitude=10.7582)
seeds = count(7_000)  # the SDK keeps tokens by client id: each test has its own


class Peer:
    """A simulator in a thread of its own, for a client that blocks; its time moves only when told."""

    def __init__(self) -> None:
        self.world = World(seed=next(seeds), start_at=START_AT)
        self.clock = ManualClock(START_AT)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator")
        self._thread.start()
        self.running: Running = asyncio.run_coroutine_threadsafe(serve(self.world, self.clock), self._loop).result(10)

    def do(self, deed: Callable[[], Any]) -> Any:
        """Run something in the simulator's thread."""

        async def run() -> Any:
            return deed()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def advance(self, seconds: float) -> None:
        self.do(lambda: self.clock.advance(seconds))

    def client(self) -> Any:
        security = models.Security(
            client_id=self.world.client_id,
            client_secret=self.world.client_secret,
            token_url=self.running.url + "/oauth2/token",
        )
        return enode.Enode(server_url=self.running.url, security=security, timeout_ms=5000)

    def link(self, sdk: Any, scopes: list[str], brand: str) -> str:
        """Go through a link session as a browser would; return where it led."""
        answer = sdk.user_management.post_users_userid_link(
            user_id="user-a", scopes=scopes, language="en-US", redirect_uri="http://127.0.0.1:9/linked?state=x"
        )
        done = sdk.sdk_configuration.client.post(answer.link_url, data={"do": "link", "vendor": brand})
        assert done.status_code == 302
        return str(done.headers["location"])

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.running.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


VEHICLE = ["vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"]
CHARGER = ["charger:read:data", "charger:control:charging"]


def linked(peer: Peer, sdk: Any, brand: str = "RENAULT") -> tuple[str, str, str]:
    """Link a vehicle and a charger, and set the charger's Location; return the three ids."""
    assert peer.link(sdk, VEHICLE, brand) == "http://127.0.0.1:9/linked?state=x"
    peer.link(sdk, CHARGER, "ZAPTEC")
    place = sdk.locations.create(
        user_id="user-a",
        name="Home",
        latitude=HOME.latitude,
        longitude=HOME.longitude,
        timezone_name="Europe/Oslo",
    )
    charger = sdk.chargers.list_for_user(user_id="user-a").data[0]
    sdk.chargers.update(charger_id=charger.id, location_id=place.id)
    vehicle = sdk.vehicles.list_for_user(user_id="user-a").data[0]
    return vehicle.id, charger.id, place.id


def test_a_vehicle_linked_and_paired_is_started_through_the_vehicle_api(peer: Peer) -> None:
    with peer.client() as sdk:
        vehicle_id, charger_id, location_id = linked(peer, sdk)
        vehicle = peer.world.vehicles[vehicle_id]
        vehicle.auto_start = False
        peer.do(lambda: vehicle.plug_in(peer.world.chargers[charger_id]))
        peer.advance(300)

        seen = sdk.vehicles.get(vehicle_id=vehicle_id)
        assert seen.charge_state.plugged_in_charger_id == charger_id
        assert seen.location.id == location_id
        assert seen.capabilities.start_charging.is_capable

        action = sdk.vehicles.control_charging(vehicle_id=vehicle_id, action=models.ChargingAction.START)
        assert action.state == models.ActionState.PENDING
        again = sdk.vehicles.control_charging(vehicle_id=vehicle_id, action=models.ChargingAction.START)
        assert again.id == action.id
        peer.advance(300)
        ended = sdk.vehicles.get_action(action_id=action.id)
        assert ended.state == models.ActionState.CONFIRMED
        assert sdk.vehicles.get(vehicle_id=vehicle_id).charge_state.charge_rate == 7.4
        assert peer.world.actions.accepted[vehicle_id] == 1

        with pytest.raises(errors.ChargeActionError) as conflict:
            sdk.vehicles.cancel_action(action_id=action.id)
        assert conflict.value.data.id == action.id


def test_a_command_under_foreign_control_is_refused_with_422(peer: Peer) -> None:
    with peer.client() as sdk:
        vehicle_id, charger_id, _ = linked(peer, sdk)
        vehicle = peer.world.vehicles[vehicle_id]
        vehicle.auto_start = False
        peer.do(lambda: vehicle.plug_in(peer.world.chargers[charger_id]))
        peer.advance(300)
        sdk.vehicles.update_smart_charging_policy(
            vehicle_id=vehicle_id, is_enabled=True, deadline="07:30", minimum_charge_limit=20
        )
        with pytest.raises(errors.ProblemError) as refused:
            sdk.vehicles.control_charging(vehicle_id=vehicle_id, action=models.ChargingAction.START)
        assert refused.value.status_code == 422
        assert refused.value.data.detail


def test_a_command_already_fulfilled_is_refused_with_400(peer: Peer) -> None:
    with peer.client() as sdk:
        vehicle_id, charger_id, _ = linked(peer, sdk)
        peer.do(lambda: peer.world.vehicles[vehicle_id].plug_in(peer.world.chargers[charger_id]))
        peer.advance(300)
        with pytest.raises(errors.ProblemError) as refused:
            sdk.vehicles.control_charging(vehicle_id=vehicle_id, action=models.ChargingAction.START)
        assert refused.value.status_code == 400


def test_lists_users_locations_and_interventions_parse(peer: Peer) -> None:
    with peer.client() as sdk:
        vehicle_id, charger_id, location_id = linked(peer, sdk)
        assert [each.id for each in sdk.vehicles.list().data] == [vehicle_id]
        assert [each.id for each in sdk.chargers.list().data] == [charger_id]
        assert sdk.chargers.get(charger_id=charger_id).location.id == location_id
        assert [each.id for each in sdk.user_management.list().data] == ["user-a"]
        vendors = sdk.user_management.get(user_id="user-a").linked_vendors
        assert [each.vendor for each in vendors] == ["RENAULT", "ZAPTEC"]
        catalogue = sdk.interventions.list()
        assert sdk.interventions.get(intervention_id=catalogue[0].id).id == catalogue[0].id
        moved = sdk.locations.update(location_id=location_id, name="Moved", timezone_name="Europe/Oslo")
        assert moved.name == "Moved"
        assert sdk.locations.delete(location_id=location_id).id == location_id
        assert sdk.chargers.get(charger_id=charger_id).location.id is None
        sdk.vehicles.refresh_hint(vehicle_id=vehicle_id)
        sdk.service_health.check_readiness()
        sdk.user_management.unlink_user(user_id="user-a")
        with pytest.raises(errors.EnodeDefaultError) as gone:
            sdk.vehicles.get(vehicle_id=vehicle_id)
        assert gone.value.status_code == 404


def test_a_lost_link_is_restored_with_the_same_vehicle(peer: Peer) -> None:
    with peer.client() as sdk:
        vehicle_id, _, _ = linked(peer, sdk)
        peer.do(lambda: peer.world.invalidate_credentials("user-a", "RENAULT"))
        assert sdk.vehicles.get(vehicle_id=vehicle_id).is_reachable is False
        session = sdk.user_management.relink_asset(
            asset_id=vehicle_id, language="en-US", redirect_uri="http://127.0.0.1:9/linked"
        )
        sdk.sdk_configuration.client.post(session.link_url, data={"do": "link"})
        peer.advance(60)
        assert sdk.vehicles.get(vehicle_id=vehicle_id).is_reachable is True
        assert len(sdk.vehicles.list().data) == 1


def test_an_intervention_solved_by_linking_again_takes_a_relink_session(peer: Peer) -> None:
    with peer.client() as sdk:
        vehicle_id, _, _ = linked(peer, sdk)
        odometer = sdk.vehicles.get(vehicle_id=vehicle_id).capabilities.odometer
        assert not odometer.is_capable
        german = sdk.interventions.get(intervention_id=odometer.intervention_ids[0], language="de-DE")
        assert german.resolution.title == "Konto des Autos neu verknüpfen"
        assert german.resolution.action == "Link"
        session = sdk.user_management.relink_asset(
            asset_id=vehicle_id, language="en-US", redirect_uri="http://127.0.0.1:9/linked"
        )
        sdk.sdk_configuration.client.post(session.link_url, data={"do": "link"})
        again = sdk.vehicles.get(vehicle_id=vehicle_id).capabilities.odometer
        assert (again.is_capable, again.intervention_ids) == (True, [])


def test_a_sign_in_that_is_lost_shows_in_the_users_vendors(peer: Peer) -> None:
    with peer.client() as sdk:
        linked(peer, sdk)
        peer.do(lambda: peer.world.invalidate_credentials("user-a", "ZAPTEC"))
        vendors = sdk.user_management.get(user_id="user-a").linked_vendors
        assert {each.vendor: each.is_valid for each in vendors} == {"RENAULT": True, "ZAPTEC": False}
        sdk.user_management.delete_users_userid_authorization(user_id="user-a")
        vendors = sdk.user_management.get(user_id="user-a").linked_vendors
        assert not any(each.is_valid for each in vendors)


def test_smart_charging_tells_its_state_and_is_switched_off(peer: Peer) -> None:
    with peer.client() as sdk:
        vehicle_id, _, _ = linked(peer, sdk)
        peer.advance(60)
        for enabled, state in ((True, "CONSIDERING"), (False, "DISABLED")):
            sdk.vehicles.update_smart_charging_policy(
                vehicle_id=vehicle_id, is_enabled=enabled, deadline="07:30", minimum_charge_limit=20
            )
            assert sdk.vehicles.get_smart_charging_policy(vehicle_id=vehicle_id).is_enabled is enabled
            assert sdk.vehicles.get(vehicle_id=vehicle_id).smart_charging_policy.is_enabled is enabled
            assert sdk.vehicles.get_smart_charging_status(vehicle_id=vehicle_id).state == state


@pytest.mark.parametrize("kind", ["vehicle", "charger"])
def test_a_schedule_is_made_seen_to_be_in_control_switched_off_and_deleted(peer: Peer, kind: str) -> None:
    with peer.client() as sdk:
        vehicle_id, charger_id, location_id = linked(peer, sdk)
        target_id = vehicle_id if kind == "vehicle" else charger_id
        rule = {"shouldCharge": True, "hourMinute": {"from": "23:00", "to": "05:30"}, "weekdays": [0, 1, 2, 3, 4]}
        wanted = {
            "targetId": target_id,
            "targetType": kind,
            "locationId": location_id,
            "defaultShouldCharge": False,
            "rules": [rule],
        }
        schedule = sdk.schedules.create(user_id="user-a", schedule=wanted)
        assert [each.id for each in sdk.schedules.get_by_user(user_id="user-a").data] == [schedule.id]
        assert sdk.schedules.get(schedule_id=schedule.id).rules[0].hour_minute.from_ == "23:00"
        assert sdk.schedules.get_status(schedule_id=schedule.id).schedule_id == schedule.id
        control = getattr(sdk, kind + "s").control_charging
        with pytest.raises(errors.ProblemError) as refused:
            control(**{f"{kind}_id": target_id, "action": models.ChargingAction.START})
        assert refused.value.status_code == 422
        changed = sdk.schedules.update(
            schedule_id=schedule.id, partial_schedule={"targetType": kind, "isEnabled": False}
        )
        assert changed.is_enabled is False
        assert sdk.schedules.get_status(schedule_id=schedule.id).state == "INACTIVE:DISABLED"
        sdk.schedules.delete(schedule_id=schedule.id)
        assert sdk.schedules.get_by_user(user_id="user-a").data == []


def test_webhooks_are_made_tested_changed_and_deleted(peer: Peer) -> None:
    with peer.client() as sdk:
        hook = sdk.webhooks.create(url="http://127.0.0.1:9/enode", secret="0123456789abcdef")
        assert hook.is_active
        with pytest.raises(errors.WebhookNotValidProblemError):
            sdk.webhooks.create(url="http://127.0.0.1:9/enode", secret="0123456789abcdef")
        assert sdk.webhooks.test(webhook_id=hook.id).status == "FAILURE"
        assert [each.id for each in sdk.webhooks.list().data] == [hook.id]
        changed = sdk.webhooks.update(webhook_id=hook.id, events=["user:vehicle:updated"])
        assert changed.events == ["user:vehicle:updated"]
        sdk.webhooks.delete(webhook_id=hook.id)
        with pytest.raises(errors.WebhookNotFoundProblemError):
            sdk.webhooks.get(webhook_id=hook.id)


def test_the_limit_of_connections_is_told_with_403(peer: Peer) -> None:
    peer.world.connections_limit = 0
    with peer.client() as sdk, pytest.raises(errors.ConnectionsLimitReachedProblemError):
        peer.link(sdk, VEHICLE, "TESLA")


def test_a_token_that_ran_out_is_answered_with_401(peer: Peer) -> None:
    with peer.client() as sdk:
        sdk.vehicles.list()
        peer.advance(3600)
        with pytest.raises(errors.EnodeDefaultError) as refused:
            sdk.vehicles.list()
        assert refused.value.status_code == 401
        assert sdk.vehicles.list().data == []  # the SDK forgot the token and asks for another
