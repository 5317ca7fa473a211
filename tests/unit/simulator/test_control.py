"""The provider's own smart charging and schedules: they take control, tell of it, and can be switched off."""

from datetime import UTC, datetime

import pytest

from simulator.schedules import Schedule

NIGHT = {"shouldCharge": True, "hourMinute": {"from": "23:00", "to": "05:30"}}
PUBLIC = {"isEnabled": True, "deadline": "07:30", "minimumChargeLimit": 20}


def wanted(place, kind="vehicle", **members):
    return {
        "targetId": getattr(place, kind).id,
        "targetType": kind,
        "locationId": place.location.id,
        "defaultShouldCharge": False,
        "rules": [NIGHT],
    } | members


async def start(api, place, kind="vehicle"):
    status, _ = await api.call("POST", f"/{kind}s/{getattr(place, kind).id}/charging", {"action": "START"})
    return status


async def made(api, body):
    status, schedule = await api.call("POST", "/users/user-a/schedules", body)
    assert status == 200, schedule
    return schedule


async def test_smart_charging_refuses_commands_until_it_is_switched_off(api, place, events):
    place.plugged(held=True)
    path = f"/vehicles/{place.vehicle.id}/smart-charging"
    assert (await api.call("GET", f"{path}-status"))[1]["state"] == "DISABLED"
    events.clear()
    assert await api.call("PUT", f"{path}-policy", PUBLIC) == (200, PUBLIC)
    assert [each["event"] for each in events] == [
        "user:vehicle:updated",
        "user:vehicle:smart-charging-status-updated",
    ]
    assert events[0]["vehicle"]["smartChargingPolicy"] == PUBLIC
    assert events[1]["smartChargingStatus"]["vehicleId"] == place.vehicle.id
    _, status = await api.call("GET", f"{path}-status")
    assert (status["state"], status["plan"]) == ("CONSIDERING", None)
    assert status["consideration"] == {
        "isPluggedIn": True,
        "isCharging": False,
        "atChargingLocation": True,
        "hasTimeEstimate": False,
    }
    assert await start(api, place) == 422
    assert (await api.call("PUT", f"{path}-policy", {"isEnabled": False}))[1] == PUBLIC | {"isEnabled": False}
    assert await start(api, place) == 200


@pytest.mark.parametrize(
    "body",
    [{"isEnabled": 1}, {"deadline": "25:00"}, {"minimumChargeLimit": 101}, {"minimumChargeLimit": True}, {"more": 1}],
    ids=["enabled", "deadline", "limit", "truth", "unknown-member"],
)
async def test_a_wrong_policy_is_refused(api, place, body):
    assert (await api.call("PUT", f"/vehicles/{place.vehicle.id}/smart-charging-policy", body))[0] == 400


@pytest.mark.parametrize("kind", ["vehicle", "charger"])
async def test_a_schedule_refuses_commands_to_its_device_until_it_is_switched_off(api, place, events, kind):
    place.plugged(held=True)
    events.clear()
    schedule = await made(api, wanted(place, kind))
    assert [each["event"] for each in events] == ["user:schedule:execution-updated"]
    assert events[0]["schedule"] == schedule
    assert events[0]["status"]["scheduleId"] == schedule["id"]
    assert await start(api, place, kind) == 422
    _, changed = await api.call("PUT", f"/schedules/{schedule['id']}", {"isEnabled": False})
    assert changed == schedule | {"isEnabled": False}
    assert await start(api, place, kind) == 200


async def test_schedules_are_listed_read_and_deleted(api, place):
    schedule = await made(api, wanted(place))
    _, listed = await api.call("GET", "/users/user-a/schedules")
    assert listed == {"data": [schedule], "pagination": {"after": None, "before": None}}
    assert await api.call("GET", f"/schedules/{schedule['id']}") == (200, schedule)
    assert await api.call("DELETE", f"/schedules/{schedule['id']}") == (204, "")
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/status")):
        assert (await api.call(method, f"/schedules/{schedule['id']}{path}", {}))[0] == 404
    assert (await api.call("POST", "/users/unknown/schedules", wanted(place)))[0] == 404


async def test_a_schedule_and_smart_charging_exclude_each_other(api, place):
    policy = f"/vehicles/{place.vehicle.id}/smart-charging-policy"
    schedule = await made(api, wanted(place))
    assert (await api.call("PUT", policy, PUBLIC))[0] == 400
    assert (await api.call("POST", "/users/user-a/schedules", wanted(place)))[0] == 400
    await api.call("PUT", f"/schedules/{schedule['id']}", {"isEnabled": False})
    assert (await api.call("PUT", policy, PUBLIC))[0] == 200
    assert (await api.call("PUT", f"/schedules/{schedule['id']}", {"isEnabled": True}))[0] == 400
    assert (await api.call("GET", f"/schedules/{schedule['id']}"))[1]["isEnabled"] is False


@pytest.mark.parametrize(
    ("members", "state", "should_charge"),
    [
        pytest.param({}, "ALIGNED", False, id="held-by-day"),
        pytest.param({"defaultShouldCharge": True}, "MISALIGNED", True, id="held-though-it-should-charge"),
        pytest.param({"isEnabled": False}, "INACTIVE:DISABLED", False, id="switched-off"),
    ],
)
async def test_the_status_tells_how_schedule_and_car_agree(api, place, members, state, should_charge):
    place.plugged(held=True)
    schedule = await made(api, wanted(place, **members))
    _, status = await api.call("GET", f"/schedules/{schedule['id']}/status")
    assert (status["state"], status["isChargingExpected"]) == (state, should_charge)
    assert status["isChargingExpectedParts"] == {
        "needsCharge": True,
        "isPluggedIn": True,
        "shouldCharge": should_charge,
    }


async def test_the_status_tells_of_a_car_away_and_of_one_that_cannot(api, place, world):
    schedule = await made(api, wanted(place))
    path = f"/schedules/{schedule['id']}/status"
    place.vehicle.drive_to(place.vehicle.home.moved(north_m=5_000))
    world.run_for(minutes=1)
    assert (await api.call("GET", path))[1]["state"] == "INACTIVE:AWAY"
    await api.call("PUT", f"/schedules/{schedule['id']}", {"locationId": None})
    place.vehicle.scopes = ("vehicle:read:data",)
    world.remove_charger(place.charger)
    assert (await api.call("GET", path))[1]["state"] == "INACTIVE:INCAPABLE"


@pytest.mark.parametrize(
    "change",
    [
        {"targetType": "hvac"},
        {"targetId": "unknown"},
        {"locationId": "unknown"},
        {"isEnabled": "yes"},
        {"rules": {}},
        {"rules": [{"hourMinute": {"from": "23:00", "to": "05:30"}}]},
        {"rules": [{"shouldCharge": True, "hourMinute": {"from": "24:00", "to": "05:30"}}]},
        {"rules": [{"shouldCharge": True, "weekdays": [7]}]},
        {"rules": [{"shouldCharge": True, "fromTimestamp": "2026-11-23T10:00:00"}]},
        {"rules": [{"shouldCharge": True, "more": 1}]},
    ],
    ids=["type", "target", "location", "enabled", "rules", "bare", "hour", "weekday", "naive", "member"],
)
async def test_a_wrong_schedule_is_refused(api, place, change):
    assert (await api.call("POST", "/users/user-a/schedules", wanted(place, **change)))[0] == 400


async def test_a_schedule_goes_with_its_device(api, place, world):
    await made(api, wanted(place))
    world.remove_vehicle(place.vehicle)
    assert world.schedules == {}


@pytest.mark.parametrize(
    ("rule", "at", "charges"),
    [
        pytest.param(NIGHT, datetime(2026, 11, 23, 22, 30, tzinfo=UTC), True, id="in-the-evening"),
        pytest.param(NIGHT, datetime(2026, 11, 24, 4, 0, tzinfo=UTC), True, id="past-midnight"),
        pytest.param(NIGHT, datetime(2026, 11, 24, 4, 30, tzinfo=UTC), False, id="its-end-is-out"),
        pytest.param(NIGHT | {"weekdays": [0]}, datetime(2026, 11, 24, 4, 0, tzinfo=UTC), True, id="mondays-night"),
        pytest.param(NIGHT | {"weekdays": [1]}, datetime(2026, 11, 24, 4, 0, tzinfo=UTC), False, id="not-tuesdays"),
        pytest.param(
            {"shouldCharge": True, "fromTimestamp": "2026-11-24T00:00:00Z", "toTimestamp": "2026-11-24T02:00:00Z"},
            datetime(2026, 11, 24, 2, 0, tzinfo=UTC),
            False,
            id="after-its-timestamp",
        ),
        pytest.param(
            {"shouldCharge": True, "fromTimestamp": "2026-11-24T00:00:00Z"},
            datetime(2026, 11, 23, 23, 0, tzinfo=UTC),
            False,
            id="before-its-timestamp",
        ),
        pytest.param(
            {"shouldCharge": True, "hourMinute": {"from": "10:00", "to": "12:00"}},
            datetime(2026, 11, 24, 10, 0, tzinfo=UTC),
            True,
            id="by-day",
        ),
    ],
)
def test_rules_are_read_in_local_time(rule, at, charges):
    schedule = Schedule(
        id="s",
        user_id="u",
        created_at=at,
        changed_at=at,
        target_id="v",
        target_type="vehicle",
        default_should_charge=False,
        rules=[rule],
    )
    assert schedule.should_charge(at, "Europe/Oslo") is charges
