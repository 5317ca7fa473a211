"""What the loop needs from the outside."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from scheduler.core.command import Action, ActionReport, Command
from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.model import Flow, Override, Situation, VehicleState
from scheduler.core.observation import Reading, Stamp
from scheduler.core.publication import Rhythm
from scheduler.core.terms import Stated
from scheduler.core.timeline import Interval

T = TypeVar("T")

Event = dict[str, Any]
"""One line of the journal, as `invariants.md` describes it."""


class Clock(Protocol):
    """The present instant, and waiting for one. `speed`: how many of its seconds pass in a real one (the demo)."""

    speed: float

    def now(self) -> datetime:
        """Return the wall clock, aware UTC."""

    def monotonic_ns(self) -> int:
        """Return a clock that never steps [ns]."""

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of this clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """News that is neither a reading nor an action: `what` is one of the constants of the adapter's event names.

    Known: `deleted` (vehicle gone), `credentials-invalid` (vendor in `detail`), `heartbeat`, `test`, `unknown`.
    """

    what: str
    user_id: str | None = None
    vehicle_id: str | None = None
    detail: str = ""


News = Reading | ActionReport | Notice


class VehicleProvider(Protocol):
    """The API through which vehicles are seen and commanded. Raises only `ProviderError`."""

    async def vehicles(self, user_id: str) -> list[Reading]:
        """Read all vehicles of a user, all pages."""

    async def vehicle(self, vehicle_id: str) -> Reading:
        """Read one vehicle."""

    async def command(self, vehicle_id: str, action: Action) -> ActionReport:
        """Send START or STOP once. Never repeats by itself when the outcome is unknown (`ambiguous`)."""

    async def action(self, action_id: str) -> ActionReport:
        """Look at an action."""

    async def cancel(self, action_id: str) -> ActionReport:
        """Ask for cancellation; an action that is over is returned as it ended."""

    async def refresh(self, vehicle_id: str) -> None:
        """Ask for an earlier refresh; the result comes later as a reading."""

    def read_event(self, payload: bytes, received: Stamp, *, digest: str | None = None) -> News:
        """Read one webhook event. Pure; raises `ProviderProtocolError` when it cannot be read.

        Args:
            payload: the event as it came.
            received: when.
            digest: of its content, where whoever took it in made one.
        """


class Policies(Protocol):
    """The policies of one home. A policy that cannot speak is set aside; the others are heard."""

    async def terms(self, situation: Situation) -> tuple[tuple[Stated, ...], tuple[str, ...]]:
        """Return the terms in precedence order, and one sentence for each policy that was set aside."""


class Web(Protocol):
    """The one HTTP client as a price source sees it: time-outs, retries and waiting are its business.

    Both methods GET, or POST `body` as JSON when it is given, and raise what a fetch may raise: `PricesNotPublished`
    for an answer without content (204), `PricesRefused` for one that no repetition mends (3xx, 4xx), else
    `PricesUnavailable`.
    """

    def token(self) -> str:
        """Return the source's secret. Raises `PricesRefused` when none is set."""

    async def json(
        self,
        url: str,
        kind: type[T],
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        absent: Collection[int] = (),
    ) -> T:
        """Return the answer's JSON as that type: a `msgspec.Struct`, a list of them, a dict. Raises if it is none.

        `absent` are the statuses by which this service says that there is nothing yet.
        """

    async def raw(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        but: Collection[int] = (),
    ) -> bytes:
        """Return the answer's body as it came; also that of the error statuses in `but`."""


class NamedSource(Protocol):
    """A price source under its name in the configuration, ready to be asked."""

    @property
    def name(self) -> str:
        """What `[[prices]]` calls it."""

    @property
    def kind(self) -> str:
        """The source that it names, such as `nord-pool`."""

    @property
    def product(self) -> str:
        """What its prices are of: it changes with the source and its settings."""

    @property
    def stand_in(self) -> str:
        """The name of the one that speaks where this one is silent; empty for none."""

    @property
    def rhythm(self) -> Rhythm:
        """When it is to be asked."""

    async def fetch(self, span: Interval, *, at: datetime) -> PriceSeries:
        """Return what is published in the span. Raises as `PriceSource.fetch` does."""


class PriceSource(Protocol):
    """Prices for one zone. The plugin contract of `kwhen.price_sources`: a frozen dataclass, its fields the settings.

    A class may also say `rhythm`, when it is to be asked (default: `Rolling()`), and `needs_token = True`.
    """

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return what is published in the span; the feed sets name and product.

        Raises:
            PricesNotPublished: nothing yet, which is normal.
            PricesUnavailable: the source failed; `PricesRefused`: no use in asking again soon.
        """


class CalendarSource(Protocol):
    """A calendar under its name in the configuration, ready to be read."""

    @property
    def name(self) -> str:
        """What `[[calendar]]` calls it."""

    @property
    def product(self) -> str:
        """What it reads: it changes with the place, and tells nothing of it."""

    @property
    def every(self) -> timedelta:
        """How long what was read holds before it is looked at again."""

    async def fetch(self, span: Interval, *, timezones: Collection[str], anew: bool = False) -> "CalendarRead | None":
        """Return what begins in the span; None where nothing has changed since the last fetch (never with `anew`).

        Raises CalendarUnread.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarRead:
    """A calendar as it was read: its departures by the time zone of the home, ordered; and what of it is left out."""

    departures: Mapping[str, tuple[CalendarDeparture, ...]]
    left_out: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inbound:
    """One piece of work to be stored. `key` dedupes by content (None: never a duplicate).

    `kind` is one of: `event` (a raw webhook event), `reading`, `action`, `wish`, `gone`, `lost`, `regained`.
    """

    kind: str
    user_id: str
    vehicle_id: str | None
    payload: bytes
    received: Stamp
    key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InboxRow:
    """A stored piece of work."""

    id: int
    work: Inbound


@dataclass(frozen=True, kw_only=True, slots=True)
class Versioned:
    """A vehicle's state with the row version it was read at (0: never stored)."""

    state: VehicleState
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRecord:
    """A decision worth keeping: stored when it or the key of its inputs changes."""

    vehicle_id: str
    home_id: str
    at: datetime
    key: str
    situation: bytes  # JSON, prices and home by hash
    decision: bytes  # JSON
    summary: str
    command_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRecord:
    """A plug session, open (`unplugged_at` None) or closed. Energy on the grid side [kWh].

    `grams` is the CO2 of the energy, `baseline_grams` what it would have been at once; None where that is not known.
    """

    id: str
    vehicle_id: str
    home_id: str
    plugged_at: datetime
    unplugged_at: datetime | None
    energy_kwh: float
    cost: float | None
    baseline_cost: float | None
    currency: str
    soc_start_pct: float | None
    soc_end_pct: float | None
    target_soc_pct: float | None
    departure_at: datetime | None
    met: bool | None
    why: str = ""
    flows: tuple[Flow, ...] = ()  # when it was charging, in order; empty where that was not kept
    grams: float | None = None
    baseline_grams: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionTotal:
    """All sessions in one currency, added up. Energy on the grid side [kWh].

    `saved` is what they cost less than charging at once would have; `unpriced` counts those without a cost. `grams` of
    CO2 are those of the sessions of which they are known, which `with_grams` counts; `grams_saved` as for money.
    """

    currency: str
    sessions: int
    energy_kwh: float
    cost: float
    saved: float
    unpriced: int
    grams: float = 0.0
    grams_saved: float = 0.0
    with_grams: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertChange:
    """An alert raised (`cleared_at` None) or cleared. One open alert per (code, vehicle).

    `vehicle_id` is a charger's id where the charger is what it tells of.
    """

    code: str
    vehicle_id: str | None
    text: str
    severity: str
    raised_at: datetime
    cleared_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OverrideRecord:
    """An override set or cleared."""

    vehicle_id: str
    override: Override
    cleared_at: datetime | None = None
    cleared_by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a notifier delivers: an alert that was raised, or with `over` its end. One `key` is one message."""

    key: str
    title: str
    text: str
    severity: str
    at: datetime
    over: bool = False


class Notifier(Protocol):
    """Delivers messages to a person, by a service of its own."""

    async def send(self, message: Message) -> None:
        """Deliver a message. Raises NotTold, whose text holds no secret."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Everything one drain writes, in one transaction: all or nothing."""

    states: Sequence[Versioned] = ()
    done: Sequence[int] = ()  # inbox ids
    events: Sequence[Event] = ()  # numbered
    commands: Sequence[Command] = ()
    decisions: Sequence[DecisionRecord] = ()
    sessions: Sequence[SessionRecord] = ()
    alerts: Sequence[AlertChange] = ()
    overrides: Sequence[OverrideRecord] = ()
    blobs: Mapping[str, bytes] = field(default_factory=dict)  # hash -> JSON, kept once


class Store(Protocol):
    """Keeps everything. Every write method returns after a durable commit. Raises only `StoreError`."""

    async def open(self, *, node: str, exclusive: bool = True) -> int:
        """Open, check the schema, take the exclusive lock and return the number of this run (the epoch).

        Raises:
            StoreLocked: another daemon runs on it.
            StoreNewer: newer schema, or (StoreDamaged) what is stored cannot be read; untouched.
        """

    @property
    def damage(self) -> str:
        """What was found damaged since it was opened; empty where nothing was. Nothing is written after it."""

    async def close(self) -> None:
        """Checkpoint and let go."""

    async def put(self, rows: Sequence[Inbound]) -> int:
        """Store work durably; a row whose key was seen before is dropped. Returns how many were new."""

    async def take(self, shard: int, *, limit: int = 200) -> list[InboxRow]:
        """Return the shard's oldest stored work, in order of arrival. It stays until a batch marks it done."""

    async def shards_with_work(self) -> set[int]:
        """Return the shards that have stored work."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction.

        Raises:
            StoreStale: a vehicle's version is not the one that was read; nothing was written.
        """

    async def states(self) -> list[Versioned]:
        """Return every vehicle's state."""

    async def put_prices(self, series: PriceSeries) -> None:
        """Store prices just fetched; they win by interval, whatever a clock said at those stored before."""

    async def prices(self, *, since: datetime) -> list[PriceSeries]:
        """Return the stored prices from an instant on, one series a source."""

    async def commands(
        self, *, vehicle_id: str | None = None, since: datetime | None = None, limit: int = 100
    ) -> list[Command]:
        """Return commands, newest first."""

    async def decision_at(self, vehicle_id: str, at: datetime) -> DecisionRecord | None:
        """Return the decision in force at an instant."""

    async def decisions(self, *, vehicle_id: str | None = None, limit: int = 1000) -> AsyncIterator[DecisionRecord]:
        """Yield stored decisions, oldest first."""

    async def blob(self, digest: str) -> bytes | None:
        """Return what was stored once by its hash."""

    async def sessions(
        self,
        *,
        vehicle_id: str | None = None,
        since: datetime | None = None,
        behind: SessionRecord | None = None,
        limit: int = 100,
    ) -> list[SessionRecord]:
        """Return sessions, newest first: those that had not ended by `since`, those that come after `behind`."""

    async def session_totals(self, *, vehicle_id: str | None = None) -> list[SessionTotal]:
        """Return the sums over all sessions, one a currency, in the order of the currencies."""

    async def alerts(self, *, open_only: bool = True, limit: int = 100) -> list[AlertChange]:
        """Return alerts, newest first."""

    async def journal(
        self, *, after: int = 0, run: int | None = None, vehicle_id: str | None = None, limit: int = 1000
    ) -> list[Event]:
        """Return journal events in order of their row number (member `row`), from `after` on."""

    async def overrides(self, *, vehicle_id: str | None = None, limit: int = 100) -> list[OverrideRecord]:
        """Return overrides, newest first."""

    async def keep(self, space: str, key: str, value: bytes, *, expires_at: datetime | None = None) -> None:
        """Keep a value under a name within a space (home, link, web-session, …), in place of what was there."""

    async def kept(self, space: str, key: str) -> bytes | None:
        """Return what is kept under a name; None where nothing is, or it has expired."""

    async def all_kept(self, space: str) -> dict[str, bytes]:
        """Return all that a space keeps and that has not expired, by name, in the order of the names."""

    async def spend(self, space: str, key: str) -> bytes | None:
        """Return what is kept under a name and delete it: one caller gets it, once; None where there is nothing."""

    async def prune(self, *, before: Mapping[str, datetime]) -> int:
        """Delete rows older than the instant given per table; return how many went."""

    async def backup(self, path: str) -> None:
        """Copy the database while running."""

    async def fold(self) -> None:
        """Have the log of what was written emptied, as far as nobody reads it."""

    async def ping(self) -> None:
        """Prove that a write can be made durable."""


class Engine(Protocol):
    """Who calls `drain`."""

    def poke(self, shards: Iterable[int]) -> None:
        """Say that shards have work. Level-triggered and idempotent."""

    async def run(self) -> None:
        """Drain poked shards until cancelled."""

    def periodic(self, name: str, every_s: float, job: Callable[[], Any]) -> None:
        """Have a job run every so many seconds, on one node only."""
