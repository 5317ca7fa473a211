"""Drain: one cycle for every vehicle of a shard that has work.

    observe → decide → act → record

News decides nothing by itself: it is stored, and wakes the shard. All that a drain found out is written in one
transaction, intents included, before anything is sent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog

from scheduler.core.command import ActionReport, Why
from scheduler.core.cycle import (
    CycleNews,
    Gone,
    Lost,
    Observed,
    Settled,
    decision_key,
    observe,
    settle,
    situation_of,
    stands,
)
from scheduler.core.decide import decide
from scheduler.core.errors import ProviderError, StoreError, StoreStale
from scheduler.core.model import Decision, Home, PriceSeries, Session, Situation, VehicleSpec, VehicleState
from scheduler.core.observation import Reading, Stamp
from scheduler.core.timeline import EPOCH
from scheduler.enode.values import ChargerClaim
from scheduler.loop.acts import Acts, Step, no_step
from scheduler.loop.journal import Journal
from scheduler.loop.sessions import session_record
from scheduler.loop.world import World
from scheduler.ports import (
    AlertChange,
    Batch,
    Clock,
    DecisionRecord,
    Event,
    InboxRow,
    Notice,
    OverrideRecord,
    SessionRecord,
    Store,
    VehicleProvider,
    Versioned,
)
from storage.mapping import decode_override, decode_reading, decode_report, encode_decision, encode_situation

log = structlog.get_logger()

BATCH = 200
RETRY = timedelta(seconds=60)
"""A vehicle whose cycle failed is tried again after this."""

STEP_MAX = timedelta(seconds=30)
"""A wall clock that moved this far against the monotonic one has stepped, or the host slept (S18)."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One vehicle's cycle, ready to be written."""

    home: Home
    seen_version: int
    observed: Observed
    settled: Settled
    decided: bool = True  # False: the last decision still stands
    situation: Situation
    decision: Decision
    session: SessionRecord | None = None


@dataclass(kw_only=True)
class Counters:
    """What went by, for /metrics."""

    events: int = 0
    unknown_vehicle: int = 0
    unknown_event: int = 0
    unreadable: int = 0
    decisions: int = 0
    commands: int = 0
    turns_failed: int = 0


class Loop:
    """Keeps the state of every vehicle in memory and takes it through the cycle, shard by shard."""

    def __init__(
        self,
        *,
        store: Store,
        provider: VehicleProvider,
        clock: Clock,
        acts: Acts,
        journal: Journal,
        run: int,
        world: World,
        set_alarm: Callable[[str, Any], None],
        step: Step = no_step,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock
        self._acts = acts
        self._journal = journal
        self._run = run
        self._set_alarm = set_alarm
        self._step = step
        self._new_id = new_id
        self.world = world
        self.prices: tuple[PriceSeries, ...] = ()
        self.states: dict[str, Versioned] = {}
        self.last: dict[str, tuple[Situation, Decision]] = {}
        self.counters = Counters()
        self.durable = True
        self._woken: set[str] = set()
        self._claims: dict[str, ChargerClaim] = {}
        self._stepped_at_ns = -1
        self._origin: timedelta | None = None
        self.webhook_heard: Stamp | None = None

    def stamp(self) -> Stamp:
        """Return now, on both clocks."""
        return Stamp(at=self._clock.now(), mono_ns=self._clock.monotonic_ns(), run=self._run)

    async def load(self) -> None:
        """Rebuild the vehicles' states from the store and set their alarms."""
        known = {v.state.vehicle_id: v for v in await self._store.states()}
        self.states = {}
        for home, vehicle in self.world.vehicles():
            fresh = Versioned(state=self.world.fresh_state(home, vehicle), version=0)
            kept = known.get(vehicle.id, fresh)
            if (kept.state.home_id, kept.state.user_id) != (home.id, home.user_id):
                moved = replace(kept.state, home_id=home.id, user_id=home.user_id)
                kept = Versioned(state=moved, version=kept.version)
            self.states[vehicle.id] = kept
            self._set_alarm(vehicle.id, kept.state.next_due_at)

    def apply(self, world: World) -> None:
        """Use another configuration from the next turn on; vehicles new to it start from nothing known."""
        self.world = world
        for home, vehicle in world.vehicles():
            if vehicle.id not in self.states:
                self.states[vehicle.id] = Versioned(state=world.fresh_state(home, vehicle), version=0)

    def wake(self, vehicle_ids: Iterable[str]) -> set[int]:
        """Mark vehicles for a cycle; return their shards, to be poked."""
        shards = set()
        for vehicle_id in vehicle_ids:
            owner = self.world.owner(vehicle_id)
            if owner is not None:
                self._woken.add(vehicle_id)
                shards.add(owner[0].shard)
        return shards

    def check_clock(self) -> Event | None:
        """Compare the two clocks; return the journal's CLOCK line when the wall clock has stepped (S18)."""
        now = self.stamp()
        origin = now.at - EPOCH - timedelta(microseconds=now.mono_ns // 1000)
        before, self._origin = self._origin, origin
        if before is None or abs(origin - before) <= STEP_MAX:
            return None
        self._stepped_at_ns = now.mono_ns
        moved = origin - before
        log.warning("clock.stepped", seconds=moved.total_seconds())
        return {"k": "CLOCK", "st": "stepped", "d": moved // timedelta(microseconds=1) * 1000}

    async def drain(self, shard: int) -> bool:
        """Run one cycle for every vehicle of the shard that has work. Return whether more work waits."""
        rows = await self._store.take(shard, limit=BATCH)
        now = self.stamp()
        news = self._read(rows)
        vehicles = [
            (h, v) for h, v in self.world.vehicles() if h.shard == shard and (v.id in news or v.id in self._woken)
        ]
        turns = []
        for home, vehicle in vehicles:
            self._woken.discard(vehicle.id)
            with self._contained(vehicle.id):
                turns.append(await self._turn(home, vehicle, news.get(vehicle.id, ()), now))
        await self._write(turns, rows, now)
        return len(rows) == BATCH

    @contextmanager
    def _contained(self, vehicle_id: str) -> Iterator[None]:
        """Keep a fault of one vehicle from the others (L7); it is tried again in a minute."""
        try:
            yield
        except Exception:
            self.counters.turns_failed += 1
            log.exception("vehicle.failed", vehicle_id=vehicle_id)
            self._set_alarm(vehicle_id, self._clock.now() + RETRY)

    def _read(self, rows: Sequence[InboxRow]) -> dict[str, list[CycleNews]]:
        news: dict[str, list[CycleNews]] = {}
        for row in rows:
            try:
                for vehicle_id, piece in self._pieces(row):
                    if vehicle_id in self.states:
                        news.setdefault(vehicle_id, []).append(piece)
                    else:
                        self.counters.unknown_vehicle += 1
            except (ProviderError, ValueError) as error:
                self.counters.unreadable += 1
                log.warning("news.unreadable", kind=row.work.kind, vehicle_id=row.work.vehicle_id, why=str(error))
        return news

    def _pieces(self, row: InboxRow) -> Iterator[tuple[str, CycleNews]]:
        work = row.work
        match work.kind:
            case "event":
                self.counters.events += 1
                yield from self._event(row)
            case "reading":
                reading = decode_reading(work.payload)
                yield reading.vehicle_id, reading
            case "action" if work.vehicle_id is not None:
                yield work.vehicle_id, decode_report(work.payload)
            case "wish" if work.vehicle_id is not None:
                yield work.vehicle_id, decode_override(work.payload)
            case "gone" if work.vehicle_id is not None:
                yield work.vehicle_id, Gone()
            case _:
                self.counters.unknown_event += 1

    def _event(self, row: InboxRow) -> Iterator[tuple[str, CycleNews]]:
        news = self._provider.read_event(row.work.payload, row.work.received)
        self.webhook_heard = row.work.received
        match news:
            case Reading():
                yield news.vehicle_id, news
            case ActionReport() if news.vehicle_id is not None:
                yield news.vehicle_id, news
            case Notice(what="deleted", vehicle_id=str(vehicle_id)):
                yield vehicle_id, Gone()
            case Notice(what="credentials-invalid", user_id=str(user_id)):
                home = self.world.home_of_user(user_id)
                for vehicle in home.vehicles if home is not None else ():
                    yield vehicle.id, Lost(at=row.work.received.at)
            case Notice(what="charger-updated", detail=str(detail)) if detail:
                claim = ChargerClaim.load(detail)
                before = self._claims.get(claim.charger_id)
                if before is None or before.at is None or (claim.at is not None and claim.at >= before.at):
                    self._claims[claim.charger_id] = claim
            case Notice(what="unknown"):
                self.counters.unknown_event += 1
            case _:
                return

    async def _turn(self, home: Home, vehicle: VehicleSpec, news: Iterable[CycleNews], now: Stamp) -> Turn:
        kept = self.states[vehicle.id]
        limits = self.world.limits_of(home)
        observed = observe(kept.state, news, home=home, limits=limits, now=now)
        received = observed.state.observation.received
        situation = situation_of(
            observed.state,
            home=home,
            vehicle=vehicle,
            limits=limits,
            prices=self.prices,
            now=now,
            claimed_elsewhere=self._claimed(observed.state),
            clock_trusted=received is not None and received.mono_ns > self._stepped_at_ns,
            store_durable=self.durable,
        )
        last = self.last.get(vehicle.id)
        if last is not None and observed.closed is None and stands(situation, *last):
            return self._standing(home, kept.version, observed, *last)
        policies = self.world.policies[home.id]
        terms, set_aside = await policies.terms(situation)
        situation = replace(situation, terms=terms, set_aside=set_aside)
        decision = decide(situation)
        self.counters.decisions += 1
        settled = settle(observed.state, situation, decision, conf=self.world.conf, new_id=self._new_id)
        session = await self._closed(observed, home, situation)
        return Turn(
            home=home,
            seen_version=kept.version,
            observed=observed,
            settled=settled,
            situation=situation,
            decision=decision,
            session=session,
        )

    def _standing(self, home: Home, version: int, observed: Observed, before: Situation, decision: Decision) -> Turn:
        """Return a turn in which nothing but time has passed: what was seen is kept, what was decided stands."""
        state = replace(observed.state, next_due_at=decision.next_due_at)
        settled = Settled(state=state, events=(), commands=())
        return Turn(
            home=home,
            seen_version=version,
            observed=observed,
            settled=settled,
            situation=before,
            decision=decision,
            decided=False,
        )

    def _claimed(self, state: VehicleState) -> bool:
        """Tell whether another car claims the same charger; a newer word of the charger's own ends its claim (S1a)."""
        charge = state.observation.charge
        if charge.charger_id is None or charge.plugged is not True:
            return False
        others = [v.state.observation.charge for i, v in self.states.items() if i != state.vehicle_id]
        rivals = [o for o in others if o.charger_id == charge.charger_id and o.plugged is True]
        word = self._claims.get(charge.charger_id)
        if not rivals or word is None or word.at is None or word.vehicle_id != state.vehicle_id:
            return bool(rivals)
        return any(rival.at is None or rival.at >= word.at for rival in rivals)

    async def _closed(self, observed: Observed, home: Home, situation: Situation) -> SessionRecord | None:
        session: Session | None = observed.closed
        if session is None or not session.at_home:
            return None
        then = replace(situation, at=session.plugged_at, session=session)
        terms, _ = await self.world.policies[home.id].terms(then)
        last = self.last.get(observed.state.vehicle_id)
        soc_pct = last[1].soc_pct if last is not None else None
        return session_record(session, home=home, state=observed.state, terms=terms, soc_end_pct=soc_pct, now=situation)

    async def _write(self, turns: list[Turn], rows: Sequence[InboxRow], now: Stamp) -> None:
        batch = self._batch(turns, rows, now)
        self._step("before-intent")
        try:
            await self._store.commit(batch)
        except StoreStale:
            log.warning("state.stale", vehicles=[t.settled.state.vehicle_id for t in turns])
            await self.load()
            self.wake(t.settled.state.vehicle_id for t in turns)
            return
        except StoreError as error:
            self._undurable(turns, error)
            return
        self.durable = True
        for turn in turns:
            self._adopt(turn, version=turn.seen_version + 1)
            self._act(turn)

    def _undurable(self, turns: list[Turn], error: StoreError) -> None:
        """L11: nothing could be kept. Only a START that cannot wait leaves, with its intent in memory alone."""
        self.durable = False
        log.error("store.trouble", what="commit", why=str(error))
        for turn in turns:
            self._set_alarm(turn.settled.state.vehicle_id, self._clock.now() + RETRY)
            intent = turn.settled.intent
            if intent is not None and intent.why in (Why.DEADLINE, Why.MIN_SOC):
                self._adopt(turn, version=turn.seen_version)
                self._act(turn)

    def _batch(self, turns: list[Turn], rows: Sequence[InboxRow], now: Stamp) -> Batch:
        drafts: list[tuple[str | None, Mapping[str, Any]]] = []
        records: list[DecisionRecord] = []
        blobs: dict[str, bytes] = {}
        states = []
        for turn in turns:
            vehicle_id = turn.settled.state.vehicle_id
            drafts += [(vehicle_id, line) for line in (*turn.observed.events, *turn.settled.events)]
            state = turn.settled.state
            key = decision_key(turn.situation, turn.decision) if turn.decided else state.decision_key
            if key != state.decision_key:
                record, extra = self._record(turn, key)
                records.append(record)
                blobs |= extra
                state = replace(state, decision_key=key)
                drafts.append((vehicle_id, {"k": "SIT", "key": record.key, "desired": turn.decision.desired}))
            states.append(Versioned(state=state, version=turn.seen_version))
        commands = {c.id: c for t in turns for c in (*t.observed.commands, *t.settled.commands)}
        return Batch(
            states=states,
            done=[row.id for row in rows],
            events=self._journal.number(drafts, now=now),
            commands=list(commands.values()),
            decisions=records,
            sessions=[t.session for t in turns if t.session is not None],
            alerts=[a for t in turns for a in _alert_changes(t)],
            overrides=[o for t in turns for o in _override_records(t)],
            blobs=blobs,
        )

    def _record(self, turn: Turn, key: str) -> tuple[DecisionRecord, dict[str, bytes]]:
        situation, blobs = encode_situation(turn.situation)
        decision = turn.decision
        summary = "; ".join(r.text for r in decision.reasons[:2])
        record = DecisionRecord(
            vehicle_id=turn.settled.state.vehicle_id,
            home_id=turn.home.id,
            at=turn.situation.at,
            key=key,
            situation=situation,
            decision=encode_decision(decision),
            summary=summary,
            command_id=turn.settled.intent.id if turn.settled.intent is not None else None,
        )
        return record, dict(blobs)

    def _adopt(self, turn: Turn, *, version: int) -> None:
        key = decision_key(turn.situation, turn.decision) if turn.decided else turn.settled.state.decision_key
        state = replace(turn.settled.state, decision_key=key)
        self.states[state.vehicle_id] = Versioned(state=state, version=version)
        self.last[state.vehicle_id] = (turn.situation, turn.decision)
        self._set_alarm(state.vehicle_id, state.next_due_at)
        _tell(turn)

    def _act(self, turn: Turn) -> None:
        settled, user_id = turn.settled, turn.home.user_id
        vehicle_id = settled.state.vehicle_id
        if settled.intent is not None:
            self.counters.commands += 1
            self._acts.send(settled.intent, user_id)
        if settled.cancel is not None:
            self._acts.cancel(settled.cancel, vehicle_id, user_id)
        if settled.watch is not None:
            self._acts.watch(settled.watch, vehicle_id, user_id)
        if settled.look:
            self._acts.look(vehicle_id, user_id)
        if settled.refresh:
            self._acts.refresh(vehicle_id)


def _tell(turn: Turn) -> None:
    """End the turn with one line that tells the whole story, when something happened."""
    intent, decision = turn.settled.intent, turn.decision
    if intent is not None:
        log.info(
            "command.sent",
            vehicle_id=intent.vehicle_id,
            command=str(intent.action),
            why=str(intent.why),
            reason=decision.reasons[0].text if decision.reasons else "",
            soc_pct=decision.soc_pct,
        )
    for command in turn.observed.commands:
        if command.final:
            log.info(
                "command.ended",
                vehicle_id=command.vehicle_id,
                command=str(command.action),
                state=str(command.state),
                verified=command.verified,
                failure=command.failure.type if command.failure else None,
            )
    for line in turn.observed.events:
        if line["k"] == "PLUG":
            log.info(
                "session.started" if line["op"] == "in" else "session.ended", vehicle_id=turn.settled.state.vehicle_id
            )


def _alert_changes(turn: Turn) -> Iterator[AlertChange]:
    vehicle_id, at = turn.settled.state.vehicle_id, turn.situation.at
    for alert in turn.decision.alerts:
        if alert.code in turn.settled.raised:
            yield AlertChange(
                code=alert.code, vehicle_id=vehicle_id, text=alert.text, severity=alert.severity, raised_at=at
            )
    for code in turn.settled.cleared:
        yield AlertChange(code=code, vehicle_id=vehicle_id, text="", severity="info", raised_at=at, cleared_at=at)


def _override_records(turn: Turn) -> Iterator[OverrideRecord]:
    override = turn.settled.state.override
    for line in turn.observed.events:
        if line["k"] == "OVR" and line["op"] == "set" and override is not None:
            yield OverrideRecord(vehicle_id=turn.settled.state.vehicle_id, override=override)
