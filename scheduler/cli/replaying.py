"""Deciding kept situations once more, and telling where the outcome differs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scheduler.cli.ending import Ending
from scheduler.cli.records import KeptDecision, Records
from scheduler.cli.terminal import BAD, QUIET, STRONG, Styled, show
from scheduler.core.decide import decide
from scheduler.core.errors import StoreError
from storage.mapping import decode_decision, decode_situation, encode_decision

MOST_BLOBS = 4_096
MOST_DIFFERENCES = 20


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one kept decision. `differences` are pairs by the member's path: kept, then decided now."""

    vehicle: str
    at: str
    differences: tuple[tuple[str, Any, Any], ...] = ()
    unreadable: str = ""

    @property
    def same(self) -> bool:
        """Tell whether the decision would be the same today."""
        return not self.differences and not self.unreadable

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        found = [{"member": path, "kept": kept, "now": now} for path, kept, now in self.differences]
        return {"vehicle": self.vehicle, "at": self.at, "differences": found, "unreadable": self.unreadable or None}

    def show(self) -> None:
        """Print it."""
        show((Styled(f"{self.at}  ", QUIET), Styled(self.vehicle, STRONG), f"  {self.unreadable}"))
        for path, kept, now in self.differences[:MOST_DIFFERENCES]:
            show((f"  {path}: ", Styled(json.dumps(kept), QUIET), " → ", Styled(json.dumps(now), BAD)))


def replayed(records: Records, car: str | None) -> Iterator[Outcome]:
    """Yield the outcome for every kept decision, oldest first."""

    @lru_cache(maxsize=MOST_BLOBS)
    def blob(digest: str) -> bytes | None:
        try:
            return records.blob(digest)
        except Ending:
            return None

    for kept in records.decisions(car):
        yield _outcome(kept, blob)


def _outcome(kept: KeptDecision, blob: Any) -> Outcome:
    try:
        situation = decode_situation(kept.situation, blob)
        before = json.loads(encode_decision(decode_decision(kept.decision)))
    except StoreError as error:
        return Outcome(vehicle=kept.vehicle, at=kept.at, unreadable=str(error))
    now = json.loads(encode_decision(decide(situation)))
    return Outcome(vehicle=kept.vehicle, at=kept.at, differences=tuple(_differences("", before, now)))


def _differences(path: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each member that differs, by its path."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _differences(f"{path}.{key}".lstrip("."), before.get(key), now.get(key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif before != now:
        yield path, before, now
