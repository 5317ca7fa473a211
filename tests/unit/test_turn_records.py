"""What the turns of a drain leave behind in one transaction."""

from dataclasses import replace
from datetime import timedelta

from scheduler.core.cycle import Observed, WishChange
from scheduler.core.decide import decide
from scheduler.core.model import Hand, Override, VehicleState, Will
from scheduler.core.observation import Stamp
from scheduler.core.settling import Settled
from scheduler.loop.journal import Journal
from scheduler.loop.turn import Turn, batch_of
from scheduler.ports import OverrideRecord
from tests.unit.core.builders import NOW, situation


def test_every_wish_of_a_turn_has_its_record_though_another_is_in_force_or_none():
    hold = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW)
    charge = Override(will=Will.CHARGE, by=Hand.API, set_at=NOW + timedelta(minutes=1))
    now = situation()
    state = VehicleState(vehicle_id="car", home_id="home", user_id="user", observation=now.observation)
    wishes = (
        WishChange(override=hold),
        WishChange(override=hold, ended_at=NOW, ended_by="api"),
        WishChange(override=charge),
    )
    for in_force in (charge, None):
        kept = replace(state, override=in_force)
        turn = Turn(
            home=now.home,
            seen_version=0,
            observed=Observed(state=kept, events=(), commands=(), wishes=wishes),
            settled=Settled(state=kept, events=(), commands=()),
            situation=now,
            decision=decide(now),
        )
        batch = batch_of([turn], (), journal=Journal(run=1, node="test"), now=Stamp(at=NOW, mono_ns=0, run=1))
        assert list(batch.overrides) == [
            OverrideRecord(vehicle_id="car", override=hold),
            OverrideRecord(vehicle_id="car", override=hold, cleared_at=NOW, cleared_by="api"),
            OverrideRecord(vehicle_id="car", override=charge),
        ]
