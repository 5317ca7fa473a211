"""Who gets in, and who does not: S15, S19, S20 and the faults Z01 to Z10, asked over TCP."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
from structlog.testing import capture_logs
from yarl import URL

from scheduler.core.errors import StoreBusy
from scheduler.core.model import Will
from scheduler.enode.webhook import WebhookCounters, webhook_app
from scheduler.http.web.app import web_app
from scheduler.http.web.sessions import COOKIE, LASTS
from scheduler.redaction import Redactor
from tests.fakes_daemon import NOW, POLLY, make_daemon
from tests.web_site import PASSWORD, TOKEN, site_of
from tests.web_support import serving

PAGES = (
    "/", f"/cars/{POLLY}", f"/cars/{POLLY}/chart.json", f"/cars/{POLLY}/explain", "/sessions", "/sessions.csv", "/alerts",
    "/policies", "/prices", "/prices/0/chart.json", "/settings", "/setup", "/diagnostics.json", "/events", "/metrics",
    "/api/v1/status", "/api/v1/homes", "/api/v1/journal", f"/api/v1/vehicles/{POLLY}", "/nowhere",
)  # fmt: skip
CHANGES = (
    ("POST", f"/cars/{POLLY}/override"), ("POST", f"/api/v1/vehicles/{POLLY}/override"), ("POST", "/api/v1/release"),
    ("DELETE", f"/api/v1/vehicles/{POLLY}/override"), ("POST", "/api/v1/reload"), ("POST", "/api/v1/webhook"),
    ("POST", "/password"), ("POST", "/logout/everywhere"),
)  # fmt: skip
HOLD = {"will": "hold"}


@pytest.fixture
def daemon():
    return make_daemon()


@pytest.fixture
async def site(daemon):
    async with site_of(daemon) as site:
        yield site


@pytest.fixture
async def inside(site):
    assert (await site.log_in()).status == 303
    return site


# --- nobody without a session -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
async def test_s20_nothing_is_shown_without_a_session(site, path):
    status, text = await site.get(path)
    assert status == 401
    assert not any(word in text for word in ("Polly", "lindgren", "Rover"))
    status, text = await site.get(path, headers={"Accept": "text/html"})
    assert status in (303, 401)
    assert "Polly" not in text


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_s15_nothing_is_changed_without_a_session(site, daemon, method, path):
    async with site.visitor.request(method, site.origin + path, json={"will": "hold", "all": True}) as answer:
        assert answer.status == 401
    assert not daemon.wishes
    assert not daemon.released
    assert not daemon.asked


async def test_health_is_told_to_anybody_and_nothing_more(site):
    assert await site.get("/healthz") == (200, '{"live": true}')
    assert await site.get("/readyz") == (200, '{"ready": true}')


async def test_a_daemon_that_is_not_ready_says_so(site, daemon):
    daemon.is_ready = False
    assert await site.get("/readyz") == (503, '{"ready": false}')


async def test_the_token_lets_programs_in_and_a_wrong_one_does_not(site, daemon):
    good, bad = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {TOKEN}x"}
    assert (await site.get("/api/v1/status", headers=good))[0] == 200
    assert (await site.get("/metrics", headers=good))[0] == 200
    for headers in (bad, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer "}):
        assert (await site.get("/api/v1/status", headers=headers))[0] == 401
    url = f"{site.origin}/api/v1/vehicles/{POLLY}/override"
    async with site.visitor.post(url, json=HOLD, headers=good) as answer:
        assert answer.status == 202
    assert [override.will for _, override in daemon.wishes] == [Will.HOLD]


async def test_a_token_that_is_guessed_is_slowed_down(site):
    for attempt in range(4):
        assert (await site.get("/", headers={"Authorization": f"Bearer {attempt}"}))[0] == 401
    status, _ = await site.get("/", headers={"Authorization": f"Bearer {TOKEN}"})
    assert status == 429


async def test_without_a_configured_token_no_token_is_right(daemon):
    app = web_app(daemon, hosts=["127.0.0.1"])
    async with serving(app) as origin, aiohttp.ClientSession() as http:
        for given in ("", "None", "null"):
            async with http.get(f"{origin}/api/v1/status", headers={"Authorization": f"Bearer {given}"}) as answer:
                assert answer.status == 401


# --- Z01: other pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example"}, id="foreign-origin"),
        pytest.param({"Origin": "null"}, id="null-origin"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, id="another-port"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": ""}, id="navigation"),
    ],
)
async def test_z01_a_post_that_another_page_began_changes_nothing(inside, daemon, headers):
    fields = HOLD | {"_csrf": await inside.csrf()}
    assert (await inside.post(f"/cars/{POLLY}/override", fields, **headers)).status == 403
    assert not daemon.wishes


@pytest.mark.parametrize("given", [None, "", "x" * 43, "\udcff"])
async def test_z01_a_form_without_the_sessions_token_changes_nothing(inside, daemon, given):
    fields = HOLD | ({} if given is None else {"_csrf": given.encode(errors="surrogateescape").decode("latin-1")})
    assert (await inside.post(f"/cars/{POLLY}/override", fields)).status == 403
    async with inside.visitor.post(f"{inside.origin}/api/v1/vehicles/{POLLY}/override", json=HOLD) as answer:
        assert answer.status == 403
    assert not daemon.wishes


async def test_z01_the_token_of_another_session_does_not_fit(daemon):
    async with site_of(daemon) as site, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as other:
        await site.log_in()
        theirs = await site.csrf()
        site.visitor, mine = other, site.visitor
        await site.log_in()
        assert (await site.post(f"/cars/{POLLY}/override", HOLD | {"_csrf": theirs})).status == 403
        site.visitor = mine
        assert (await site.post(f"/cars/{POLLY}/override", HOLD | {"_csrf": theirs})).status == 303
    assert len(daemon.wishes) == 1


async def test_the_pages_own_form_and_script_may_change(inside, daemon):
    token = await inside.csrf()
    answer = await inside.post(f"/cars/{POLLY}/override", HOLD | {"_csrf": token})
    assert (answer.status, answer.headers["Location"]) == (303, f"/cars/{POLLY}?done=hold")
    url, headers = f"{inside.origin}/api/v1/vehicles/{POLLY}/override", {"X-CSRF-Token": token}
    async with inside.visitor.post(url, json={"will": "charge"}, headers=headers) as api:
        assert api.status == 202
    assert [override.will for _, override in daemon.wishes] == [Will.HOLD, Will.CHARGE]


async def test_z01_a_login_that_another_page_sends_is_refused(site):
    assert (await site.post("/login", {"password": PASSWORD}, Origin="https://evil.example")).status == 403
    assert (await site.post("/login", {"password": PASSWORD}, Origin="")).status == 403
    assert site.cookie is None


# --- Z02: the Host ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/healthz", "/login", "/static/kwhen.css", "/api/v1/status", "/nowhere"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::1]"])
async def test_z02_a_foreign_host_is_refused_before_everything(inside, path, host):
    for headers in ({"Host": host}, {"Host": host, "Authorization": f"Bearer {TOKEN}"}):
        status, text = await inside.get(path, headers=headers)
        assert status == 421
        assert "Polly" not in text


# --- Z03: guessing ----------------------------------------------------------------------------------------------------


async def test_z03_guessing_has_to_wait_longer_and_longer_and_is_logged(site, daemon):
    with capture_logs() as logs:
        for attempt in range(4):
            assert (await site.log_in(f"wrong {attempt}")).status == 403
        waits = []
        for _ in range(3):
            answer = await site.log_in()  # the right one does not help now
            assert answer.status == 429
            waits.append(int(answer.headers["Retry-After"]))
            pass_by(daemon, waits[-1])
            assert (await site.log_in("wrong")).status == 403
    assert waits == [2, 4, 8]
    refused = [one for one in logs if one["event"] == "login.refused"]
    assert len(refused) == 7
    assert {one["address"] for one in refused} == {"127.0.0.1"}
    assert [one["event"] for one in logs if one["event"] == "login.slowed"] == ["login.slowed"] * 3
    assert not any("wrong" in str(one) for one in logs)


def pass_by(daemon, seconds):
    """Let time pass on the clock that never steps."""
    reached = daemon.clock.monotonic_ns() + int(seconds * 1e9)
    daemon.clock.monotonic_ns = lambda: reached


async def test_z03_who_waited_and_knows_it_gets_in(site, daemon):
    for _ in range(4):
        await site.log_in("wrong")
    pass_by(daemon, 2)
    assert (await site.log_in()).status == 303
    assert (await site.log_in("wrong")).status == 403  # the count began anew


async def test_z03_set_up_codes_cannot_be_guessed_either(daemon):
    async with site_of(daemon, password=None) as site:
        code = site.passwords.new_code()
        form = {"password": PASSWORD, "again": PASSWORD}
        for _ in range(4):
            assert (await site.post("/login/code", form | {"code": "AAAA-BBBB-CCCC"})).status == 403
        assert (await site.post("/login/code", form | {"code": code})).status == 429


# --- Z04: secrets in errors -------------------------------------------------------------------------------------------

CANARY = "canary/secret+1"


@pytest.mark.parametrize("path", [f"/cars/{POLLY}", "/sessions", "/alerts", "/api/v1/sessions", "/prices"])
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_z04_no_error_shows_a_secret(daemon, path, accept):
    async with site_of(daemon, redact=Redactor([CANARY])) as site:
        await site.log_in()
        daemon.store.broken = StoreBusy(f"cannot open postgresql://me:canary%2Fsecret%2B1@db or {CANARY}")
        daemon.store.all_kept = lambda space: sessions_of(daemon, space)
        status, text = await site.get(path, headers={"Accept": accept})
    assert status == 503
    assert "canary" not in text
    assert "[hidden]" in text


async def sessions_of(daemon, space):
    return {key: value for (of, key), (value, _) in daemon.store.small.items() if of == space}


async def test_z04_an_unforeseen_fault_shows_nothing_of_itself(inside, daemon):
    def broken():
        raise RuntimeError(CANARY)

    daemon.policies = broken
    with capture_logs() as logs:
        status, text = await inside.get("/policies", headers={"Accept": "text/html"})
    assert status == 500
    assert "canary" not in text
    assert [one["event"] for one in logs] == ["http.handler_failed"]


# --- Z05: names -------------------------------------------------------------------------------------------------------


async def test_z05_a_script_in_a_name_is_text_and_the_policy_forbids_the_rest(daemon):
    nasty = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
    object.__setattr__(daemon.home_list[0].vehicles[0], "name", nasty)
    daemon.store.alert_rows = [replace(one, text=nasty, vehicle_id=POLLY) for one in daemon.store.alert_rows]
    async with site_of(daemon) as site:
        await site.log_in()
        for path in ("/", f"/cars/{POLLY}", f"/cars/{POLLY}/explain", "/sessions", "/alerts", "/setup", "/policies"):
            async with site.visitor.get(site.origin + path, headers={"Accept": "text/html"}) as answer:
                text = await answer.text()
                policy = answer.headers["Content-Security-Policy"]
            assert answer.status == 200
            assert "<script>alert" not in text
            assert "<img" not in text
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy


@pytest.mark.parametrize("path", [*PAGES, "/login", "/static/kwhen.css", "/healthz"])
async def test_every_answer_has_the_guards_headers(inside, path):
    async with inside.visitor.get(inside.origin + path, allow_redirects=False) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")


async def test_what_never_changes_may_be_kept_and_what_is_somebodys_may_not(inside):
    address = re.search(r'href="(/static/kwhen.css[^"]+)"', await inside.page("/"))
    assert address is not None
    async with inside.visitor.get(inside.origin + address[1]) as answer:
        assert "immutable" in answer.headers["Cache-Control"]


# --- Z06: paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py", "/static/..%2fguard.py", "/static/%2e%2e/guard.py", "/static/..%5cguard.py",
        "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/kwhen.css%00.js", "/static/", "/static/VENDORED.md",
        "/prices/..%2f..%2fetc%2fpasswd/chart.json", "/prices/-1/chart.json", "/prices/99/chart.json",
        "/sessions.csv/../../etc/passwd", "/cars/..%2f..%2fetc%2fpasswd", "/api/v1/blobs/..%2f..%2fetc%2fpasswd",
    ],
)  # fmt: skip
async def test_z06_no_path_leads_to_a_file(inside, path):
    async with inside.visitor.get(URL(inside.origin + path, encoded=True), allow_redirects=False) as answer:
        text = await answer.text()
    assert answer.status == 404
    assert "root:" not in text
    assert "import " not in text


# --- Z07: diagnostics -------------------------------------------------------------------------------------------------


async def test_z07_diagnostics_hold_no_secret_and_no_position(inside):
    status, text = await inside.get("/diagnostics.json")
    told = json.loads(text)
    assert status == 200
    assert {one["value"] for one in told["settings"] if "secret" in one["key"]} == {"[hidden]"}
    for secret in (PASSWORD, TOKEN, inside.cookie, await inside.csrf(), "latitude", "longitude", "argon2"):
        assert secret not in text


async def test_s19_no_page_shows_password_hash_or_session_id(inside):
    for path in ("/settings", "/api/v1/journal", "/metrics", "/setup"):
        _, text = await inside.get(path)
        assert not any(secret in text for secret in (PASSWORD, TOKEN, str(inside.cookie), "argon2"))


# --- Z08: streams -----------------------------------------------------------------------------------------------------


async def test_z08_the_stream_of_news_refuses_a_foreign_origin_and_there_is_no_websocket(inside):
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert (await inside.get("/events", headers=headers))[0] == 403
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    handshake = upgrade | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "https://evil.example"}
    assert (await inside.get("/events", headers=handshake))[0] == 403


async def test_news_come_to_who_is_logged_in(inside, daemon):
    daemon.happenings = [{"what": "vehicle", "vehicle": POLLY}, {"what": "alert", "vehicle": None}]
    async with inside.visitor.get(f"{inside.origin}/events") as answer:
        assert answer.content_type == "text/event-stream"
        text = await answer.text()
    assert [json.loads(line[6:])["what"] for line in text.splitlines() if line.startswith("data: ")] == [
        "vehicle",
        "alert",
    ]


# --- Z09: nobody is trusted for where they are ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-User"])
@pytest.mark.parametrize("value", ["127.0.0.1", "192.168.1.5", "for=10.0.0.1", "localhost", "owner"])
async def test_z09_no_header_and_no_private_address_lets_anybody_in(site, name, value):
    status, text = await site.get("/api/v1/status", headers={name: value})  # from 127.0.0.1 itself
    assert status == 401
    assert "Polly" not in text


async def test_z09_a_forged_address_does_not_escape_the_waiting(site):
    for number in range(4):
        await site.post("/login", {"password": "wrong"}, **{"X-Forwarded-For": f"192.0.2.{number}"})
    answer = await site.post("/login", {"password": PASSWORD}, **{"X-Forwarded-For": "192.0.2.99"})
    assert answer.status == 429


async def test_z09_a_forged_scheme_does_not_change_the_cookie(site):
    answer = await site.post("/login", {"password": PASSWORD}, **{"X-Forwarded-Proto": "https"})
    assert not answer.cookies[COOKIE]["secure"]


# --- Z10: sessions ----------------------------------------------------------------------------------------------------


async def test_z10_the_cookie_is_out_of_reach_and_secure_behind_tls(site):
    plain = (await site.log_in()).cookies[COOKIE]
    assert plain["httponly"]
    assert plain["samesite"] == "Strict"
    assert plain["path"] == "/"
    assert not plain["secure"]
    behind = await site.post("/login", {"password": PASSWORD}, Origin=site.origin.replace("http:", "https:"))
    assert behind.cookies[COOKIE]["secure"]


async def test_z10_a_login_begins_a_session_under_a_new_id(site):
    site.bring("chosen-by-a-stranger")
    await site.log_in()
    first = site.cookie
    assert first != "chosen-by-a-stranger"
    await site.log_in()
    assert site.cookie != first
    site.bring(first)
    assert (await site.get("/api/v1/status"))[0] == 401  # the one before is over


async def test_z10_a_changed_password_ends_every_other_session(daemon):
    async with site_of(daemon) as site, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as other:
        await site.log_in()
        mine, site.visitor = site.visitor, other
        await site.log_in()
        site.visitor = mine
        new = {"old": PASSWORD, "password": "another good one", "again": "another good one", "_csrf": await site.csrf()}
        assert (await site.post("/password", new)).headers["Location"] == "/settings?done=password"
        assert "The password was changed" in await site.page("/settings?done=password")
        site.visitor = other
        assert (await site.get("/api/v1/status"))[0] == 401
        assert (await site.log_in()).status == 403
        assert (await site.log_in("another good one")).status == 303


async def test_z10_a_wrong_present_password_changes_nothing(inside):
    new = {"old": "wrong", "password": "another good one", "again": "another good one", "_csrf": await inside.csrf()}
    assert (await inside.post("/password", new)).status == 403
    assert (await inside.log_in()).status == 303


@pytest.mark.parametrize(("new", "again"), [("short", "short"), ("one good password", "another good one")])
async def test_a_password_that_is_weak_or_mistyped_is_not_taken(inside, new, again):
    form = {"old": PASSWORD, "password": new, "again": again, "_csrf": await inside.csrf()}
    assert (await inside.post("/password", form)).status == 400
    assert await inside.passwords.fits(PASSWORD)


async def test_z10_logging_out_ends_the_session_here_or_everywhere(inside):
    cookie = inside.cookie
    assert (await inside.post("/logout", {"_csrf": await inside.csrf()})).headers["Location"] == "/login"
    assert inside.cookie is None
    inside.bring(cookie)
    assert (await inside.get("/api/v1/status"))[0] == 401
    await inside.log_in()
    kept = inside.cookie
    await inside.post("/logout/everywhere", {"_csrf": await inside.csrf()})
    inside.bring(kept)
    assert (await inside.get("/api/v1/status"))[0] == 401


async def test_z10_a_session_grows_old(inside, daemon):
    daemon.clock.at = NOW + LASTS - timedelta(seconds=1)
    assert (await inside.get("/api/v1/status"))[0] == 200
    daemon.clock.at = NOW + LASTS
    assert (await inside.get("/api/v1/status"))[0] == 401


async def test_the_store_holds_neither_password_nor_session_id(inside, daemon):
    kept = (
        b" ".join(value for value, _ in daemon.store.small.values())
        + " ".join(k for _, k in daemon.store.small).encode()
    )
    assert PASSWORD.encode() not in kept
    assert str(inside.cookie).encode() not in kept
    assert b"$argon2id$" in kept


# --- first use --------------------------------------------------------------------------------------------------------


async def test_the_first_visit_chooses_a_password_with_the_code_once(daemon):
    async with site_of(daemon, password=None) as site:
        status, _ = await site.get("/login")
        assert status == 303
        assert "Welcome" in await site.page("/login/code")
        code = site.passwords.new_code()
        form = {"code": code.lower().replace("-", " "), "password": PASSWORD, "again": PASSWORD}
        assert (await site.post("/login/code", form | {"again": "other than that"})).status == 400
        assert (await site.post("/login/code", form | {"password": "short", "again": "short"})).status == 400
        assert (await site.post("/login/code", form)).status == 303
        assert "Polly" in await site.page("/")
        assert (await site.post("/login/code", form)).status == 403  # it was spent


async def test_without_a_password_nobody_can_log_in(daemon):
    async with site_of(daemon, password=None) as site:
        for password in ("", PASSWORD):
            assert (await site.log_in(password)).status == 403


async def test_a_lost_password_is_replaced_and_the_sessions_end(inside):
    old = inside.cookie
    form = {"code": inside.passwords.new_code(), "password": "another good one", "again": "another good one"}
    assert (await inside.post("/login/code", form)).status == 303
    inside.bring(old)
    assert (await inside.get("/api/v1/status"))[0] == 401


@pytest.mark.parametrize(
    ("asked", "to"),
    [
        (f"/cars/{POLLY}", f"/cars/{POLLY}"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
    ],
)
async def test_the_login_goes_on_to_our_own_pages_alone(site, asked, to):
    answer = await site.post("/login", {"password": PASSWORD, "next": asked})
    assert answer.headers["Location"] == to


async def test_who_is_sent_to_the_login_comes_back_to_where_they_were(site):
    async with site.visitor.get(
        f"{site.origin}/sessions?vehicle=polly", headers={"Accept": "text/html"}, allow_redirects=False
    ) as answer:
        assert URL(answer.headers["Location"]).query["next"] == "/sessions?vehicle=polly"


async def test_a_link_on_another_site_is_followed_with_the_strict_cookie(site):
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    status, text = await site.get("/setup?state=1", headers=headers)
    assert status == 200
    assert 'content="0;url=/setup?state=1"' in text
    assert "Polly" not in text


async def test_a_part_of_a_page_whose_session_ended_has_the_page_loaded_again(site):
    headers = {"Accept": "text/html", "HX-Request": "true"}
    async with site.visitor.get(f"{site.origin}/", headers=headers, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["HX-Refresh"]) == (401, "true")


# --- the webhook's own listener ---------------------------------------------------------------------------------------


async def test_s20_the_webhook_listener_serves_its_path_alone():
    async def nothing(work):
        return 0

    app = webhook_app(
        secrets=lambda: [b"0123456789abcdef"], sink=nothing, stamp=lambda: None, counters=WebhookCounters()
    )
    async with serving(app) as origin, aiohttp.ClientSession() as http:
        for path in (*PAGES, "/login", "/healthz", "/static/kwhen.css", "/webhooks", "/webhooks/enode/x"):
            async with http.get(origin + path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
                assert answer.status == 404, path
        async with http.post(f"{origin}/webhooks/enode", data=b"{}") as answer:
            assert answer.status == 401
