"""A daemon as the faces see one: two homes, three cars and a night of prices; what was asked of it is kept."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.core.command import Action, Command, CommandState, Failure, Why
from scheduler.core.errors import KwhenError
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.model import (
    Decision,
    Desired,
    Home,
    Mode,
    Need,
    Override,
    Place,
    Plan,
    PlannedSlot,
    PolicySpec,
    PriceRung,
    Quality,
    Reason,
    Session,
    Situation,
    VehicleSpec,
    VehicleState,
    Verdict,
)
from scheduler.core.observation import BatteryFacet, ChargeFacet, Delivery, Observation, PlaceFacet, Stamp
from scheduler.core.pricing import GridCarbon, HomePrices, PaidSlot, SourceStatus
from scheduler.core.terms import Price, PriceSlot, Stated, Target
from scheduler.core.timeline import Interval
from scheduler.ports import AlertChange, DecisionRecord, OverrideRecord, SessionRecord, SessionTotal
from tests.fake_onboarding import FakeOnboarding

NOW = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)  # 23:30 in Oslo
ZONE = "Europe/Oslo"
HOUR = timedelta(hours=1)
READY_AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)  # 07:30 in Oslo

PRICES = (1.2, 1.1, 0.5, 0.4, 0.3, 0.6, 0.9, 1.4, 2.0, 1.8)
"""What a kWh costs from 22:00 UTC on, by the hour."""

POLLY, ROVER, ELSIE = "polly-1111", "rover-2222", "elsie-3333"


def price_slots() -> tuple[PriceSlot, ...]:
    start = NOW.replace(minute=0)
    return tuple(
        PriceSlot(start=start + i * HOUR, end=start + (i + 1) * HOUR, per_kwh=kwh) for i, kwh in enumerate(PRICES)
    )


def paid_slots() -> tuple[PaidSlot, ...]:
    """What the home pays in those hours: a quarter of VAT on the market price and a grid fee of 0.30."""
    return tuple(
        PaidSlot(
            start=slot.start,
            end=slot.end,
            per_kwh=slot.per_kwh + 0.3 + (slot.per_kwh + 0.3) / 4,
            state=slot.state,
            parts=(("market", slot.per_kwh), ("grid-fee", 0.3), ("vat", (slot.per_kwh + 0.3) / 4)),
        )
        for slot in price_slots()
    )


def file_source(**changes: Any) -> SourceStatus:
    """How the source of `make_daemon` is."""
    series = PriceSeries(name="file", currency="NOK", slots=price_slots(), fetched_at=NOW - HOUR, zone="NO1")
    known = {"series": series, "fetched_at": NOW - timedelta(minutes=3), "next_fetch_at": NOW + timedelta(minutes=12)}
    return SourceStatus(**{"name": "file", "kind": "nord-pool", **known, **changes})


def planned(start: datetime, minutes: int, per_kwh: float | None, *, published: bool = True) -> PlannedSlot:
    end = start + timedelta(minutes=minutes)
    kwh = 11.0 * minutes / 60
    return PlannedSlot(start=start, end=end, energy_kwh=kwh, per_kwh=per_kwh, published=published, why="cheapest")


def night_plan() -> Plan:
    first = datetime(2026, 11, 21, 0, 15, tzinfo=UTC)  # 01:15 in Oslo
    slots = (
        planned(first, 45, 0.5),
        planned(first + timedelta(minutes=45), 60, 0.4),
        planned(first + timedelta(minutes=105), 55, 0.3),
    )
    need = Need(
        policy="ready-by", energy_kwh=29.3, by=READY_AT, lst_at=READY_AT - 3 * HOUR, soc_pct=80, why="ready by 07:30"
    )
    return Plan(slots=slots, needs=(need,), rung=PriceRung.FRESH, cost=11.4, asks=True)


def waiting(**changes: Any) -> Decision:
    """A car at home, plugged in, waiting for the cheap hours of the night."""
    decision = Decision(
        verdict=Verdict(place=Place.HOME, why="charger", text="Plugged in at the home's charger and location."),
        desired=Desired.HOLD,
        plan=night_plan(),
        reasons=(Reason(code="wait", text="A better time comes at 2026-11-21T00:15Z."),),
        next_due_at=NOW + timedelta(minutes=15),
        soc_pct=41.0,
        soc_quality=Quality.FRESH,
    )
    return replace(decision, **changes)


def gone_out() -> Decision:
    return Decision(
        verdict=Verdict(place=Place.AWAY, why="other-charger", text="Plugged in at a charger that is not the home's."),
        desired=Desired.LEAVE,
        plan=Plan(),
        reasons=(Reason(code="away", text="Plugged in at a charger that is not the home's."),),
    )


def make_home(home_id: str = "lindgren", *specs: VehicleSpec, **changes: Any) -> Home:
    home = Home(
        id=home_id,
        user_id=f"user-{home_id}",
        timezone=ZONE,
        currency="NOK",
        charger_ids=("charger-1",),
        location_id="home-1",
        vehicles=specs or (VehicleSpec(id=POLLY, name="Polly"),),
        policies=(PolicySpec(name="spot", settings={"source": "file"}), PolicySpec(name="ready-by")),
    )
    return replace(home, **changes)


def seen(*, plugged: bool | None = True, charging: bool | None = False, kw: float | None = None) -> Observation:
    delivery = Delivery.CHARGING if charging else Delivery.STOPPED if plugged else Delivery.UNPLUGGED
    at = NOW - timedelta(minutes=2)
    return Observation(
        charge=ChargeFacet(at=at, plugged=plugged, charging=charging, delivery=delivery, power_kw=kw, limit_pct=90),
        place=PlaceFacet(at=at, location_id="home-1"),
        battery=BatteryFacet(at=at, soc_pct=41, capacity_kwh=75),
        reachable=True,
        seen_at=at,
        received=Stamp(at=at, mono_ns=0, run=1),
    )


def make_state(vehicle_id: str, home: Home, observation: Observation, **changes: Any) -> VehicleState:
    session = None
    if observation.charge.plugged:
        plugged_at = NOW - timedelta(hours=5)
        session = Session(
            id=f"{vehicle_id}:1", plugged_at=plugged_at, opened_at=plugged_at, at_home=True, energy_kwh=3.25
        )
    state = VehicleState(
        vehicle_id=vehicle_id, home_id=home.id, user_id=home.user_id, observation=observation, session=session
    )
    return replace(state, **changes)


def make_situation(home: Home, spec: VehicleSpec, observation: Observation, at: datetime = NOW) -> Situation:
    terms = (
        Stated(rank=1, policy="spot", term=Price(slots=price_slots())),
        Stated(rank=2, policy="ready-by", term=Target(soc_pct=80, by=READY_AT)),
    )
    return Situation(at=at, mono_ns=0, run=1, home=home, vehicle=spec, observation=observation, terms=terms)


def a_command(command_id: str = "c-1", vehicle_id: str = POLLY, **changes: Any) -> Command:
    command = Command(
        id=command_id,
        vehicle_id=vehicle_id,
        action=Action.STOP,
        why=Why.PLAN,
        state=CommandState.VERIFIED,
        sent_at=NOW - 4 * HOUR,
        epoch=1,
        action_id="action-9",
        ended_at=NOW - 4 * HOUR + timedelta(minutes=1),
        verified=True,
    )
    return replace(command, **changes)


def a_failed_start() -> Command:
    return a_command(
        "c-2",
        ROVER,
        action=Action.START,
        state=CommandState.FAILED,
        verified=False,
        failure=Failure(type="NO_RESPONSE", detail="The vehicle did not answer."),
    )


class StillClock:
    """A clock that stands."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic_ns(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class FakeStore:
    """What the faces read of a store, from lists that a test fills. `broken` is raised by every method once set."""

    def __init__(self) -> None:
        self.command_rows: list[Command] = [a_command(), a_failed_start()]
        self.decision_rows: list[DecisionRecord] = []
        self.session_rows: list[SessionRecord] = []
        self.alert_rows: list[AlertChange] = []
        self.events: list[dict[str, Any]] = []
        self.series: list[PriceSeries] = []
        self.blobs: dict[str, bytes] = {}
        self.override_rows: list[OverrideRecord] = []
        self.small: dict[tuple[str, str], tuple[bytes, datetime | None]] = {}
        self.clock = StillClock()
        self.broken: KwhenError | None = None

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken

    async def commands(
        self, *, vehicle_id: str | None = None, since: datetime | None = None, limit: int = 100
    ) -> list[Command]:
        self._check()
        rows = [
            c for c in self.command_rows if vehicle_id in (None, c.vehicle_id) and (since is None or c.sent_at >= since)
        ]
        return sorted(rows, key=lambda c: c.sent_at, reverse=True)[:limit]

    async def decision_at(self, vehicle_id: str, at: datetime) -> DecisionRecord | None:
        self._check()
        before = [r for r in self.decision_rows if r.vehicle_id == vehicle_id and r.at <= at]
        return max(before, key=lambda r: r.at, default=None)

    async def decisions(self, *, vehicle_id: str | None = None, limit: int = 1000) -> AsyncIterator[DecisionRecord]:
        self._check()
        rows = [r for r in self.decision_rows if vehicle_id in (None, r.vehicle_id)][:limit]

        async def each() -> AsyncIterator[DecisionRecord]:
            for row in rows:
                yield row

        return each()

    async def blob(self, digest: str) -> bytes | None:
        self._check()
        return self.blobs.get(digest)

    async def sessions(
        self,
        *,
        vehicle_id: str | None = None,
        since: datetime | None = None,
        behind: SessionRecord | None = None,
        limit: int = 100,
    ) -> list[SessionRecord]:
        self._check()
        rows = [
            s
            for s in self.session_rows
            if vehicle_id in (None, s.vehicle_id)
            and (since is None or s.unplugged_at is None or s.unplugged_at > since)
            and (behind is None or (s.plugged_at, s.id) < (behind.plugged_at, behind.id))
        ]
        return sorted(rows, key=lambda s: (s.plugged_at, s.id), reverse=True)[:limit]

    async def session_totals(self, *, vehicle_id: str | None = None) -> list[SessionTotal]:
        self._check()
        rows = [s for s in self.session_rows if vehicle_id in (None, s.vehicle_id)]
        return [
            SessionTotal(
                currency=currency,
                sessions=len(of),
                energy_kwh=sum(s.energy_kwh for s in of),
                cost=sum(s.cost or 0.0 for s in of),
                saved=sum(s.baseline_cost - s.cost for s in of if s.cost is not None and s.baseline_cost is not None),
                unpriced=sum(s.cost is None for s in of),
                grams=sum(s.grams or 0.0 for s in of),
                grams_saved=sum((s.baseline_grams or 0.0) - s.grams for s in of if s.grams is not None),
                with_grams=sum(s.grams is not None for s in of),
            )
            for currency in sorted({s.currency for s in rows})
            if (of := [s for s in rows if s.currency == currency])
        ]

    async def alerts(self, *, open_only: bool = True, limit: int = 100) -> list[AlertChange]:
        self._check()
        return [a for a in self.alert_rows if not (open_only and a.cleared_at)][:limit]

    async def journal(
        self, *, after: int = 0, run: int | None = None, vehicle_id: str | None = None, limit: int = 1000
    ) -> list[dict[str, Any]]:
        self._check()
        rows = [
            e for e in self.events if e["row"] > after and run in (None, e["run"]) and vehicle_id in (None, e.get("v"))
        ]
        return rows[:limit]

    async def prices(self, *, since: datetime) -> list[PriceSeries]:
        self._check()
        return [replace(s, slots=tuple(slot for slot in s.slots if slot.end > since)) for s in self.series]

    async def overrides(self, *, vehicle_id: str | None = None, limit: int = 100) -> list[OverrideRecord]:
        self._check()
        return [o for o in self.override_rows if vehicle_id in (None, o.vehicle_id)][:limit]

    async def keep(self, space: str, key: str, value: bytes, *, expires_at: datetime | None = None) -> None:
        self._check()
        self.small[space, key] = (value, expires_at)

    async def kept(self, space: str, key: str) -> bytes | None:
        return (await self.all_kept(space)).get(key)

    async def all_kept(self, space: str) -> dict[str, bytes]:
        self._check()
        now = self.clock.now()
        return {k: v for (s, k), (v, end) in sorted(self.small.items()) if s == space and (end is None or end > now)}

    async def spend(self, space: str, key: str) -> bytes | None:
        value = await self.kept(space, key)
        self.small.pop((space, key), None)
        return value


@dataclass(kw_only=True)
class FakeDaemon:
    """Implements the `Daemon` protocol; `wishes`, `released` and `asked` say what was asked of it."""

    store: Any = field(default_factory=FakeStore)
    clock: StillClock = field(default_factory=StillClock)
    home_list: tuple[Home, ...] = ()
    states: dict[str, VehicleState] = field(default_factory=dict)
    newest: dict[str, tuple[Situation, Decision]] = field(default_factory=dict)
    wishes: list[tuple[str, Override]] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    onboarding: FakeOnboarding = field(default_factory=FakeOnboarding)
    happenings: list[dict[str, Any]] = field(default_factory=list)
    sources: list[SourceStatus] = field(default_factory=list)
    paid: tuple[PaidSlot, ...] = field(default_factory=paid_slots)
    carbon: tuple[GridCarbon, ...] = ()
    is_ready: bool = True
    refusal: KwhenError | None = None

    def __post_init__(self) -> None:
        if isinstance(self.store, FakeStore):
            self.store.clock = self.clock

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what a test put into `happenings`, then end."""
        for one in self.happenings:
            yield one

    def homes(self) -> tuple[Home, ...]:
        return self.home_list

    def state(self, vehicle_id: str) -> VehicleState | None:
        return self.states.get(vehicle_id)

    def charger_names(self) -> dict[str, str]:
        return {"charger-1": "Zaptec Go"}

    def last(self, vehicle_id: str) -> tuple[Situation, Decision] | None:
        return self.newest.get(vehicle_id)

    async def wish(self, vehicle_id: str, override: Override) -> None:
        self.store._check()
        self.wishes.append((vehicle_id, override))

    async def release(self, vehicle_ids: Sequence[str]) -> list[str]:
        self.released = [one for one in vehicle_ids if self.states.get(one) and self.states[one].session]
        return self.released

    def policies(self) -> list[dict[str, str]]:
        return [{"home": h.id, "name": p.name, "status": "ready"} for h in self.home_list for p in h.policies]

    def price_sources(self) -> list[SourceStatus]:
        return self.sources

    async def home_prices(self, home: Home, span: Interval) -> HomePrices:
        self.asked.append(f"prices {home.id}")
        inside = tuple(slot for slot in self.paid if slot.start >= span.start and slot.end <= span.end)
        return HomePrices(span=span, slots=inside, carbon=self.carbon)

    def settings_shown(self) -> list[dict[str, str]]:
        return [
            {"key": "http.listen", "value": "127.0.0.1:8790", "origin": "/etc/kwhen/kwhen.toml"},
            {"key": "enode.client_secret", "value": "[hidden]", "origin": "KWHEN_ENODE__CLIENT_SECRET"},
            {"key": "log.level", "value": "info", "origin": "default"},
        ]

    def health(self) -> dict[str, Any]:
        return {
            "ready": self.is_ready, "live": True, "store": "ok", "provider": "ok", "webhook": "polling only", "prices": "fresh",
            "sweep_at": NOW, "version": "0.1.0", "run": 7, "mode": "control", "counters": {"webhook_unknown_vehicle": 3},
        }  # fmt: skip

    async def reload(self) -> list[str]:
        if self.refusal is not None:
            raise self.refusal
        return ["home lindgren: no policy gives a target"]

    async def webhook(self, op: str) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(op)
        return {"op": op, "subscribed": True, "active": True, "url": "https://example.org/webhooks/enode"}

    def put(
        self, home: Home, spec: VehicleSpec, observation: Observation, decision: Decision | None, **state: Any
    ) -> None:
        """Have a vehicle with what was seen and decided."""
        self.states[spec.id] = make_state(spec.id, home, observation, **state)
        if decision is not None:
            self.newest[spec.id] = (make_situation(home, spec, observation), decision)


def make_daemon() -> FakeDaemon:
    """Two homes: Polly waits for the night, Rover charges away from home, Elsie was never seen."""
    polly, rover = VehicleSpec(id=POLLY, name="Polly"), VehicleSpec(id=ROVER, name="Rover <3>")
    elsie = VehicleSpec(id=ELSIE, name="Elsie", mode=Mode.OBSERVE)
    first, second = make_home("lindgren", polly, rover), make_home("hytta", elsie, mode=Mode.OBSERVE)
    daemon = FakeDaemon(home_list=(first, second))
    daemon.put(first, polly, seen(), waiting())
    daemon.put(first, rover, seen(charging=True, kw=50.0), gone_out())
    daemon.store.alert_rows = [
        AlertChange(
            code="NO_PAUSE", vehicle_id=ROVER, text="Resuming <failed>.", severity="warning", raised_at=NOW - HOUR
        )
    ]
    daemon.store.session_rows = [a_session()]
    daemon.sources = [file_source()]
    daemon.store.series = [one.series for one in daemon.sources if one.series is not None]
    return daemon


def with_carbon(daemon: FakeDaemon, grams: float) -> FakeDaemon:
    """Give the first home a source of carbon that tells the same grams per kWh for two days."""
    home = daemon.home_list[0]
    policy = PolicySpec(name="carbon", settings={"source": "grid", "per_tonne": 0})
    carbon = replace(home, policies=(*home.policies, policy))
    daemon.home_list = (carbon, *daemon.home_list[1:])
    slots = (PriceSlot(start=NOW - 24 * HOUR, end=NOW + 24 * HOUR, per_kwh=grams),)
    series = PriceSeries(name="grid", currency=GRAMS, slots=slots, fetched_at=NOW)
    for vehicle_id, (situation, decision) in daemon.newest.items():
        if situation.home == home:
            daemon.newest[vehicle_id] = (replace(situation, home=carbon, prices=(series,)), decision)
    return daemon


def a_session() -> SessionRecord:
    return SessionRecord(
        id=f"{POLLY}:0",
        vehicle_id=POLLY,
        home_id="lindgren",
        plugged_at=NOW - 30 * HOUR,
        unplugged_at=NOW - 16 * HOUR,
        energy_kwh=22.4,
        cost=9.1,
        baseline_cost=25.2,
        currency="NOK",
        soc_start_pct=50,
        soc_end_pct=80,
        target_soc_pct=80,
        departure_at=NOW - 16 * HOUR,
        met=True,
    )
