"""How often to look at a vehicle, and when it may be woken. Pure.

Reading (GET) takes what Enode has stored and wakes nobody; Enode itself refreshes an active vehicle about every 2
minutes, another every 7, a sleeping one every 20. Looking more often than that shows nothing new. A refresh hint may
wake the vehicle: with nothing to do it is asked for at most once an hour, and never for one that should rest (L12).

Healthy webhooks make reading a safety net, since every change is told. They do not tell that nothing changed, so before
a command is due it is read all the same: its evidence must be young (S1).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MINUTE: Final = timedelta(minutes=1)
SOON: Final = 30 * MINUTE
WAKE_IDLE: Final = timedelta(hours=1)
WAKE_BUSY: Final = 10 * MINUTE
DEFAULT_SILENCE: Final = timedelta(minutes=60)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What decides how closely a vehicle is watched.

    `read_at` is when the vehicle's state last came in, by a reading or an event; None when it never did in this run.
    `heard_at` is when the webhook path last brought anything, a heartbeat included; None without a subscription or
    when it is not known to be active. `due_at` is when a command is next expected, None for never.
    """

    at: datetime
    read_at: datetime | None = None
    heard_at: datetime | None = None
    silence: timedelta = DEFAULT_SILENCE  # `T_hb`
    pending: bool = False  # a command is without its end
    plugged: bool | None = None
    charging: bool | None = None
    resting: bool = False  # full, complete, or nothing will be asked of it in this session
    reachable: bool | None = None
    due_at: datetime | None = None

    @property
    def told(self) -> bool:
        """Whether webhooks are healthy."""
        return self.heard_at is not None and self.at - self.heard_at < self.silence

    @property
    def due(self) -> bool:
        """Whether a command is due now or within half an hour."""
        return self.due_at is not None and self.due_at - self.at <= SOON


def poll_every(look: Outlook) -> timedelta:
    """Return how long to wait between two readings of a vehicle."""
    if look.pending:
        return MINUTE if look.told else MINUTE / 2
    if look.due or (look.plugged is None and look.reachable is not False):
        return 2 * MINUTE  # a car just linked: its first state comes within minutes
    if look.told:
        return _told(look)
    if look.resting or look.reachable is False:
        return 20 * MINUTE
    if look.charging:
        return 2 * MINUTE
    return 5 * MINUTE


def _told(look: Outlook) -> timedelta:
    if look.charging:
        return 10 * MINUTE  # the state of charge should not be guessed for long
    if look.resting or look.plugged is False:
        return 30 * MINUTE  # one lost event may cost no more than that (W03)
    return 20 * MINUTE


def quiet_until(look: Outlook, last_at: datetime) -> datetime:
    """Return until when a vehicle read at `last_at` need not be looked at again, while no more is known, `told` too."""
    until = last_at + poll_every(look)
    if look.due_at is not None and not look.due:
        until = min(until, look.due_at - SOON)
    return until


def may_wake(look: Outlook, refreshed_at: datetime | None) -> bool:
    """Tell whether a refresh may be asked for now.

    A vehicle that should rest, or that is unplugged, is left asleep. The least time between two hints is 10 minutes
    while a command is due or pending, else an hour.
    """
    busy = look.pending or look.due
    if look.plugged is False or (look.resting and not look.pending):
        return False
    if refreshed_at is None or refreshed_at > look.at:
        return True
    return look.at - refreshed_at >= (WAKE_BUSY if busy else WAKE_IDLE)
