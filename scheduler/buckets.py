"""Waiting that was asked for: no request leaves in a bucket before its time (S23).

A bucket is a name whose parts are joined by colons, from the general to the particular: `enode:read:vehicle-1`. What
holds a bucket holds everything below it. A refusal holds the bucket it was answered in; when two buckets side by side
are held at once the limit is not theirs, so the one above is held as well.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from scheduler.ports import Clock

FIRST_WAIT_S = 30.0
LONGEST_GUESS_S = 900.0
LONGEST_WAIT_S = 86_400.0
"""Nobody's mistake in a header may silence us for longer."""
KEPT = 10_000

_DURATION = re.compile(r"\b(\d{1,2}):(\d{2}):(\d{2})\b")
_QUOTA = re.compile(r"quota|rate.?limit|too many requests|call volume", re.IGNORECASE)


@dataclass(slots=True)
class _Hold:
    until_ns: int
    refusals: int = 1


class Buckets:
    """Which buckets are held, and until when, on the monotonic clock.

    Args:
        clock: the daemon's clock.
        on_hold: told the bucket and the instant until which it is held; for the journal's `LIMIT`.
    """

    def __init__(self, clock: Clock, *, on_hold: Callable[[str, datetime], None] | None = None) -> None:
        self._clock = clock
        self._on_hold = on_hold
        self._holds: dict[str, _Hold] = {}

    def wait_s(self, bucket: str) -> float:
        """Return how long a request in the bucket must wait [s], 0 when it may leave."""
        now_ns = self._clock.monotonic_ns()
        until_ns = max((self._holds[name].until_ns for name in _upwards(bucket) if name in self._holds), default=0)
        return max(0, until_ns - now_ns) / 1e9

    def hold(self, bucket: str, asked_s: float | None) -> float:
        """Hold a bucket for the time asked for, or for one that doubles with each refusal; return it [s]."""
        if len(self._holds) >= KEPT:
            self._forget_the_past()
        held = self._holds.get(bucket)
        refusals = held.refusals if held else 0
        guess_s = min(LONGEST_GUESS_S, FIRST_WAIT_S * 2 ** min(refusals, 10))
        wait_s = min(LONGEST_WAIT_S, guess_s if asked_s is None else max(0.0, asked_s))
        self._set(bucket, wait_s, refusals + 1)
        parent = bucket.rpartition(":")[0]
        if parent.count(":") >= 1 and self._sibling_held(bucket, parent):
            self._set(parent, wait_s, refusals + 1)
        return wait_s

    def went_through(self, bucket: str) -> None:
        """Note a request that was not refused: the next guess starts small again. A hold that stands is kept."""
        held = self._holds.get(bucket)
        if held is not None and held.until_ns <= self._clock.monotonic_ns():
            del self._holds[bucket]

    def _set(self, bucket: str, wait_s: float, refusals: int) -> None:
        until_ns = self._clock.monotonic_ns() + round(wait_s * 1e9)
        held = self._holds.get(bucket)
        self._holds[bucket] = _Hold(max(until_ns, held.until_ns if held else 0), refusals)
        if self._on_hold:
            self._on_hold(bucket, self._clock.now() + timedelta(seconds=wait_s))

    def _sibling_held(self, bucket: str, parent: str) -> bool:
        now_ns = self._clock.monotonic_ns()
        return any(
            name != bucket and name.rpartition(":")[0] == parent and hold.until_ns > now_ns
            for name, hold in self._holds.items()
        )

    def _forget_the_past(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self._holds = {name: hold for name, hold in self._holds.items() if hold.until_ns > now_ns}


def _upwards(bucket: str) -> list[str]:
    parts = bucket.split(":")
    return [":".join(parts[:n]) for n in range(1, len(parts) + 1)]


def asked_wait_s(headers: Mapping[str, str], body: bytes, *, now: datetime) -> float | None:
    """Return how long an answer asks to wait [s], None when it does not say.

    `Retry-After` counts seconds or names an instant, read against the answer's own `Date` so that a wrong clock on
    either side does no harm; else the seconds of `RateLimit-Reset` count, else a duration `HH:MM:SS` in the text.
    """
    if value := headers.get("Retry-After", "").strip():
        if (seconds := _count(value)) is not None:
            return seconds
        if (at := _http_date(value)) is not None:
            return max(0.0, (at - (_http_date(headers.get("Date", "")) or now)).total_seconds())
    reset_s = _count(headers.get("RateLimit-Reset", "").strip())
    if reset_s is not None and reset_s <= LONGEST_WAIT_S:  # some mean an instant with it, as seconds since 1970
        return reset_s
    if found := _DURATION.search(body[:2000].decode("utf-8", "replace")):
        hours, minutes, seconds = map(int, found.groups())
        return float(hours * 3600 + minutes * 60 + seconds)
    return None


def is_quota_refusal(status: int, body: bytes) -> bool:
    """Tell whether an answer means "too often": 429, or a 403 whose text speaks of a quota (P02)."""
    return status == 429 or (status == 403 and _QUOTA.search(body[:2000].decode("utf-8", "replace")) is not None)  # noqa: PLR2004


def _count(text: str) -> float | None:
    return float(text[:12]) if text.isdecimal() and text.isascii() else None


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
