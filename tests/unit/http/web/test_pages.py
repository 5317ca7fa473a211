"""Each page, of ordinary and of odd worlds."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from scheduler.core.feeds import GRAMS, StandIn
from scheduler.core.model import Flow, Hand, Home, Mode, Override, VehicleSpec, Will
from scheduler.core.pricing import SourceStatus
from scheduler.core.timeline import Interval
from scheduler.http.overview import zone_of
from scheduler.http.web.rendering import NAVIGATION, ago, fixed, signed, when
from scheduler.ports import AlertChange
from tests.fakes_daemon import (
    ELSIE,
    HOUR,
    NOW,
    POLLY,
    READY_AT,
    ROVER,
    FakeDaemon,
    a_failed_start,
    a_session,
    file_source,
    make_daemon,
    make_home,
    seen,
    waiting,
    with_carbon,
)
from tests.web_site import site_of

PAGES = tuple(address for address, _ in NAVIGATION)
CARS = (f"/cars/{POLLY}", f"/cars/{ROVER}", f"/cars/{ELSIE}")
VOID = {"meta", "link", "input", "br", "img", "hr", "rect", "path"}


class Outline(HTMLParser):
    """Checks that tags are closed as they were opened; keeps ids, labels, headings and what labels are for."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.labelled, self.inputs, self.headings, self.attributes = [], [], set(), [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "label":
            self.labelled.add(found["for"])
        if tag in {"input", "select"} and found.get("type") != "hidden" and "hidden" not in found:
            self.inputs.append(found.get("id"))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag


def outline(text):
    read = Outline()
    read.feed(text)
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))
    assert set(read.inputs) <= read.labelled
    assert read.headings.count("h1") == 1
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
    return read


async def pages_of(daemon, *paths):
    async with site_of(daemon) as site:
        await site.log_in()
        found = [await site.page(path) for path in paths]
        for text in found:
            outline(text)
        return found


async def page_of(daemon, path):
    return (await pages_of(daemon, path))[0]


async def test_every_page_is_whole_and_labelled():
    pages = await pages_of(make_daemon(), *PAGES, *CARS, f"/cars/{POLLY}/explain", "/sessions?vehicle=polly")
    for text in pages:
        assert text.count('aria-current="page"') == 1
        assert 'href="#main"' in text


async def test_pages_without_a_session_are_whole_too():
    async with site_of(make_daemon()) as site:
        for path in ("/login", "/login/code"):
            text = await site.page(path)
            outline(text)
            assert "Cars" not in text


async def test_the_overview_shows_state_why_next_change_and_alerts():
    text = await page_of(make_daemon(), "/")
    for shown in ("lindgren", "Polly", "41", "Waiting: cheapest 2 h 40 min", "Starts at", "01:15", "1 alert", "Elsie"):
        assert shown in text
    assert "only watching" in text


async def test_a_car_shows_its_facets_chain_commands_and_wishes():
    daemon = make_daemon()
    daemon.store.command_rows += [replace(a_failed_start(), vehicle_id=POLLY)]
    daemon.states[POLLY] = replace(
        daemon.states[POLLY],
        override=Override(will=Will.READY_BY, by=Hand.CLI, set_at=NOW, ready_at=READY_AT, soc_pct=90),
    )
    text = await page_of(daemon, f"/cars/{POLLY}")
    for shown in (
        "2 min ago", "Plugged in at the home&#39;s charger and location.", "29.3 kWh to reach 80 %", "NO_RESPONSE",
        "The vehicle did not answer.", "Asked to ready by", "07:30", "Charge now", "Hold", "Be ready", "Back to automatic",
        f"/cars/{POLLY}/chart.json", "The plan as a table",
    ):  # fmt: skip
        assert shown in text


async def test_a_car_shows_the_carbon_to_expect():
    assert "CO₂" not in await page_of(make_daemon(), f"/cars/{POLLY}")
    text = await page_of(with_carbon(make_daemon(), 100.0), f"/cars/{POLLY}")
    text = text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert '<p class="quiet">About 2.9 kg CO₂ expected.</p>' in text
    assert '<td class="num">≈ 825 g</td>' in text
    assert '<p>About 2.9 kg CO₂ expected. <code class="quiet">carbon</code></p>' in " ".join(text.split())


async def test_a_car_may_be_named_by_its_name_and_an_unknown_one_is_told():
    async with site_of(make_daemon()) as site:
        await site.log_in()
        assert "Polly" in await site.page("/cars/Polly")
        status, text = await site.get("/cars/nobody", headers={"Accept": "text/html"})
    assert status == 404
    outline(text)
    assert "No vehicle is called nobody" in text


@pytest.mark.parametrize(
    ("fields", "will"),
    [
        ({"will": "charge", "until": ""}, Will.CHARGE),
        ({"will": "charge", "until": "2026-11-21T03:10"}, Will.CHARGE),
        ({"will": "hold", "until": "2026-11-21T03:10"}, Will.HOLD),
        ({"will": "ready-by", "ready_at": "2026-11-21T07:30", "soc_pct": "90"}, Will.READY_BY),
        ({"will": "ready-by", "ready_at": "2026-11-21T07:30", "soc_pct": ""}, Will.READY_BY),
        ({"will": "auto"}, Will.AUTO),
    ],
)
async def test_a_wish_is_stored_as_the_dashboards_hand(fields, will):
    daemon = make_daemon()
    async with site_of(daemon) as site:
        await site.log_in()
        answer = await site.post(f"/cars/{POLLY}/override", fields | {"_csrf": await site.csrf()})
        assert answer.status == 303
        assert "notice good" in await site.page(answer.headers["Location"])
    (vehicle_id, override), *_ = daemon.wishes
    assert (vehicle_id, override.will, override.by) == (POLLY, will, Hand.DASHBOARD)
    if fields.get("until"):
        assert override.until == NOW.replace(day=21, hour=2, minute=10)
    if will is Will.READY_BY:
        assert (override.ready_at, override.soc_pct) == (READY_AT, 90 if fields["soc_pct"] else 80)


@pytest.mark.parametrize(
    "fields",
    [
        {"will": "fly"},
        {},
        {"will": "ready-by"},
        {"will": "hold", "until": "yesterday"},
        {"will": "charge", "soc_pct": "x"},
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_in_words(fields):
    daemon = make_daemon()
    async with site_of(daemon) as site:
        await site.log_in()
        answer = await site.post(f"/cars/{POLLY}/override", fields | {"_csrf": await site.csrf()})
        outline(await answer.text())
    assert answer.status == 400
    assert not daemon.wishes


async def test_a_past_minute_is_explained_and_the_future_is_not():
    async with site_of(make_daemon()) as site:
        await site.log_in()
        text = await site.page(f"/cars/{POLLY}/explain?at=2026-11-20T23:30")
        assert "Why, at" in text
        assert "2026-11-20 23:30" in text
        for asked, status in (("2026-11-22T00:00", 400), ("2020-01-01T00:00", 404), ("never", 400)):
            assert (await site.get(f"/cars/{POLLY}/explain?at={asked}"))[0] == status


async def test_a_car_shows_what_was_charged_today_in_sessions_that_are_over():
    daemon = make_daemon()
    earlier, later = (
        Flow(start=NOW - hours * HOUR, end=NOW - (hours - 1) * HOUR, kw=kw) for hours, kw in ((9, 3.7), (8, 5.0))
    )
    over = replace(a_session(), plugged_at=NOW - 10 * HOUR, unplugged_at=NOW - 6 * HOUR, flows=(earlier, later))
    other = replace(over, id="other", vehicle_id=ROVER, flows=(replace(later, kw=44.4),))
    before = replace(over, id="before", unplugged_at=NOW - 25 * HOUR, flows=(replace(later, kw=33.3),))
    daemon.store.session_rows = [over, other, before]
    async with site_of(daemon) as site:
        await site.log_in()
        text = await site.page(f"/cars/{POLLY}")
        chart = json.loads(await site.page(f"/cars/{POLLY}/chart.json"))
    outline(text)
    assert re.search(r"14:30</time> – <time [^>]+>16:30</time></td><td class=.num.>8.7\W", text)
    stamps, drawn = chart["data"][0], chart["data"][4]
    assert drawn[stamps.index(later.start.timestamp())] == 5.0
    assert {value for value in drawn if value} == {3.7, 5.0}


async def test_alerts_that_passed_stand_apart():
    daemon = make_daemon()
    daemon.store.alert_rows += [replace(daemon.store.alert_rows[0], code="OLD_ONE", cleared_at=NOW - HOUR / 2)]
    text = await page_of(daemon, "/alerts")
    assert text.index("NO_PAUSE") < text.index("Passed") < text.index("OLD_ONE")


async def test_alerts_are_told_in_the_local_time_of_the_home_that_they_concern():
    daemon = make_daemon()
    at = datetime(2026, 1, 12, 3, 0, tzinfo=UTC)
    daemon.store.alert_rows = [
        AlertChange(
            code="CHARGER_LOST",
            vehicle_id=subject,
            text="Lost at 03:10Z.",
            severity="warning",
            raised_at=at,
            cleared_at=at,
        )
        for subject in ("charger-1", POLLY, None, "a charger that nobody lists")
    ]
    text = await page_of(daemon, "/alerts")
    assert text.count("Lost at 04:10.") == 4
    assert len(re.findall(r"2026-01-12 04:00:00 CET", text)) == 8
    assert "UTC" not in text


@pytest.mark.parametrize(
    ("subject", "zone"),
    [("car", "Europe/Oslo"), ("post", "Europe/Oslo"), ("tram", "Asia/Tokyo"), (None, "UTC"), ("stranger", "UTC")],
)
def test_what_concerns_no_home_among_several_zones_is_told_in_utc(subject, zone):
    oslo = Home(id="a", user_id="u", timezone="Europe/Oslo", charger_ids=("post",), vehicles=(VehicleSpec(id="car"),))
    tokyo = Home(id="b", user_id="u", timezone="Asia/Tokyo", vehicles=(VehicleSpec(id="tram"),))
    assert zone_of(subject, [oslo, tokyo]) == zone
    assert zone_of(subject, []) == "UTC"


async def test_settings_are_shown_with_their_origin():
    text = await page_of(make_daemon(), "/settings")
    for shown in ("/etc/kwhen/kwhen.toml", "KWHEN_ENODE__CLIENT_SECRET", "[hidden]", "default", "Change the password"):
        assert shown in text


async def test_policies_are_shown_with_what_was_set():
    daemon = make_daemon()
    home = daemon.home_list[0]
    spec = replace(home.policies[1], settings={"at": "07:30", "soc_pct": 80})
    daemon.home_list = (replace(home, policies=(home.policies[0], spec)),)
    text = await page_of(daemon, "/policies")
    assert re.search(r"ready-by.*07:30", text, re.DOTALL)


# --- odd worlds -------------------------------------------------------------------------------------------------------


async def test_a_daemon_without_homes_points_to_the_set_up():
    pages = await pages_of(FakeDaemon(), *PAGES)
    assert "No home yet" in pages[0]


async def test_a_home_without_cars_or_policies_is_shown():
    empty = replace(make_home("empty"), vehicles=(), policies=(), location_id=None, charger_ids=())
    daemon = FakeDaemon(home_list=(empty,))
    for text in await pages_of(daemon, "/", "/policies", "/setup"):
        assert "empty" in text


async def test_fifty_cars_are_shown_in_as_few_queries_as_one():
    specs = [VehicleSpec(id=f"car-{number}", name=f"Car {number}") for number in range(50)]
    home = make_home("fleet", *specs)
    daemon = FakeDaemon(home_list=(home,))
    for spec in specs:
        daemon.put(home, spec, seen(), waiting())
    daemon.store.session_rows = [replace(a_session(), id=str(n), vehicle_id=f"car-{n % 50}") for n in range(200)]
    queries = []
    check = daemon.store._check
    daemon.store._check = lambda: (queries.append(1), check())
    async with site_of(daemon) as site:
        await site.log_in()
        for path in (*PAGES, "/cars/car-7"):
            queries.clear()
            outline(await site.page(path))
            assert len(queries) <= 5, path
        assert (await site.page("/")).count("<article") == 50


async def test_names_that_are_markup_are_text():
    nasty = "\"'><script>alert(1)</script>"
    daemon = make_daemon()
    object.__setattr__(daemon.home_list[0].vehicles[0], "name", nasty)
    object.__setattr__(daemon.home_list[0], "id", nasty)
    for text in await pages_of(daemon, *PAGES, f"/cars/{POLLY}", f"/cars/{POLLY}/explain"):
        assert "<script>alert" not in text


async def test_ids_that_are_no_path_still_have_their_page():
    odd = VehicleSpec(id="a b?c#d&e", name="Odd")
    home = make_home("h", odd)
    daemon = FakeDaemon(home_list=(home,))
    daemon.put(home, odd, seen(), waiting())
    async with site_of(daemon) as site:
        await site.log_in()
        address = re.search(r'href="(/cars/[^"]+)"', await site.page("/"))
        assert address is not None
        assert "<h1>Odd</h1>" in await site.page(address[1])


@pytest.mark.parametrize("plugged", [True, False, None])
async def test_a_car_of_which_little_is_known_is_shown(plugged):
    daemon = make_daemon()
    home, spec = daemon.home_list[0], daemon.home_list[0].vehicles[0]
    bare = replace(seen(plugged=plugged, charging=None), battery=type(seen().battery)(), reachable=None, seen_at=None)
    daemon.put(home, spec, bare, waiting(soc_pct=None))
    text = await page_of(daemon, f"/cars/{POLLY}")
    assert "state of charge unknown" in text
    assert "never" in text
    await page_of(daemon, "/")


async def test_a_car_that_is_switched_off_or_gone_says_so():
    daemon = make_daemon()
    daemon.states[POLLY] = replace(daemon.states[POLLY], gone=True)
    object.__setattr__(daemon.home_list[0].vehicles[1], "mode", Mode.OFF)
    text = await page_of(daemon, "/")
    assert "Gone from Enode" in text
    assert ">off<" in text


async def test_a_daemon_in_trouble_says_so_on_its_first_page():
    daemon = make_daemon()
    daemon.is_ready = False
    assert "not ready yet" in await page_of(daemon, "/")


async def test_each_price_source_says_how_it_is():
    daemon = make_daemon()
    series = daemon.store.series[0]
    stand_in = StandIn(interval=Interval(start=NOW, end=NOW + 3 * HOUR), name="backup")
    standing_in = replace(series, stand_ins=(stand_in,))
    why = "answered <503>"
    daemon.sources = [
        file_source(series=standing_in, stand_in="backup", trouble=why, late=True),
        SourceStatus(name="backup", kind="fixed"),
    ]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await page_of(daemon, "/prices")))
    assert "known until 09:00 · fetched 3 min ago" in text
    assert "From nord-pool, asked next 23:42 ; backup may stand in." in text
    assert "backup stands in from 23:30 until 02:30 ." in text
    assert "Its own prices are not there: answered &lt;503&gt;" in text
    assert "late" in text
    assert "never fetched From fixed." in text
    assert text.count("The prices as a table") == 1
    daemon.sources = []
    assert "Configured no more." in await page_of(daemon, "/prices")
    daemon.store.series = [replace(series, currency=GRAMS)]
    assert "1\N{NARROW NO-BREAK SPACE}g CO2/kWh" in await page_of(daemon, "/prices")


async def test_no_prices_and_no_sessions_are_said_in_words():
    daemon = make_daemon()
    daemon.store.series, daemon.store.session_rows, daemon.store.alert_rows, daemon.store.command_rows = [], [], [], []
    daemon.sources = []
    prices, sessions, alerts, car = await pages_of(daemon, "/prices", "/sessions", "/alerts", f"/cars/{POLLY}")
    assert "No source has published" in prices
    assert "No session yet" in sessions
    assert "Nothing needs you" in alerts
    assert "No command was sent yet" in car


def test_filters_tell_what_is_not_known():
    assert ago(None, NOW) == "never"
    assert ago(NOW, NOW) == "just now"
    assert ago(NOW - timedelta(minutes=3), NOW) == "3 min ago"
    assert fixed(None) == "–"
    assert fixed(1.25, 1) == "1.2"
    assert signed(-0.5) == "\N{MINUS SIGN}0.50"
    assert when(None, "UTC") == "–"
    assert "23:30" in when(NOW, "Europe/Oslo", NOW)
