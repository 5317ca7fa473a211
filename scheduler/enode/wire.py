"""The members of Enode's JSON that kwhen reads, every one optional and nullable, and a reader that forgives.

Unknown members are ignored and enums are plain text. A member of the wrong type is noted and left out; it makes only
itself unknown, never its vehicle (P23). Source of the names: Enode's API reference, version 2024-10-01.
"""

import json
from functools import cache
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from scheduler.core.errors import ProviderProtocolError

S = TypeVar("S", bound="Wire")

ABSENT: Final = msgspec.Raw()
"""An object that is left for later and is not there; `null` is `b"null"`. (msgspec takes no `Raw | None`.)"""


class Wire(Struct, rename="camel", kw_only=True):
    """What all have in common. `spoilt` names the members whose type was wrong."""

    spoilt: frozenset[str] = msgspec.field(default=frozenset(), name="(spoilt)")  # not a name of theirs


class Information(Wire):
    """`information` of a vehicle or charger."""

    brand: str | None = None
    model: str | None = None
    display_name: str | None = None


class VehicleCharge(Wire):
    """`chargeState` of a vehicle."""

    battery_level: float | None = None
    battery_capacity: float | None = None
    is_plugged_in: bool | None = None
    is_charging: bool | None = None
    is_fully_charged: bool | None = None
    charge_limit: float | None = None
    charge_rate: float | None = None
    last_updated: str | None = None
    power_delivery_state: str | None = None
    plugged_in_charger_id: str | None = None


class ChargerCharge(Wire):
    """`chargeState` of a charger."""

    is_plugged_in: bool | None = None
    is_charging: bool | None = None
    charge_rate: float | None = None
    max_current: float | None = None
    last_updated: str | None = None
    power_delivery_state: str | None = None
    plugged_in_vehicle_id: str | None = None


class Place(Wire):
    """`location` of a vehicle or charger. The gate goes by the id alone; coordinates serve to place a home."""

    id: str | None = None
    last_updated: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Capability(Wire):
    """One member of `capabilities`."""

    is_capable: bool | None = None
    intervention_ids: list[str] | None = None


class SmartCharging(Wire):
    """`smartChargingPolicy`."""

    is_enabled: bool | None = None
    deadline: str | None = None
    minimum_charge_limit: float | None = None


class VehicleJson(Wire):
    """`GET /vehicles/{id}`. `capabilities` keeps the order of its members."""

    id: str | None = None
    user_id: str | None = None
    vendor: str | None = None
    last_seen: str | None = None
    is_reachable: bool | None = None
    information: Information | None = None
    charge_state: VehicleCharge | None = None
    location: Place | None = None
    smart_charging_policy: SmartCharging | None = None
    capabilities: dict[str, Capability | None] | None = None


class ChargerJson(Wire):
    """`GET /chargers/{id}`."""

    id: str | None = None
    user_id: str | None = None
    vendor: str | None = None
    last_seen: str | None = None
    is_reachable: bool | None = None
    information: Information | None = None
    charge_state: ChargerCharge | None = None
    location: Place | None = None
    capabilities: dict[str, Capability | None] | None = None


class FailureJson(Wire):
    """`failureReason` of an action."""

    type: str | None = None
    detail: str | None = None


class ActionJson(Wire):
    """An action."""

    id: str | None = None
    user_id: str | None = None
    target_id: str | None = None
    target_type: str | None = None
    kind: str | None = None
    state: str | None = None
    failure_reason: FailureJson | None = None


class LocationJson(Wire):
    """A Location."""

    id: str | None = None
    user_id: str | None = None
    name: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    timezone_name: str | None = None


class ResolutionJson(Wire):
    """`resolution` of an intervention."""

    title: str | None = None
    description: str | None = None
    access: str | None = None
    agent: str | None = None
    action: str | None = None


class InterventionJson(Wire):
    """An intervention."""

    id: str | None = None
    vendor: str | None = None
    vendor_type: str | None = None
    brand: str | None = None
    domain: str | None = None
    resolution: ResolutionJson | None = None


class VendorLinkJson(Wire):
    """One of `linkedVendors`."""

    vendor: str | None = None
    vendor_type: str | None = None
    is_valid: bool | None = None


class UserJson(Wire):
    """A user, as in the list (id alone) or alone."""

    id: str | None = None
    linked_vendors: list[VendorLinkJson] | None = None


class HeaderJson(Wire):
    """`authentication` of a webhook."""

    header_name: str | None = None


class WebhookJson(Wire):
    """A webhook subscription."""

    id: str | None = None
    url: str | None = None
    events: list[str] | None = None
    last_success: str | None = None
    is_active: bool | None = None
    api_version: str | None = None
    authentication: HeaderJson | None = None


class WebhookTestJson(Wire):
    """The answer to the test of a subscription."""

    status: str | None = None
    description: str | None = None


class LinkJson(Wire):
    """A link session."""

    link_url: str | None = None
    link_token: str | None = None


class ScheduleJson(Wire):
    """One of Enode's own schedules."""

    id: str | None = None
    target_id: str | None = None
    target_type: str | None = None
    is_enabled: bool | None = None


class HealthJson(Wire):
    """One vendor of `/health/vehicles` or `/health/chargers`."""

    vendor: str | None = None
    display_name: str | None = None
    status: str | None = None
    linking_status: str | None = None


class ProblemJson(Wire):
    """An error body; the last two members are of older versions."""

    title: str | None = None
    detail: str | None = None
    message: str | None = None
    error: str | None = None


class TokenJson(Wire, rename=None):
    """The token endpoint's answer."""

    access_token: str | None = None
    expires_in: float | None = None


class Cursors(Wire):
    """`pagination` of a list."""

    after: str | None = None


class Page(Wire):
    """A list."""

    data: list[msgspec.Raw] | None = None
    pagination: Cursors | None = None


class IdOnly(Wire):
    """An object of which only the id matters."""

    id: str | None = None


class EventJson(Wire):
    """What decides where a webhook event goes."""

    event: str | None = None
    created_at: str | None = None
    version: str | None = None
    user: IdOnly | None = None
    vendor: str | None = None
    vehicle: msgspec.Raw = ABSENT
    charger: msgspec.Raw = ABSENT
    vendor_action: msgspec.Raw = ABSENT
    smart_charging_status: msgspec.Raw = ABSENT
    schedule: msgspec.Raw = ABSENT


class SmartStatusJson(Wire):
    """`smartChargingStatus` of an event."""

    vehicle_id: str | None = None
    state: str | None = None


def read(kind: type[S], raw: bytes | msgspec.Raw) -> S:
    """Return the object in the JSON text, with every member of a wrong type left out and named in `spoilt`.

    Raises:
        ProviderProtocolError: not JSON, or not an object.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # rare: read it again, member by member
    try:
        value = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        raise ProviderProtocolError(f"{kind.__name__}: an answer that is not JSON") from None
    if not isinstance(value, dict):
        raise ProviderProtocolError(f"{kind.__name__}: an answer that is not a JSON object")
    return _forgiving(kind, value)


def _forgiving(kind: type[S], value: dict[str, Any]) -> S:
    kept: dict[str, Any] = {}
    spoilt = set()
    for name, member, hint in _members(kind):
        if member not in value:
            continue
        try:
            kept[name] = _convert(value[member], hint)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            spoilt.add(name)
    return kind(**kept, spoilt=frozenset(spoilt))


@cache
def _members(kind: type[Wire]) -> tuple[tuple[str, str, Any], ...]:
    """Return each member's name here, its name in JSON, and its type."""
    hints = get_type_hints(kind)
    fields = msgspec.structs.fields(kind)
    return tuple((field.name, field.encode_name, hints[field.name]) for field in fields if field.name != "spoilt")


def _convert(value: Any, hint: Any) -> Any:
    """Return the value as the hint demands, with forgiving inside."""
    if hint is msgspec.Raw:
        return msgspec.Raw(json.dumps(value).encode())
    if value is None:
        return None
    kind = next((k for k in get_args(hint) if k is not type(None)), hint)
    if isinstance(kind, type) and issubclass(kind, Wire):
        if not isinstance(value, dict):
            raise TypeError
        return _forgiving(kind, value)
    if isinstance(value, dict) and get_args(kind) == (str, Capability | None):
        return {name: _forgiving(Capability, v) for name, v in value.items() if isinstance(v, dict) and _whole(name)}
    if isinstance(value, list) and get_args(kind) == (msgspec.Raw,):
        return [msgspec.Raw(json.dumps(item).encode()) for item in value]
    converted = msgspec.convert(value, kind)
    msgspec.json.encode(converted)  # half of a character (a lone surrogate) is no text: nothing could write it down
    return converted


def _whole(text: str) -> bool:
    """Tell whether a text holds no half of a character."""
    return not any("\ud800" <= c <= "\udfff" for c in text)
