"""Link sessions: what a user consents to, and what appears when they sign in at a vendor."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator.physics import Battery

if TYPE_CHECKING:
    from simulator.world import World

SESSION_S = 24 * 3600.0
SCOPES = frozenset(
    {
        "vehicle:read:data",
        "vehicle:read:location",
        "vehicle:control:charging",
        "charger:read:data",
        "charger:control:charging",
        "battery:read:data",
        "battery:read:location",
        "battery:control:operation_mode",
        "hvac:read:data",
        "hvac:control:mode",
        "inverter:read:data",
        "inverter:read:location",
        "meter:read:data",
        "meter:read:location",
    }
)
BRANDS: dict[str, dict[str, dict[str, Any]]] = {
    "vehicle": {
        "VOLKSWAGEN": {"brand": "Volkswagen", "model": "ID.3 Pro", "capacity_kwh": 58.0, "max_power_kw": 11.0},
        "TESLA": {"brand": "Tesla", "model": "Model 3", "capacity_kwh": 75.0, "max_power_kw": 11.0},
        "RENAULT": {
            "brand": "Renault",
            "model": "Zoe",
            "capacity_kwh": 52.0,
            "max_power_kw": 7.4,
            "native_control": False,
            "has_gps": False,
            "reports_power": False,
        },
    },
    "charger": {
        "ZAPTEC": {"brand": "Zaptec", "model": "Go"},
        "EASEE": {"brand": "Easee", "model": "Home"},
    },
}


@dataclass(kw_only=True, eq=False)
class LinkSession:
    """One use of the link page."""

    token: str
    user_id: str
    redirect_uri: str
    vendor_type: str
    vendor: str | None
    scopes: tuple[str, ...]
    ends_at: datetime
    relinks: str | None = None
    used: bool = False


class Links:
    """The link sessions of a world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.sessions: dict[str, LinkSession] = {}

    def open(self, **members: Any) -> LinkSession:
        """Open a session of 24 hours."""
        token = self._world.new_id().replace("-", "")
        ends_at = self._world.agenda.now + timedelta(seconds=SESSION_S)
        session = LinkSession(token=token, ends_at=ends_at, **members)
        self.sessions[token] = session
        return session

    def usable(self, token: str) -> LinkSession | None:
        """Return a session that exists, was not used and has not ended."""
        session = self.sessions.get(token)
        if session is None or session.used or self._world.agenda.now >= session.ends_at:
            return None
        return session

    def complete(self, session: LinkSession, vendor: str) -> None:
        """Sign in at a vendor: its lost link is restored, or a device of that brand appears at the user's home."""
        session.used = True
        user = self._world.users[session.user_id]
        if vendor in user.invalid_vendors:
            self._world.restore_credentials(user.id, vendor)
            return
        brand = dict(BRANDS[session.vendor_type][vendor])
        scopes = tuple(sorted(each for each in session.scopes if each.startswith(session.vendor_type + ":")))
        if session.vendor_type == "charger":
            self._world.add_charger(user.id, vendor=vendor, scopes=scopes, **brand)
            return
        battery = Battery(capacity_kwh=brand.pop("capacity_kwh"))
        number = 1 + sum(each.user_id == user.id for each in self._world.vehicles.values())
        self._world.add_vehicle(
            user.id, vendor=vendor, scopes=scopes, battery=battery, soc_pct=50.0, name=f"Car {number}", **brand
        )
