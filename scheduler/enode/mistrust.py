"""Why the signature of deliveries fails, as far as that can be known: a body altered on the way, or a wrong secret.

It is looked at beside the answering, at a few deliveries a minute, and no content is kept or told. What can be known:

* A body that fits its signature once it is written as Enode writes JSON was rewritten on the way, by a proxy.
* One that names a user or car of ours, or is a heartbeat, reads like Enode's. If the secret is proven (this daemon gave
  it to Enode, or another delivery fitted it), it was altered, or forged well; else the secret may be the wrong one.
* Of any other nothing is known but that nobody can trust it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import islice
from typing import Final

import msgspec
import structlog

log = structlog.get_logger()

LOOKS_A_MINUTE: Final = 6
READ_BYTES: Final = 64 * 1024
MOST_IDS: Final = 200
HEARTBEAT: Final = b'"system:heartbeat"'
AGAIN: Final = timedelta(hours=1)
"""The same is logged again after this."""

WRITTEN: Final = re.compile(r"sha1=[0-9a-f]{40}")

IsSigned = Callable[[bytes, str, Sequence[bytes]], bool]


class Finding(IntEnum):
    """What is known of a delivery that is not trusted; a greater one says more."""

    STRANGE = 1
    UNSIGNED = 2
    UNPROVEN = 3
    ALTERED = 4
    REWRITTEN = 5


TEXTS: Final = {
    Finding.STRANGE: "their signature is wrong, and nothing in them is known here: they need not be Enode's",
    Finding.UNSIGNED: "they come without a whole signature: a proxy takes it away, or they are not Enode's",
    Finding.UNPROVEN: "their signature is wrong: the webhook secret is not the one of Enode, or bodies are altered",
    Finding.ALTERED: "the body was altered on the way, or forged: the secret is right, and they read like Enode's",
    Finding.REWRITTEN: "the body was altered on the way: written as Enode writes JSON it fits its signature",
}

REMEDIES: Final = {
    Finding.STRANGE: "Let the path be known to Enode and your proxy alone.",
    Finding.UNSIGNED: "Have the proxy pass the header x-enode-signature on.",
    Finding.UNPROVEN: "Compare the secrets, or restart the daemon: it gives its own to Enode then.",
    Finding.ALTERED: "Have the proxy pass the body on byte by byte.",
    Finding.REWRITTEN: "Have the proxy pass the body on byte by byte: it reads the JSON and writes it anew.",
}


class Mistrust:
    """Keeps the most telling finding of late.

    Args:
        is_signed: tells whether a body fits its signature by one of the secrets.
        now: the daemon's clock.
        ids: returns users and vehicles of ours.
        is_proven: tells whether Enode has our secret.
    """

    def __init__(
        self,
        is_signed: IsSigned,
        *,
        now: Callable[[], datetime],
        ids: Callable[[], Iterable[str]],
        is_proven: Callable[[], bool],
    ) -> None:
        self._is_signed = is_signed
        self._now = now
        self._ids = ids
        self._is_proven = is_proven
        self._looks: list[datetime] = []
        self._logged: tuple[Finding, datetime] | None = None
        self._finding: Finding | None = None
        self._found_at: datetime | None = None

    def look(self, body: bytes, signature: str, secrets: Sequence[bytes]) -> None:
        """Look at a delivery that was refused, unless enough of them were looked at in the last minute."""
        now = self._now()
        self._looks = [at for at in self._looks if timedelta(0) <= now - at < timedelta(minutes=1)]
        if len(self._looks) >= LOOKS_A_MINUTE:
            return
        self._looks.append(now)
        found = self._found(body, signature, secrets)
        if self._finding is None or found >= self._finding or self._is_past(now):
            self._finding, self._found_at = found, now
            self._tell(found, now)

    def finding(self, *, heard_at: datetime | None) -> Finding | None:
        """Return what is wrong; nothing where a delivery was trusted since, or none was refused for long."""
        if self._found_at is None or (heard_at is not None and heard_at > self._found_at) or self._is_past(self._now()):
            return None
        return self._finding

    def _is_past(self, now: datetime) -> bool:
        return self._found_at is None or abs(now - self._found_at) > 2 * AGAIN

    def _found(self, body: bytes, signature: str, secrets: Sequence[bytes]) -> Finding:
        if WRITTEN.fullmatch(signature) is None:
            return Finding.UNSIGNED
        if any(self._is_signed(one, signature, secrets) for one in as_written(body)):
            return Finding.REWRITTEN
        start = body[:READ_BYTES]
        if HEARTBEAT not in start and not any(one.encode() in start for one in islice(self._ids(), MOST_IDS) if one):
            return Finding.STRANGE
        return Finding.ALTERED if self._is_proven() else Finding.UNPROVEN

    def _tell(self, found: Finding, now: datetime) -> None:
        told = self._logged
        if told is None or told[0] is not found or now - told[1] >= AGAIN:
            self._logged = found, now
            log.warning("webhook.untrusted", why=TEXTS[found], remedy=REMEDIES[found])


def as_written(body: bytes) -> Iterator[bytes]:
    """Yield a JSON body as it may have been before a proxy wrote it anew: other spaces, other escapes, same order."""
    try:
        yield msgspec.json.format(body, indent=-1)
        yield msgspec.json.format(body, indent=0)
        value = json.loads(body)
        for is_ascii in (False, True):
            yield json.dumps(value, separators=(",", ":"), ensure_ascii=is_ascii).encode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
