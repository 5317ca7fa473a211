"""The running daemon, as the faces see it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from scheduler.core.garage import (
    Account,
    Conflict,
    Doubt,
    HomeText,
    InterventionCard,
    LinkEnd,
    LinkStart,
    Pause,
    Placed,
    Position,
    Prompt,
    Spot,
)
from scheduler.core.model import Decision, Home, Override, Situation, VehicleSpec, VehicleState
from scheduler.core.pricing import HomePrices, SourceStatus
from scheduler.core.timeline import Interval
from scheduler.http.problem import Problem
from scheduler.ports import Clock, Store


class Onboarding(Protocol):
    """Setting up: accounts, links, homes. All may raise OnboardError, StoreError and ProviderError."""

    async def users(self) -> list[str]:
        """Return the users of all homes and of the provider's client, each once, those of homes first."""

    async def account(self, user_id: str, *, fresh: bool = False) -> Account:
        """Return what a user has linked, a few minutes old at most; read now with `fresh`."""

    async def begin_link(self, user_id: str, kind: str, *, back_url: str, language: str = "browser") -> LinkStart:
        """Open a link session for a `vehicle` or a `charger`.

        The browser comes back to `back_url` with our `state` added to its query, valid once and for 24 hours.
        A charger is refused before a vehicle is there (Refused).
        """

    async def finish_link(self, state: str, *, error: str = "") -> LinkEnd:
        """Spend a state and return what was found since. Raises LinkOver when it is unknown, used or expired."""

    async def link_progress(self, state: str) -> LinkEnd:
        """Look, without spending the state, whether what was linked is there. Raises LinkOver as above."""

    async def relink(self, asset_id: str, *, back_url: str, language: str = "browser") -> LinkStart:
        """Open a link session for an account whose credentials were lost. Refused when nothing is wrong with it."""

    async def prompts(self, user_id: str) -> tuple[Prompt, ...]:
        """Return what the owner is asked to do next; dismissed prompts are left out."""

    async def dismiss(self, user_id: str, prompt: str) -> None:
        """Leave out a prompt from now on. Refused for a mandatory one."""

    async def whereabouts(self, vehicle_id: str) -> Position:
        """Return where a vehicle is now by its own GPS. NotThere when the provider does not tell."""

    async def place(
        self,
        user_id: str,
        *,
        latitude: float,
        longitude: float,
        name: str,
        timezone: str,
        charger_ids: Sequence[str] = (),
    ) -> Placed:
        """Make the location of a home, or use one within 200 m, and put the chargers there. Refused at (0, 0)."""

    async def doubts(
        self, user_id: str, spot: Spot, *, charger_ids: Sequence[str] = (), home_id: str = ""
    ) -> tuple[Doubt, ...]:
        """Return what an owner should look at before a home is put there, or before home `home_id` is moved there."""

    async def interventions(self, vehicle_id: str, *, language: str = "en-US") -> tuple[InterventionCard, ...]:
        """Return what a person can do for a vehicle, in the order to show it."""

    async def conflicts(self, vehicle_id: str) -> tuple[Conflict, ...]:
        """Return which other hands of the provider's are on a vehicle."""

    async def resolve(self, vehicle_id: str, conflict: str) -> None:
        """Switch one off at the provider."""

    async def home_text(self, home_id: str) -> HomeText:
        """Return a home as it was written, with the lines to paste. NotThere for an unknown one."""

    async def homes_stored(self) -> tuple[Home, ...]:
        """Return the homes that were made at run time."""

    async def create_home(self, table: Mapping[str, Any]) -> Home:
        """Make a home of a table in the shape of one `[[home]]`. HomeInvalid names what is wrong, a taken id too."""

    async def change_home(
        self, home_id: str, table: Mapping[str, Any], *, release: bool = False, spot: Spot | None = None
    ) -> Home:
        """Put another table in a home's place, and with `spot` the home elsewhere. ReadOnlyHome when it is the file's.

        While a car is held that nobody would start then: start it first with `release`, else Refused.
        """

    async def delete_home(self, home_id: str, *, release: bool) -> None:
        """Delete a home. While a car of it is held: start it first with `release`, else Refused."""

    async def pauses(self) -> tuple[Pause, ...]:
        """Return what is paused now."""

    async def pause(self, subject: str, *, until: datetime | None) -> None:
        """Only watch a vehicle or a home (by id) until an instant; None or a past one resumes it. NotThere."""


class Daemon(Protocol):
    """What the handlers may read and ask. Everything but the store's history is answered from memory."""

    @property
    def store(self) -> Store:
        """The open store."""

    @property
    def clock(self) -> Clock:
        """The clock by which it runs."""

    @property
    def onboarding(self) -> Onboarding:
        """The setting-up."""

    def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens from now on: `what` (vehicle, alert, link, homes, prices) and `vehicle`, an id or None."""

    def homes(self) -> tuple[Home, ...]:
        """Return the homes in force, in the order of the configuration."""

    def state(self, vehicle_id: str) -> VehicleState | None:
        """Return what is kept of a vehicle; None when nothing was ever seen of it."""

    def charger_names(self) -> Mapping[str, str]:
        """Return the names of the chargers that are or were linked, by id."""

    def last(self, vehicle_id: str) -> tuple[Situation, Decision] | None:
        """Return the newest situation with its decision; None before the first cycle."""

    async def wish(self, vehicle_id: str, override: Override) -> None:
        """Store what a person wants, then wake the vehicle. `Will.AUTO` clears it. Raises StoreError."""

    async def release(self, vehicle_ids: Sequence[str]) -> list[str]:
        """Start those of the vehicles that we hold and return their ids. Raises StoreError."""

    def policies(self) -> list[dict[str, str]]:
        """Return each policy of each home: `home`, `name`, `status`."""

    def price_sources(self) -> Sequence[SourceStatus]:
        """Return how each price source is, in the order of the configuration."""

    async def home_prices(self, home: Home, span: Interval) -> HomePrices:
        """Return what a kWh costs a home within a span of whole local days."""

    def settings_shown(self) -> list[dict[str, str]]:
        """Return each setting in force: `key`, `value` (secrets hidden) and `origin`."""

    def health(self) -> dict[str, Any]:
        """Return `ready`, `live` and how each part is."""

    async def reload(self) -> list[str]:
        """Apply the configuration file whole and return its warnings. Raises ConfigError, having changed nothing."""

    async def webhook(self, op: str) -> dict[str, Any]:
        """Look at, make or test the webhook subscription (`status`, `ensure`, `test`). Raises ProviderError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A configured vehicle with its home."""

    home: Home
    spec: VehicleSpec
    seen_name: str = ""

    @property
    def name(self) -> str:
        """What the owner calls it: the configured name, the provider's, or the id."""
        return self.spec.name or self.seen_name or self.spec.id


def all_vehicles(daemon: Daemon) -> list[Known]:
    """Return every configured vehicle, in the order of the configuration."""
    return [_known(daemon, home, spec) for home in daemon.homes() for spec in home.vehicles]


def _known(daemon: Daemon, home: Home, spec: VehicleSpec) -> Known:
    state = daemon.state(spec.id)
    return Known(home=home, spec=spec, seen_name=(state.observation.name or "") if state else "")


def vehicle_called(daemon: Daemon, text: str) -> Known:
    """Return the vehicle with this id or name, or with a unique prefix of one (case counts only in ids).

    Raises:
        Problem: none is called so (404), or several are (409).
    """
    known = all_vehicles(daemon)
    wanted = text.casefold()
    for matches in (
        [k for k in known if k.spec.id == text],
        [k for k in known if k.name.casefold() == wanted],
        [k for k in known if text and (k.spec.id.startswith(text) or k.name.casefold().startswith(wanted))],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(f"{k.name} ({k.spec.id})" for k in matches)
            raise Problem(409, f"{text} could be several vehicles", detail=names, remedy="Give more of the id or name.")
    names = ", ".join(k.name for k in known) or "none is configured"
    raise Problem(404, f"no vehicle is called {text}", detail=f"Known: {names}.", remedy="`kwhen status` lists them.")


def home_called(daemon: Daemon, text: str) -> Home:
    """Return the home with this id, or with a unique beginning of it. Raises Problem: none (404), or several (409)."""
    homes = daemon.homes()
    found = [one for one in homes if one.id == text] or [one for one in homes if text and one.id.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.id for one in found)
        raise Problem(409, f"{text} could be several homes", detail=names, remedy="Give more of the id.")
    names = ", ".join(one.id for one in homes) or "none is configured"
    raise Problem(404, f"no home is called {text}", detail=f"Known: {names}.", remedy="`kwhen status` lists them.")
