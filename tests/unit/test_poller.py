"""When homes are read: as their vehicles are due, when webhooks end, and after an outage."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scheduler.core.errors import ProviderUnavailable
from scheduler.core.model import Limits, VehicleState
from scheduler.core.observation import ChargeFacet, Observation, Stamp
from scheduler.loop.acts import Health
from scheduler.loop.poller import Poller
from scheduler.ports import Versioned
from tests.unit.core.builders import situation
from tests.web_support import StepClock

MINUTE = timedelta(minutes=1)


@dataclass
class Provider:
    """The provider's list of vehicles, and whose was asked for."""

    asked: list[str] = field(default_factory=list)
    refuses: bool = False

    async def vehicles(self, user_id: str) -> list[Any]:
        self.asked.append(user_id)
        if self.refuses:
            raise ProviderUnavailable("not yet")
        return []


class Watch:
    """A poller of two homes with an unplugged car each, swept by hand."""

    def __init__(self) -> None:
        self.clock, self.provider, self.health = StepClock(), Provider(), Health()
        self.heard_at: datetime | None = None
        self.work: list[Any] = []
        now = situation()
        homes = [
            replace(now.home, id=name, user_id=name, vehicles=(replace(now.vehicle, id=f"car-{name}"),))
            for name in ("one", "two")
        ]
        self.states = {
            home.vehicles[0].id: Versioned(state=self.parked(home.vehicles[0].id, home.id), version=1) for home in homes
        }
        loop = SimpleNamespace(
            world=SimpleNamespace(homes=homes, limits=Limits()), states=self.states, last={}, run=1, stamp=self.stamp
        )
        acts = SimpleNamespace(
            health=self.health, spawn=self.work.append, keep_readings=self.kept, look=lambda *_: None
        )
        self.poller = Poller(
            loop=cast("Any", loop), provider=cast("Any", self.provider), acts=cast("Any", acts), clock=self.clock,
            heard_at=lambda: self.heard_at,
        )  # fmt: skip

    def parked(self, vehicle_id: str, home_id: str) -> VehicleState:
        seen = Observation(charge=ChargeFacet(at=self.clock.now(), plugged=False), reachable=True)
        return VehicleState(vehicle_id=vehicle_id, home_id=home_id, user_id=home_id, observation=seen)

    def plug_in(self, name: str) -> None:
        """Let a home's car charge from now on, as an event tells."""
        kept = self.states[f"car-{name}"]
        charge = ChargeFacet(at=self.clock.now(), plugged=True, charging=True)
        seen = replace(kept.state.observation, charge=charge)
        self.states[f"car-{name}"] = Versioned(state=replace(kept.state, observation=seen), version=kept.version + 1)

    def stamp(self) -> Stamp:
        return Stamp(at=self.clock.now(), mono_ns=self.clock.monotonic_ns(), run=1)

    async def kept(self, *_: Any) -> None:
        pass

    async def sweep(self) -> list[str]:
        """Sweep, let what it began end, and return whose vehicles were asked for."""
        before = len(self.provider.asked)
        await self.poller.sweep()
        while self.work:
            await self.work.pop(0)
        return self.provider.asked[before:]

    async def sweeps(self, minutes: int) -> list[int]:
        """Sweep each minute; return in which of them home one was read."""
        found = []
        for minute in range(1, minutes + 1):
            self.clock.advance(60)
            if "one" in await self.sweep():
                found.append(minute)
        return found


async def test_a_home_is_read_as_its_cars_are_due_and_soon_when_one_changes():
    watch = Watch()
    assert await watch.sweep() == ["one", "two"]
    assert await watch.sweeps(11) == [5, 10]
    watch.plug_in("one")
    assert await watch.sweeps(4) == [1, 3]


async def test_webhooks_that_end_are_made_up_for_at_once():
    watch = Watch()
    watch.heard_at = watch.clock.now()
    await watch.sweep()
    assert await watch.sweeps(20) == [], "what changes is told"
    watch.heard_at = None
    assert await watch.sweeps(6) == [1, 6]


async def test_webhooks_that_fall_silent_are_made_up_for():
    watch = Watch()
    watch.heard_at = watch.clock.now() - Limits().t_hb + 7 * MINUTE
    await watch.sweep()
    assert await watch.sweeps(13) == [7, 12]


@pytest.mark.parametrize(("failing_min", "next_read"), [(6, ["two"]), (4, [])])
async def test_after_an_outage_that_was_told_every_home_is_read_again(failing_min, next_read):
    """Home two is not due: its own call was good, and others failed before and after it."""
    watch = Watch()
    await watch.sweep()
    watch.plug_in("one")
    watch.clock.advance(240)
    since = replace(watch.stamp(), mono_ns=watch.stamp().mono_ns - failing_min * 60 * 10**9)
    watch.health.bad(since, ProviderUnavailable("no answer"))
    assert await watch.sweep() == ["one"]
    assert watch.health.failing_since is None
    assert await watch.sweep() == next_read
    assert await watch.sweep() == []


@pytest.mark.parametrize(("failing_min", "next_read"), [(6, ["one", "two"]), (4, [])])
async def test_an_outage_that_another_answer_ended_is_made_up_for_when_reading_is_free(failing_min, next_read):
    """The list was refused until later: a look at a single car was the first that the provider answered."""
    watch = Watch()
    await watch.sweep()
    watch.clock.advance(60)
    watch.health.bad(watch.stamp(), ProviderUnavailable("too many requests"))
    watch.clock.advance(failing_min * 60)
    watch.heard_at = watch.clock.now()
    watch.health.good(watch.stamp())
    watch.provider.refuses = True
    assert await watch.sweep() == next_read
    watch.provider.refuses = False
    watch.clock.advance(90)
    assert await watch.sweep() == next_read
    assert await watch.sweep() == []
