"""Faults that a test asks for: on requests to the provider, and on its deliveries."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from simulator.agenda import Agenda

REQUEST_KINDS: Final = (
    "status",  # answers `status`, with Retry-After where `retry_after_s` is given
    "drop",  # closes the connection without doing anything
    "lost_reply",  # does what was asked, then closes the connection
    "hang",  # takes the request and says nothing for `delay_s`, then closes
    "slow",  # answers after `delay_s` of simulated time
    "truncate",  # sends half of the JSON
    "html",  # sends an error page with status 200
    "unknown_values",  # puts members and enum values into the answer that no document names
    "expired_token",  # answers 401 as if the token had run out
)
DELIVERY_KINDS: Final = (
    "delivery_drop",  # never sends it
    "delivery_duplicate",  # sends it twice
    "delivery_late",  # sends it after `delay_s`
    "delivery_shuffle",  # reverses the order of its events
    "delivery_tamper",  # changes the body after signing
    "delivery_unknown",  # adds an event of a kind that does not exist
)


@dataclass(kw_only=True)
class Fault:
    """One fault: where it strikes, how often, until when, and how likely each time."""

    kind: str
    method: str = "*"
    path: str = "*"
    count: int | None = None
    until: datetime | None = None
    share: float = 1.0
    status: int = 503
    retry_after_s: float | None = None
    delay_s: float = 30.0

    def __post_init__(self) -> None:
        if self.kind not in REQUEST_KINDS + DELIVERY_KINDS:
            raise ValueError(f"unknown fault {self.kind!r}")


class Faults:
    """The faults in force."""

    def __init__(self, agenda: Agenda, *, seed: int) -> None:
        self._agenda = agenda
        self._rng = random.Random(f"faults:{seed}")
        self.active: list[Fault] = []
        self.struck: list[tuple[datetime, str, str]] = []

    def add(self, kind: str, *, for_s: float | None = None, **members: Any) -> Fault:
        """Put a fault in force, for ever or for so many simulated seconds; its members are those of `Fault`."""
        until = None if for_s is None else self._agenda.now + timedelta(seconds=for_s)
        fault = Fault(kind=kind, until=until, **members)
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Lift all faults."""
        self.active.clear()

    def strike(self, kinds: Iterable[str], *, method: str, path: str) -> list[Fault]:
        """Return the faults of these kinds that hit this call, and count them as used."""
        now = self._agenda.now
        self.active = [each for each in self.active if each.count != 0 and (each.until is None or now < each.until)]
        hits = [
            each
            for each in self.active
            if each.kind in kinds
            and each.method in ("*", method)
            and fnmatchcase(path, each.path)
            and (each.share >= 1 or self._rng.random() < each.share)
        ]
        for each in hits:
            if each.count is not None:
                each.count -= 1
            self.struck.append((now, each.kind, path))
        return hits
