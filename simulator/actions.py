"""Actions: a command's life at the provider, from PENDING to one of its three ends."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator.charger import Charger
from simulator.instants import zulu, zulu_or_none
from simulator.vehicle import Vehicle

if TYPE_CHECKING:
    from simulator.world import World

FIRST_LOOK_S = (18.0, 28.0)  # after the handshake of car and charger
RETRY_S = 60.0


@dataclass(kw_only=True, eq=False)
class Action:
    """One command, as the provider keeps it.

    `away_at` is when it was last taken, or asked for again, while no car was truly plugged in at home.
    """

    id: str
    user_id: str
    target: Vehicle | Charger
    kind: str | None
    created_at: datetime
    updated_at: datetime
    give_up_at: datetime
    silent: bool = False
    sent: bool = False
    max_current_a: float | None = None
    state: str = "PENDING"
    completed_at: datetime | None = None
    failure: tuple[str, str] | None = None
    away_at: datetime | None = None

    @property
    def pending(self) -> bool:
        """Whether it has not ended yet."""
        return self.state == "PENDING"

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        aim: dict[str, Any] = {"kind": self.kind}
        if self.kind is None:
            aim = {"targetState": {"maxCurrent": self.max_current_a}}
        return {
            "id": self.id,
            "userId": self.user_id,
            "createdAt": zulu(self.created_at),
            "updatedAt": zulu(self.updated_at),
            "completedAt": zulu_or_none(self.completed_at),
            "state": self.state,
            "targetId": self.target.id,
            "targetType": "vehicle" if isinstance(self.target, Vehicle) else "charger",
            **aim,
            "failureReason": None if self.failure is None else {"type": self.failure[0], "detail": self.failure[1]},
        }


class Actions:
    """All actions of a world, and how they proceed.

    `accepted` counts the charging actions taken for each device; `away` holds those taken, or asked for again, while no
    car was truly plugged in at home.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.by_id: dict[str, Action] = {}
        self.accepted: Counter[str] = Counter()
        self.away: list[Action] = []

    def pending_for(self, target_id: str) -> Action | None:
        """Return the action that is under way for a device, if any."""
        mine = [each for each in self.by_id.values() if each.pending and each.target.id == target_id]
        return mine[-1] if mine else None

    def charge(self, target: Vehicle | Charger, kind: str) -> Action:
        """Take a START or STOP: a pending one of the same kind for a vehicle is reused, any other is replaced."""
        before = self.pending_for(target.id)
        if before is not None and before.kind == kind and isinstance(target, Vehicle):
            return self._judged(before)
        if before is not None:
            self._end(before, "CANCELLED", "CONFLICT", "A newer action replaced this one.")
        action = self._judged(self._new(target, kind))
        if isinstance(target, Vehicle) and target.telemetry.seen.plugged is False:
            self._end(action, "CANCELLED", "FAILED_PRECONDITION", "The vehicle is not plugged in.")
        else:
            self._world.agenda.soon(self._latency_s(target), lambda: self._attempt(action))
        return action

    def _judged(self, action: Action) -> Action:
        vehicle = action.target if isinstance(action.target, Vehicle) else action.target.vehicle
        if vehicle is None or not vehicle.plugged or not vehicle.at_home:
            action.away_at = self._world.agenda.now
            self.away.append(action)
        return action

    def limit(self, charger: Charger, max_current_a: float) -> Action:
        """Take a new current limit for a charger."""
        before = self.pending_for(charger.id)
        if before is not None:
            self._end(before, "CANCELLED", "CONFLICT", "A newer action replaced this one.")
        action = self._new(charger, None)
        action.max_current_a = max_current_a
        self._world.agenda.soon(5.0, lambda: self._attempt(action))
        return action

    def cancel(self, action: Action) -> None:
        """Stop trying, because the client asked."""
        self._end(action, "CANCELLED", "REQUESTED_CANCELLATION", "The action was cancelled on request.")

    def target_deleted(self, target: Vehicle | Charger) -> None:
        """End what is under way for a device that is gone."""
        action = self.pending_for(target.id)
        if action is not None:
            self._end(action, "CANCELLED", "NOT_FOUND", "The device was deleted.")

    def _new(self, target: Vehicle | Charger, kind: str | None) -> Action:
        now = self._world.agenda.now
        vehicle = target if isinstance(target, Vehicle) else target.vehicle
        window_s = 720.0 if vehicle is None else vehicle.mood.window_s
        action = Action(
            id=self._world.new_id(),
            user_id=target.user_id,
            target=target,
            kind=kind,
            created_at=now,
            updated_at=now,
            give_up_at=now + timedelta(seconds=window_s),
        )
        if vehicle is not None and kind is not None and vehicle.mood.silent_commands > 0:
            vehicle.mood.silent_commands -= 1
            action.silent = True
        self.by_id[action.id] = action
        self.accepted[target.id] += 1
        return action

    def _latency_s(self, target: Vehicle | Charger) -> float:
        if isinstance(target, Charger):
            return 3.0
        mood = target.mood
        return target.rng.uniform(*(mood.asleep_latency_s if target.asleep else mood.latency_s))

    def _attempt(self, action: Action) -> None:
        if not action.pending:
            return
        target, vehicle = action.target, action.target if isinstance(action.target, Vehicle) else action.target.vehicle
        if action.kind is None:
            self._set_limit(action)
        elif action.silent:
            self._again(action, unreachable=False)
        elif vehicle is None or not vehicle.plugged:
            self._end(action, "CANCELLED", "FAILED_PRECONDITION", "The device is not plugged in.")
        elif not self._reaches(target, vehicle, action.kind):
            self._again(action, unreachable=True)
        else:
            self._command(action, vehicle, action.kind)

    def _reaches(self, target: Vehicle | Charger, vehicle: Vehicle, kind: str) -> bool:
        return target.reachable if isinstance(target, Charger) else self._world.pairing.can_route(vehicle, kind)

    def _command(self, action: Action, vehicle: Vehicle, kind: str) -> None:
        result = vehicle.obey(kind)
        if result == "unnecessary" and not action.sent:
            self._look_now(action, vehicle)
            self._end(action, "CANCELLED", "UNNECESSARY", "The device is already in the wanted state.")
            return
        if result == "ignored":
            self._again(action, unreachable=False)
            return
        action.sent = True
        acknowledged = vehicle.delivery == "PLUGGED_IN:NO_POWER"
        self._world.agenda.soon(
            vehicle.rng.uniform(*FIRST_LOOK_S), lambda: self._verify(action, vehicle, kind, acknowledged=acknowledged)
        )

    def _verify(self, action: Action, vehicle: Vehicle, kind: str, *, acknowledged: bool) -> None:
        if not action.pending:
            return
        self._look_now(action, vehicle)
        if acknowledged or self._agrees(action, vehicle, kind):
            self._end(action, "CONFIRMED")
        else:
            self._again(action, unreachable=False)

    def _look_now(self, action: Action, vehicle: Vehicle) -> None:
        if vehicle.charger is not None:
            vehicle.charger.refresher.now()
        if isinstance(action.target, Vehicle):
            vehicle.telemetry.refresher.now()

    def _agrees(self, action: Action, vehicle: Vehicle, kind: str) -> bool:
        charger = vehicle.charger
        if vehicle.reachable and isinstance(action.target, Vehicle):
            delivery = vehicle.telemetry.seen.delivery
        elif charger is not None and charger.reachable:
            delivery = charger.seen.delivery
        else:
            return False
        wanted = {"PLUGGED_IN:CHARGING"} if kind == "START" else {"PLUGGED_IN:STOPPED", "PLUGGED_IN:COMPLETE"}
        return delivery in wanted

    def _set_limit(self, action: Action) -> None:
        charger = action.target
        if isinstance(charger, Charger) and charger.reachable:
            if charger.vehicle is not None:
                charger.vehicle.settle()
            charger.max_current_a = action.max_current_a
            if charger.vehicle is not None:
                charger.vehicle.limit_changed()
            charger.refresher.now()
            self._end(action, "CONFIRMED")
        else:
            self._again(action, unreachable=True)

    def _again(self, action: Action, *, unreachable: bool) -> None:
        if self._world.agenda.now + timedelta(seconds=RETRY_S) <= action.give_up_at:
            self._world.agenda.after(RETRY_S, lambda: self._attempt(action))
            return
        left_s = max(0.0, (action.give_up_at - self._world.agenda.now).total_seconds())
        self._world.agenda.after(left_s, lambda: self._give_up(action, unreachable=unreachable))

    def _give_up(self, action: Action, *, unreachable: bool) -> None:
        known = isinstance(action.target, Vehicle) and action.target.telemetry.reachable is False
        if unreachable and known:
            self._end(action, "CANCELLED", "FAILED_PRECONDITION", "The vehicle could not be reached.")
        else:
            self._end(action, "FAILED", "NO_RESPONSE", "The device did not react in time.")

    def _end(self, action: Action, state: str, failure: str | None = None, detail: str = "") -> None:
        if not action.pending:
            return
        action.state = state
        action.updated_at = action.completed_at = self._world.agenda.now
        action.failure = None if failure is None else (failure, detail)
        if isinstance(action.target, Vehicle) and failure in {"FAILED_PRECONDITION", "NO_RESPONSE"}:
            self._world.pairing.command_failed(action.target)
        fields = ["state", "updatedAt", "completedAt"] + (["failureReason"] if failure else [])
        self._world.publish(
            {
                "event": "user:vendor-action:updated",
                "user": {"id": action.user_id},
                "vendorAction": action.as_json(),
                "updatedFields": fields,
            }
        )
