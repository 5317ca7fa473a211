"""The provider's API on the wire: forms of answers, refusals, lists, links, faults, and the back door."""

import json

import aiohttp
import pytest
from aiohttp import web

from simulator.vehicle import CHARGING, STOPPED


def shape(value: object) -> object:
    """Return the members of a JSON value without their contents."""
    return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize(
    ("example", "path"),
    [
        pytest.param("vehicle-plugged-at-paired-charger-charging.json", "/vehicles/{vehicle}", id="vehicle"),
        pytest.param("charger-plugged-charging.json", "/chargers/{charger}", id="charger"),
        pytest.param("location.json", "/locations/{location}", id="location"),
        pytest.param("vehicle-list-page.json", "/users/user-a/vehicles", id="vehicle-list"),
        pytest.param("charger-list-page.json", "/chargers", id="charger-list"),
        pytest.param("user.json", "/users/user-a", id="user"),
    ],
)
async def test_answers_have_the_members_of_the_examples(api, place, reference_dir, example, path):
    place.plugged()
    ids = {"vehicle": place.vehicle.id, "charger": place.charger.id, "location": place.location.id}
    status, body = await api.call("GET", path.format(**ids))
    assert status == 200
    wanted = json.loads((reference_dir / "enode-examples" / example).read_text())
    assert shape(body) == shape(wanted)
    if "data" in wanted:
        assert shape(body["data"][0]) == shape(wanted["data"][0])


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic abc", "Bearer"])
async def test_a_call_without_a_living_token_gets_401(api, authorization):
    api.headers = {"authorization": authorization}
    status, body = await api.call("GET", "/vehicles")
    assert (status, set(body)) == (401, {"type", "title", "detail"})


@pytest.mark.parametrize(
    ("headers", "form", "status", "error"),
    [
        pytest.param({}, "grant_type=client_credentials", 401, "invalid_client", id="no-credentials"),
        pytest.param(
            {"authorization": "Basic !!"}, "grant_type=client_credentials", 401, "invalid_client", id="garbage"
        ),
        pytest.param({}, "grant_type=password", 400, "unsupported_grant_type", id="another-grant"),
    ],
)
async def test_a_wrong_token_call_is_refused(api, headers, form, status, error):
    async with api.session.post(api.running.url + "/oauth2/token", data=form, headers=headers) as reply:
        assert (reply.status, (await reply.json())["error"]) == (status, error)


async def test_health_needs_no_token(api):
    api.headers = {}
    assert await api.call("GET", "/health/ready") == (204, "")


@pytest.mark.parametrize(
    ("method", "path", "empty"),
    [
        pytest.param("GET", "/vehicles/unknown", False, id="vehicle"),
        pytest.param("GET", "/chargers/unknown", False, id="charger"),
        pytest.param("GET", "/locations/unknown", False, id="location"),
        pytest.param("GET", "/users/unknown", False, id="user"),
        pytest.param("GET", "/webhooks/unknown", False, id="webhook"),
        pytest.param("GET", "/nowhere", False, id="no-such-route"),
        pytest.param("GET", "/vehicles/actions/unknown", True, id="action"),
        pytest.param("POST", "/vehicles/actions/unknown/cancel", True, id="cancel"),
        pytest.param("GET", "/interventions/unknown", True, id="intervention"),
        pytest.param("POST", "/vehicles/unknown/refresh-hint", True, id="hint"),
        pytest.param("POST", "/chargers/unknown/refresh-hint", True, id="charger-hint"),
    ],
)
async def test_what_is_unknown_is_answered_as_documented(api, method, path, empty):
    status, body = await api.call(method, path)
    assert status == 404
    assert body == "" if empty else {"type", "title", "detail"} == set(body)


async def test_pages_lead_through_a_list_newest_first_and_back(api, place, world):
    for _ in range(6):
        place.car()
    newest_first = [each.id for each in reversed(world.vehicles.values())]
    seen, query = [], {"pageSize": "3"}
    while True:
        _, body = await api.call("GET", "/vehicles", **query)
        seen += [each["id"] for each in body["data"]]
        if body["pagination"]["after"] is None:
            break
        query = {"pageSize": "3", "after": body["pagination"]["after"]}
    assert seen == newest_first
    _, body = await api.call("GET", "/vehicles", pageSize="3", before=body["pagination"]["before"])
    assert [each["id"] for each in body["data"]] == newest_first[3:6]


@pytest.mark.parametrize(
    "query",
    [{"pageSize": "0"}, {"pageSize": "x"}, {"after": "a", "before": "b"}, {"after": "unknown"}],
    ids=["zero", "word", "both", "unknown"],
)
async def test_a_wrong_page_is_refused(api, query):
    status, _ = await api.call("GET", "/vehicles", **query)
    assert status == 400


@pytest.mark.parametrize(
    "body", [{"action": "GO"}, {}, {"action": "START", "more": 1}, [], None], ids=["go", "empty", "more", "list", "no"]
)
async def test_a_wrong_command_is_refused(api, place, body):
    status, problem = await api.call("POST", f"/vehicles/{place.vehicle.id}/charging", body)
    assert (status, problem["title"]) == (400, "Bad Request")


async def test_a_command_runs_to_its_end_and_is_logged(api, place, world):
    place.plugged(held=True)
    path = f"/vehicles/{place.vehicle.id}/charging"
    status, action = await api.call("POST", path, {"action": "START"})
    assert (status, action["state"]) == (200, "PENDING")
    api.clock.advance((world.agenda.now - api.clock.now()).total_seconds() + 120)
    _, ended = await api.call("GET", f"/vehicles/actions/{action['id']}")
    assert ended["state"] == "CONFIRMED"
    status, conflict = await api.call("POST", f"/vehicles/actions/{action['id']}/cancel")
    assert (status, conflict) == (409, ended)
    logged = [each for each in world.requests if each["path"] == path]
    assert [(each["method"], each["body"], each["status"]) for each in logged] == [("POST", {"action": "START"}, 200)]


@pytest.mark.parametrize(
    ("held", "action"), [pytest.param(True, "STOP", id="stop"), pytest.param(False, "START", id="start")]
)
async def test_what_is_already_so_is_refused(api, place, held, action):
    place.plugged(held=held)
    status, _ = await api.call("POST", f"/vehicles/{place.vehicle.id}/charging", {"action": action})
    assert status == 400


async def test_a_location_may_be_made_on_either_path_and_comes_back_when_deleted(api, place):
    body = {"name": "Cabin", "latitude": 61.0, "longitude": 9.0, "timezoneName": "Europe/Oslo"}
    status, one = await api.call("POST", "/users/user-a/locations", body)
    assert (status, one["userId"]) == (200, "user-a")
    status, other = await api.call("POST", "/locations", body)
    assert (status, other["userId"]) == (200, "user-a")
    status, deleted = await api.call("DELETE", f"/locations/{one['id']}")
    assert (status, deleted) == (200, one)


@pytest.mark.parametrize(
    "change",
    [{"latitude": 91}, {"longitude": "x"}, {"timezoneName": "Mars"}, {"name": 1}, {"zone": "NO1"}],
    ids=["latitude", "longitude", "zone-name", "name", "unknown-member"],
)
async def test_a_wrong_location_is_refused(api, change):
    body = {"name": "Home", "latitude": 1.0, "longitude": 2.0} | change
    status, _ = await api.call("POST", "/users/user-a/locations", body)
    assert status == 400


async def test_a_chargers_location_shows_at_once_on_the_car_and_is_told(api, place, events):
    place.plugged()
    await api.call("PUT", f"/chargers/{place.charger.id}", {"locationId": None})
    place.vehicle.has_gps = False
    place.vehicle.telemetry.refresher.now()
    _, body = await api.call("GET", f"/vehicles/{place.vehicle.id}")
    assert body["location"]["id"] is None
    events.clear()
    await api.call("PUT", f"/chargers/{place.charger.id}", {"locationId": place.location.id})
    _, body = await api.call("GET", f"/vehicles/{place.vehicle.id}")
    assert body["location"]["id"] == place.location.id
    assert {each["event"] for each in events} == {"user:charger:updated", "user:vehicle:updated"}
    status, _ = await api.call("PUT", f"/chargers/{place.charger.id}", {"locationId": "unknown"})
    assert status == 400


LINK = {"scopes": ["vehicle:read:data"], "language": "en-US", "redirectUri": "http://127.0.0.1:9/back?s=1"}


async def test_a_link_page_links_once_and_leads_back(api, world, events):
    status, answer = await api.call("POST", "/users/user-new/link", LINK)
    assert (status, set(answer)) == (200, {"linkUrl", "linkToken"})
    async with api.session.get(answer["linkUrl"]) as reply:
        assert "<form" in await reply.text()
    form = {"do": "link", "vendor": "TESLA"}
    async with api.session.post(answer["linkUrl"], data=form, allow_redirects=False) as reply:
        assert (reply.status, reply.headers["location"]) == (302, LINK["redirectUri"])
    (vehicle,) = [each for each in world.vehicles.values() if each.user_id == "user-new"]
    assert (vehicle.vendor, vehicle.scopes) == ("TESLA", ("vehicle:read:data",))
    assert events[0]["event"] == "user:vehicle:discovered"
    assert set(events[0]["vehicle"]["chargeState"].values()) == {None, "UNKNOWN"}
    async with api.session.get(answer["linkUrl"]) as reply:
        assert reply.status == 404


async def test_leaving_the_link_page_leads_back_with_an_error(api, world):
    _, answer = await api.call("POST", "/users/user-new/link", LINK)
    async with api.session.post(answer["linkUrl"], data={"do": "cancel"}, allow_redirects=False) as reply:
        assert "error=cancelled" in reply.headers["location"]
    assert [each for each in world.vehicles.values() if each.user_id == "user-new"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": []},
        {"scopes": ["vehicle:control:charging"]},
        {"scopes": ["everything"]},
        {"redirectUri": "about:blank"},
        {"vendor": "HORSE"},
        {"forceLanguage": "en"},
    ],
    ids=["no-scope", "no-read", "unknown-scope", "blank", "vendor", "unknown-member"],
)
async def test_a_wrong_link_request_is_refused(api, change):
    status, _ = await api.call("POST", "/users/user-new/link", LINK | change)
    assert status == 400


HOOK = {"url": "https://example.org/enode", "secret": "0123456789abcdef"}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://example.org/enode"},
        {"url": "short"},
        {"secret": "12345"},
        {"events": ["user:unknown"]},
        {"apiVersion": "1999"},
        {"authentication": {"headerName": "X Y", "headerValue": "v"}},
        {"more": 1},
    ],
    ids=["plain-http", "short", "secret", "event", "version", "header", "unknown-member"],
)
async def test_a_wrong_webhook_is_refused(api, change):
    status, body = await api.call("POST", "/webhooks", HOOK | change)
    assert (status, body["title"]) == (400, "Webhook input is not valid.")


async def test_a_webhook_never_shows_its_secret(api):
    body = HOOK | {"authentication": {"headerName": "x-key", "headerValue": "hidden"}}
    _, made = await api.call("POST", "/webhooks", body)
    _, listed = await api.call("GET", "/webhooks")
    assert listed["data"] == [made]
    assert made["authentication"] == {"headerName": "x-key"}
    assert "hidden" not in json.dumps(made)
    assert HOOK["secret"] not in json.dumps(made)


async def test_events_are_delivered_over_http(api, place):
    got = []
    arrived = web.AppKey("arrived", list)

    async def receive(request: web.Request) -> web.Response:
        request.app[arrived].append((await request.json(), request.headers["x-enode-signature"]))
        return web.Response(status=204)

    app = web.Application()
    app[arrived] = got
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    _, hook = await api.call("POST", "/webhooks", HOOK | {"url": url})
    _, result = await api.call("POST", f"/webhooks/{hook['id']}/test")
    assert (result["status"], result["response"]["code"]) == ("SUCCESS", 204)
    assert got[0][0][0]["event"] == "enode:webhook:test"
    await runner.cleanup()


async def struck(api, world, **fault):
    world.faults.add(**fault)
    return await api.call("GET", "/vehicles")


async def test_a_status_fault_strikes_as_often_as_asked(api, world):
    world.faults.add("status", count=1, status=429, retry_after_s=900, path="/vehicles*")
    async with api.session.get(api.running.url + "/vehicles", headers=api.headers) as reply:
        assert (reply.status, reply.headers["retry-after"]) == (429, "900")
    assert (await api.call("GET", "/vehicles"))[0] == 200
    assert [kind for _, kind, _ in world.faults.struck] == ["status"]


@pytest.mark.parametrize("kind", ["drop", "lost_reply"])
async def test_a_connection_is_cut_before_or_after_the_command_was_applied(api, place, world, kind):
    place.plugged(held=True)
    before = world.actions.accepted[place.vehicle.id]
    world.faults.add(kind, count=1)
    with pytest.raises(aiohttp.ClientError):
        await api.call("POST", f"/vehicles/{place.vehicle.id}/charging", {"action": "START"})
    assert world.actions.accepted[place.vehicle.id] - before == (1 if kind == "lost_reply" else 0)


async def test_spoiled_answers_are_spoiled(api, world):
    world.faults.add("truncate", count=1)
    async with api.session.get(api.running.url + "/vehicles", headers=api.headers) as reply:
        with pytest.raises(json.JSONDecodeError):
            await reply.json()
    status, text = await struck(api, world, kind="html", count=1)
    assert (status, text[:6]) == (200, "<html>")
    _, body = await struck(api, world, kind="unknown_values", count=1)
    assert body["data"][0]["chargeState"]["powerDeliveryState"] == "SOMETHING_NEW"
    assert (await struck(api, world, kind="expired_token", count=1))[0] == 401
    assert (await api.call("GET", "/vehicles"))[0] == 401


async def test_an_outage_shuts_everybody_out_and_closes_the_path(api, place, world):
    place.plugged()
    await api.call("POST", "/_sim/fault", {"kind": "outage", "for_s": 600})
    assert not place.vehicle.path_open
    with pytest.raises(aiohttp.ClientError):
        await api.call("GET", "/vehicles")
    world.run_for(minutes=11)
    assert place.vehicle.path_open
    assert (await api.call("GET", "/vehicles"))[0] == 200


async def test_the_back_door_shows_the_truth_and_moves_the_world(api, place, world):
    api.headers = {}
    path = f"/_sim/vehicles/{place.vehicle.id}"
    status, state = await api.call("POST", path, {"do": "plug", "charger": place.charger.id})
    assert (status, state["home"]) == (200, True)
    world.run_for(minutes=5)
    _, state = await api.call("POST", path, {"do": "soc", "soc_pct": 60})
    assert (state["delivery"], state["soc_pct"]) == (CHARGING, 60.0)
    _, state = await api.call("POST", path, {"do": "person_stops"})
    assert state["delivery"] == STOPPED
    for deed in (
        {"do": "person_starts"},
        {"do": "car_stops"},
        {"do": "reachable", "reachable": False},
        {"do": "reachable", "reachable": True},
        {"do": "mood", "silent_commands": 1, "latency_s": [1, 2]},
        {"do": "set", "weakness_kw": 3.7},
        {"do": "distort", "soc_pct": 0},
        {"do": "look"},
        {"do": "unplug"},
        {"do": "drive"},
        {"do": "drive_home", "used_kwh": 2},
    ):
        assert (await api.call("POST", path, deed))[0] == 200, deed
    for name in ("truth", "sessions", "description", "requests", "status"):
        status, body = await api.call("GET", f"/_sim/{name}")
        assert (status, bool(body)) == (200, True), name
    assert (await api.call("POST", path, {"do": "delete"}))[0] == 200
    assert (await api.call("POST", path, {"do": "look"}))[0] == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/_sim/vehicles/{id}", {"do": "fly"}, id="unknown-deed"),
        pytest.param("/_sim/vehicles/{id}", {"do": "mood", "gloomy": 1}, id="unknown-mood"),
        pytest.param("/_sim/vehicles/{id}", {"do": "set", "colour": 1}, id="unknown-setting"),
        pytest.param("/_sim/vehicles/{id}", {"do": "plug", "charger": "unknown"}, id="unknown-charger"),
        pytest.param("/_sim/fault", {"kind": "gremlin"}, id="unknown-fault"),
    ],
)
async def test_the_back_door_refuses_what_it_does_not_know(api, place, path, body):
    status, _ = await api.call("POST", path.format(id=place.vehicle.id), body)
    assert status == 400
