"""Link sessions: what a user consents to, and what appears when they sign in at a vendor."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from simulator.charger import Charger
from simulator.vehicle import Vehicle

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
LANGUAGES = frozenset(
    {
        "browser", "da-DK", "de-DE", "en-US", "en-GB", "es-ES", "fi-FI", "fr-FR", "it-IT", "ja-JP",
        "lv-LV", "lt-LT", "nb-NO", "nl-NL", "nl-BE", "pl-PL", "pt-PT", "ro-RO", "sv-SE",
    }
)  # fmt: skip
REFUSED_PASSWORD = "wrong"  # noqa: S105 - what a person types to see a sign-in fail


class Step(Enum):
    """The pages of a session, in their order."""

    BRAND = "brand"
    CONSENT = "consent"
    SIGN_IN = "sign-in"
    DONE = "done"


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
    step: Step = Step.BRAND
    linked: Vehicle | Charger | None = None
    used: bool = False
    brand_is_open: bool = field(init=False)

    def __post_init__(self) -> None:
        self.brand_is_open = self.vendor is None
        if not self.brand_is_open:
            self.step = Step.CONSENT


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
        if session is None or session.used or session.user_id not in self._world.users:
            return None
        return None if self._world.agenda.now >= session.ends_at else session

    def complete(self, session: LinkSession, vendor: str, *, name: str | None = None) -> Vehicle | Charger:
        """Sign in at a vendor: the devices of the account appear, or come back; without a name it is a new account."""
        accounts = self._world.accounts
        lost = accounts.device(session.relinks) if session.relinks is not None else None
        if lost is not None:
            accounts.sign_in_again(lost)
            session.linked = lost
        else:
            session.linked = accounts.sign_in(
                session.user_id,
                kind=session.vendor_type,
                vendor=vendor,
                name=f"account {session.token}" if name is None else name,
                scopes=session.scopes,
            )
        session.vendor, session.step = vendor, Step.DONE
        return session.linked
