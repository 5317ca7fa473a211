"""Enode's API, call by call (version 2024-10-01). Every method raises only `ProviderError`.

Vehicles and actions are returned as the JSON they came in, for `mapping` to read with the instant of receipt; the rest
as values.
"""

from typing import Any

import msgspec

from scheduler.core.command import Action
from scheduler.core.errors import NotFound, ProviderProtocolError, ProviderUnavailable
from scheduler.enode import wire
from scheduler.enode.connection import Connection, Lane, at, object_of, objects_of
from scheduler.enode.mapping import LONGEST_DETAIL, LONGEST_NAME, clean, instant
from scheduler.enode.values import (
    ForeignSchedule,
    Intervention,
    LinkedVendor,
    LinkSession,
    Location,
    User,
    VendorHealth,
    Webhook,
    WebhookTest,
)

LEAVES_WITHIN_S = 35.0
"""With the call itself this is less than a command is waited for, so that none leaves which counts as lost (S6)."""

SCHEDULE_MEMBERS = ("targetId", "targetType", "locationId", "isEnabled", "defaultShouldCharge", "rules")
"""What may be written of a schedule; the rest is Enode's own."""


class EnodeClient:
    """The calls that kwhen makes, on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Users

    async def users(self) -> list[User]:
        """Return all users of the client, without their vendors."""
        pages = self._connection.pages("/users")
        return [_user(wire.read(wire.UserJson, one)) async for one in pages]

    async def user(self, user_id: str) -> User:
        """Return a user with the linked vendors; `NotFound` when nothing was ever linked."""
        answer = await self._connection.request("GET", at("users", user_id), lane=Lane.READ)
        return _user(wire.read(wire.UserJson, object_of(answer)), user_id)

    # Vehicles and chargers

    async def vehicles(self, user_id: str | None = None) -> list[msgspec.Raw]:
        """Return the vehicles of a user, or of all, each as its JSON."""
        path = "/vehicles" if user_id is None else at("users", user_id, "vehicles")
        return [one async for one in self._connection.pages(path)]

    async def vehicle(self, vehicle_id: str) -> bytes:
        """Return a vehicle as its JSON."""
        answer = await self._connection.request("GET", at("vehicles", vehicle_id), lane=Lane.READ, subject=vehicle_id)
        return object_of(answer)

    async def chargers(self, user_id: str | None = None) -> list[msgspec.Raw]:
        """Return the chargers of a user, or of all, each as its JSON."""
        path = "/chargers" if user_id is None else at("users", user_id, "chargers")
        return [one async for one in self._connection.pages(path)]

    async def charger(self, charger_id: str) -> bytes:
        """Return a charger as its JSON."""
        answer = await self._connection.request("GET", at("chargers", charger_id), lane=Lane.READ, subject=charger_id)
        return object_of(answer)

    async def place_charger(self, charger_id: str, location_id: str | None) -> bytes:
        """Say at which Location a charger is (None: nowhere) and return it as its JSON."""
        answer = await self._connection.request(
            "PUT", at("chargers", charger_id), lane=Lane.MANAGE, body={"locationId": location_id}
        )
        return object_of(answer)

    async def refresh_vehicle(self, vehicle_id: str) -> None:
        """Ask for an earlier refresh. It may wake the vehicle, so it is never repeated by itself."""
        await self._connection.request(
            "POST", at("vehicles", vehicle_id, "refresh-hint"), lane=Lane.WAKE, subject=vehicle_id
        )

    async def smart_charging_enabled(self, vehicle_id: str) -> bool | None:
        """Tell whether Enode's own Smart Charging is on for a vehicle; None when the answer does not say."""
        path = at("vehicles", vehicle_id, "smart-charging-policy")
        answer = await self._connection.request("GET", path, lane=Lane.READ, subject=vehicle_id)
        return wire.read(wire.SmartCharging, object_of(answer)).is_enabled

    async def schedules(self, user_id: str) -> list[ForeignSchedule]:
        """Return Enode's own schedules of a user."""
        pages = self._connection.pages(at("users", user_id, "schedules"))
        return [_schedule(wire.read(wire.ScheduleJson, one)) async for one in pages]

    async def switch_off_smart_charging(self, vehicle_id: str) -> None:
        """Switch off Enode's own Smart Charging of a vehicle."""
        path = at("vehicles", vehicle_id, "smart-charging-policy")
        await self._connection.request(
            "PUT", path, lane=Lane.MANAGE, subject=vehicle_id, idempotent=True, body={"isEnabled": False}
        )

    async def switch_off_schedule(self, schedule_id: str) -> None:
        """Disable one of Enode's own schedules and leave everything else of it as the person made it."""
        path = at("schedules", schedule_id)
        answer = await self._connection.request("GET", path, lane=Lane.READ)
        try:
            given = msgspec.json.decode(object_of(answer), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ProviderProtocolError(f"{answer.what} answered without a schedule") from None
        body = {member: given[member] for member in SCHEDULE_MEMBERS if member in given} | {"isEnabled": False}
        await self._connection.request("PUT", path, lane=Lane.MANAGE, idempotent=True, body=body)

    # Commands

    async def charge(self, vehicle_id: str, action: Action) -> bytes:
        """Send START or STOP, once, and return the action as its JSON.

        One whose turn comes late is not sent: the car may have left since it was decided on.

        Raises:
            ProviderError: with `ambiguous` where it may have been carried out all the same.
        """
        answer = await self._connection.request(
            "POST",
            at("vehicles", vehicle_id, "charging"),
            lane=Lane.COMMAND,
            subject=vehicle_id,
            body={"action": action.value},
            leaves_within_s=LEAVES_WITHIN_S,
        )
        try:
            return object_of(answer)
        except ProviderProtocolError as error:
            error.ambiguous = True
            raise

    async def action(self, action_id: str) -> bytes:
        """Return an action as its JSON."""
        path = at("vehicles", "actions", action_id)
        return object_of(await self._connection.request("GET", path, lane=Lane.READ, subject=action_id))

    async def cancel(self, action_id: str) -> bytes:
        """Ask for an action's cancellation and return it, also when it was over already (409)."""
        answer = await self._connection.request(
            "POST",
            at("vehicles", "actions", action_id, "cancel"),
            lane=Lane.COMMAND,
            subject=action_id,
            idempotent=True,  # an action that is over stays as it is
            conflict_answers=True,
        )
        return object_of(answer)

    # Locations

    async def locations(self, user_id: str | None = None) -> list[Location]:
        """Return the Locations of a user, or of all."""
        path = "/locations" if user_id is None else at("users", user_id, "locations")
        return [_location(wire.read(wire.LocationJson, one)) async for one in self._connection.pages(path)]

    async def location(self, location_id: str) -> Location:
        """Return a Location."""
        answer = await self._connection.request("GET", at("locations", location_id), lane=Lane.READ)
        return _location(wire.read(wire.LocationJson, object_of(answer)))

    async def create_location(
        self, user_id: str, *, name: str, latitude: float, longitude: float, timezone: str
    ) -> Location:
        """Make a Location [degrees, IANA zone]. Not repeated by itself: a second one would be made."""
        body = {"name": name, "latitude": latitude, "longitude": longitude, "timezoneName": timezone}
        path = at("users", user_id, "locations")
        answer = await self._connection.request("POST", path, lane=Lane.MANAGE, body=body)
        return _location(wire.read(wire.LocationJson, object_of(answer)))

    async def update_location(
        self,
        location_id: str,
        *,
        name: str | None = None,
        latitude: float | None = None,
        longitude: float | None = None,
        timezone: str | None = None,
    ) -> Location:
        """Change what is given of a Location [degrees, IANA zone]; None leaves a member as it is."""
        members = {"name": name, "latitude": latitude, "longitude": longitude, "timezoneName": timezone}
        body = {member: value for member, value in members.items() if value is not None}
        answer = await self._connection.request("PUT", at("locations", location_id), lane=Lane.MANAGE, body=body)
        return _location(wire.read(wire.LocationJson, object_of(answer)))

    async def delete_location(self, location_id: str) -> None:
        """Delete a Location."""
        await self._connection.request("DELETE", at("locations", location_id), lane=Lane.MANAGE)

    # Interventions and linking

    async def interventions(self, *, language: str = "en-US") -> list[Intervention]:
        """Return the catalogue of interventions, in the language where Enode has it."""
        answer = await self._connection.request("GET", "/interventions", lane=Lane.READ, params={"language": language})
        return [_intervention(wire.read(wire.InterventionJson, one)) for one in objects_of(answer)]

    async def intervention(self, intervention_id: str, *, language: str = "en-US") -> Intervention:
        """Return one intervention."""
        answer = await self._connection.request(
            "GET", at("interventions", intervention_id), lane=Lane.READ, params={"language": language}
        )
        return _intervention(wire.read(wire.InterventionJson, object_of(answer)))

    async def link(self, user_id: str, body: dict[str, Any]) -> LinkSession:
        """Open a session of the Link UI; `linking` makes the body. The user is created by it."""
        return await self._link_session(at("users", user_id, "link"), body)

    async def relink(self, asset_id: str, body: dict[str, Any]) -> LinkSession:
        """Open a session that links an asset's account again; `CommandRejected` (400) when nothing is wrong with it."""
        return await self._link_session(at("assets", asset_id, "relink"), body)

    async def _link_session(self, path: str, body: dict[str, Any]) -> LinkSession:
        # A session that nobody opens does nothing: asking twice is harmless.
        answer = await self._connection.request("POST", path, lane=Lane.MANAGE, idempotent=True, body=body)
        given = wire.read(wire.LinkJson, object_of(answer))
        if not (given.link_url or "").startswith(("https://", "http://")):
            raise ProviderProtocolError(f"{answer.what} answered without a link")
        return LinkSession(url=given.link_url or "", token=given.link_token or "")

    # Webhooks

    async def webhooks(self) -> list[Webhook]:
        """Return all subscriptions of the client."""
        pages = self._connection.pages("/webhooks", lane=Lane.MANAGE)
        return [_webhook(wire.read(wire.WebhookJson, one)) async for one in pages]

    async def create_webhook(self, body: dict[str, Any]) -> Webhook:
        """Make a subscription; `CommandRejected` (400) when one for the address exists."""
        answer = await self._connection.request("POST", "/webhooks", lane=Lane.MANAGE, body=body)
        return _webhook(wire.read(wire.WebhookJson, object_of(answer)))

    async def update_webhook(self, webhook_id: str, body: dict[str, Any]) -> Webhook:
        """Change what is given of a subscription; this makes it active again too."""
        path = at("webhooks", webhook_id)
        answer = await self._connection.request("PATCH", path, lane=Lane.MANAGE, idempotent=True, body=body)
        return _webhook(wire.read(wire.WebhookJson, object_of(answer)))

    async def delete_webhook(self, webhook_id: str) -> None:
        """Delete a subscription."""
        await self._connection.request("DELETE", at("webhooks", webhook_id), lane=Lane.MANAGE)

    async def test_webhook(self, webhook_id: str) -> WebhookTest:
        """Have a test event sent; success makes the subscription active again."""
        path = at("webhooks", webhook_id, "test")
        answer = await self._connection.request("POST", path, lane=Lane.MANAGE, idempotent=True)
        given = wire.read(wire.WebhookTestJson, object_of(answer))
        return WebhookTest(succeeded=given.status == "SUCCESS", description=clean(given.description, LONGEST_DETAIL))

    # Health

    async def ready(self) -> bool:
        """Tell whether Enode calls itself healthy."""
        try:
            await self._connection.request("GET", "/health/ready", lane=Lane.READ)
        except (ProviderUnavailable, NotFound):
            return False
        return True

    async def vendor_health(self, asset: str = "vehicles") -> list[VendorHealth]:
        """Return how each vendor's integration is, for "vehicles" or "chargers"."""
        answer = await self._connection.request("GET", at("health", asset), lane=Lane.READ)
        return [_health(wire.read(wire.HealthJson, one)) for one in objects_of(answer)]


def _user(given: wire.UserJson, user_id: str = "") -> User:
    return User(
        id=given.id or user_id,
        vendors=tuple(
            LinkedVendor(vendor=one.vendor or "", vendor_type=one.vendor_type or "", valid=one.is_valid)
            for one in given.linked_vendors or ()
        ),
    )


def _location(given: wire.LocationJson) -> Location:
    return Location(
        id=_id(given.id, "Location"),
        user_id=given.user_id or "",
        name=clean(given.name, LONGEST_NAME),
        timezone=given.timezone_name or "UTC",
        latitude=given.latitude,
        longitude=given.longitude,
    )


def _intervention(given: wire.InterventionJson) -> Intervention:
    resolution = given.resolution or wire.ResolutionJson()
    return Intervention(
        id=_id(given.id, "intervention"),
        title=clean(resolution.title, LONGEST_DETAIL),
        description=resolution.description or "",
        vendor=given.vendor,
        vendor_type=given.vendor_type,
        brand=given.brand,
        domain=given.domain,
        access=resolution.access,
        agent=resolution.agent,
        action=resolution.action,
    )


def _webhook(given: wire.WebhookJson) -> Webhook:
    return Webhook(
        id=_id(given.id, "webhook"),
        url=given.url or "",
        events=tuple(given.events or ()),
        active=given.is_active,
        last_success_at=instant(given.last_success),
        api_version=given.api_version,
        header_name=given.authentication.header_name if given.authentication else None,
    )


def _schedule(given: wire.ScheduleJson) -> ForeignSchedule:
    return ForeignSchedule(
        id=_id(given.id, "schedule"),
        target_id=given.target_id,
        target_type=given.target_type,
        enabled=given.is_enabled,
    )


def _health(given: wire.HealthJson) -> VendorHealth:
    return VendorHealth(
        vendor=given.vendor or "",
        name=clean(given.display_name, LONGEST_NAME),
        status=given.status or "",
        linking_status=given.linking_status or "",
    )


def _id(given: str | None, what: str) -> str:
    if not given:
        raise ProviderProtocolError(f"a {what} without an id")
    return given
