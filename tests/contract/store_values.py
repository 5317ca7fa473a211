"""Builders for what the store keeps: a test names only what matters to it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.core.command import Action, Command, CommandState, Failure, Why
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Hand, Override, VehicleState, Will
from scheduler.core.observation import Stamp
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import nanoseconds
from scheduler.ports import (
    AlertChange,
    Batch,
    DecisionRecord,
    Event,
    Inbound,
    OverrideRecord,
    SessionRecord,
    Store,
    Versioned,
)

T0 = datetime(2026, 3, 29, 0, 30, 0, 123456, tzinfo=UTC)  # half an hour before Europe's clocks go forward


def after(minutes: float = 0.0, *, hours: float = 0.0, days: float = 0.0) -> datetime:
    return T0 + timedelta(minutes=minutes, hours=hours, days=days)


def inbound(user: str = "user", *, key: str | None = None, payload: bytes = b"{}", at: datetime = T0) -> Inbound:
    return Inbound(
        kind="event",
        user_id=user,
        vehicle_id=None,
        payload=payload,
        received=Stamp(at=at, mono_ns=2**62, run=1),
        key=key,
    )


def state(vehicle: str = "v1", *, name: str = "", due: datetime | None = None) -> VehicleState:
    return VehicleState(vehicle_id=vehicle, home_id="h1", user_id="user", decision_key=name, next_due_at=due)


def first(vehicle: str = "v1", *, name: str = "") -> Versioned:
    return Versioned(state=state(vehicle, name=name), version=0)


def command(number: str = "c1", *, vehicle: str = "v1", at: datetime = T0, **members: Any) -> Command:
    sent = Command(
        id=number,
        vehicle_id=vehicle,
        action=Action.START,
        why=Why.PLAN,
        state=CommandState.SENT,
        sent_at=at,
        epoch=1,
        failure=Failure(type="NO_RESPONSE", detail="asleep"),
    )
    return replace(sent, **members)


def event(seq: int, *, run: int = 1, vehicle: str | None = "v1", at: datetime = T0, **members: Any) -> Event:
    return {"seq": seq, "t": nanoseconds(at), "m": 5, "run": run, "node": "n", "k": "TICK", "v": vehicle, **members}


def decision(at: datetime, *, vehicle: str = "v1", situation: bytes = b'{"at":1}', summary: str = "") -> DecisionRecord:
    return DecisionRecord(
        vehicle_id=vehicle,
        home_id="h1",
        at=at,
        key="k",
        situation=situation,
        decision=b'{"desired":"hold"}',
        summary=summary,
        command_id=None,
    )


def session(
    number: str = "s1", *, vehicle: str = "v1", at: datetime = T0, end: datetime | None = None
) -> SessionRecord:
    return SessionRecord(
        id=number,
        vehicle_id=vehicle,
        home_id="h1",
        plugged_at=at,
        unplugged_at=end,
        energy_kwh=12.25,
        cost=1.5,
        baseline_cost=2.75,
        currency="EUR",
        soc_start_pct=40.0,
        soc_end_pct=None,
        target_soc_pct=80.0,
        departure_at=after(hours=9),
        met=None,
    )


def alert(
    code: str = "DEADLINE_AT_RISK", *, vehicle: str | None = "v1", at: datetime = T0, text: str = "late"
) -> AlertChange:
    return AlertChange(code=code, vehicle_id=vehicle, text=text, severity="warning", raised_at=at)


def override(*, at: datetime = T0, cleared_at: datetime | None = None) -> OverrideRecord:
    wish = Override(will=Will.CHARGE, by=Hand.CLI, set_at=at, until=after(hours=4))
    return OverrideRecord(vehicle_id="v1", override=wish, cleared_at=cleared_at, cleared_by="cli" if cleared_at else "")


def prices(
    per_kwh: list[float],
    *,
    source: str = "spot",
    start: datetime = T0,
    slot_minutes: int = 60,
    fetched_at: datetime = T0,
    zone: str = "NO1",
    product: str = "",
    status: PriceState = PriceState.FINAL,
) -> PriceSeries:
    slots = tuple(
        PriceSlot(
            start=start + timedelta(minutes=slot_minutes * i),
            end=start + timedelta(minutes=slot_minutes * (i + 1)),
            per_kwh=price,
            state=status,
        )
        for i, price in enumerate(per_kwh)
    )
    return PriceSeries(name=source, currency="NOK", slots=slots, fetched_at=fetched_at, zone=zone, product=product)


async def all_decisions(store: Store, *, vehicle: str | None = None, limit: int = 1000) -> list[DecisionRecord]:
    return [record async for record in await store.decisions(vehicle_id=vehicle, limit=limit)]


def everything() -> Batch:
    """A batch that holds one of each."""
    return Batch(
        states=[first()],
        events=[event(1), event(2, vehicle=None)],
        commands=[command()],
        decisions=[decision(T0)],
        sessions=[session()],
        alerts=[alert()],
        overrides=[override()],
        blobs={"abc": b'{"id":"h1"}'},
    )
