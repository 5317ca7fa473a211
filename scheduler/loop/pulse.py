"""The pulse: once a minute, proof that the clock runs, the store keeps and the shards move."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import structlog

from scheduler.core.errors import StoreError
from scheduler.core.observation import Stamp
from scheduler.loop.acts import Health
from scheduler.loop.drain import Loop
from scheduler.loop.inbound import WebhookPath
from scheduler.loop.journal import Journal
from scheduler.ports import AlertChange, Batch, Event, Store

log = structlog.get_logger()

LOST, DOWN, SILENT, STORE = "CREDENTIALS_LOST", "PROVIDER_DOWN", "WEBHOOK_SILENT", "STORE_TROUBLE"

SEVERITY = {
    "PRICES_MISSING": "warning",
    "PRICE_SOURCE_DOWN": "warning",
    "CALENDAR_UNREAD": "warning",
    "STORE_LOG_LARGE": "warning",
    "ENDED_UNEXPECTEDLY": "warning",
}
"""How grave an alert of the daemon's own is, where it is not critical."""

TEXTS = {
    "PRICES_MISSING": "Plans go on what prices usually are; departures hold.",
    "PRICE_SOURCE_DOWN": "No plan misses a price; what is left must not fail, too.",
    "CALENDAR_UNREAD": "The departures last read of it hold, and all others.",
}
"""What trouble with each feed of news comes to."""

Trouble = Callable[[bool], str]
"""Says what ails a feed of news, empty for nothing; asked with whether a person was told already."""


class Pulse:
    """Writes the journal's lines of the daemon itself, and its own alerts."""

    def __init__(
        self,
        *,
        store: Store,
        journal: Journal,
        loop: Loop,
        health: Health,
        inbound: WebhookPath,
        on_step: Callable[[], None],
        feeds: Mapping[str, Trouble] | None = None,
    ) -> None:
        self._store = store
        self._journal = journal
        self._loop = loop
        self._health = health
        self._inbound = inbound
        self._on_step = on_step
        self._feeds = feeds or {}
        loop.on_stepped = self._stepped
        self._waiting: list[Event] = []
        self._listening_since: datetime | None = None
        self._told: set[str] = set()
        self.also: Callable[[], Iterable[tuple[str, str]]] = tuple
        """Yields the codes and texts of what else holds now."""
        self.beats = 0
        self.last: Stamp | None = None

    def take_over(self, codes: Iterable[str]) -> None:
        """Know of alerts that are raised already: by an earlier run."""
        self._told = set(codes)
        self._health.lost_before = LOST in self._told

    def remember(self, line: Event) -> None:
        """Keep a line for the next beat."""
        self._waiting.append(line)

    async def beat(self) -> None:
        """Check the clock, write one durable line, and tell what began or ended. A store that fails is no crash."""
        stepped = self._loop.check_clock()
        if stepped is not None:
            self._stepped(stepped)
        self.beats += 1
        lines, self._waiting = self._waiting, []
        holding = dict(self._holding())
        since, self._loop.unkept_since = self._loop.unkept_since, None
        try:
            await self.write(*lines, {"k": "TICK", "n": self.beats}, alerts=self._changes(holding, since))
            self._told = set(holding)  # what could not be kept is told again at the next beat
            self._loop.durable = True
        except StoreError as error:
            self._loop.unkept("tick", error)
            self._loop.unkept_since = since or self._loop.unkept_since
            self._waiting = [*lines, *self._waiting]  # others may have come in the meantime
        self.last = self._loop.stamp()

    def _stepped(self, line: Event) -> None:
        """Keep the line of a clock that stepped, and have every vehicle read again (S18)."""
        now = self._loop.stamp().at
        self._waiting.append(line)
        self._inbound.clock_stepped(now)
        self._listening_since = min(self._listening_since or now, now)
        self._on_step()

    async def write(self, *lines: Event, alerts: Sequence[AlertChange] = ()) -> None:
        """Write lines of the daemon itself. Raises StoreError."""
        told = [
            {"k": "ALERT", "code": a.code, "sev": a.severity, "op": "cleared" if a.cleared_at else "raised"}
            for a in alerts
        ]
        drafts = [(None, line) for line in (*lines, *told)]
        await self._store.commit(Batch(events=self._journal.number(drafts, now=self._loop.stamp()), alerts=alerts))

    def _changes(self, holding: Mapping[str, str], unkept_since: datetime | None) -> list[AlertChange]:
        now = self._loop.stamp().at
        since = {STORE: unkept_since or now}  # the others are told of when they are seen
        begun = [
            AlertChange(
                code=code,
                vehicle_id=None,
                text=text,
                severity=SEVERITY.get(code, "critical"),
                raised_at=since.get(code, now),
            )
            for code, text in holding.items()
            if code not in self._told
        ]
        ended = [
            AlertChange(code=code, vehicle_id=None, text="", severity="info", raised_at=now, cleared_at=now)
            for code in sorted(self._told - holding.keys())
        ]
        return [*begun, *ended]

    def _holding(self) -> Iterator[tuple[str, str]]:
        """Yield the alerts of the provider, the prices, the calendars, the store and the webhook path that hold now."""
        now = self._loop.stamp()
        yield from self._of_provider(now)
        if self._is_silent(now.at):
            text = "No webhook and no heartbeat arrived for an hour; polling has taken over."
            yield SILENT, f"{text} {self._inbound.trouble()}".rstrip()
        for code, trouble in self._feeds.items():
            if why := trouble(code in self._told):
                yield code, f"{TEXTS[code]} {why}."
        if self._loop.unkept_since is not None:  # though it may keep things again: what failed is told afterwards, too
            yield STORE, "The store could not keep what was decided."
        yield from self.also()

    def _of_provider(self, now: Stamp) -> Iterator[tuple[str, str]]:
        """Yield what ails the provider. What an earlier run told of it holds until this one has an answer."""
        health = self._health
        if health.refused(now):
            yield LOST, health.why
        elif health.down(now) or (health.answered is None and DOWN in self._told):
            yield DOWN, health.why

    def _is_silent(self, now: datetime) -> bool:
        """Tell whether webhooks are subscribed to, and none has come for `T_hb`: neither in this run nor before."""
        if self._inbound.status is None:
            return self._inbound.wanted and SILENT in self._told  # not checked yet in this run
        self._listening_since = self._listening_since or now
        heard = self._inbound.heard_at()
        if heard is None and SILENT in self._told:
            return True
        return now - (heard or self._listening_since) > self._loop.world.limits.t_hb
