"""The calls to Enode: what is sent, and what each answer means."""

import asyncio
import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs

import aiohttp
import pytest
from aioresponses import CallbackResult

from scheduler.core.command import Action, Outcome
from scheduler.core.errors import (
    CommandRejected,
    NotFound,
    ProviderProtocolError,
    ProviderThrottled,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from scheduler.core.tracking import ANSWER_WAIT
from scheduler.enode import linking
from scheduler.enode.client import LEAVES_WITHIN_S, EnodeClient
from scheduler.enode.connection import Connection
from scheduler.enode.provider import EnodeProvider
from scheduler.enode.tokens import Account
from scheduler.web_client import WebLimits
from tests.unit.enode.support import API, SECRET, TOKEN, enode

ACTION = {"id": "a", "targetId": "v", "targetType": "vehicle", "kind": "START", "state": "PENDING"}
PROBLEM = {"type": "x", "title": "Bad Request", "detail": "The vehicle is fully charged."}


def sent(request) -> dict:
    return json.loads(request[2]["data"])


async def test_it_fetches_one_token_and_names_the_version():
    async with enode() as api:
        api.answers("GET", "/vehicles/v", payload={"id": "v"}, times=2)
        await api.client.vehicle("v")
        await api.client.vehicle("v")
        assert api.tokens == 1
        headers = api.told[0][2]["headers"]
        assert headers["Authorization"] == "Bearer token-1"
        assert headers["Enode-Version"] == "2024-10-01"
        asked = next(calls for key, calls in api.mocked.requests.items() if str(key[1]) == TOKEN)[0].kwargs
        assert asked["headers"]["Authorization"] == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
        assert parse_qs(asked["data"].decode()) == {"grant_type": ["client_credentials"]}


async def test_it_renews_a_token_before_its_end():
    async with enode() as api:
        api.answers("GET", "/vehicles/v", payload={"id": "v"}, times=3)
        await api.client.vehicle("v")
        api.clock.advance(3500)
        await api.client.vehicle("v")
        assert api.tokens == 1
        api.clock.advance(60)
        await api.client.vehicle("v")
        assert api.tokens == 2


async def test_many_callers_share_one_token():
    async with enode() as api:
        api.answers("GET", "/vehicles/v", payload={"id": "v"}, times=30)
        await asyncio.gather(*(api.client.vehicle("v") for _ in range(30)))
        assert api.tokens == 1


async def test_a_401_brings_one_new_token_and_one_replay():
    async with enode() as api:
        api.answers("POST", "/vehicles/v/charging", status=401, payload={})
        api.answers("POST", "/vehicles/v/charging", payload=ACTION)
        report = await api.provider.command("v", Action.START)
        assert report.outcome is Outcome.PENDING
        assert api.tokens == 2
        assert [request[2]["headers"]["Authorization"] for request in api.told] == ["Bearer token-1", "Bearer token-2"]


async def test_a_burst_of_401_brings_one_new_token():
    async with enode() as api:

        def judge(_url, **request):
            good = request["headers"]["Authorization"] == "Bearer token-2"
            return CallbackResult(status=200 if good else 401, payload={"id": "v"})

        api.mocked.get(API + "/vehicles/v", callback=judge, repeat=True)
        await asyncio.gather(*(api.client.vehicle("v") for _ in range(6)))
        assert api.tokens == 2


async def test_a_token_that_is_never_taken_is_not_asked_for_again_within_a_minute():
    async with enode() as api:
        api.answers("GET", "/vehicles/v", status=401, payload={}, times=4)
        for _ in range(5):
            with pytest.raises(ProviderUnauthorized):
                await api.client.vehicle("v")
        assert (api.tokens, len(api.told)) == (2, 2)
        api.clock.advance(61)
        with pytest.raises(ProviderUnauthorized):
            await api.client.vehicle("v")
        assert api.tokens == 4


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_wrong_credentials_are_tried_once_in_15_minutes(status):
    async with enode(tokens=False) as api:
        api.mocked.post(TOKEN, status=status, payload={"error": "invalid_client"}, repeat=True)
        for _ in range(10):
            with pytest.raises(ProviderUnauthorized, match="client_id"):
                await api.client.vehicle("v")
        api.clock.advance(899)
        with pytest.raises(ProviderUnauthorized):
            await api.client.vehicle("v")
        assert sum(len(calls) for calls in api.mocked.requests.values()) == 1
        api.clock.advance(2)
        with pytest.raises(ProviderUnauthorized):
            await api.client.vehicle("v")
        assert sum(len(calls) for calls in api.mocked.requests.values()) == 2


async def test_a_command_whose_turn_comes_late_is_not_sent():
    """A provider that hangs: one is under way at a time, each takes 20 s of the clock, and the others wait."""
    async with enode() as api:
        api.connection = Connection(
            api.web, Account.of("sandbox", client_id="me", client_secret=SECRET), api.clock, commands=1
        )
        provider = EnodeProvider(EnodeClient(api.connection), stamp=api.provider._stamp)

        async def slow(_url, **_request):
            await asyncio.sleep(0)  # all of them have asked by then
            api.clock.advance(20)
            return CallbackResult(status=200, payload=ACTION)

        for number in range(4):
            api.mocked.post(f"{API}/vehicles/v{number}/charging", callback=slow)
        reports = await asyncio.gather(*(provider.command(f"v{number}", Action.START) for number in range(4)))
        assert [report.outcome for report in reports] == [Outcome.PENDING] * 2 + [Outcome.NOT_SENT] * 2
        assert len(api.told) == 2
        assert {report.retry_after_s for report in reports[2:]} == {LEAVES_WITHIN_S}


def test_a_command_that_leaves_is_answered_before_it_counts_as_lost():
    assert timedelta(seconds=LEAVES_WITHIN_S + WebLimits().call_s) < ANSWER_WAIT


async def test_a_command_without_a_token_was_not_sent():
    async with enode(tokens=False) as api:
        api.mocked.post(TOKEN, status=503, repeat=True)
        report = await api.provider.command("v", Action.START)
        assert report.outcome is Outcome.NOT_SENT
        assert api.told == []


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, CommandRejected), (403, CommandRejected), (422, CommandRejected), (404, NotFound), (410, NotFound)],
)
async def test_a_refusal_keeps_the_providers_words(status, error):
    async with enode() as api:
        api.answers("GET", "/vehicles/v", status=status, payload=PROBLEM)
        with pytest.raises(error, match="fully charged") as caught:
            await api.client.vehicle("v")
        if error is CommandRejected:
            assert (caught.value.status, caught.value.reason) == (status, "The vehicle is fully charged.")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{"])
async def test_an_error_without_a_problem_is_judged_by_its_status(body):
    async with enode() as api:
        api.answers("GET", "/vehicles/actions/a", status=404, body=body)
        with pytest.raises(NotFound):
            await api.provider.action("a")


async def test_a_problem_of_an_older_version_is_read():
    async with enode() as api:
        problem = {"title": "Bad Request", "message": "old words", "error": "x"}
        api.answers("GET", "/vehicles/v", status=400, payload=problem, content_type="application/problem+json")
        with pytest.raises(CommandRejected, match="old words"):
            await api.client.vehicle("v")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_read_is_repeated_a_few_times_with_pauses(status):
    async with enode() as api:
        api.answers("GET", "/vehicles/v", status=status, times=3)
        with pytest.raises(ProviderUnavailable) as caught:
            await api.client.vehicle("v")
        assert not caught.value.ambiguous
        assert len(api.told) == 3
        assert len(api.clock.slept_s) == 2
        assert all(0.2 <= pause_s <= 2 for pause_s in api.clock.slept_s)


async def test_a_read_that_succeeds_the_second_time_has_succeeded():
    async with enode() as api:
        api.answers("GET", "/vehicles/v", exception=aiohttp.ServerDisconnectedError())
        api.answers("GET", "/vehicles/v", payload={"id": "v"})
        assert (await api.provider.vehicle("v")).vehicle_id == "v"


@pytest.mark.parametrize(
    ("answer", "outcome", "failure"),
    [
        pytest.param({"payload": ACTION}, Outcome.PENDING, None, id="pending"),
        pytest.param({"payload": {**ACTION, "state": "CONFIRMED"}}, Outcome.CONFIRMED, None, id="confirmed"),
        pytest.param(
            {"payload": {**ACTION, "state": "CANCELLED", "failureReason": {"type": "FAILED_PRECONDITION"}}},
            Outcome.CANCELLED,
            "FAILED_PRECONDITION",
            id="cancelled-at-once",
        ),
        pytest.param({"payload": {**ACTION, "state": "FAILED"}}, Outcome.FAILED, None, id="failed-at-once"),
        pytest.param({"status": 400, "payload": PROBLEM}, Outcome.REJECTED, "HTTP_400", id="refused"),
        pytest.param({"status": 403, "payload": PROBLEM}, Outcome.REJECTED, "HTTP_403", id="not-allowed"),
        pytest.param({"status": 404}, Outcome.REJECTED, "HTTP_404", id="no-vehicle"),
        pytest.param({"status": 422, "payload": PROBLEM}, Outcome.REJECTED, "HTTP_422", id="controlled-elsewhere"),
        pytest.param({"status": 409, "payload": PROBLEM}, Outcome.REJECTED, "HTTP_409", id="conflict"),
        pytest.param({"status": 429, "headers": {"Retry-After": "900"}}, Outcome.NOT_SENT, "THROTTLED", id="too-often"),
        pytest.param({"status": 500}, Outcome.AMBIGUOUS, "LOST", id="broken"),
        pytest.param({"status": 504}, Outcome.AMBIGUOUS, "LOST", id="gateway"),
        pytest.param({"status": 302}, Outcome.AMBIGUOUS, "LOST", id="elsewhere"),
        pytest.param({"timeout": True}, Outcome.AMBIGUOUS, "LOST", id="time-out"),
        pytest.param({"exception": aiohttp.ServerDisconnectedError()}, Outcome.AMBIGUOUS, "LOST", id="cut"),
        pytest.param({"exception": aiohttp.ClientPayloadError()}, Outcome.AMBIGUOUS, "LOST", id="cut-in-the-body"),
        pytest.param({"body": b'{"id": "a", "st'}, Outcome.AMBIGUOUS, "LOST", id="half-an-answer"),
        pytest.param({"body": b"<html>", "content_type": "text/html"}, Outcome.AMBIGUOUS, "LOST", id="a-page"),
        pytest.param({"payload": {}}, Outcome.AMBIGUOUS, "LOST", id="no-id"),
        pytest.param({"exception": aiohttp.ConnectionTimeoutError()}, Outcome.NOT_SENT, "NOT_SENT", id="no-connection"),
    ],
)
async def test_a_command_is_sent_once_and_its_outcome_is_told(answer, outcome, failure):
    async with enode() as api:
        api.answers("POST", "/vehicles/v/charging", **answer)
        report = await api.provider.command("v", Action.START)
        assert report.outcome is outcome
        assert (report.failure.type if report.failure else None) == failure
        assert (report.vehicle_id, report.kind) == ("v", Action.START)
        assert len(api.told) == 1
        assert sent(api.told[0]) == {"action": "START"}
        assert report.received_at == api.clock.now()


async def test_a_refused_command_keeps_the_words_and_a_throttled_one_the_wait():
    async with enode() as api:
        api.answers("POST", "/vehicles/v/charging", status=422, payload=PROBLEM)
        report = await api.provider.command("v", Action.STOP)
        assert (report.failure.detail, report.kind) == ("The vehicle is fully charged.", Action.STOP)
        api.answers("POST", "/vehicles/v/charging", status=429, headers={"Retry-After": "900"})
        assert (await api.provider.command("v", Action.START)).retry_after_s == 900
        api.clock.advance(300)
        again = await api.provider.command("v", Action.START)  # held: nothing leaves
        assert (again.outcome, again.retry_after_s) == (Outcome.NOT_SENT, 600)
        assert len(api.told) == 2


async def test_one_vehicles_limit_holds_nobody_else_and_no_reading():
    async with enode() as api:
        api.answers("POST", "/vehicles/v/charging", status=429, headers={"Retry-After": "900"})
        await api.provider.command("v", Action.START)
        api.answers("POST", "/vehicles/w/charging", payload=ACTION)
        api.answers("GET", "/vehicles/v", payload={"id": "v"})
        assert (await api.provider.command("w", Action.START)).outcome is Outcome.PENDING
        assert (await api.provider.vehicle("v")).vehicle_id == "v"


async def test_a_quota_told_with_403_is_a_limit():
    async with enode() as api:
        text = b"Out of call volume quota. Quota will be replenished in 00:28:11."
        api.answers("GET", "/vehicles/v", status=403, body=text)
        with pytest.raises(ProviderThrottled) as caught:
            await api.client.vehicle("v")
        assert caught.value.retry_after_s == 28 * 60 + 11


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"<html>", "content_type": "text/html"},
        {"body": b'{"data": [', "content_type": "application/json"},
        {"payload": {"pagination": {}}},
        {"payload": {"data": [], "pagination": 5}},
        {"payload": "x"},
    ],
)
async def test_a_list_that_is_none_is_an_error_and_not_an_empty_list(answer):
    async with enode() as api:
        api.answers("GET", "/users/u/vehicles?pageSize=50", **answer)
        with pytest.raises(ProviderProtocolError):
            await api.provider.vehicles("u")


async def test_all_pages_are_read():
    async with enode() as api:
        for number, after in enumerate(["a", "b", None]):
            query = "" if number == 0 else f"&after={'ab'[number - 1]}"
            page = {"data": [{"id": f"v{number}"}], "pagination": {"after": after}}
            api.answers("GET", f"/users/u/vehicles?pageSize=50{query}", payload=page)
        assert [seen.vehicle_id for seen in await api.provider.vehicles("u")] == ["v0", "v1", "v2"]


async def test_a_list_without_end_is_an_error():
    async with enode() as api:
        page = {"data": [{"id": "v"}], "pagination": {"after": "a"}}
        api.answers("GET", "/users/u/vehicles?pageSize=50", payload=page)
        api.answers("GET", "/users/u/vehicles?pageSize=50&after=a", payload=page)
        with pytest.raises(ProviderProtocolError, match="does not end"):
            await api.provider.vehicles("u")


async def test_a_plain_array_is_a_list_too():
    async with enode() as api:
        api.answers("GET", "/users/u/vehicles?pageSize=50", payload=[{"id": "v"}])
        assert [seen.vehicle_id for seen in await api.provider.vehicles("u")] == ["v"]


async def test_a_vehicle_that_cannot_be_read_is_left_out_and_counted():
    async with enode() as api:
        page = {"data": [{"id": "v"}, {"id": 5}, "x", {"id": "w", "userId": None}], "pagination": None}
        api.answers("GET", "/users/u/vehicles?pageSize=50", payload=page)
        seen = await api.provider.vehicles("u")
        assert [(one.vehicle_id, one.user_id) for one in seen] == [("v", "u"), ("w", "u")]
        assert api.provider.unreadable == 2


async def test_cancelling_an_action_that_is_over_returns_how_it_ended():
    async with enode() as api:
        api.answers("POST", "/vehicles/actions/a/cancel", status=409, payload={**ACTION, "state": "CONFIRMED"})
        assert (await api.provider.cancel("a")).outcome is Outcome.CONFIRMED
        api.answers("POST", "/vehicles/actions/a/cancel", status=404)
        with pytest.raises(NotFound):
            await api.provider.cancel("a")


async def test_an_earlier_refresh_is_asked_for_once():
    async with enode() as api:
        api.answers("POST", "/vehicles/v/refresh-hint", status=204)
        await api.provider.refresh("v")
        api.answers("POST", "/vehicles/v/refresh-hint", status=502)
        with pytest.raises(ProviderUnavailable):
            await api.provider.refresh("v")
        assert len(api.told) == 2


async def test_an_id_cannot_lead_elsewhere():
    async with enode() as api:
        api.answers("GET", "/vehicles/..%2Fusers%3Fx", payload={"id": "v"})
        await api.client.vehicle("../users?x")
        for trick in ("", ".", ".."):
            with pytest.raises(ProviderProtocolError):
                await api.client.vehicle(trick)


async def test_a_charger_gets_its_location_as_the_example_shows(reference_dir):
    example = json.loads((reference_dir / "enode-examples" / "charger-update-request.json").read_bytes())
    async with enode() as api:
        api.answers("PUT", "/chargers/c", payload={"id": "c"}, times=2)
        await api.client.place_charger("c", example["locationId"])
        assert sent(api.told[0]) == example
        await api.client.place_charger("c", None)
        assert sent(api.told[1]) == {"locationId": None}


@pytest.mark.parametrize("action", list(Action))
async def test_a_command_looks_as_the_example_shows(reference_dir, action):
    example = (reference_dir / "enode-examples" / f"charging-request-{action.lower()}.json").read_bytes()
    async with enode() as api:
        api.answers("POST", "/vehicles/v/charging", payload=ACTION)
        await api.client.charge("v", action)
        assert sent(api.told[0]) == json.loads(example)


async def test_locations_are_made_changed_and_deleted(reference_dir):
    example = json.loads((reference_dir / "enode-examples" / "location-create-request.json").read_bytes())
    location = {"id": "l", "userId": "u", **example}
    async with enode() as api:
        api.answers("POST", "/users/u/locations", payload=location)
        made = await api.client.create_location(
            "u",
            name=example["name"],
            latitude=example["latitude"],
            longitude=example["longitude"],
            timezone=example["timezoneName"],
        )
        assert sent(api.told[0]) == example
        assert (made.id, made.timezone) == ("l", example["timezoneName"])
        assert str(example["latitude"]) not in repr(made)
        api.answers("PUT", "/locations/l", payload=location)
        await api.client.update_location("l", name="Home")
        assert sent(api.told[1]) == {"name": "Home"}  # what is not given keeps its value
        api.answers("DELETE", "/locations/l", payload=location)
        await api.client.delete_location("l")
        api.answers("POST", "/users/u/locations", status=502)
        with pytest.raises(ProviderUnavailable) as caught:
            await api.client.create_location("u", name="x", latitude=0.0, longitude=0.0, timezone="UTC")
        assert caught.value.ambiguous


async def test_link_sessions_are_opened_and_kept_secret():
    request = linking.LinkRequest(redirect_uri="http://localhost:8080/linked")
    async with enode() as api:
        api.answers("POST", "/users/u/link", payload={"linkUrl": "https://link/secret", "linkToken": "t"}, times=2)
        session = await linking.link_vehicle(api.client, "u", request)
        await linking.link_charger(api.client, "u", request)
        assert (session.url, session.token) == ("https://link/secret", "t")
        assert "secret" not in repr(session)
        assert [sent(told)["vendorType"] for told in api.told] == ["vehicle", "charger"]
        api.answers("POST", "/assets/v/relink", status=400, payload=PROBLEM)
        with pytest.raises(CommandRejected):
            await linking.link_again(api.client, "v", request)
        api.answers("POST", "/users/u/link", payload={"linkUrl": "javascript:alert(1)"})
        with pytest.raises(ProviderProtocolError):
            await linking.link_vehicle(api.client, "u", request)


async def test_the_rest_of_the_api_is_read():
    async with enode() as api:
        api.answers("GET", "/users?pageSize=50", payload={"data": [{"id": "u"}], "pagination": {}})
        assert [user.id for user in await api.client.users()] == ["u"]
        linked = [{"vendor": "TESLA", "vendorType": "vehicle", "isValid": False}]
        api.answers("GET", "/users/u", payload={"id": "u", "linkedVendors": linked})
        assert (await api.client.user("u")).vendors[0].valid is False
        api.answers("GET", "/users/u/chargers?pageSize=50", payload={"data": [{"id": "c"}, {}]})
        assert [charger.charger_id for charger in await api.provider.chargers("u")] == ["c"]
        api.answers("GET", "/interventions?language=en-US", payload=[{"id": "i", "resolution": {"title": "T"}}])
        assert (await api.client.interventions())[0].title == "T"
        api.answers("GET", "/interventions/i?language=nl-NL", payload={"id": "i"})
        assert (await api.client.intervention("i", language="nl-NL")).id == "i"
        api.answers("GET", "/vehicles/v/smart-charging-policy", payload={"isEnabled": True})
        assert await api.client.smart_charging_enabled("v") is True
        schedule = {"id": "s", "targetId": "v", "targetType": "vehicle", "isEnabled": True}
        api.answers("GET", "/users/u/schedules?pageSize=50", payload={"data": [schedule]})
        assert (await api.client.schedules("u"))[0].enabled is True
        api.answers("GET", "/health/ready", status=204)
        assert await api.client.ready() is True
        api.answers("GET", "/health/ready", status=503, times=3)
        assert await api.client.ready() is False
        api.answers("GET", "/health/vehicles", payload=[{"vendor": "TESLA", "status": "READY"}])
        assert (await api.client.vendor_health())[0].status == "READY"


@pytest.mark.parametrize(
    "url", ["http://enode-api.production.enode.io", "ftp://x", "https://", "http://192.168.1.4:80", "", "http://"]
)
def test_secrets_travel_encrypted(url):
    with pytest.raises(ValueError, match="https"):
        Account(api_url=url, token_url="https://oauth.example/token", client_id="me", client_secret=SECRET)


def test_an_account_hides_its_secret():
    account = Account(
        api_url="http://127.0.0.1:1", token_url="http://localhost/t", client_id="me", client_secret=SECRET
    )
    assert SECRET not in repr(account)


async def test_an_error_never_tells_a_secret():
    async with enode() as api:
        forms = [SECRET, SECRET.encode().hex(), base64.b64encode(f"me:{SECRET}".encode()).decode(), "token-1"]
        api.answers("GET", "/vehicles/v", status=400, payload={"detail": " ".join(forms)})
        with pytest.raises(CommandRejected) as caught:
            await api.client.vehicle("v")
        told = f"{caught.value} {caught.value.reason} {caught.value!r}"
        assert all(form not in told for form in forms)


async def test_reads_keep_an_even_pace():
    async with enode() as api:
        api.answers("GET", "/vehicles/v", payload={"id": "v"}, times=41)
        began_ns = api.clock.monotonic_ns()
        for _ in range(41):
            await api.client.vehicle("v")
        assert (api.clock.monotonic_ns() - began_ns) / 1e9 == pytest.approx(2.0)


async def test_only_a_few_reads_are_under_way_at_once_and_commands_do_not_wait_for_them():
    under_way, most, gate = 0, 0, asyncio.Event()

    async def slow(_url, **_request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await gate.wait()
        under_way -= 1
        return CallbackResult(payload={"id": "v"})

    async with enode() as api:
        api.mocked.get(API + "/vehicles/v", callback=slow, repeat=True)
        api.answers("POST", "/vehicles/v/charging", payload=ACTION)
        reads = [asyncio.ensure_future(api.client.vehicle("v")) for _ in range(20)]
        for _ in range(1000):
            await asyncio.sleep(0)
        assert (await api.provider.command("v", Action.START)).outcome is Outcome.PENDING
        assert not any(read.done() for read in reads)
        gate.set()
        await asyncio.gather(*reads)
        assert most == 6


async def test_callers_who_wait_for_a_token_share_its_failure():
    async with enode(tokens=False) as api:

        async def fail(_url, **_request):
            for _ in range(100):
                await asyncio.sleep(0)
            raise aiohttp.ServerDisconnectedError

        api.mocked.post(TOKEN, callback=fail, repeat=True)
        results = await asyncio.gather(*(api.client.vehicle("v") for _ in range(6)), return_exceptions=True)
        assert all(isinstance(result, ProviderUnavailable) for result in results)
        assert sum(len(calls) for calls in api.mocked.requests.values()) == 3  # one call with its repetitions
