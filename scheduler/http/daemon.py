"""The running daemon, as the faces see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scheduler.core.model import Decision, Home, Override, Situation, VehicleSpec, VehicleState
from scheduler.http.problem import Problem
from scheduler.ports import Clock, Store


class Daemon(Protocol):
    """What the handlers may read and ask. Everything but the store's history is answered from memory."""

    @property
    def store(self) -> Store:
        """The open store."""

    @property
    def clock(self) -> Clock:
        """The clock by which it runs."""

    def homes(self) -> tuple[Home, ...]:
        """Return the homes in force, in the order of the configuration."""

    def state(self, vehicle_id: str) -> VehicleState | None:
        """Return what is kept of a vehicle; None when nothing was ever seen of it."""

    def last(self, vehicle_id: str) -> tuple[Situation, Decision] | None:
        """Return the newest situation with its decision; None before the first cycle."""

    async def wish(self, vehicle_id: str, override: Override) -> None:
        """Store what a person wants, then wake the vehicle. `Will.AUTO` clears it. Raises StoreError."""

    async def release(self, vehicle_ids: Sequence[str]) -> list[str]:
        """Start those of the vehicles that we hold and return their ids. Raises StoreError."""

    def policies(self) -> list[dict[str, str]]:
        """Return each policy of each home: `home`, `name`, `status`."""

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
