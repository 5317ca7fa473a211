"""One turn of the cycle for one vehicle, pure: observe the news, build the situation, settle the decision.

    observe → decide → act → record

The loop does the reading and writing around it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler.core.accept import accept
from scheduler.core.altering import altered
from scheduler.core.battery import estimate_soc
from scheduler.core.command import ActionReport, Command
from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.model import Home, Limits, Overdue, Override, Session, Situation, VehicleSpec, VehicleState, Will
from scheduler.core.needs import ended
from scheduler.core.observation import Reading, Stamp
from scheduler.core.session import expire, follow
from scheduler.core.telling import ns, observed_line
from scheduler.core.tracking import track, track_report

Event = dict[str, Any]

MET_PCT = 0.5
"""A target within so many points is met: readings are whole points."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """The vendor account's credentials are lost."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Regained:
    """The vendor account was linked again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """The provider no longer knows the vehicle."""


CycleNews = Reading | ActionReport | Override | Lost | Regained | Gone


@dataclass(frozen=True, kw_only=True, slots=True)
class WishChange:
    """A person's wish that came into force, or that ended: unplugged, over, taken back, or in favour of another."""

    override: Override
    ended_at: datetime | None = None
    ended_by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A vehicle's state after the news, the journal's lines, commands that changed, and the session that closed.

    `wishes` are in order: of several that came together each has its record, though only the last is in force.
    """

    state: VehicleState
    events: tuple[Event, ...]
    commands: tuple[Command, ...]
    closed: Session | None = None
    wishes: tuple[WishChange, ...] = ()


def observe(state: VehicleState, news: Iterable[CycleNews], *, home: Home, limits: Limits, now: Stamp) -> Observed:
    """Apply all news in order, then the clock. A reading is merged facet by facet; nothing is decided here.

    A session that ended while nobody looked, as over a restart, ends before the news.
    """
    events: list[Event] = []
    commands: dict[str, Command] = {}
    wishes: list[WishChange] = []

    def took(after: VehicleState, lines: Sequence[Event], changed: Sequence[Command] = ()) -> VehicleState:
        events.extend(lines)
        commands.update({c.id: c for c in changed})
        wishes.extend(_wish_changes(state.override, after.override, lines, at=now.at))
        return after

    after, ended_before, lines = expire(state, home=home, limits=limits, at=now.at)
    state = took(after, lines)
    for piece in news:
        state = took(*_applied(state, piece, home=home, limits=limits))
    after, closed, lines = expire(state, home=home, limits=limits, at=now.at)
    state = took(after, lines)
    tracked = track(state, run=now.run, limits=limits, at=now.at)
    state = took(tracked.state, tracked.events, tracked.commands)
    return Observed(
        state=state,
        events=tuple(events),
        commands=tuple(commands.values()),
        closed=ended_before or closed,
        wishes=tuple(wishes),
    )


def _wish_changes(
    before: Override | None, after: Override | None, lines: Sequence[Event], *, at: datetime
) -> Iterator[WishChange]:
    """Yield the end of one wish and the beginning of the next; the journal's line says whose hand it was."""
    if before == after:
        return
    if before is not None:
        hand = next((str(line["from"]) for line in reversed(lines) if line["k"] == "OVR"), "")
        yield WishChange(override=before, ended_at=at, ended_by=hand)
    if after is not None:
        yield WishChange(override=after)


def _applied(
    state: VehicleState, news: CycleNews, *, home: Home, limits: Limits
) -> tuple[VehicleState, list[Event], Sequence[Command]]:
    match news:
        case Reading():
            return _read(state, news, home=home, limits=limits)
        case ActionReport():
            tracked = track_report(state, news)
            return tracked.state, list(tracked.events), tracked.commands
        case Override():
            return (*_wished(state, news), ())
        case Lost():
            return replace(state, credentials_lost_at=news.at), [], ()
        case Regained():
            return replace(state, credentials_lost_at=None), [], ()
        case Gone():
            return replace(state, gone=True), [], ()


def _read(
    state: VehicleState, reading: Reading, *, home: Home, limits: Limits
) -> tuple[VehicleState, list[Event], Sequence[Command]]:
    before = state.observation
    taken = accept(before, reading)
    state = replace(state, observation=taken.observation, gone=False)
    lost = state.credentials_lost_at
    if lost is not None and reading.seen_at is not None and reading.seen_at > lost:
        state = replace(state, credentials_lost_at=None)
    line = observed_line(taken.observation, reading, facets=taken.facets, why=taken.why)
    if not taken.ok:
        return state, [line], ()
    state, lines = follow(state, before=before, home=home, limits=limits, at=reading.received.at)
    return state, [line, *lines], ()


def _wished(state: VehicleState, wish: Override) -> tuple[VehicleState, list[Event]]:
    line = {"k": "OVR", "op": "set", "will": wish.will, "from": wish.by, "until": ns(wish.until)}
    session = state.session
    if session is not None:
        session = replace(session, stopped_at=None, stops=0, corrections=0, retry_at=None)
    state = replace(state, session=session, overdue=() if wish.will is Will.HOLD else state.overdue)
    if wish.will is Will.AUTO:
        previous = state.override
        cleared = line | {"op": "clear", "will": previous.will if previous else Will.AUTO}
        return replace(state, override=None), [cleared]
    return replace(state, override=wish), [line]


def situation_of(
    state: VehicleState,
    *,
    home: Home,
    vehicle: VehicleSpec,
    limits: Limits,
    prices: tuple[PriceSeries, ...],
    now: Stamp,
    departures: tuple[CalendarDeparture, ...] = (),
    claimed_elsewhere: bool = False,
    client_refused: bool = False,
    clock_trusted: bool = True,
    store_durable: bool = True,
) -> Situation:
    """Collect everything that one decision needs, except the terms, which the policies state upon seeing it."""
    situation = Situation(
        at=now.at,
        mono_ns=now.mono_ns,
        run=now.run,
        home=home,
        vehicle=vehicle,
        observation=state.observation,
        limits=limits,
        prices=prices,
        departures=departures,
        session=state.session,
        command=state.command,
        recent=state.recent,
        override=state.override,
        learned=state.learned,
        committed=state.committed,
        committed_to=state.committed_to,
        turned=state.turned,
        refreshed_at=state.refreshed_at,
        alerts=state.alerts,
        gone=state.gone,
        claimed_elsewhere=claimed_elsewhere,
        credentials_valid=state.credentials_lost_at is None,
        client_refused=client_refused,
        clock_trusted=clock_trusted,
        store_durable=store_durable,
    )
    return altered(situation, overdue=_overdue(state, situation))


def _overdue(state: VehicleState, now: Situation) -> tuple[Overdue, ...]:
    """Return the targets that came due unmet in this session and still are (L9)."""
    if state.session is None:
        return ()
    due = [*state.overdue, *(w for w in state.watched if w.due_at <= now.at and state.session.at_home)]
    if not due or ended(now):
        return ()
    low = estimate_soc(now).low_pct
    return tuple(dict.fromkeys(d for d in due if not _met(d, low, state.session)))


def _met(target: Overdue, low_pct: float | None, session: Session) -> bool:
    if target.energy_kwh is not None:
        return session.energy_kwh >= target.energy_kwh
    return target.soc_pct is not None and low_pct is not None and low_pct >= target.soc_pct - MET_PCT
