"""A wall clock that stepped: what was noted by the clock that was wrong is dated when it was (fault T03)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from scheduler.core.command import Command
from scheduler.core.model import Session, VehicleState
from scheduler.core.observation import Observation, Stamp

AT_ONCE = timedelta(0)

STEP_MAX = timedelta(seconds=30)
"""A wall clock that moved this far against the monotonic one has stepped, or the host slept (S18).

What lies no further ahead was noted just before the clock was set back, not while it ran ahead."""

EXACT = timedelta(seconds=1)
"""The two clocks date a command alike to within this."""


def set_back(state: VehicleState, *, at: datetime, by: timedelta = AT_ONCE) -> VehicleState:
    """Return the state with every instant that we noted ourselves, and that now lies ahead, where it belongs.

    Source times are of the provider's clock and stay, and so do the times of plans, and of wishes and alerts, whose
    records go by them. After a restart, or where the clock went back by less than it had run ahead, all that is known
    is that what happened is past: it counts as of now.

    Args:
        state: as it was kept.
        at: the wall clock now (UTC).
        by: how far it was set back; zero where that is not known.
    """
    after = _SetBack(at, by).state(state)
    return state if after == state else replace(after, price_key="")  # PRICE told of what was still to come then


def set_right(state: VehicleState, *, now: Stamp, within: timedelta) -> VehicleState:
    """Return the state with the commands of this run dated by the monotonic clock, which does not step.

    For a wall clock that was set back wrongly and is right again: what was sent in between, or was moved then, is dated
    too early, and would be too old for its effect to be seen as its own.

    Args:
        state: as it was kept.
        now: on both clocks.
        within: how old a command may be and still matter; an older one stays as it is.
    """

    def right(command: Command) -> Command:
        late = _late(command, now, within)
        return _dated(command, lambda instant: min(instant + late, now.at)) if late else command

    after = _with_commands(state, right)
    return state if after == state else after


def _late(command: Command, now: Stamp, within: timedelta) -> timedelta:
    """Return by how much later than noted a command of this run was sent; nothing for others, and for old ones."""
    age = command.age(at=now.at, mono_ns=now.mono_ns, run=now.run)
    late = now.at - age - command.sent_at
    return late if age <= within and late > EXACT else AT_ONCE


def _with_commands(state: VehicleState, dated: Callable[[Command], Command]) -> VehicleState:
    """Return the state with its commands dated anew, and the back-off, which was counted from the end of the last."""
    recent, session = tuple(map(dated, state.recent)), state.session
    before, after = (some[-1].ended_at if some else None for some in (state.recent, recent))
    if session is not None and session.retry_at is not None and before is not None and after is not None:
        session = replace(session, retry_at=session.retry_at + (after - before))
    return replace(state, command=state.command and dated(state.command), recent=recent, session=session)


def _dated(command: Command, moved: Callable[[datetime], datetime]) -> Command:
    """Return the command with every instant of it moved."""

    def of(instant: datetime | None) -> datetime | None:
        return None if instant is None else moved(instant)

    return replace(
        command,
        sent_at=moved(command.sent_at),
        answered_at=of(command.answered_at),
        ambiguous_at=of(command.ambiguous_at),
        confirmed_at=of(command.confirmed_at),
        recall_at=of(command.recall_at),
        looked_at=of(command.looked_at),
        ended_at=of(command.ended_at),
    )


class _SetBack:
    """Moves instants that lie after `at` back by `by`, or to `at` where that is not far enough."""

    def __init__(self, at: datetime, by: timedelta) -> None:
        self._at, self._by = at, by

    def _of(self, instant: datetime | None) -> datetime | None:
        return None if instant is None else self._past(instant)

    def _past(self, instant: datetime) -> datetime:
        ahead = instant - self._at
        if ahead <= AT_ONCE:
            return instant
        return self._at if ahead <= STEP_MAX else min(instant - self._by, self._at)

    def state(self, state: VehicleState) -> VehicleState:
        state = _with_commands(state, lambda command: _dated(command, self._past))
        return replace(
            state,
            observation=self._observation(state.observation),
            session=state.session and self._session(state.session),
            voiced=tuple(replace(one, gone_at=self._of(one.gone_at)) for one in state.voiced),
            refreshed_at=self._of(state.refreshed_at),
            credentials_lost_at=self._of(state.credentials_lost_at),
        )

    def _observation(self, seen: Observation) -> Observation:
        return replace(
            seen,
            received=seen.received and replace(seen.received, at=self._past(seen.received.at)),
            plug_since=self._of(seen.plug_since),
            place_since=self._of(seen.place_since),
        )

    def _session(self, session: Session) -> Session:
        return replace(
            session,
            opened_at=self._past(session.opened_at),
            unplugged_since=self._of(session.unplugged_since),
            stopped_at=self._of(session.stopped_at),
        )
