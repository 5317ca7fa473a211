"""Routes of the provider's own control of devices: smart charging of vehicles, and schedules."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import web

from simulator.answers import Refusal, invalid, page, read_object
from simulator.keys import WORLD
from simulator.schedules import Schedule, schedule_status, smart_status
from simulator.vehicle import Vehicle
from simulator.world import World

routes = web.RouteTableDef()

SCHEDULE_MEMBERS = ("targetId", "targetType", "locationId", "isEnabled", "defaultShouldCharge", "rules")
RULE_MEMBERS = {"shouldCharge", "hourMinute", "weekdays", "fromTimestamp", "toTimestamp"}
CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
WEEK = range(7)
FULL_PCT = 100


@routes.get("/vehicles/{id}/smart-charging-policy")
async def get_smart_policy(request: web.Request) -> web.Response:
    """Answer the smart-charging policy of a vehicle."""
    return web.json_response(_vehicle(request).smart_policy)


@routes.put("/vehicles/{id}/smart-charging-policy")
async def put_smart_policy(request: web.Request) -> web.Response:
    """Change it; an enabled one takes control of the vehicle."""
    world, vehicle = request.app[WORLD], _vehicle(request)
    body = await read_object(request, allowed=("isEnabled", "deadline", "minimumChargeLimit"))
    _check_policy(body)
    policy = vehicle.smart_policy | body
    if policy["isEnabled"] and _scheduled(world, vehicle.id):
        raise Refusal(400, "An enabled schedule controls this vehicle.")
    if policy != vehicle.smart_policy:
        vehicle.smart_policy, vehicle.smart_policy_at = policy, world.agenda.now
        world.publish_vehicle(vehicle)
        world.publish(
            {
                "event": "user:vehicle:smart-charging-status-updated",
                "user": {"id": vehicle.user_id},
                "smartChargingStatus": smart_status(world, vehicle),
                "updatedFields": ["state"],
            }
        )
    return web.json_response(policy)


@routes.get("/vehicles/{id}/smart-charging-status")
async def get_smart_status(request: web.Request) -> web.Response:
    """Answer how smart charging of a vehicle stands."""
    return web.json_response(smart_status(request.app[WORLD], _vehicle(request)))


@routes.get("/users/{user_id}/schedules")
async def list_schedules(request: web.Request) -> web.Response:
    """Answer a page of a user's schedules."""
    user_id = request.match_info["user_id"]
    mine = [each for each in request.app[WORLD].schedules.values() if each.user_id == user_id]
    return page(request, mine, Schedule.as_json)


@routes.post("/users/{user_id}/schedules")
async def create_schedule(request: web.Request) -> web.Response:
    """Make a schedule; an enabled one takes control of its device at once."""
    world, user_id = request.app[WORLD], request.match_info["user_id"]
    if user_id not in world.users:
        raise Refusal(404, f"Could not find user with ID {user_id}", title="User does not exist")
    required = ("targetId", "targetType", "defaultShouldCharge", "rules")
    body = await read_object(request, allowed=SCHEDULE_MEMBERS, required=required)
    _check_schedule(world, user_id, body)
    now = world.agenda.now
    schedule = Schedule(id=world.new_id(), user_id=user_id, created_at=now, changed_at=now, **_members(body))
    _enable(world, schedule, enabled=body.get("isEnabled", True))
    world.schedules[schedule.id] = schedule
    _tell(world, schedule)
    return web.json_response(schedule.as_json())


@routes.get("/schedules/{id}")
async def get_schedule(request: web.Request) -> web.Response:
    """Answer a schedule."""
    return web.json_response(_schedule(request).as_json())


@routes.put("/schedules/{id}")
async def put_schedule(request: web.Request) -> web.Response:
    """Change what the body names of a schedule."""
    world, schedule = request.app[WORLD], _schedule(request)
    body = await read_object(request, allowed=SCHEDULE_MEMBERS)
    whole = schedule.as_json() | body
    _check_schedule(world, schedule.user_id, whole)
    schedule = replace(schedule, changed_at=world.agenda.now, **_members(whole))
    _enable(world, schedule, enabled=whole["isEnabled"])
    world.schedules[schedule.id] = schedule
    _tell(world, schedule)
    return web.json_response(schedule.as_json())


@routes.delete("/schedules/{id}")
async def delete_schedule(request: web.Request) -> web.Response:
    """Remove a schedule."""
    del request.app[WORLD].schedules[_schedule(request).id]
    return web.Response(status=204)


@routes.get("/schedules/{id}/status")
async def get_schedule_status(request: web.Request) -> web.Response:
    """Answer how a schedule and its device stand to each other."""
    return web.json_response(schedule_status(request.app[WORLD], _schedule(request)))


def _vehicle(request: web.Request) -> Vehicle:
    found = request.app[WORLD].vehicles.get(request.match_info["id"])
    if found is None:
        raise Refusal(404, "The requested asset wasn't found.")
    return found


def _schedule(request: web.Request) -> Schedule:
    found = request.app[WORLD].schedules.get(request.match_info["id"])
    if found is None:
        raise Refusal(404, "The requested schedule wasn't found.")
    return found


def _scheduled(world: World, target_id: str, *, besides: str = "") -> bool:
    every = world.schedules.values()
    return any(each.target_id == target_id and each.is_enabled and each.id != besides for each in every)


def _enable(world: World, schedule: Schedule, *, enabled: bool) -> None:
    vehicle = world.vehicles.get(schedule.target_id)
    if enabled and vehicle is not None and vehicle.smart_policy["isEnabled"]:
        raise Refusal(400, "Smart charging controls this vehicle.")
    if enabled and _scheduled(world, schedule.target_id, besides=schedule.id):
        raise Refusal(400, "Another enabled schedule controls this device.")
    schedule.is_enabled = enabled


def _tell(world: World, schedule: Schedule) -> None:
    world.publish(
        {
            "event": "user:schedule:execution-updated",
            "user": {"id": schedule.user_id},
            "status": schedule_status(world, schedule),
            "schedule": schedule.as_json(),
            "updatedFields": ["state"],
        }
    )


def _members(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "target_id": body["targetId"],
        "target_type": body["targetType"],
        "location_id": body.get("locationId"),
        "default_should_charge": body["defaultShouldCharge"],
        "rules": body["rules"],
    }


def _check_policy(body: dict[str, Any]) -> None:
    if not isinstance(body.get("isEnabled", False), bool):
        raise invalid("isEnabled", "must be true or false")
    deadline = body.get("deadline")
    if deadline is not None and not (isinstance(deadline, str) and CLOCK_TIME.fullmatch(deadline)):
        raise invalid("deadline", "must be HH:mm")
    limit = body.get("minimumChargeLimit", 0)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= FULL_PCT:
        raise invalid("minimumChargeLimit", "must be a number from 0 to 100")


def _check_schedule(world: World, user_id: str, body: dict[str, Any]) -> None:
    devices: dict[str, dict[str, Any]] = {"vehicle": {**world.vehicles}, "charger": {**world.chargers}}
    if body["targetType"] not in ("vehicle", "charger"):
        raise invalid("targetType", "is not simulated: vehicle and charger are")
    device = devices[body["targetType"]].get(str(body["targetId"]))
    if device is None or device.user_id != user_id:
        raise invalid("targetId", f"is no {body['targetType']} of this user")
    location = world.locations.get(str(body.get("locationId")))
    if body.get("locationId") is not None and (location is None or location.user_id != user_id):
        raise invalid("locationId", "is no Location of this user")
    for member in ("isEnabled", "defaultShouldCharge"):
        if not isinstance(body.get(member, False), bool):
            raise invalid(member, "must be true or false")
    if not isinstance(body["rules"], list) or not all(_good_rule(each) for each in body["rules"]):
        raise invalid("rules", "must be rules with shouldCharge, and hourMinute, weekdays or timestamps")


def _good_rule(rule: Any) -> bool:
    if not isinstance(rule, dict) or not rule.keys() <= RULE_MEMBERS or not isinstance(rule.get("shouldCharge"), bool):
        return False
    hours = rule.get("hourMinute", {"from": "00:00", "to": "00:00"})
    if not isinstance(hours, dict) or not all(CLOCK_TIME.fullmatch(str(hours.get(end))) for end in ("from", "to")):
        return False
    weekdays = rule.get("weekdays", [])
    if not isinstance(weekdays, list) or not all(day in WEEK for day in weekdays):
        return False
    return all(_good_instant(rule[end]) for end in ("fromTimestamp", "toTimestamp") if end in rule)


def _good_instant(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False
