"""Charge in fixed windows and only there."""

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.calendar import Recurring, local_days, local_windows
from scheduler.core.model import Situation
from scheduler.core.terms import Block, Run, Term
from scheduler.core.timeline import merge, subtract


@dataclass(frozen=True, kw_only=True)
class OffPeak:
    """Run in the windows, block outside them. For meters with a night tariff, and for owners who want no plan.

    A run asks for energy by itself; no target is needed beside it. Windows are local times of the home; a time that the
    clock change skips means the first instant after it, a time that comes twice means the first.
    """

    windows: tuple[Recurring, ...]

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError('no window: give at least one, such as { start = "22:00", end = "06:00" }')

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield a run for each window and a block for each gap, over the whole local days of the horizon."""
        zone = now.home.timezone
        span = local_days(now.at, now.limits.horizon, zone)
        inside = merge(one for window in self.windows for one in local_windows(window, within=span, timezone=zone))
        for interval in inside:
            yield Run(interval=interval, why="off-peak")
        for interval in subtract([span], inside):
            yield Block(interval=interval, why="outside off-peak")
