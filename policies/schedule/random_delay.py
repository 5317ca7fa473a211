"""Courtesy to the grid: do not begin and end with everybody else, and stay out of the hours when everybody charges."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time, timedelta

from scheduler.core.calendar import Recurring, local_days, local_windows
from scheduler.core.model import Situation
from scheduler.core.terms import Block, MinDwell, Term
from scheduler.core.terms import RandomDelay as Delay
from scheduler.core.timeline import merge

LONGEST_S = 1800

WORKING_DAYS = frozenset(range(5))
PEAKS = (
    Recurring(start=time(8), end=time(11), days=WORKING_DAYS),
    Recurring(start=time(16), end=time(22), days=WORKING_DAYS),
)
"""When the grid is busiest, Monday to Friday in local time."""


@dataclass(frozen=True, kw_only=True)
class RandomDelay:
    """Put off what begins or ends by the plan by a random time of up to `longest_s`, and keep out of peak hours.

    The delay is drawn once for each edge of the plan and each vehicle, every second as likely as another. The latest
    start leaves time for the longest one. A person's own wish, a minimum, and a target that is reached do not wait. No
    run or pause is planned that its own delay could swallow. Without `avoid_peaks` peak hours are hours like others.
    """

    longest_s: int = 600
    avoid_peaks: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.longest_s <= LONGEST_S:
            raise ValueError(f"longest_s must be from 0 to {LONGEST_S}, not {self.longest_s}")

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the delay, the least run that outlasts it, and a block for each peak in the days of the horizon."""
        longest = timedelta(seconds=self.longest_s)
        yield Delay(longest=longest, why=f"random delay of up to {self.longest_s} s")
        yield MinDwell(duration=longest, why="no shorter than its random delay")
        span = local_days(now.at, now.limits.horizon, now.home.timezone)
        peaks = PEAKS if self.avoid_peaks else ()
        for interval in merge(
            one for window in peaks for one in local_windows(window, within=span, timezone=now.home.timezone)
        ):
            yield Block(interval=interval, why="peak hours of working days")
