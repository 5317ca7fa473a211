"""Drain: one cycle for every vehicle of a shard that has work.

    observe → decide → act → record

News decides nothing by itself: it is stored, and wakes the shard. All that a drain found out is written in one
transaction, intents included, before anything is sent.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog

from scheduler.core.altering import altered
from scheduler.core.cycle import CycleNews, Observed, observe, situation_of
from scheduler.core.decide import decide
from scheduler.core.dispatch import PRESSING
from scheduler.core.errors import StoreError, StoreStale
from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.keys import decision_key, stands
from scheduler.core.model import Decision, Home, Session, Situation, VehicleSpec
from scheduler.core.observation import Stamp
from scheduler.core.set_back import set_back
from scheduler.core.settling import Settled, settle
from scheduler.loop.acts import Acts, Step, no_step
from scheduler.loop.debt import Debt
from scheduler.loop.journal import Journal
from scheduler.loop.news import Counters, NewsReader
from scheduler.loop.sessions import session_record
from scheduler.loop.steps import MICROSECOND, Steps
from scheduler.loop.turn import Turn, batch_of, tell
from scheduler.loop.world import World
from scheduler.ports import (
    Clock,
    Event,
    InboxRow,
    SessionRecord,
    Store,
    VehicleProvider,
    Versioned,
)

log = structlog.get_logger()

BATCH = 500
RETRY = timedelta(seconds=60)
"""A vehicle whose cycle failed is tried again after this."""


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
        on_turn: Callable[[Turn], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._acts = acts
        self._journal = journal
        self.run = run
        self._set_alarm = set_alarm
        self._step = step
        self._new_id = new_id
        self._on_turn = on_turn
        self.world = world
        self.prices: tuple[PriceSeries, ...] = ()
        self.departures: Callable[[Home, datetime], tuple[CalendarDeparture, ...]] = lambda _home, _at: ()
        self.states: dict[str, Versioned] = {}
        self.last: dict[str, tuple[Situation, Decision]] = {}
        self.counters = Counters()
        self._news = NewsReader(provider, self.counters)
        self.vendors = self._news.vendors
        self.durable = True
        self.unkept_since: datetime | None = None
        """When the store first failed of what no kept beat of the pulse has told yet."""
        self._debt = Debt()
        acts.on_unstored = self._debt.hear
        self._woken: set[str] = set()
        self._anew: set[str] = set()
        self._steps = Steps()
        self.on_stepped: Callable[[Event], None] = lambda _: None

    def stamp(self) -> Stamp:
        """Return now, on both clocks."""
        return Stamp(at=self._clock.now(), mono_ns=self._clock.monotonic_ns(), run=self.run)

    async def load(self) -> None:
        """Rebuild the vehicles' states from the store and set their alarms."""
        now = self._clock.now()
        known = {
            v.state.vehicle_id: Versioned(state=set_back(v.state, at=now), version=v.version)
            for v in await self._store.states()
        }
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
        self._anew = {vehicle.id for _, vehicle in world.vehicles()}  # its policies may say something else
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
        moved = self._steps.check(self.stamp())
        if not moved:
            return None
        log.warning("clock.stepped", seconds=moved.total_seconds())
        return {"k": "CLOCK", "st": "stepped", "d": moved // MICROSECOND * 1000}

    async def drain(self, shard: int) -> bool:
        """Run one cycle for every vehicle of the shard that has work. Return whether more work waits."""
        stepped = self.check_clock()  # at every turn: a command must not leave between the step and the next pulse
        if stepped is not None:
            self.on_stepped(stepped)
        rows = await self._taken(shard)
        now = self.stamp()
        news = self._news.read([*rows, *self._debt.news(shard)], world=self.world, known=self.states)
        vehicles = [
            (home, vehicle)
            for home, vehicle in self.world.of_shard(shard)
            if vehicle.id in news or vehicle.id in self._woken
        ]
        turns = []
        for home, vehicle in vehicles:
            self._woken.discard(vehicle.id)
            with self._contained(vehicle.id):
                turns.append(await self._turn(home, vehicle, news.get(vehicle.id, ()), now))
        await self._write(shard, turns, rows, now)
        return len(rows) == BATCH

    async def _taken(self, shard: int) -> Sequence[InboxRow]:
        try:
            return await self._store.take(shard, limit=BATCH)
        except StoreError as error:
            self.unkept("take", error)
            return ()

    def unkept(self, what: str, error: StoreError) -> None:
        """Note that the store failed, for what is decided next and for the pulse, which tells of it."""
        self.durable = False
        self.unkept_since = self.unkept_since or self._clock.now()
        log.error("store.trouble", what=what, why=str(error))

    @contextmanager
    def _contained(self, vehicle_id: str) -> Iterator[None]:
        """Keep a fault of one vehicle from the others (L7); it is tried again in a minute."""
        try:
            yield
        except Exception:
            self.counters.turns_failed += 1
            log.exception("vehicle.failed", vehicle_id=vehicle_id)
            self._set_alarm(vehicle_id, self._clock.now() + RETRY)

    async def _turn(self, home: Home, vehicle: VehicleSpec, news: Iterable[CycleNews], now: Stamp) -> Turn:
        kept = self.states[vehicle.id]
        dated = self._steps.dated(kept.state, now, matters_for=self.world.limits.t_verify)
        limits = self.world.limits_of(home)
        observed = observe(dated, news, home=home, limits=limits, now=now)
        situation = situation_of(
            observed.state,
            home=home,
            vehicle=vehicle,
            limits=limits,
            prices=self.prices,
            departures=self.departures(home, now.at),
            now=now,
            claimed_elsewhere=self._news.contested(observed.state, self.states),
            client_refused=self._acts.health.refused(now),
            clock_trusted=self._steps.none_since(observed.state.observation.received),
            store_durable=self.durable,
        )
        last = self.last.get(vehicle.id)
        anew = vehicle.id in self._anew or observed.closed is not None
        if last is not None and not anew and stands(situation, *last):
            return self._standing(home, kept.version, observed, *last)
        policies = self.world.policies[home.id]
        self._anew.discard(vehicle.id)
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
        state = altered(observed.state, next_due_at=decision.next_due_at)
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

    async def _closed(self, observed: Observed, home: Home, situation: Situation) -> SessionRecord | None:
        session: Session | None = observed.closed
        if session is None or not session.at_home:
            return None
        then = replace(situation, at=session.plugged_at, session=session)
        terms, _ = await self.world.policies[home.id].terms(then)
        last = self.last.get(observed.state.vehicle_id)
        soc_pct = last[1].soc_pct if last is not None else None
        return session_record(session, home=home, state=observed.state, terms=terms, soc_end_pct=soc_pct, now=situation)

    async def _write(self, shard: int, turns: list[Turn], rows: Sequence[InboxRow], now: Stamp) -> None:
        batch = batch_of(turns, rows, journal=self._journal, now=now)
        if any(turn.settled.intent is not None for turn in turns):
            self._step("before-intent")
        try:
            await self._store.commit(self._debt.joined(shard, batch))
        except StoreStale:
            log.warning("state.stale", vehicles=[t.settled.state.vehicle_id for t in turns])
            await self.load()
            self.wake(t.settled.state.vehicle_id for t in turns)
            return
        except StoreError as error:
            self._undurable(shard, turns, now, error)
            return
        self._debt.paid(shard)
        self.durable = True
        for turn in turns:
            self._adopt(turn, version=turn.seen_version + 1)
            self._act(turn)

    def _undurable(self, shard: int, turns: list[Turn], now: Stamp, error: StoreError) -> None:
        """L11: nothing could be kept, so it lives in memory until it can. Only a START that cannot wait leaves."""
        self.unkept("commit", error)
        kept = [_without_intent(t) if t.settled.intent and t.settled.intent.why not in PRESSING else t for t in turns]
        self._debt.owe(shard, batch_of(kept, (), journal=self._journal, now=now))
        for turn in kept:
            self._adopt(turn, version=turn.seen_version)
            self._act(turn)
            due, retry = turn.settled.state.next_due_at, self._clock.now() + RETRY
            self._set_alarm(turn.settled.state.vehicle_id, retry if due is None else min(due, retry))

    def _adopt(self, turn: Turn, *, version: int) -> None:
        key = decision_key(turn.situation, turn.decision) if turn.decided else turn.settled.state.decision_key
        state = altered(turn.settled.state, decision_key=key)
        self.states[state.vehicle_id] = Versioned(state=state, version=version)
        self.last[state.vehicle_id] = (turn.situation, turn.decision)
        self._set_alarm(state.vehicle_id, state.next_due_at)
        tell(turn)
        self._on_turn(turn)

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


def _without_intent(turn: Turn) -> Turn:
    """Return the turn as if it had only observed: what cannot be kept is not sent."""
    return replace(turn, settled=Settled(state=turn.observed.state, events=(), commands=()), decided=False)
