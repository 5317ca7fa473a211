"""Where the kept records come from: the running daemon, or the database itself when no daemon runs."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from scheduler.cli.connection import Connection
from scheduler.cli.ending import NOT_RUNNING, Ending
from scheduler.cli.options import config_path
from scheduler.cli.place import find_socket

PAGE = 5_000

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class KeptDecision:
    """A decision as it is stored: situation and decision are JSON."""

    vehicle: str
    at: str
    situation: bytes
    decision: bytes


class Records(Protocol):
    """What journal and replay read."""

    def journal(self, *, after: int, limit: int, run: int | None, car: str | None) -> list[Event]:
        """Return events behind a row number, in order; each has its own in `row`."""

    def decisions(self, car: str | None) -> Iterator[KeptDecision]:
        """Yield every kept decision, oldest first."""

    def blob(self, digest: str) -> bytes | None:
        """Return what was stored once by its hash."""

    def names(self) -> dict[str, str]:
        """Return the cars' names by id, as far as they are known."""


class DaemonRecords:
    """Records read through the daemon's socket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def journal(self, *, after: int, limit: int, run: int | None, car: str | None) -> list[Event]:
        """Return events behind a row number."""
        view = self._connection.get("/journal", after=after, limit=limit, run=run, vehicle=car)
        return list(view["events"])

    def decisions(self, car: str | None) -> Iterator[KeptDecision]:
        """Yield every kept decision."""
        for line in self._connection.lines("/decisions", full=1, vehicle=car):
            one = json.loads(line)
            yield KeptDecision(
                vehicle=one["vehicle"],
                at=one["at"],
                situation=one["situation"].encode(),
                decision=one["decision"].encode(),
            )

    def blob(self, digest: str) -> bytes | None:
        """Return what was stored once by its hash."""
        return self._connection.body(f"/blobs/{digest}")

    def names(self) -> dict[str, str]:
        """Return the cars' names by id."""
        homes = self._connection.get("/status")["homes"]
        return {car["id"]: car["name"] for home in homes for car in home["vehicles"]}


class StoreRecords:
    """Records read from the database itself, beside a daemon or without one. Cars are named by id here."""

    def __init__(self, url: str) -> None:
        from scheduler.clock import SystemClock
        from storage import open_store

        self._runner = asyncio.Runner()
        self._store = open_store(url, clock=SystemClock())
        try:
            self._runner.run(self._store.open(node="cli", exclusive=False))
        except BaseException:
            self._runner.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._runner.run(self._store.close())
        self._runner.close()

    def journal(self, *, after: int, limit: int, run: int | None, car: str | None) -> list[Event]:
        """Return events behind a row number."""
        return self._runner.run(self._store.journal(after=after, run=run, vehicle_id=car, limit=limit))

    def decisions(self, car: str | None) -> Iterator[KeptDecision]:
        """Yield every kept decision."""

        async def begin() -> Any:
            return await self._store.decisions(vehicle_id=car, limit=10**9)

        found = self._runner.run(begin())
        while (record := self._runner.run(anext(found, None))) is not None:
            yield KeptDecision(
                vehicle=record.vehicle_id,
                at=record.at.isoformat(),
                situation=record.situation,
                decision=record.decision,
            )

    def blob(self, digest: str) -> bytes | None:
        """Return what was stored once by its hash."""
        return self._runner.run(self._store.blob(digest))

    def names(self) -> dict[str, str]:
        """Return no names: they stand in the configuration and in the provider's answers."""
        return {}


class records_of:  # noqa: N801 - used as a function in a `with` statement
    """Open the records: the database named, else the running daemon's, else the configured database."""

    def __init__(self, *, socket: Path | None, database: str | None, config: Path | None) -> None:
        self._socket, self._database, self._config = socket, database, config
        self._open: StoreRecords | None = None

    def __enter__(self) -> Records:
        if self._database is not None:
            self._open = StoreRecords(self._database)
            return self._open
        connection = Connection(find_socket(self._socket, config_path(self._config)))
        try:
            connection.get("/journal", limit=1)
        except Ending as end:
            if end.status != NOT_RUNNING or self._socket is not None:
                raise
            url = self._configured()
            if url is None:
                raise
            self._open = StoreRecords(url)
            return self._open
        return DaemonRecords(connection)

    def _configured(self) -> str | None:
        from scheduler.cli.configured import settings_of
        from scheduler.core.errors import ConfigError

        try:
            return settings_of(self._config).storage_url
        except ConfigError:
            return None

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.close()
