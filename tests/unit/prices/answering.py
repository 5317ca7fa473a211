"""The web as a price source sees it, with answers prepared: all of our code but the socket."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval
from scheduler.ports import PriceSource
from scheduler.prices.web import SourceWeb
from scheduler.web_client import Answer
from tests.unit.policies.builders import utc

AT = utc("2026-01-05T11:00")


@dataclass(frozen=True)
class Call:
    """What a source asked."""

    method: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass
class AnsweringWeb:
    """Answers each call with the next of the answers: bytes, a path, a status, an error, or what JSON can hold.

    A status that comes with a body is a pair of both.
    """

    answers: list[Any]
    calls: list[Call] = field(default_factory=list)

    async def call(self, method, url, *, bucket, idempotent, headers=None, params=None, body=None, form=None):
        """Behave as `WebClient.call`."""
        assert idempotent, "a price may be asked for twice"
        self.calls.append(Call(method, url, params or {}, headers or {}, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, answer = answer if isinstance(answer, tuple) else (answer if type(answer) is int else 200, answer)
        return Answer(status=status, headers={}, body=_body(answer), what=f"{method} {url}")


def _body(answer: Any) -> bytes:
    if type(answer) is int:
        return b""
    if isinstance(answer, Path):
        return answer.read_bytes()
    return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def span(start: str, end: str) -> Interval:
    """Return an interval of UTC instants such as `2025-10-26T22:00`."""
    return Interval(start=utc(start), end=utc(end))


def fetched(
    source: PriceSource, *answers: Any, within: Interval, token: str = "", calls: list[Call] | None = None
) -> PriceSeries:
    """Return what a source makes of the answers; `calls` is filled with what it asked."""
    client: Any = AnsweringWeb(list(answers))
    web = SourceWeb(client, token=token, token_at="KWHEN_PRICES_SECRET__TEST")
    try:
        return asyncio.run(source.fetch(within, at=AT, web=web))
    finally:
        if calls is not None:
            calls.extend(client.calls)


def lengths(slots: tuple[PriceSlot, ...]) -> set[int]:
    """Return how long the slots are [minutes]."""
    return {(slot.end - slot.start) // timedelta(minutes=1) for slot in slots}


def gapless(slots: tuple[PriceSlot, ...]) -> bool:
    """Tell whether each slot begins where the one before it ends."""
    return all(earlier.end == later.start for earlier, later in pairwise(slots))


def covered(slots: tuple[PriceSlot, ...]) -> tuple[datetime, datetime]:
    """Return the first instant and the last."""
    return slots[0].start, slots[-1].end
