"""When a price source is asked, and what it should know by then. Pure: instants in, instants out."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from scheduler.core.calendar import local_instant, zone_named
from scheduler.core.timeline import Interval

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class DayAhead:
    """The rhythm of a source that tells of a whole local day on the day before.

    `asked_from` and `late_from` are times of `timezone`, whose days these are: that of the market, which need not be
    the home's. Before `late_from` it is nobody's fault that tomorrow is not there. While it is awaited it is asked for
    `again` and again. The past is asked for as far `back`: it says what a coming day may cost.
    """

    timezone: str = "Europe/Brussels"
    asked_from: time = time(12, 45)
    late_from: time = time(14, 30)
    again: timedelta = timedelta(minutes=5)
    back: timedelta = timedelta(days=15)

    def wanted(self, at: datetime) -> Interval:
        """Return what should be known: today, and tomorrow from `asked_from` on."""
        return self._days(at, self.asked_from)

    def due(self, at: datetime) -> Interval:
        """Return what must be known by now, or the source is late."""
        return self._days(at, self.late_from)

    def _days(self, at: datetime, turn: time) -> Interval:
        local = at.astimezone(zone_named(self.timezone))
        today = local.date()
        days = 2 if at >= local_instant(today, turn, self.timezone) else 1
        end = local_instant(today + days * DAY, time(0), self.timezone)
        return Interval(start=local_instant(today, time(0), self.timezone), end=end)

    def next_news(self, at: datetime) -> datetime:
        """Return when it will know more than now."""
        today = at.astimezone(zone_named(self.timezone)).date()
        turn = local_instant(today, self.asked_from, self.timezone)
        return turn if turn > at else local_instant(today + DAY, self.asked_from, self.timezone)


@dataclass(frozen=True, kw_only=True)
class Rolling:
    """The rhythm of a source that tells of the time ahead anew every so often: forecasts, files, fixed prices.

    It is late when not even the present is known.
    """

    every: timedelta = timedelta(minutes=15)
    ahead: timedelta = timedelta(days=4)
    back: timedelta = timedelta(days=15)

    def wanted(self, at: datetime) -> Interval:
        """Return what is asked for."""
        return Interval(start=at, end=at + self.ahead)

    def due(self, at: datetime) -> Interval:
        """Return what must be known: now."""
        return Interval(start=at, end=at + timedelta(seconds=1))

    def next_news(self, at: datetime) -> datetime:
        """Return when it will know more than now."""
        return at + self.every


Rhythm = DayAhead | Rolling
