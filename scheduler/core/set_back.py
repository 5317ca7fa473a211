"""A wall clock that was set back: what happened while it ran ahead did not happen in the future (fault T03)."""

from dataclasses import replace
from datetime import datetime, timedelta

from scheduler.core.command import Command
from scheduler.core.model import Session, VehicleState
from scheduler.core.observation import Observation

AT_ONCE = timedelta(0)


def set_back(state: VehicleState, *, at: datetime, by: timedelta = AT_ONCE) -> VehicleState:
    """Return the state with every instant that we noted ourselves, and that now lies ahead, where it belongs.

    Source times are of the provider's clock and stay, and so do the times of plans, and of wishes, whose records go by
    them. After a restart, or where the clock went back by less than it had run ahead, all that is known is that what
    happened is past: it counts as of now.

    Args:
        state: as it was kept.
        at: the wall clock now (UTC).
        by: how far it was set back; zero where that is not known.
    """
    after = _SetBack(at, by).state(state)
    return state if after == state else replace(after, price_key="")  # PRICE told of what was still to come then


class _SetBack:
    """Moves instants that lie after `at` back by `by`, or to `at` where that is not far enough."""

    def __init__(self, at: datetime, by: timedelta) -> None:
        self._at, self._by = at, by

    def _of(self, instant: datetime | None) -> datetime | None:
        return None if instant is None else self._past(instant)

    def _past(self, instant: datetime) -> datetime:
        return instant if instant <= self._at else min(instant - self._by, self._at)

    def state(self, state: VehicleState) -> VehicleState:
        session = state.session
        return replace(
            state,
            observation=self._observation(state.observation),
            command=state.command and self._command(state.command),
            recent=tuple(self._command(command) for command in state.recent),
            session=session and self._session(session, moved=self._moved(state)),
            voiced=tuple(
                replace(one, told_at=self._past(one.told_at), gone_at=self._of(one.gone_at)) for one in state.voiced
            ),
            refreshed_at=self._of(state.refreshed_at),
            credentials_lost_at=self._of(state.credentials_lost_at),
        )

    def _moved(self, state: VehicleState) -> timedelta:
        """Return by how much the end of the last command moves: the back-off was counted from it."""
        last = state.recent[-1].ended_at if state.recent else None
        return AT_ONCE if last is None else last - self._past(last)

    def _observation(self, seen: Observation) -> Observation:
        return replace(
            seen,
            received=seen.received and replace(seen.received, at=self._past(seen.received.at)),
            plug_since=self._of(seen.plug_since),
            place_since=self._of(seen.place_since),
        )

    def _session(self, session: Session, *, moved: timedelta) -> Session:
        retry_at = session.retry_at
        return replace(
            session,
            opened_at=self._past(session.opened_at),
            unplugged_since=self._of(session.unplugged_since),
            stopped_at=self._of(session.stopped_at),
            retry_at=None if retry_at is None else retry_at - moved,
        )

    def _command(self, command: Command) -> Command:
        return replace(
            command,
            sent_at=self._past(command.sent_at),
            answered_at=self._of(command.answered_at),
            ambiguous_at=self._of(command.ambiguous_at),
            confirmed_at=self._of(command.confirmed_at),
            recall_at=self._of(command.recall_at),
            looked_at=self._of(command.looked_at),
            ended_at=self._of(command.ended_at),
        )
