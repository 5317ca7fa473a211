"""One webhook event to news. Pure."""

from collections.abc import Callable
from typing import Final

import msgspec

from scheduler.core.errors import ProviderProtocolError
from scheduler.core.observation import Source, Stamp
from scheduler.enode import wire
from scheduler.enode.mapping import LONGEST_DETAIL, action_of, charger_of, clean, digest_of, reading_of
from scheduler.enode.values import (
    NOTICE_CHARGER_ACTION,
    NOTICE_CHARGER_DELETED,
    NOTICE_CHARGER_UPDATED,
    NOTICE_CREDENTIALS_INVALID,
    NOTICE_DELETED,
    NOTICE_HEARTBEAT,
    NOTICE_SCHEDULE,
    NOTICE_SMART_CHARGING,
    NOTICE_TEST,
    NOTICE_UNKNOWN,
    ChargerClaim,
)
from scheduler.ports import News, Notice

API_VERSION: Final = "2024-10-01"


def read_event(payload: bytes, received: Stamp, *, digest: str | None = None) -> News:
    """Return the news of one event; an event or a payload version that is not known is a `unknown` notice.

    Args:
        payload: the event's JSON.
        received: when it came.
        digest: `digest_of(payload)` where it is known already.

    Raises:
        ProviderProtocolError: the event cannot be read.
    """
    event = wire.read(wire.EventJson, payload)
    if not event.event:
        raise ProviderProtocolError("an event without a name")
    read = _READERS.get(event.event)
    if read is None or event.version not in {None, API_VERSION}:
        return Notice(what=NOTICE_UNKNOWN, user_id=_user(event), detail=clean(event.event, LONGEST_DETAIL))
    return read(event, digest or digest_of(payload), received)


def known(event: str | None, version: str | None) -> bool:
    """Tell whether `read_event` knows what to make of it."""
    return event in _READERS and version in {None, API_VERSION}


def _user(event: wire.EventJson) -> str | None:
    return event.user.id if event.user else None


def _part(raw: msgspec.Raw, name: str) -> msgspec.Raw:
    if bytes(raw) in {b"", b"null"}:
        raise ProviderProtocolError(f"an event without its {name}")
    return raw


def _vehicle(event: wire.EventJson, digest: str, received: Stamp) -> News:
    return reading_of(
        _part(event.vehicle, "vehicle"),
        source=Source.WEBHOOK,
        received=received,
        user_id=_user(event) or "",
        digest=digest,
    )


def _vehicle_deleted(event: wire.EventJson, _digest: str, _received: Stamp) -> News:
    vehicle = wire.read(wire.IdOnly, _part(event.vehicle, "vehicle"))
    return Notice(what=NOTICE_DELETED, user_id=_user(event), vehicle_id=vehicle.id)


def _charger(event: wire.EventJson, _digest: str, received: Stamp) -> News:
    """A charger names the vehicle that it knows to be plugged in, or nobody: `detail` is a JSON `ChargerClaim`."""
    report = charger_of(_part(event.charger, "charger"), received_at=received.at)
    return Notice(
        what=NOTICE_CHARGER_UPDATED,
        user_id=_user(event) or report.user_id or None,
        vehicle_id=report.vehicle_id,
        detail=ChargerClaim(charger_id=report.charger_id, vehicle_id=report.vehicle_id, at=report.at).dump(),
    )


def _charger_deleted(event: wire.EventJson, _digest: str, _received: Stamp) -> News:
    charger = wire.read(wire.IdOnly, _part(event.charger, "charger"))
    return Notice(what=NOTICE_CHARGER_DELETED, user_id=_user(event), detail=charger.id or "")


def _action(event: wire.EventJson, _digest: str, received: Stamp) -> News:
    report = action_of(_part(event.vendor_action, "action"), received_at=received.at)
    if report.vehicle_id is None:
        return Notice(what=NOTICE_CHARGER_ACTION, user_id=_user(event), detail=report.action_id or "")
    return report


def _credentials(event: wire.EventJson, _digest: str, _received: Stamp) -> News:
    return Notice(what=NOTICE_CREDENTIALS_INVALID, user_id=_user(event), detail=clean(event.vendor, LONGEST_DETAIL))


def _smart_charging(event: wire.EventJson, _digest: str, _received: Stamp) -> News:
    status = wire.read(wire.SmartStatusJson, _part(event.smart_charging_status, "status"))
    return Notice(
        what=NOTICE_SMART_CHARGING,
        user_id=_user(event),
        vehicle_id=status.vehicle_id,
        detail=clean(status.state, LONGEST_DETAIL),
    )


def _schedule(event: wire.EventJson, _digest: str, _received: Stamp) -> News:
    schedule = wire.read(wire.ScheduleJson, _part(event.schedule, "schedule"))
    of_vehicle = schedule.target_type in {"vehicle", None}
    return Notice(
        what=NOTICE_SCHEDULE,
        user_id=_user(event),
        vehicle_id=schedule.target_id if of_vehicle else None,
        detail=schedule.id or "",
    )


def _heartbeat(_event: wire.EventJson, _digest: str, _received: Stamp) -> News:
    return Notice(what=NOTICE_HEARTBEAT)


def _test(_event: wire.EventJson, _digest: str, _received: Stamp) -> News:
    return Notice(what=NOTICE_TEST)


_READERS: Final[dict[str | None, Callable[[wire.EventJson, str, Stamp], News]]] = {
    "user:vehicle:discovered": _vehicle,
    "user:vehicle:updated": _vehicle,
    "user:vehicle:deleted": _vehicle_deleted,
    "user:charger:discovered": _charger,
    "user:charger:updated": _charger,
    "user:charger:deleted": _charger_deleted,
    "user:vendor-action:updated": _action,
    "user:credentials:invalidated": _credentials,
    "user:vehicle:smart-charging-status-updated": _smart_charging,
    "user:schedule:execution-updated": _schedule,
    "system:heartbeat": _heartbeat,
    "enode:webhook:test": _test,
}
