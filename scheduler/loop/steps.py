"""Steps of the wall clock: seen against the monotonic one (S18), and what they leave to be dated anew (T03)."""

from datetime import datetime, timedelta

from scheduler.core.model import VehicleState
from scheduler.core.observation import Stamp
from scheduler.core.set_back import AT_ONCE, STEP_MAX, set_back, set_right
from scheduler.core.timeline import EPOCH

MICROSECOND = timedelta(microseconds=1)


class Steps:
    """Follows the two clocks of a run."""

    def __init__(self) -> None:
        self._origin: timedelta | None = None
        self._off = AT_ONCE  # by how much the wall clock has stepped, all in all
        self._stepped_at_ns = -1
        self._ran_ahead: tuple[datetime, timedelta] | None = None  # how far the wall clock had come, and was set back
        self._righted_at_ns: int | None = None

    def check(self, now: Stamp) -> timedelta:
        """Compare the two clocks; return by how much the wall clock has stepped, zero where it has not."""
        origin = now.at - EPOCH - timedelta(microseconds=now.mono_ns // 1000)
        before, self._origin = self._origin, origin
        if before is None or abs(origin - before) <= STEP_MAX:
            return AT_ONCE
        moved, was_behind = origin - before, self._off < -STEP_MAX
        self._off += moved
        self._stepped_at_ns = now.mono_ns
        if moved < AT_ONCE:
            self._ran_ahead = now.at - moved, -moved
        elif was_behind and abs(self._off) <= STEP_MAX:
            self._righted_at_ns = now.mono_ns
        return moved

    def none_since(self, heard: Stamp | None) -> bool:
        """Tell whether the clock has not stepped since something was heard; never where nothing was."""
        return heard is not None and heard.mono_ns > self._stepped_at_ns

    def dated(self, state: VehicleState, now: Stamp, *, matters_for: timedelta) -> VehicleState:
        """Return the state with what was noted by a wall clock that was wrong where it belongs.

        Asked at every turn until the clock is there again, or no command is so old that it does not matter any more
        when it was sent: a turn may have been under way when the clock stepped.
        """
        righted_at_ns = self._righted_at_ns
        if righted_at_ns is not None and now.mono_ns - righted_at_ns <= matters_for // MICROSECOND * 1000:
            state = set_right(state, now=now, within=matters_for)
        if self._ran_ahead is None:
            return state
        ahead_until, by = self._ran_ahead
        if now.at > ahead_until:
            self._ran_ahead = None
            return state
        return set_back(state, at=now.at, by=by)
