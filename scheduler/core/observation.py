"""What was seen of a vehicle: facets, each with the instant the provider says it was true."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Delivery(StrEnum):
    """Enode's `powerDeliveryState`. A value we do not know is read by its `PLUGGED_IN` prefix as `UNKNOWN_PLUGGED`."""

    UNKNOWN = "UNKNOWN"
    UNPLUGGED = "UNPLUGGED"
    UNKNOWN_PLUGGED = "PLUGGED_IN"
    INITIALIZING = "PLUGGED_IN:INITIALIZING"
    CHARGING = "PLUGGED_IN:CHARGING"
    COMPLETE = "PLUGGED_IN:COMPLETE"
    STOPPED = "PLUGGED_IN:STOPPED"
    NO_POWER = "PLUGGED_IN:NO_POWER"
    FAULT = "PLUGGED_IN:FAULT"
    DISCHARGING = "PLUGGED_IN:DISCHARGING"


class Source(StrEnum):
    """How a reading reached us."""

    WEBHOOK = "webhook"
    POLL = "poll"
    READBACK = "readback"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeFacet:
    """Plug, flow and power. `at` is the provider's `chargeState.lastUpdated`; None when it gave none."""

    at: datetime | None = None
    plugged: bool | None = None
    charging: bool | None = None
    delivery: Delivery = Delivery.UNKNOWN
    power_kw: float | None = None
    charger_id: str | None = None
    full: bool | None = None
    limit_pct: float | None = None

    @property
    def complete(self) -> bool:
        """Tell whether the car says that it is full, or at its own limit."""
        return self.delivery is Delivery.COMPLETE or self.full is True


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceFacet:
    """Where the vehicle is, as the provider's own location id. Never a distance of our own."""

    at: datetime | None = None
    location_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BatteryFacet:
    """State of charge and usable capacity. It shares its source time with the charge facet at Enode."""

    at: datetime | None = None
    soc_pct: float | None = None
    capacity_kwh: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What the vehicle can do now; None when the provider did not say. Kept between sessions by a pair."""

    start: bool | None = None
    stop: bool | None = None
    locate: bool | None = None
    read_charge: bool | None = None
    intervention_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """When something reached us: wall clock, and the monotonic clock of one run of the daemon [ns]."""

    at: datetime
    mono_ns: int
    run: int

    def since(self, earlier: "Stamp") -> timedelta:
        """Return the time since an earlier stamp of the same run, by the clock that cannot step; never too much."""
        return timedelta(microseconds=(self.mono_ns - earlier.mono_ns) // 1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One report about one vehicle, as mapped from a webhook event or an answer. A facet is None when not reported."""

    vehicle_id: str
    user_id: str
    source: Source
    received: Stamp
    charge: ChargeFacet | None = None
    place: PlaceFacet | None = None
    battery: BatteryFacet | None = None
    capabilities: Capabilities | None = None
    reachable: bool | None = None
    seen_at: datetime | None = None
    smart_charging: bool | None = None  # Enode's own Smart Charging is switched on for the vehicle
    name: str | None = None
    digest: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """All that is accepted about one vehicle. A facet's source time only moves forward (S16).

    `plug_since` and `place_since` say when we first received the present (plugged, charger) and (location) reading:
    a new one must last before it counts (`T_stable`).
    """

    charge: ChargeFacet = field(default_factory=ChargeFacet)
    place: PlaceFacet = field(default_factory=PlaceFacet)
    battery: BatteryFacet = field(default_factory=BatteryFacet)
    capabilities: Capabilities = field(default_factory=Capabilities)
    reachable: bool | None = None
    seen_at: datetime | None = None
    smart_charging: bool = False
    name: str | None = None
    received: Stamp | None = None
    plug_since: datetime | None = None
    place_since: datetime | None = None
    suspect_soc_pct: float | None = None  # an implausible drop, held until a second reading agrees (P19)
    suspect_at: datetime | None = None  # source time of the first sample that said so

    @property
    def resting(self) -> bool:
        """Tell whether the car is unplugged, full or complete: nothing can be asked of it, and it may sleep (L12)."""
        return self.charge.plugged is False or self.charge.complete
