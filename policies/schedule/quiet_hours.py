"""Do not charge in fixed windows."""

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.calendar import Recurring, local_days, local_windows
from scheduler.core.model import Situation
from scheduler.core.terms import Block, Term
from scheduler.core.timeline import merge


@dataclass(frozen=True, kw_only=True)
class QuietHours:
    """Block the windows: for grid peaks, a noisy charger, a fuse shared with the cooker.

    With `even_below_minimum` a block listed before the minimum SoC withholds a START below it too; it never stops a car
    that charges there. Windows are local times of the home; a time that the clock change skips means the first instant
    after it, a time that comes twice means the first.
    """

    windows: tuple[Recurring, ...]
    even_below_minimum: bool = False

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError('no window: give at least one, such as { start = "17:00", end = "20:00" }')

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield a block for each window in the whole local days of the horizon."""
        zone = now.home.timezone
        span = local_days(now.at, now.limits.horizon, zone)
        for interval in merge(
            one for window in self.windows for one in local_windows(window, within=span, timezone=zone)
        ):
            yield Block(interval=interval, even_below_minimum=self.even_below_minimum, why="quiet hours")
