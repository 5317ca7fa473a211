"""What an owner sets up: accounts, cars and chargers as the provider shows them, links, prompts, homes and pauses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from scheduler.core.observation import Capabilities


class PairState(StrEnum):
    """How a vehicle stands to the chargers of its user."""

    NOT_LINKED = "not-linked"
    ESTABLISHED = "established"
    HERE = "plugged-in-here"
    ELSEWHERE = "plugged-in-elsewhere"
    CLEARED = "cleared"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairing:
    """How a vehicle is paired: a sentence, and what brings it on (empty where nothing is amiss)."""

    state: PairState
    text: str
    remedy: str = ""
    charger_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An intervention that an asset asks for. `optional`: the capability is there without it."""

    id: str
    capability: str
    optional: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where something is [degrees]. Private: never log it. `at` is when it was measured, where that is known."""

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A vehicle of an account. `home_id` is the home that has it, None while none has.

    `asked` is in the order to show it; what a charger asks for in its stead stands there too, as the provider merges
    it. `controlled_elsewhere` says that another hand of the provider's (Smart Charging, a Schedule) is on.
    """

    id: str
    user_id: str
    vendor: str
    name: str
    capabilities: Capabilities
    pairing: Pairing
    asked: tuple[Asked, ...] = ()
    home_id: str | None = None
    plugged: bool | None = None
    charging: bool | None = None
    soc_pct: float | None = None
    charger_id: str | None = None
    location_id: str | None = None
    position: Position | None = None
    reachable: bool | None = None
    seen_at: datetime | None = None
    controlled_elsewhere: bool = False
    linked: bool = True  # False: the vendor account must be linked again

    @property
    def blocking(self) -> tuple[str, ...]:
        """Ids of the interventions without which something does not work, in order, each once."""
        return tuple(dict.fromkeys(one.id for one in self.asked if not one.optional))

    @property
    def optional(self) -> tuple[str, ...]:
        """Ids of the interventions that only help, in order, each once."""
        return tuple(dict.fromkeys(one.id for one in self.asked if one.optional and one.id not in self.blocking))


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargerCard:
    """A charger of an account. `location_id` is None until it was placed."""

    id: str
    user_id: str
    vendor: str
    name: str
    location_id: str | None = None
    home_id: str | None = None
    plugged: bool | None = None
    charging: bool | None = None
    vehicle_id: str | None = None
    reachable: bool | None = None
    seen_at: datetime | None = None
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationCard:
    """A place that the provider keeps for a user."""

    id: str
    name: str
    timezone: str
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VendorLink:
    """An account at a vendor. `valid` False: the person must link it again."""

    vendor: str
    kind: str  # vehicle, charger, …
    valid: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """All that a user has linked, as of `at`. An account that never linked anything is empty."""

    user_id: str
    at: datetime
    vehicles: tuple[Card, ...] = ()
    chargers: tuple[ChargerCard, ...] = ()
    locations: tuple[LocationCard, ...] = ()
    vendors: tuple[VendorLink, ...] = ()

    @property
    def asset_ids(self) -> frozenset[str]:
        """Ids of its vehicles and chargers."""
        return frozenset((*(one.id for one in self.vehicles), *(one.id for one in self.chargers)))

    def vehicle(self, vehicle_id: str) -> Card | None:
        """Return one vehicle of it."""
        return next((one for one in self.vehicles if one.id == vehicle_id), None)


LINK_KINDS = ("vehicle", "charger")


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkStart:
    """A link session to open. `url` and `state` let their holder link: never log them."""

    kind: str
    user_id: str
    expires_at: datetime
    url: str = field(repr=False)
    state: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkEnd:
    """What came of a link session. Nothing found and no error: the provider has not shown it yet; look again."""

    kind: str
    user_id: str
    found: tuple[str, ...] = ()  # ids of the vehicles or chargers that were not there before
    error: str = ""

    @property
    def waiting(self) -> bool:
        """Tell whether the provider has yet to show what was linked."""
        return not self.found and not self.error


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """What an owner is asked to do next. A mandatory one stays until it is done; an optional one can be dismissed."""

    id: str
    kind: str  # charger
    user_id: str
    vehicle_id: str
    vehicle_name: str
    mandatory: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """A place as an owner gives it, with its IANA zone."""

    name: str
    timezone: str
    position: Position


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """What an owner should look at before a place is used.

    `barred`: no home can be there. `exchanged`: with latitude and longitude exchanged it would be a likely place.
    """

    text: str
    barred: bool = False
    exchanged: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """Where a home is now, at the provider. `reused`: a place within 200 m was there already."""

    location_id: str
    name: str
    reused: bool
    charger_ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class InterventionCard:
    """What a person can do. `description` is Markdown of the provider's and not yet safe to show.

    `who` (User, ThirdParty) acts, `where` (Remote, Physical); `relink` names the asset whose account is to be linked
    again where that solves it.
    """

    id: str
    title: str
    description: str
    blocking: bool
    capabilities: tuple[str, ...] = ()
    vendor: str = ""
    brand: str = ""
    domain: str = ""
    who: str = ""
    where: str = ""
    relink: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """Another hand on a vehicle. `id` is what `resolve` takes."""

    id: str
    vehicle_id: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """A vehicle or a home that is only watched until an instant."""

    subject: str
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeText:
    """A home as it was written: `table` in the shape of one `[[home]]`, `lines` the same as TOML to paste.

    `file` and `line` say where it stands when it comes from the configuration file; such a home is read-only here.
    """

    id: str
    table: Mapping[str, Any]
    lines: str
    file: str = ""
    line: int | None = None

    @property
    def stored(self) -> bool:
        """Tell whether it was made at run time, and so can be changed here."""
        return not self.file
