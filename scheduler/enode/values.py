"""What the Enode adapter hands out besides the core's own values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

import msgspec

from scheduler.core.observation import Delivery

NOTICE_DELETED: Final = "deleted"
NOTICE_CREDENTIALS_INVALID: Final = "credentials-invalid"
NOTICE_HEARTBEAT: Final = "heartbeat"
NOTICE_TEST: Final = "test"
NOTICE_UNKNOWN: Final = "unknown"
NOTICE_CHARGER_UPDATED: Final = "charger-updated"
NOTICE_CHARGER_DELETED: Final = "charger-deleted"
NOTICE_CHARGER_ACTION: Final = "charger-action"
NOTICE_SMART_CHARGING: Final = "smart-charging"
NOTICE_SCHEDULE: Final = "schedule"


@dataclass(frozen=True, kw_only=True, slots=True)
class NeededIntervention:
    """An intervention that an asset asks for. `optional`: recommended, but the capability is there without it."""

    id: str
    capability: str
    optional: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargerClaim:
    """Which vehicle a charger says is plugged into it, and since when that is known (source time)."""

    charger_id: str
    vehicle_id: str | None
    at: datetime | None

    def dump(self) -> str:
        """Return it as the JSON that a `charger-updated` notice carries in its detail."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def load(cls, text: str) -> Self:
        """Return what `dump` wrote."""
        return msgspec.json.decode(text, type=cls)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargerReport:
    """One report about one charger. Unknown is None."""

    charger_id: str
    user_id: str
    received_at: datetime
    at: datetime | None = None  # source time of the charge state
    plugged: bool | None = None
    charging: bool | None = None
    delivery: Delivery = Delivery.UNKNOWN
    power_kw: float | None = None
    vehicle_id: str | None = None
    location_id: str | None = None
    reachable: bool | None = None
    seen_at: datetime | None = None
    vendor: str = ""
    name: str | None = None
    needs: tuple[NeededIntervention, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleCard:
    """What a person recognises a vehicle by, and what it needs from them, in the order to show it."""

    vehicle_id: str
    user_id: str
    vendor: str
    name: str | None
    needs: tuple[NeededIntervention, ...] = ()
    located_at: datetime | None = None
    latitude: float | None = field(default=None, repr=False)  # private: never log it
    longitude: float | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """A place of a user. The position is private: never log it."""

    id: str
    user_id: str
    name: str
    timezone: str
    latitude: float | None = field(default=None, repr=False)
    longitude: float | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervention:
    """What a person can do, and where: `access` Remote or Physical, `action` "Link" when a relink session solves it."""

    id: str
    title: str
    description: str
    vendor: str | None = None
    vendor_type: str | None = None
    brand: str | None = None
    domain: str | None = None
    access: str | None = None
    agent: str | None = None
    action: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedVendor:
    """An account at a vendor. `valid` False: the person must link it again."""

    vendor: str
    vendor_type: str
    valid: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """An Enode user; the list does not name vendors."""

    id: str
    vendors: tuple[LinkedVendor, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """A webhook subscription."""

    id: str
    url: str
    events: tuple[str, ...]
    active: bool | None
    last_success_at: datetime | None = None
    api_version: str | None = None
    header_name: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookTest:
    """What the test of a subscription brought."""

    succeeded: bool
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkSession:
    """A session of the Link UI: single use, lives 24 hours. Both members let their holder link: never log them."""

    url: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignSchedule:
    """One of Enode's own schedules: while enabled it makes every command to its target fail with 422."""

    id: str
    target_id: str | None
    target_type: str | None
    enabled: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class VendorHealth:
    """How a vendor's integration is: READY, ELEVATED_ERROR_RATE, OUTAGE, or a word we do not know."""

    vendor: str
    name: str
    status: str
    linking_status: str
