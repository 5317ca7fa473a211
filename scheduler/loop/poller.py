"""Polling: the pull side of *observe*. It backs off while webhooks are healthy and takes over when they fall silent."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from scheduler.core.errors import ProviderError, ProviderUnauthorized
from scheduler.core.model import Decision, Desired, Home, Mode, Place, Situation
from scheduler.core.needs import ended
from scheduler.core.observation import Observation, Stamp
from scheduler.enode.cadence import Outlook, poll_every, quiet_until
from scheduler.loop.acts import Acts
from scheduler.loop.drain import Loop
from scheduler.ports import Clock, VehicleProvider

log = structlog.get_logger()

FIRST_PAUSE_S, LONGEST_PAUSE_S = 15.0, 90.0
"""After failures in a row polling waits longer and longer, yet finds a provider that is back within 2 min (L10)."""


@dataclass(frozen=True, kw_only=True)
class _Quiet:
    """What was known of a home when none of its vehicles was due, and until when that holds by itself."""

    known: Sequence[object]
    since: datetime
    until: datetime


class Poller:
    """Reads the vehicles of each user when one of them is due, by one call for all of them."""

    def __init__(
        self,
        *,
        loop: Loop,
        provider: VehicleProvider,
        acts: Acts,
        clock: Clock,
        heard_at: Callable[[], datetime | None],
        rng: random.Random | None = None,
    ) -> None:
        self._loop = loop
        self._provider = provider
        self._acts = acts
        self._clock = clock
        self._heard_at = heard_at
        self._polled: dict[str, datetime] = {}
        self._polling: set[str] = set()
        self._quiet: dict[str, _Quiet] = {}
        self._failures: dict[str, int] = {}
        self._not_before_ns: dict[str, int] = {}
        self._back: Stamp | None = None
        self._rng = rng or random.Random()  # noqa: S311 - jitter

    def forget(self) -> None:
        """Have every vehicle read again at the next sweep: events may have been lost."""
        self._polled.clear()

    def _heed_return(self) -> None:
        """After an outage have every home read, whatever events said meanwhile (L10).

        Any answer may be the first, and reading may be held for longer than that: it is made up for when it may be.
        """
        if self._back is not self._acts.health.back:
            self._back = self._acts.health.back
            self.forget()

    async def sweep(self) -> None:
        """Poll each home that is due, all at the same time: one home's trouble is not another's."""
        self._heed_return()
        now, now_ns = self._clock.now(), self._clock.monotonic_ns()
        told = Outlook(at=now, heard_at=self._heard_at(), silence=self._loop.world.limits.t_hb).told
        for home in self._loop.world.homes:
            if home.mode is Mode.OFF or home.id in self._polling or now_ns < self._not_before_ns.get(home.id, 0):
                continue
            if self._due(home, now, told=told):
                self._polling.add(home.id)
                self._acts.spawn(self._poll(home, now))

    def _due(self, home: Home, now: datetime, *, told: bool) -> bool:
        last = self._polled.get(home.id)
        if last is None or last > now:
            return True
        states, decided = self._loop.states, self._loop.last
        known = (home, last, told, *((states.get(v.id), decided.get(v.id)) for v in home.vehicles))
        quiet = self._quiet.get(home.id)
        if quiet is not None and quiet.known == known and quiet.since <= now < quiet.until:
            return False
        looks = [self._outlook(v.id, now) for v in home.vehicles if v.mode is not Mode.OFF]
        until = [quiet_until(look, max(last, look.read_at or last)) for look in looks]
        self._quiet[home.id] = _Quiet(known=known, since=now, until=min(until, default=now))
        return any(now - max(last, look.read_at or last) >= poll_every(look) for look in looks)

    def _outlook(self, vehicle_id: str, now: datetime) -> Outlook:
        kept = self._loop.states.get(vehicle_id)
        last = self._loop.last.get(vehicle_id)
        if kept is None:
            return Outlook(at=now)
        seen = kept.state.observation
        return Outlook(
            at=now,
            read_at=self._read_at(seen, now),
            heard_at=self._heard_at(),
            silence=self._loop.world.limits.t_hb,
            pending=kept.state.command is not None,
            plugged=seen.charge.plugged,
            charging=seen.charge.charging,
            resting=last is not None and _rests(*last),
            reachable=seen.reachable,
            due_at=_due_at(*last) if last is not None else None,
        )

    def _read_at(self, seen: Observation, now: datetime) -> datetime | None:
        """Return when this run last learned how the vehicle is: an event tells as much as a poll."""
        received = seen.received
        if received is None or received.run != self._loop.run or received.at > now:
            return None
        return received.at

    async def _poll(self, home: Home, now: datetime) -> None:
        try:
            readings = await self._provider.vehicles(home.user_id)
        except ProviderError as error:
            self._failed(home, error)
            return
        finally:
            self._polling.discard(home.id)
        self._failures.pop(home.id, None)
        self._acts.health.good(self._loop.stamp())
        self._heed_return()
        self._polled[home.id] = now
        await self._acts.keep_readings(readings, home.user_id)
        seen = {r.vehicle_id for r in readings}
        for vehicle in home.vehicles:
            kept = self._loop.states.get(vehicle.id)
            known = kept is None or not kept.state.gone
            if vehicle.id not in seen and vehicle.mode is not Mode.OFF and known:
                self._acts.look(vehicle.id, home.user_id)  # missing from the list: gone, or only left out

    def _failed(self, home: Home, error: ProviderError) -> None:
        """Note a failure, and wait before the next try."""
        self._acts.health.bad(self._loop.stamp(), error)
        failures = self._failures[home.id] = self._failures.get(home.id, 0) + 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10)) * self._rng.uniform(0.6, 1.0)
        self._not_before_ns[home.id] = self._clock.monotonic_ns() + round(pause_s * 1e9)
        level = log.error if isinstance(error, ProviderUnauthorized) else log.warning
        level("provider.down", home=home.id, why=str(error))


def _rests(now: Situation, decision: Decision) -> bool:
    charge = now.observation.charge
    if charge.plugged is False:
        return False  # without webhooks only reading finds the next plug-in, and until then it charges at any price
    return ended(now) or (decision.desired is Desired.LEAVE and decision.verdict.place is not Place.UNPROVEN)


def _due_at(now: Situation, decision: Decision) -> datetime | None:
    """Return when a command is next expected: at the next edge of the plan while the car stands at home."""
    if now.session is not None and now.session.unplugged_since is not None:
        return now.at  # gone, or a plug that flaps
    if decision.verdict.place is Place.AWAY or decision.desired is Desired.LEAVE:
        return None
    if decision.command is not None or decision.verdict.why in ("settling", "unheard", "not-seen"):
        return now.at
    slot = decision.plan.slot_at(now.at)
    edge = slot.end if slot is not None else decision.plan.next_start(now.at)
    charging = now.observation.charge.charging is True
    if (decision.desired is Desired.CHARGE) != charging:
        return now.at
    return edge
