"""The setting-up as it is asked over the Unix socket."""

import aiohttp
import pytest

from scheduler.core.garage import Conflict, Prompt
from scheduler.http.api import api_app
from scheduler.http.serving import serve_socket
from tests.fake_onboarding import CHARGER, PLACE, POLLY, POSITION, USER
from tests.fakes_daemon import make_daemon

V1 = "http://kwhen/api/v1"


@pytest.fixture
def daemon():
    return make_daemon()


@pytest.fixture
async def ask(daemon, tmp_path):
    path = tmp_path / "kwhen.sock"
    runner = await serve_socket(api_app(daemon), path)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(path))) as session:

        async def asked(method, what, body=None, **query):
            async with session.request(method, f"{V1}{what}", json=body, params=query) as answer:
                return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

        yield asked
    await runner.cleanup()


async def test_an_account_is_shown_without_a_position(ask):
    status, account = await ask("GET", f"/users/{USER}/account", fresh="1")
    assert status == 200
    [car] = account["vehicles"]
    assert (car["position"], car["blocking"], car["optional"]) == (True, ["i-block"], ["i-help"])
    assert (car["pairing"]["state"], account["locations"][0]["position"]) == ("plugged-in-here", True)
    assert str(POSITION.latitude) not in str(account)


async def test_a_link_is_begun_looked_at_and_ended_once(ask, daemon):
    status, start = await ask("POST", f"/users/{USER}/links", {"kind": "vehicle", "back_url": "https://h.example/x"})
    assert (status, start["kind"]) == (201, "vehicle")
    assert (await ask("GET", f"/links/{start['state']}"))[1]["waiting"] is False
    assert (await ask("POST", f"/links/{start['state']}", {}))[1]["found"] == [POLLY]
    status, problem = await ask("POST", f"/links/{start['state']}", {})
    assert (status, problem["remedy"]) == (410, "Begin the link again.")
    assert daemon.onboarding.did[0] == ("begin_link", USER, "vehicle", "https://h.example/x", "browser")


@pytest.mark.parametrize("body", [{}, {"kind": 5}, {"kind": "vehicle", "back_url": "x" * 600}])
async def test_a_link_that_is_not_asked_for_rightly_is_refused(ask, body):
    assert (await ask("POST", f"/users/{USER}/links", body))[0] == 400


async def test_a_prompt_is_dismissed_unless_it_is_needed(ask, daemon):
    made = [Prompt(id=f"p-{m}", kind="charger", user_id=USER, vehicle_id=POLLY, vehicle_name="Polly", mandatory=m,
                   reasons=("so",)) for m in (True, False)]  # fmt: skip
    daemon.onboarding.prompt_list = tuple(made)
    assert (await ask("DELETE", f"/users/{USER}/prompts/p-False"))[0] == 204
    assert (await ask("DELETE", f"/users/{USER}/prompts/p-True"))[0] == 409
    assert (await ask("DELETE", f"/users/{USER}/prompts/p-none"))[0] == 404
    assert [one["id"] for one in (await ask("GET", f"/users/{USER}/prompts"))[1]["prompts"]] == ["p-True"]


async def test_a_home_is_placed_where_numbers_say(ask, daemon):
    body = {"latitude": 59.9, "longitude": 10.7, "timezone": "Europe/Oslo", "charger_ids": [CHARGER]}
    status, placed = await ask("POST", f"/users/{USER}/places", body)
    assert (status, placed["location_id"], placed["charger_ids"]) == (201, PLACE, [CHARGER])
    for wrong in ({"latitude": "59"}, {"longitude": True}, {"timezone": ""}, {"charger_ids": "c"}, {"latitude": 1e300}):
        assert (await ask("POST", f"/users/{USER}/places", body | wrong))[0] == 400
    assert (await ask("POST", f"/users/{USER}/places", body | {"latitude": 0, "longitude": 0}))[0] == 409


async def test_interventions_and_conflicts_are_of_a_car_by_its_name_or_any_id(ask, daemon):
    daemon.onboarding.conflict_list = (Conflict(id="smart-charging", vehicle_id=POLLY, text="on"),)
    _, view = await ask("GET", "/vehicles/Polly/interventions", language="nb-NO")
    assert [(one["id"], one["blocking"]) for one in view["interventions"]] == [("i-block", True), ("i-help", False)]
    assert ("interventions", POLLY, "nb-NO") in daemon.onboarding.did
    assert (await ask("GET", "/vehicles/not-configured/interventions"))[1]["interventions"] == []
    assert (await ask("GET", "/vehicles/Polly/conflicts"))[1]["conflicts"][0]["id"] == "smart-charging"
    assert (await ask("DELETE", "/vehicles/Polly/conflicts/smart-charging"))[0] == 204
    assert daemon.onboarding.conflict_list == ()
    assert (await ask("GET", "/vehicles/Polly/position"))[1]["latitude"] == POSITION.latitude
    assert (await ask("GET", "/vehicles/Polly/interventions", language="x" * 99))[0] == 400


async def test_a_home_is_made_changed_and_removed_and_one_of_the_file_is_not(ask, daemon):
    assert (await ask("POST", "/homes", {"id": "cabin", "timezone": "Europe/Oslo"}))[0] == 201
    assert (await ask("PUT", "/homes/cabin", {"timezone": "Europe/Berlin"}))[1]["timezone"] == "Europe/Berlin"
    status, problem = await ask("POST", "/homes", {"id": "cabin"})
    assert (status, problem["problems"]) == (422, ["id: 'cabin' is missing or taken"])
    daemon.onboarding.held = frozenset({"cabin"})
    assert (await ask("PUT", "/homes/cabin", {"timezone": "Europe/Oslo"}))[0] == 409
    assert (await ask("PUT", "/homes/cabin", {"timezone": "Europe/Oslo"}, release="1"))[1]["timezone"] == "Europe/Oslo"
    assert (await ask("PUT", "/homes/cabin", {"timezone": "Europe/Oslo"}, release="perhaps"))[0] == 400
    assert (await ask("DELETE", "/homes/cabin"))[0] == 409
    assert (await ask("DELETE", "/homes/cabin", release="1"))[0] == 204
    assert (await ask("GET", "/homes/cabin"))[0] == 404
    for method, body in (("PUT", {}), ("DELETE", None)):
        status, problem = await ask(method, "/homes/lindgren", body)
        assert (status, problem["file"], problem["key"]) == (409, "kwhen.toml", "home[0]")
        assert problem["lines"].startswith("[[home]]")
    assert (await ask("GET", "/homes/lindgren"))[1]["stored"] is False


async def test_a_pause_is_in_the_homes_own_time_and_can_be_ended(ask):
    status, pause = await ask("PUT", "/pauses/lindgren", {"until": "2026-12-24T12:00"})
    assert (status, pause["until"]) == (200, "2026-12-24T11:00:00Z")
    assert [one["subject"] for one in (await ask("GET", "/pauses"))[1]["pauses"]] == ["lindgren"]
    assert (await ask("DELETE", "/pauses/lindgren"))[0] == 204
    assert (await ask("GET", "/pauses"))[1]["pauses"] == []
    assert (await ask("PUT", "/pauses/lindgren", {"until": "whenever"}))[0] == 400
