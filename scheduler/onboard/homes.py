"""Homes made at run time beside those of the configuration file, and what is only watched for a while."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from scheduler.config import Installed, Settings, checked_home, table_of, toml_of
from scheduler.config.positions import Positions
from scheduler.core.errors import HomeInvalid, NotThere, ReadOnlyHome
from scheduler.core.garage import HomeText, Pause
from scheduler.core.model import Home, Mode, VehicleSpec
from scheduler.ports import Clock, Store

log = structlog.get_logger()

HOMES, PAUSES, BARRED = "home", "pause", "barred"


@dataclass(frozen=True, kw_only=True)
class _Stored:
    table: Mapping[str, Any]
    home: Home


class Homes:
    """All homes: the file's first, then the stored ones. The file wins where both know an id, a car or a charger.

    Args:
        store: keeps them.
        clock: ends pauses.
        settings: the configuration in force.
        plugins: what policies may be named.
    """

    def __init__(self, *, store: Store, clock: Clock, settings: Callable[[], Settings], plugins: Installed) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._plugins = plugins
        self._tables: dict[str, Mapping[str, Any]] = {}
        self._pauses: dict[str, datetime] = {}
        self.barred: frozenset[str] = frozenset()
        """Vehicles to which nothing may be sent before their charger is linked."""

    async def load(self) -> None:
        """Read what is stored; what cannot be read is left out and told."""
        for home_id, value in (await self._store.all_kept(HOMES)).items():
            try:
                table = json.loads(value)
                self._tables[home_id] = table if isinstance(table, dict) else {}
            except ValueError:
                log.error("home.unreadable", home=home_id)
        for subject, value in (await self._store.all_kept(PAUSES)).items():
            self._pauses[subject] = datetime.fromisoformat(value.decode())
        self.barred = frozenset(await self._store.all_kept(BARRED))

    def stored(self, settings: Settings | None = None) -> dict[str, _Stored]:
        """Return the stored homes that are valid beside the configuration, by id; others are set aside and told."""
        settings = settings or self._settings()
        found: dict[str, _Stored] = {}
        for home_id, table in self._tables.items():
            others = {key: one.home for key, one in found.items()}
            try:
                home = checked_home(table, settings=settings, beside=others, plugins=self._plugins)
                found[home_id] = _Stored(table=table, home=home)
            except HomeInvalid as error:
                log.error("home.set_aside", home=home_id, problems=list(error.problems))
        return found

    def within(self, settings: Settings) -> Settings:
        """Return the configuration with the stored homes in it, and only watching what is paused."""
        stored = self.stored(settings)
        pauses = {one.subject for one in self.pauses()}
        if not stored and not pauses and not self.barred:
            return settings
        homes = tuple(_watching(home, pauses, self.barred) for home in self._all(settings, stored))
        spots = {
            key: (one.table["latitude"], one.table["longitude"])
            for key, one in stored.items()
            if one.table.get("latitude") is not None
        }
        said = [settings.digest, [one.table for one in stored.values()], sorted(pauses), sorted(self.barred)]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
        return replace(settings, homes=homes, coordinates={**settings.coordinates, **spots}, digest=digest)

    def all(self) -> tuple[Home, ...]:
        """Return every home, the file's first, whatever is paused."""
        return self._all(self._settings(), self.stored())

    @staticmethod
    def _all(settings: Settings, stored: Mapping[str, _Stored]) -> tuple[Home, ...]:
        return (*settings.homes, *(one.home for one in stored.values()))

    def pauses(self) -> tuple[Pause, ...]:
        """Return what is paused now, what ends first before the rest."""
        now = self._clock.now()
        live = [Pause(subject=subject, until=until) for subject, until in self._pauses.items() if until > now]
        return tuple(sorted(live, key=lambda one: one.until))

    def find(self, subject: str) -> tuple[Home, tuple[VehicleSpec, ...]]:
        """Return the home with this id and all its vehicles, or the home of the vehicle with this id and it alone.

        Raises:
            NotThere: neither is known.
        """
        for home in self.all():
            mine = home.vehicles if home.id == subject else tuple(one for one in home.vehicles if one.id == subject)
            if mine or home.id == subject:
                return home, mine
        raise NotThere(f"no home or vehicle has the id {subject}", remedy="`kwhen status` lists them.")

    def text(self, home_id: str) -> HomeText:
        """Return a home as it was written. Raises NotThere."""
        if (kept := self.stored().get(home_id)) is not None:
            return HomeText(id=home_id, table=kept.table, lines=toml_of(kept.table))
        settings = self._settings()
        for number, home in enumerate(settings.homes):
            if home.id == home_id:
                table = table_of(home)
                if home_id in settings.coordinates:
                    table["latitude"], table["longitude"] = settings.coordinates[home_id]
                file, line = _place(settings, number)
                return HomeText(id=home_id, table=table, lines=toml_of(table), file=file, line=line)
        raise NotThere(f"no home is called {home_id}", remedy="`kwhen status` lists them.")

    def checked(self, table: Mapping[str, Any], *, in_place_of: str = "") -> Home:
        """Return the home that a table describes, beside all others.

        Raises:
            HomeInvalid: it is wrong.
        """
        others = {key: one.home for key, one in self.stored().items() if key != in_place_of}
        settings = self._settings()
        of_file = replace(settings, homes=tuple(one for one in settings.homes if one.id != in_place_of))
        return checked_home(table, settings=of_file, beside=others, plugins=self._plugins)

    def writable(self, home_id: str, table: Mapping[str, Any] | None = None) -> None:
        """Let pass a stored home.

        Raises:
            NotThere: there is none.
            HomeInvalid: `table` could not stand in the place of the file's home.
            ReadOnlyHome: it is the file's; with the lines of `table` to paste.
        """
        text = self.text(home_id)
        if text.stored:
            return
        lines = text.lines
        if table is not None:
            self.checked({**table, "id": home_id}, in_place_of=home_id)
            lines = toml_of({**table, "id": home_id})
        at = f"{text.file}:{text.line}" if text.line else text.file
        remedy = f"Change it at {at} and reload with `kwhen reload`."
        if table is None:
            remedy = f"Take its lines out at {at} and reload with `kwhen reload`."
        raise ReadOnlyHome(
            f"{home_id} is written in {text.file}", file=text.file, key=self._key(home_id), lines=lines, remedy=remedy
        )

    def _key(self, home_id: str) -> str:
        number = next(n for n, home in enumerate(self._settings().homes) if home.id == home_id)
        return f"home[{number}]"

    async def keep(self, home_id: str, table: Mapping[str, Any]) -> None:
        """Store a checked home. Raises StoreError."""
        await self._store.keep(HOMES, home_id, json.dumps(dict(table)).encode())
        self._tables[home_id] = dict(table)

    async def drop(self, home_id: str) -> None:
        """Forget a stored home and its pause. Raises StoreError."""
        await self._store.spend(HOMES, home_id)
        self._tables.pop(home_id, None)
        await self.pause(home_id, None)

    async def bar(self, vehicle_ids: frozenset[str]) -> None:
        """Send nothing to these vehicles until told otherwise. Raises StoreError."""
        for one in vehicle_ids - self.barred:
            await self._store.keep(BARRED, one, b"1")
        for one in self.barred - vehicle_ids:
            await self._store.spend(BARRED, one)
        self.barred = vehicle_ids

    async def pause(self, subject: str, until: datetime | None) -> None:
        """Only watch from now on until an instant; None or a past one ends it. Raises StoreError."""
        if until is None or until <= self._clock.now():
            await self._store.spend(PAUSES, subject)
            self._pauses.pop(subject, None)
            return
        await self._store.keep(PAUSES, subject, until.isoformat().encode(), expires_at=until)
        self._pauses[subject] = until


def _watching(home: Home, pauses: set[str], barred: frozenset[str]) -> Home:
    """Return the home with what is paused, or not yet fit to be commanded, in the mode that sends nothing."""
    if home.id in pauses and home.mode is Mode.CONTROL:
        return replace(home, mode=Mode.OBSERVE)
    still = pauses | barred
    if not any(one.id in still for one in home.vehicles):
        return home
    vehicles = tuple(
        replace(one, mode=Mode.OBSERVE) if one.id in still and one.mode is Mode.CONTROL else one
        for one in home.vehicles
    )
    return replace(home, vehicles=vehicles)


def abandoned(before: Home, after: Home, *, moved: bool) -> tuple[str, ...]:
    """Return the vehicles of a home that nobody would start any more once it is changed.

    They are those that leave it, or are only watched then; all of them where it is proved in another way that they are
    at home: another place (`moved`: the same one, elsewhere), another user, a charger less or not trusted any more.
    """
    proved = (
        not moved
        and (before.user_id, before.location_id) == (after.user_id, after.location_id)
        and set(before.charger_ids) <= set(after.charger_ids)
        and before.trust_charger <= after.trust_charger
    )
    commanded = after.vehicles if proved and after.mode is Mode.CONTROL else ()
    kept = {one.id for one in commanded if one.mode is Mode.CONTROL}
    return tuple(one.id for one in before.vehicles if one.id not in kept)


def _place(settings: Settings, number: int) -> tuple[str, int | None]:
    """Return the file, or the variable, in which a home of the configuration stands, and its line."""
    key = f"home[{number}]"
    origin = next((at for leaf, at in settings.origins.items() if leaf.startswith(f"{key}.")), "")
    if settings.path is None or origin != str(settings.path):
        return origin or "the environment", None
    try:
        return str(settings.path), Positions(Path(settings.path).read_text(encoding="utf-8")).line(key)
    except (OSError, ValueError):
        return str(settings.path), None
