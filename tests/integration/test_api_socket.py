"""The API as it is asked: over the Unix socket; and the page over TCP."""

import json
import stat
from datetime import timedelta

import aiohttp
import msgspec
import pytest

from scheduler.core.errors import ConfigError, ProviderUnavailable, StoreBusy
from scheduler.core.model import Will
from scheduler.http.api import api_app
from scheduler.http.serving import serve_port, serve_socket
from scheduler.http.status_page import status_page_app
from scheduler.ports import DecisionRecord
from tests.fakes_daemon import ELSIE, NOW, POLLY, READY_AT, ROVER, make_daemon, seen, waiting

V1 = "http://kwhen/api/v1"


@pytest.fixture
def daemon():
    return make_daemon()


@pytest.fixture
async def socket_path(daemon, tmp_path):
    path = tmp_path / "run" / "kwhen.sock"
    runner = await serve_socket(api_app(daemon), path)
    yield path
    await runner.cleanup()


@pytest.fixture
async def http(socket_path):
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(socket_path))) as session:
        yield session


async def get(http, path, **query):
    async with http.get(f"{V1}{path}", params=query) as answer:
        return answer.status, await answer.json(content_type=None)


async def post(http, path, body):
    async with http.post(f"{V1}{path}", json=body) as answer:
        return answer.status, await answer.json(content_type=None)


def stored(daemon, *, at, decision=None, vehicle_id=POLLY, charging=False):
    situation = {"observation": {"charge": {"plugged": True, "charging": charging}}}
    daemon.store.decision_rows.append(
        DecisionRecord(
            vehicle_id=vehicle_id,
            home_id="lindgren",
            at=at,
            key="k",
            situation=json.dumps(situation).encode(),
            decision=msgspec.json.encode(decision or waiting()),
            summary="wait",
        )
    )


async def test_only_owner_and_group_may_use_the_socket(socket_path):
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o660


async def test_a_socket_left_by_a_dead_daemon_is_replaced_and_a_living_one_refused(daemon, socket_path, tmp_path):
    with pytest.raises(OSError, match="another process listens"):
        await serve_socket(api_app(daemon), socket_path)
    left = tmp_path / "left.sock"
    runner = await serve_socket(api_app(daemon), left)
    left.rename(tmp_path / "kept.sock")
    await runner.cleanup()
    (tmp_path / "kept.sock").rename(left)
    again = await serve_socket(api_app(daemon), left)
    await again.cleanup()
    assert not left.exists()


async def test_status_shows_every_home_and_vehicle(http):
    status, view = await get(http, "/status")
    assert status == 200
    assert [[car["name"] for car in home["vehicles"]] for home in view["homes"]] == [["Polly", "Rover <3>"], ["Elsie"]]
    assert [alert["code"] for alert in view["alerts"]] == ["NO_PAUSE"]
    assert view["health"]["sweep_at"] == "2026-11-20T22:30:00Z"


async def test_a_vehicle_comes_with_its_plan_and_commands(http):
    status, view = await get(http, "/vehicles/Polly")
    assert (status, len(view["plan"]["slots"]), [c["id"] for c in view["commands"]]) == (200, 3, ["c-1"])
    alone = (await get(http, "/vehicles/polly/plan"))[1]
    assert [slot["start"] for slot in alone["slots"]] == [slot["start"] for slot in view["plan"]["slots"]]
    assert alone["needs"] == view["plan"]["needs"]


async def test_explain_now_tells_the_newest_decision(http):
    status, view = await get(http, "/vehicles/Polly/explain")
    assert (status, view["decided_at"]) == (200, "2026-11-20T22:30:00Z")
    assert view["why"].startswith("Waiting: cheapest")


async def test_explain_a_past_minute_in_local_time_tells_the_decision_then_in_force(http, daemon):
    stored(daemon, at=NOW - timedelta(hours=30), charging=True)
    stored(daemon, at=NOW - timedelta(hours=20))
    status, view = await get(http, "/vehicles/Polly/explain", at="2026-11-20T01:00")  # local: 00:00 UTC
    assert (status, view["at"], view["decided_at"]) == (200, "2026-11-20T00:00:00Z", "2026-11-19T16:30:00Z")
    assert view["why"].startswith("Charging, to be paused: ")


async def test_explain_says_when_nothing_was_decided_by_then_or_it_is_still_to_come(http):
    assert (await get(http, "/vehicles/Polly/explain", at="2020-01-01T00:00"))[0] == 404
    assert (await get(http, "/vehicles/Polly/explain", at="2030-01-01T00:00"))[0] == 400


async def test_a_kept_decision_that_cannot_be_read_is_a_problem_of_the_store(http, daemon):
    stored(daemon, at=NOW - timedelta(days=2))
    broken = daemon.store.decision_rows[0]
    object.__setattr__(broken, "decision", b"{}")
    status, problem = await get(http, "/vehicles/Polly/explain", at="2026-11-19T00:00")
    assert (status, problem["title"]) == (503, "the store could not do it")


async def test_an_override_reaches_the_daemon(http, daemon):
    status, view = await post(http, "/vehicles/pol/override", {"will": "ready-by", "ready_at": "07:30", "by": "cli"})
    assert (status, view["override"]["soc_pct"], view["at_home"]) == (202, 80, True)
    [(vehicle_id, override)] = daemon.wishes
    assert (vehicle_id, override.will, override.ready_at) == (POLLY, Will.READY_BY, READY_AT)


async def test_an_override_is_cleared_by_auto_and_by_delete(http, daemon):
    await post(http, "/vehicles/Polly/override", {"will": "auto"})
    async with http.delete(f"{V1}/vehicles/Polly/override") as answer:
        assert answer.status == 202
    assert [override.will for _, override in daemon.wishes] == [Will.AUTO, Will.AUTO]


async def test_release_starts_what_is_named_or_all(http, daemon):
    assert await post(http, "/release", {"vehicles": ["Polly"]}) == (
        202, {"asked": [{"vehicle": POLLY, "name": "Polly"}]},
    )  # fmt: skip
    await post(http, "/release", {"all": True})
    assert daemon.released == [POLLY, ROVER]


@pytest.mark.parametrize(
    "body", [{}, {"vehicles": "Polly"}, {"vehicles": []}, {"vehicles": ["Polly"], "all": True}, []]
)
async def test_release_asks_which(http, daemon, body):
    status, problem = await post(http, "/release", body)
    assert (status, daemon.released) == (400, [])
    assert problem["remedy"]


async def test_actions_can_be_narrowed_to_a_vehicle_and_a_time(http):
    assert [a["id"] for a in (await get(http, "/actions"))[1]["actions"]] == ["c-1", "c-2"]
    assert [a["id"] for a in (await get(http, "/actions", vehicle="Rover", limit=1))[1]["actions"]] == ["c-2"]
    assert (await get(http, "/actions", since="2026-11-20T22:00Z"))[1]["actions"] == []


async def test_lists_answer_with_what_is_kept(http):
    assert (await get(http, "/homes"))[1]["homes"][0]["policies"] == ["spot", "ready-by"]
    assert (await get(http, "/sessions"))[1]["sessions"][0]["cost"] == 9.1
    (total,) = (await get(http, "/sessions", vehicle=POLLY))[1]["totals"]
    assert (total["sessions"], total["cost"], total["grams"]) == (1, 9.1, None)
    assert (await get(http, "/sessions", vehicle="Rover"))[1] == {"sessions": [], "totals": []}
    assert (await get(http, "/alerts", all=1))[1]["alerts"][0]["name"] == "Rover <3>"
    assert len((await get(http, "/policies"))[1]["policies"]) == 4
    assert len((await get(http, "/prices", since="2026-11-21T00:00Z"))[1]["prices"][0]["slots"]) == 8


async def test_the_journal_is_read_in_pages(http, daemon):
    daemon.store.events = [{"row": i, "run": 1, "k": "TICK", "v": POLLY} for i in range(1, 6)]
    first = (await get(http, "/journal", limit=3))[1]
    rest = (await get(http, "/journal", after=first["next"]))[1]
    assert [e["row"] for e in first["events"] + rest["events"]] == [1, 2, 3, 4, 5]
    assert (await get(http, "/journal", after=5))[1] == {"events": [], "next": 5}
    assert (await get(http, "/journal", vehicle=ELSIE))[1]["events"] == []


async def test_decisions_come_as_a_list_or_in_full_as_lines(http, daemon):
    stored(daemon, at=NOW - timedelta(hours=2))
    stored(daemon, at=NOW - timedelta(hours=1))
    assert [d["summary"] for d in (await get(http, "/decisions"))[1]["decisions"]] == ["wait", "wait"]
    async with http.get(f"{V1}/decisions", params={"full": "1"}) as answer:
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [json.loads(line["decision"])["desired"] for line in lines] == ["hold", "hold"]


async def test_a_blob_is_given_by_its_hash(http, daemon):
    daemon.store.blobs["abc"] = b'{"id": "lindgren"}'
    assert await get(http, "/blobs/abc") == (200, {"id": "lindgren"})
    assert (await get(http, "/blobs/none"))[0] == 404


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(ConfigError(["home.lindgren.mode: unknown"]), 422), (ProviderUnavailable("no answer"), 502)],
)
async def test_what_is_expected_to_go_wrong_is_a_problem_with_a_remedy(http, daemon, refusal, status):
    daemon.refusal = refusal
    path, body = ("/reload", {}) if status == 422 else ("/webhook", {"op": "test"})
    answer, problem = await post(http, path, body)
    assert answer == status
    assert problem["remedy"]
    assert problem.get("problems", ["home.lindgren.mode: unknown"]) == ["home.lindgren.mode: unknown"]


async def test_a_busy_store_answers_503(http, daemon):
    daemon.store.broken = StoreBusy("locked")
    assert (await post(http, "/vehicles/Polly/override", {"will": "hold"}))[0] == 503
    assert daemon.wishes == []


async def test_what_nobody_foresaw_answers_500_without_its_text(http, daemon):
    daemon.store.alert_rows = [object()]
    status, problem = await get(http, "/alerts", all=1)
    assert (status, problem["title"]) == (500, "internal fault")
    assert "object" not in problem["detail"]


@pytest.mark.parametrize("query", [{"limit": "-1"}, {"limit": "x"}, {"after": "1.5"}, {"after": "9" * 30}])
async def test_a_query_that_does_not_fit_is_refused(http, query):
    assert (await get(http, "/journal", **query))[0] == 400


async def test_unknown_paths_methods_and_bodies_are_problems_too(http):
    assert (await get(http, "/nothing"))[1]["title"] == "Not Found"
    assert (await get(http, "/release"))[0] == 405
    async with http.post(f"{V1}/release", data=b"\xff{") as answer:
        assert (answer.status, (await answer.json(content_type=None))["title"]) == (400, "the body is not JSON")
    async with http.post(f"{V1}/release", data=b" " * 100_000) as answer:
        assert answer.status == 413


async def test_reload_and_webhook_pass_on_what_the_daemon_says(http, daemon):
    assert (await post(http, "/reload", {}))[1]["warnings"] == ["home lindgren: no policy gives a target"]
    assert (await get(http, "/webhook"))[1]["active"] is True
    await post(http, "/webhook", {"op": "ensure"})
    assert daemon.asked == ["status", "ensure"]
    assert (await post(http, "/webhook", {"op": "delete"}))[0] == 400


async def test_health_tells_by_its_status(http, daemon):
    async with http.get("http://kwhen/readyz") as answer:
        assert (answer.status, (await answer.json())["version"]) == (200, "0.1.0")
    daemon.is_ready = False
    async with http.get("http://kwhen/readyz") as answer:
        assert answer.status == 503
    async with http.get("http://kwhen/healthz") as answer:
        assert answer.status == 200


async def test_metrics_show_vehicles_and_counters(http):
    async with http.get("http://kwhen/metrics") as answer:
        lines = (await answer.text()).splitlines()
    assert 'kwhen_vehicle_soc_percent{home="lindgren",vehicle="polly-1111"} 41.0' in lines
    assert 'kwhen_vehicle_power_kilowatts{home="lindgren",vehicle="rover-2222"} 50.0' in lines
    assert 'kwhen_vehicle_at_home{home="lindgren",vehicle="rover-2222"} 0.0' in lines
    assert "kwhen_webhook_unknown_vehicle_total 3.0" in lines
    assert "kwhen_vehicles 3.0" in lines


async def test_a_car_that_changes_its_mind_is_asked_anew(http, daemon):
    daemon.put(daemon.home_list[0], daemon.home_list[0].vehicles[0], seen(plugged=None, charging=None), None)
    assert (await get(http, "/vehicles/Polly"))[1]["plugged"] is None


class TestPage:
    @pytest.fixture
    async def url(self, daemon):
        runner, port = await serve_port(
            status_page_app(daemon, ["127.0.0.1", "localhost", "[::1]"]), host="127.0.0.1", port=0
        )
        yield f"http://127.0.0.1:{port}"
        await runner.cleanup()

    @pytest.fixture
    async def browser(self):
        async with aiohttp.ClientSession() as session:
            yield session

    async def test_it_is_one_page_behind_a_strict_policy(self, url, browser):
        async with browser.get(url) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "Rover &lt;3&gt;" in await answer.text()

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]:80"])
    async def test_another_host_is_refused(self, url, browser, host):
        for path in ("/", "/metrics", "/healthz"):
            async with browser.get(url + path, headers={"Host": host}) as answer:
                assert answer.status == 421
                assert "Polly" not in await answer.text()

    async def test_a_host_is_known_with_any_port_and_in_any_case(self, url, browser):
        for host in ("LocalHost:8099", "127.0.0.1", "[::1]:80"):
            async with browser.get(f"{url}/readyz", headers={"Host": host}) as answer:
                assert answer.status == 200

    async def test_it_only_reads(self, url, browser, daemon):
        async with browser.post(url) as answer:
            assert answer.status == 405
        async with browser.post(f"{url}/api/v1/vehicles/Polly/override", json={"will": "charge"}) as answer:
            assert answer.status == 404
        assert daemon.wishes == []
