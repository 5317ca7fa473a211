"""The link page as a browser walks through it, and the world of an owner who begins with nothing."""

import re
from datetime import UTC, datetime

import aiohttp
import pytest
from yarl import URL

from simulator.clock import ManualClock
from simulator.scenario import owner_world
from simulator.server import serve
from simulator.wire import charger_json, vehicle_json

from .conftest import Api

SUNDAY_EVENING = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
BACK = "http://127.0.0.1:9/linked?state=abc"
CAR = ["vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"]
CHARGER = ["charger:read:data", "charger:control:charging"]


@pytest.fixture
def world():
    return owner_world(seed=1, start_at=SUNDAY_EVENING)


@pytest.fixture
async def api(world):
    clock = ManualClock(world.agenda.now)
    running = await serve(world, clock)
    async with aiohttp.ClientSession() as session:
        api = Api(running, session, clock)
        await api.sign_in(world)
        yield api
    await running.stop()


class Browser:
    """Somebody on the link page."""

    def __init__(self, api: Api, url: str) -> None:
        self.api, self.url = api, url

    async def look(self) -> tuple[int, str]:
        async with self.api.session.get(self.url) as reply:
            return reply.status, await reply.text()

    async def press(self, do: str, **fields: str) -> tuple[int, str]:
        """Press a button; return the status, and the page reached or the address led to."""
        async with self.api.session.post(self.url, data={"do": do, **fields}, allow_redirects=False) as reply:
            if reply.status == 303:
                assert reply.headers["location"] == URL(self.url).path
                return await self.look()
            return reply.status, reply.headers.get("location") or await reply.text()

    async def sign_in(self, vendor: str, *, name: str = "anna") -> str:
        """Go all the way; return where it leads."""
        await self.press("brand", vendor=vendor)
        await self.press("consent")
        assert (await self.press("sign-in", name=name, password="secret"))[0] == 200
        status, address = await self.press("return")
        assert status == 302
        return address


async def opened(api: Api, scopes: list[str], **more: str) -> Browser:
    body = {"scopes": scopes, "language": "de-DE", "redirectUri": BACK} | more
    status, answer = await api.call("POST", "/users/me/link", body)
    assert status == 200
    return Browser(api, answer["linkUrl"])


async def linked(api: Api, vendor: str, *, name: str = "anna") -> None:
    scopes = CHARGER if vendor in ("ZAPTEC", "EASEE") else CAR
    assert await (await opened(api, scopes)).sign_in(vendor, name=name) == BACK


def heading(page: str) -> str:
    return re.search("<h1>(.*?)</h1>", page).group(1)


async def test_each_step_has_its_page_and_the_last_leads_back(api, world):
    browser = await opened(api, CAR)
    _, page = await browser.look()
    assert heading(page) == "Link your car"
    assert [each for each in ("Volkswagen", "Tesla", "Renault", "Zaptec") if each in page] == [
        "Volkswagen",
        "Tesla",
        "Renault",
    ]
    _, page = await browser.press("brand", vendor="RENAULT")
    assert "start and stop charging the car" in page
    _, page = await browser.press("consent")
    assert heading(page) == "Sign in to Renault"
    assert list(world.vehicles) == []
    _, page = await browser.press("sign-in", name="anna", password="secret")
    assert heading(page) == "Your car is linked"
    assert "Renault Zoe" in page
    assert await browser.press("return") == (302, BACK)
    assert (await browser.look())[0] == 404


async def test_the_page_needs_no_script_and_names_every_field(api):
    browser = await opened(api, CAR)
    await browser.press("brand", vendor="TESLA")
    _, page = await browser.press("consent")
    assert "<script" not in page
    assert 'name="viewport"' in page
    assert re.findall(r'<label>(\w+) <input name="(\w+)"', page) == [("Name", "name"), ("Password", "password")]
    assert re.findall(r'<button name="do" value="([\w-]+)"', page) == ["sign-in", "back", "leave"]


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("wrong", "secret"), ("", "secret"), ("anna", "")])
async def test_a_sign_in_that_fails_links_nothing_and_can_be_tried_again(api, world, name, password):
    browser = await opened(api, CAR)
    await browser.press("brand", vendor="TESLA")
    await browser.press("consent")
    status, page = await browser.press("sign-in", name=name, password=password)
    assert (status, "alert" in page, len(world.vehicles)) == (422, True, 0)
    assert heading((await browser.press("sign-in", name="anna", password="secret"))[1]) == "Your car is linked"


async def test_steps_cannot_be_skipped_and_can_be_taken_back(api, world):
    browser = await opened(api, CAR)
    assert heading((await browser.press("sign-in", name="anna", password="secret"))[1]) == "Link your car"
    assert heading((await browser.press("consent"))[1]) == "Link your car"
    await browser.press("brand", vendor="TESLA")
    _, page = await browser.press("back")
    assert 'value="TESLA" checked' in page
    assert (await browser.press("brand", vendor="HORSE"))[0] == 400
    assert list(world.vehicles) == []


async def test_a_session_for_one_brand_has_no_choice(api):
    browser = await opened(api, CHARGER, vendor="EASEE")
    assert heading((await browser.look())[1]) == "What you allow"
    assert heading((await browser.press("back"))[1]) == "What you allow"


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_leaving_early_leads_back_with_an_error_and_ends_the_session(api, world, steps):
    browser = await opened(api, CAR)
    for do in ("brand", "consent")[:steps]:
        await browser.press(do, vendor="TESLA")
    status, address = await browser.press("leave")
    back = URL(address)
    assert (status, dict(back.query)) == (
        302,
        {"state": "abc", "error": "cancelled", "error_message": "The user left before linking."},
    )
    assert ((await browser.look())[0], list(world.vehicles)) == (404, [])


async def test_somebody_who_closes_the_last_page_has_linked_all_the_same(api, world):
    browser = await opened(api, CAR)
    for do, fields in (("brand", {}), ("consent", {}), ("sign-in", {"name": "anna", "password": "secret"})):
        await browser.press(do, **fields)
    assert [each.vendor for each in world.vehicles.values()] == ["VOLKSWAGEN"]
    assert (await browser.press("leave"))[0] == 200  # what is done is done


async def test_a_session_ends_after_a_day(api, world):
    browser = await opened(api, CAR)
    api.clock.advance(24 * 3600 + 1)
    assert [(await browser.look())[0], (await browser.press("brand"))[0]] == [404, 404]


async def test_a_session_of_a_user_who_was_removed_is_over(api):
    browser = await opened(api, CAR)
    await api.call("DELETE", "/users/me")
    assert (await browser.look())[0] == 404


async def test_a_password_is_nowhere_kept(api, world):
    await linked(api, "TESLA")
    assert "secret" not in str(list(world.requests))


async def test_the_same_name_is_the_same_account_and_another_name_another(api, world):
    browser = await opened(api, ["vehicle:read:data"])
    await browser.sign_in("VOLKSWAGEN")
    (car,) = world.vehicles.values()
    assert vehicle_json(world, car)["capabilities"]["startCharging"]["isCapable"] is False
    await linked(api, "VOLKSWAGEN")
    assert list(world.vehicles.values()) == [car]
    assert vehicle_json(world, car)["capabilities"]["startCharging"]["isCapable"] is True
    await linked(api, "VOLKSWAGEN", name="bert")
    assert len(world.vehicles) == 2


def able(world, car):
    shown = vehicle_json(world, car)["capabilities"]
    return [shown[name]["isCapable"] for name in ("startCharging", "stopCharging", "location")]


@pytest.mark.parametrize(
    ("vendor", "expected"),
    [
        pytest.param("VOLKSWAGEN", [True, True, True], id="everything-by-itself"),
        pytest.param("TESLA", [False, False, True], id="control-locked"),
        pytest.param("RENAULT", [False, False, False], id="nothing-by-itself"),
    ],
)
async def test_an_owner_begins_with_nothing_and_each_car_can_what_its_maker_lets_it(api, world, vendor, expected):
    assert (list(world.users), list(world.vehicles), list(world.chargers)) == ([], [], [])
    await linked(api, vendor)
    (car,) = world.vehicles.values()
    assert able(world, car) == expected
    api.clock.advance(600)
    assert (car.plugged, car.at_home, car.charger) == (True, True, None)
    shown = vehicle_json(world, car)
    assert shown["chargeState"]["pluggedInChargerId"] is None
    assert (shown["location"]["latitude"] is not None) is expected[2]


async def test_a_charger_linked_is_the_one_the_car_hangs_on_and_the_pair_is_recognised_soon(api, world, events):
    await linked(api, "RENAULT")
    (car,) = world.vehicles.values()
    api.clock.advance(600)
    await linked(api, "EASEE")
    (charger,) = world.chargers.values()
    assert able(world, car) == [True, True, True]
    assert vehicle_json(world, car)["chargeState"]["pluggedInChargerId"] is None
    api.clock.advance(150)
    assert vehicle_json(world, car)["chargeState"]["pluggedInChargerId"] == charger.id
    told = [each for each in events if "charger" in each]
    assert [each["event"] for each in told[:2]] == ["user:charger:discovered", "user:charger:updated"]
    assert told[0]["charger"]["information"]["brand"] == "Easee"
    assert {*told[0]["charger"]["chargeState"].values()} == {None, "UNKNOWN"}
    assert told[-1]["charger"]["chargeState"]["pluggedInVehicleId"] == car.id
    assert vehicle_json(world, car)["location"]["id"] is None
    body = {"name": "Home", "latitude": 59.9165, "longitude": 10.7582, "timezoneName": "Europe/Oslo"}
    _, place = await api.call("POST", "/users/me/locations", body)
    await api.call("PUT", f"/chargers/{charger.id}", {"locationId": place["id"]})
    assert vehicle_json(world, car)["location"]["id"] == place["id"]


async def test_a_charger_linked_first_is_the_one_a_car_plugs_into(api, world):
    await linked(api, "EASEE")
    await linked(api, "RENAULT")
    api.clock.advance(600)
    (car,), (charger,) = world.vehicles.values(), world.chargers.values()
    assert (car.charger, charger_json(charger)["chargeState"]["pluggedInVehicleId"]) == (charger, car.id)


async def test_with_haste_a_car_comes_home_is_paired_and_obeys_within_seconds(api, world):
    world.agenda.haste = 30.0
    await linked(api, "EASEE")
    await linked(api, "RENAULT")
    (car,), (charger,) = world.vehicles.values(), world.chargers.values()
    car.auto_start = False
    api.clock.advance(13)
    assert charger_json(charger)["chargeState"]["pluggedInVehicleId"] == car.id
    assert (await api.call("POST", f"/vehicles/{car.id}/charging", {"action": "START"}))[0] == 200
    api.clock.advance(2)
    assert [each.state for each in world.actions.by_id.values()] == ["CONFIRMED"]
    soc_pct = car.true_soc_pct()
    api.clock.advance(60)
    assert 0 < car.true_soc_pct() - soc_pct < 0.5  # a battery knows no haste


async def test_the_owner_leaves_for_work_and_comes_back_to_the_charger(api, world):
    await linked(api, "VOLKSWAGEN")
    await linked(api, "EASEE")
    (car,) = world.vehicles.values()
    world.run_until(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    assert (car.plugged, car.at_home) == (False, False)
    world.run_until(datetime(2026, 11, 23, 20, 0, tzinfo=UTC))
    assert (car.plugged, car.charger) == (True, next(iter(world.chargers.values())))


async def test_an_unlinked_car_is_gone_for_good_and_comes_back_under_another_id(api, world):
    await linked(api, "RENAULT")
    (before,) = world.vehicles
    assert (await api.call("DELETE", "/users/me/vendors/RENAULT/vehicle"))[0] == 204
    world.run_for(days=2)
    told = len(world.truth)
    world.run_for(days=2)
    assert (list(world.vehicles), len(world.truth)) == ([], told)
    await api.sign_in(world)
    await linked(api, "RENAULT")
    assert before not in world.vehicles


@pytest.mark.parametrize("change", [{"language": "tlh"}, {"colorScheme": "pink"}], ids=["language", "colours"])
async def test_a_session_in_an_unknown_language_or_colour_is_refused(api, change):
    body = {"scopes": CAR, "language": "en-US", "redirectUri": BACK} | change
    assert (await api.call("POST", "/users/me/link", body))[0] == 400
