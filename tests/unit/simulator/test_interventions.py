"""What people are asked to do: shown in order and in their language, and gone once it is done."""

import pytest

from simulator import remedies
from simulator.capability import INCAPABLE, Capability
from simulator.intervention_texts import (
    ACCOUNT_ADVICE,
    CHARGER_CHARGE_STATE,
    CHARGER_CONTROL,
    CREDENTIALS,
    TEXTS,
    VEHICLE_CHARGE_STATE,
    VEHICLE_CONTROL,
    VEHICLE_LOCATION,
    VEHICLE_ODOMETER,
)
from simulator.interventions import CATALOGUE
from simulator.wire import charger_json, vehicle_json

CONTROL = ("startCharging", "stopCharging")


def shown(place, name):
    return vehicle_json(place.world, place.vehicle)["capabilities"][name]


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
def test_every_intervention_is_written_in_the_language(language):
    assert set(TEXTS[language]) == set(CATALOGUE)


async def test_the_catalogue_comes_in_a_language_or_in_english(api):
    async def title(language: str | None) -> str:
        query = {} if language is None else {"language": language}
        _, one = await api.call("GET", f"/interventions/{VEHICLE_CONTROL}", **query)
        return one["resolution"]["title"]

    assert await title("de-DE") == "Fernsteuerung erlauben"
    assert {await title(each) for each in (None, "en-US", "fr-FR", "xx")} == {"Allow remote control"}
    _, listed = await api.call("GET", "/interventions", language="de-DE")
    assert {each["id"]: each["resolution"]["title"] for each in listed}[VEHICLE_CONTROL] == "Fernsteuerung erlauben"


async def test_the_catalogue_can_be_narrowed(api):
    _, listed = await api.call("GET", "/interventions", vendorType="charger")
    assert {each["id"] for each in listed} == {CHARGER_CONTROL, CHARGER_CHARGE_STATE}
    _, listed = await api.call("GET", "/interventions", vendor="TESLA")
    assert [each["id"] for each in listed] == [VEHICLE_CONTROL]


def test_what_the_charger_asks_comes_first_and_goes_with_its_solving(place, world, events):
    place.vehicle.native_control = False
    remedies.ask(world, place.vehicle, VEHICLE_CONTROL, CONTROL)
    remedies.ask(world, place.charger, CHARGER_CONTROL, CONTROL)
    assert shown(place, "startCharging") == {
        "isCapable": False,
        "interventionIds": [CHARGER_CONTROL, VEHICLE_CONTROL],
    }
    events.clear()
    remedies.solve(world, place.charger, CHARGER_CONTROL)
    assert shown(place, "startCharging") == {"isCapable": True, "interventionIds": []}
    told = {each["event"]: each["updatedFields"] for each in events}
    assert told == {"user:charger:updated": ["capabilities"], "user:vehicle:updated": ["capabilities"]}


def test_charge_state_interventions_of_both_devices_are_always_there(place, world):
    remedies.ask(world, place.vehicle, VEHICLE_CHARGE_STATE, ["chargeState"], optional=True)
    remedies.ask(world, place.charger, CHARGER_CHARGE_STATE, ["chargeState"], optional=True)
    assert shown(place, "chargeState") == {
        "isCapable": True,
        "interventionIds": [CHARGER_CHARGE_STATE, VEHICLE_CHARGE_STATE],
    }


def test_optional_ones_stay_in_order_for_a_car_that_can(place, world):
    remedies.ask(world, place.vehicle, ACCOUNT_ADVICE, ["startCharging"], optional=True)
    remedies.ask(world, place.charger, CHARGER_CONTROL, CONTROL)
    assert shown(place, "startCharging") == {"isCapable": True, "interventionIds": [CHARGER_CONTROL, ACCOUNT_ADVICE]}


def test_a_second_charger_that_can_makes_the_firsts_intervention_optional(place, world):
    place.vehicle.capabilities = dict.fromkeys(CONTROL, INCAPABLE)
    remedies.ask(world, place.charger, CHARGER_CONTROL, CONTROL)
    world.add_charger("user-a", vendor="EASEE")
    assert shown(place, "stopCharging") == {"isCapable": True, "interventionIds": [CHARGER_CONTROL]}


def test_only_the_last_intervention_unlocks(place, world):
    locked = Capability(capable=False, interventions=(VEHICLE_CONTROL, ACCOUNT_ADVICE))
    world.remove_charger(place.charger)
    place.vehicle.capabilities = {"startCharging": locked}
    remedies.solve(world, place.vehicle, ACCOUNT_ADVICE)
    assert shown(place, "startCharging") == {"isCapable": False, "interventionIds": [VEHICLE_CONTROL]}
    remedies.solve(world, place.vehicle, VEHICLE_CONTROL)
    assert shown(place, "startCharging") == {"isCapable": True, "interventionIds": []}


def test_a_locked_car_obeys_only_after_the_solving(place, world):
    vehicle = place.plugged(held=True)
    place.charger.set_reachable(reachable=False)
    remedies.ask(world, vehicle, VEHICLE_CONTROL, CONTROL)
    assert not vehicle.path_open
    remedies.solve(world, vehicle, VEHICLE_CONTROL)
    assert vehicle.path_open


async def test_a_page_lists_what_is_asked_and_its_button_does_it(api, place, world):
    api.headers = {}
    remedies.ask(world, place.charger, CHARGER_CONTROL, CONTROL)
    _, page = await api.call("GET", "/_sim/interventions")
    assert "Let others control the charger" in page
    assert "For: startCharging, stopCharging" in page
    assert "Linking the account again does this" in page
    form = {"device": place.charger.id, "intervention": CHARGER_CONTROL}
    async with api.session.post(api.running.url + "/_sim/interventions", data=form) as reply:
        assert "Let others control the charger" not in await reply.text()
    assert charger_json(place.charger)["capabilities"]["startCharging"]["isCapable"] is True


@pytest.mark.parametrize(
    ("form", "status"),
    [
        pytest.param({"device": "unknown", "intervention": CHARGER_CONTROL}, 404, id="no-device"),
        pytest.param({"intervention": CHARGER_CONTROL}, 400, id="not-asked-for"),
        pytest.param({"intervention": VEHICLE_ODOMETER}, 400, id="by-linking-only"),
    ],
)
async def test_the_page_refuses_what_cannot_be_solved(api, place, form, status):
    form = {"device": place.vehicle.id} | form
    async with api.session.post(api.running.url + "/_sim/interventions", data=form) as reply:
        assert reply.status == status


async def test_the_back_door_asks_and_solves_wherever_it_is_shown(api, place):
    car, charger = f"/_sim/vehicles/{place.vehicle.id}", f"/_sim/chargers/{place.charger.id}"
    asking = {"do": "ask", "intervention": CHARGER_CONTROL, "capabilities": list(CONTROL)}
    assert (await api.call("POST", charger, asking))[0] == 200
    assert shown(place, "startCharging")["interventionIds"] == [CHARGER_CONTROL]
    assert (await api.call("POST", car, {"do": "solve", "intervention": CHARGER_CONTROL}))[0] == 200
    assert shown(place, "startCharging")["interventionIds"] == []
    for path, body in (
        (car, {"do": "solve", "intervention": CHARGER_CONTROL}),
        (car, asking | {"capabilities": ["flying"]}),
        (charger, asking | {"intervention": "unknown"}),
        (charger, asking | {"intervention": CREDENTIALS}),
        (charger, {"do": "fly"}),
    ):
        assert (await api.call("POST", path, body))[0] == 400
    assert (await api.call("POST", "/_sim/chargers/unknown", {"do": "look"}))[0] == 404


RELINK = {"language": "de-DE", "redirectUri": "http://127.0.0.1:9/back"}


async def relinked(api, asset_id):
    status, answer = await api.call("POST", f"/assets/{asset_id}/relink", RELINK)
    assert status == 200
    for form in ({"do": "consent"}, {"do": "sign-in", "name": "anna", "password": "secret"}, {"do": "return"}):
        async with api.session.post(answer["linkUrl"], data=form, allow_redirects=False) as reply:
            assert reply.status in (302, 303)


async def test_what_linking_solves_is_solved_by_linking_again(api, place, events):
    assert shown(place, "odometer") == {"isCapable": False, "interventionIds": [VEHICLE_ODOMETER]}
    await relinked(api, place.vehicle.id)
    assert shown(place, "odometer") == {"isCapable": True, "interventionIds": []}
    assert vehicle_json(place.world, place.vehicle)["odometer"]["distance"] == 18_240
    assert events[-1]["updatedFields"] == ["odometer", "capabilities"]
    status, problem = await api.call("POST", f"/assets/{place.vehicle.id}/relink", RELINK)
    assert (status, problem["detail"]) == (400, "Asset not found or already linked")


@pytest.mark.parametrize("kind", ["vehicle", "charger"])
async def test_a_lost_sign_in_is_told_asks_to_link_again_and_is_healed_by_it(api, place, world, events, kind):
    device = getattr(place, kind)
    world.invalidate_credentials("user-a", device.vendor)
    lost = [each for each in events if each["event"] == "user:credentials:invalidated"]
    assert [(each["user"], each["vendor"]) for each in lost] == [({"id": "user-a"}, device.vendor)]
    _, body = await api.call("GET", f"/{kind}s/{device.id}")
    assert body["isReachable"] is False
    assert body["capabilities"]["chargeState"] == {"isCapable": False, "interventionIds": [CREDENTIALS]}
    assert await validity(api) == {"vehicle": kind != "vehicle", "charger": kind != "charger"}
    await relinked(api, device.id)
    world.run_for(minutes=1)
    _, body = await api.call("GET", f"/{kind}s/{device.id}")
    assert body["isReachable"] is True
    assert body["capabilities"]["chargeState"]["isCapable"] is True
    assert await validity(api) == {"vehicle": True, "charger": True}


async def validity(api):
    _, user = await api.call("GET", "/users/user-a")
    return {each["vendorType"]: each["isValid"] for each in user["linkedVendors"]}


async def test_dropping_the_authorization_loses_every_sign_in_without_an_event(api, place, events):
    assert (await api.call("DELETE", "/users/user-a/authorization"))[0] == 204
    assert await validity(api) == {"vehicle": False, "charger": False}
    assert "user:credentials:invalidated" not in {each["event"] for each in events}
    assert (place.vehicle.reachable, place.charger.reachable) == (False, False)


def test_a_car_that_hides_its_place_says_so(place, world):
    world.remove_charger(place.charger)
    remedies.ask(world, place.vehicle, VEHICLE_LOCATION, ["location"])
    assert shown(place, "location") == {"isCapable": False, "interventionIds": [VEHICLE_LOCATION]}
