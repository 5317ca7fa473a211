"""Setting up from pages: links, the charger's prompt, homes, what a person must do, and the owner's choices."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.errors import ProviderUnavailable
from scheduler.core.garage import Conflict, Prompt, VendorLink
from scheduler.http.web.markdown import safe
from scheduler.http.web.setup_links import code_of
from tests.fake_onboarding import CHARGER, POLLY, USER, a_card, an_account
from tests.fakes_daemon import NOW, FakeDaemon
from tests.web_site import HOSTS, site_of

HOME = {
    "user": USER,
    "latitude": "59,91",
    "longitude": "10.75",
    "name": "The Cabin",
    "timezone": "Europe/Oslo",
    "currency": "nok",
    "vehicle": POLLY,
    "charger": CHARGER,
    "ready_at": "06:45",
    "target_pct": "70",
    "prices": "flat",
    "per_kwh": "0,31",
}


def asked_for(daemon, name):
    return [one[1:] for one in daemon.onboarding.did if one[0] == name]


def prompt(*, mandatory):
    return Prompt(
        id=f"charger:{POLLY}", kind="charger", user_id=USER, vehicle_id=POLLY, vehicle_name="Polly",
        mandatory=mandatory, reasons=("A plug-in is noticed sooner.",),
    )  # fmt: skip


async def send(site, path, fields):
    return await site.post(path, {**fields, "_csrf": await site.csrf()})


async def test_a_link_begins_with_our_return_and_leads_to_the_provider():
    daemon = FakeDaemon()
    async with site_of(daemon) as site:
        await site.log_in()
        answer = await send(site, "/setup/links", {"user": USER, "kind": "vehicle"})
        text = await answer.text()
        assert answer.status == 200
        assert '<meta http-equiv="refresh" content="0;url=https://link.example/state-1">' in text
        assert asked_for(daemon, "begin_link") == [(USER, "vehicle", f"{site.origin}/linked", "en-US")]


def drawn(text):
    [svg] = re.findall(r"<svg .*?</svg>", text)
    return svg


@pytest.mark.parametrize(("host", "comes_back"), [("127.0.0.1", False), ("localhost", False), ("kwhen.lan", True)])
async def test_a_phone_goes_on_by_a_code_and_comes_back_only_to_a_name_that_it_can_reach(host, comes_back):
    daemon = FakeDaemon()
    async with site_of(daemon, hosts=(*HOSTS, "kwhen.lan")) as site:
        await site.log_in()
        assert 'name="phone" value="vehicle"' in await site.page("/setup?user=nobody")
        fields = {"user": USER, "phone": "vehicle", "_csrf": await site.csrf()}
        at = f"{host}:{site.origin.rpartition(':')[2]}"
        answer = await site.post("/setup/links", fields, Host=at, Origin=f"http://{at}")
        text = await answer.text()
        assert (answer.status, 'http-equiv="refresh"' in text) == (200, False)
        [(_, kind, back_url, _)] = asked_for(daemon, "begin_link")
        assert (kind, back_url) == ("vehicle", f"http://{at}/linked" if comes_back else "")
        assert drawn(text) == code_of("https://link.example/state-1") != code_of("https://link.example/state-2")
        assert 'role="img" aria-label="QR code' in text
        assert "style=" not in drawn(text)


async def test_the_page_with_the_code_sees_when_the_phone_is_done():
    daemon = FakeDaemon()
    await daemon.onboarding.begin_link(USER, "vehicle", back_url="")
    fields = {"user": USER, "kind": "vehicle", "state": "state-1"}
    async with site_of(daemon) as site:
        await site.log_in()
        daemon.onboarding.found = ()
        waiting = await (await send(site, "/setup/links/progress", fields)).text()
        assert "Waiting for the phone" in waiting
        assert 'hx-post="/setup/links/progress"' in waiting
        daemon.onboarding.found = (POLLY,)
        done = await (await send(site, "/setup/links/progress", fields)).text()
        assert f'href="/setup/charger?user={USER}"' in done
        assert "hx-post" not in done
        await daemon.onboarding.finish_link("state-1")  # it came back to us by itself
        over = await (await send(site, "/setup/links/progress", fields)).text()
        assert f'href="/setup/charger?user={USER}"' in over
        daemon.onboarding.link_progress = unanswered
        assert "Waiting for the phone" in await (await send(site, "/setup/links/progress", fields)).text()


async def unanswered(state):
    raise ProviderUnavailable("no network")


async def test_a_lost_account_is_linked_again_on_a_phone():
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        answer = await send(site, f"/setup/assets/{POLLY}/relink", {"phone": "again"})
        assert drawn(await answer.text()) == code_of("https://link.example/state-1")


@pytest.mark.parametrize(
    ("kind", "query", "onward"),
    [
        ("vehicle", "", f"/setup/charger?user={USER}"),
        ("charger", "", f"/setup/place?user={USER}"),
        ("vehicle", "&error=cancelled", f"/setup?user={USER}&amp;done=unlinked"),
    ],
)
async def test_the_return_works_by_our_state_alone_and_once(kind, query, onward):
    daemon = FakeDaemon()
    await daemon.onboarding.begin_link(USER, kind, back_url="")
    async with site_of(daemon) as site:  # nobody is logged in
        text = await site.page(f"/linked?state=state-1{query}")
        assert f'href="{onward}"' in text
        assert "Polly" not in text
        status, again = await site.get(f"/linked?state=state-1{query}", headers={"Accept": "text/html"})
        assert status >= 400
        assert "was used" in again


async def test_a_mandatory_prompt_cannot_be_dismissed_and_a_recommended_one_can():
    daemon = FakeDaemon()
    daemon.onboarding.prompt_list = (prompt(mandatory=True),)
    async with site_of(daemon) as site:
        await site.log_in()
        asked = f"/setup/charger?user={USER}"
        text = await site.page(asked)
        assert "needed" in text
        assert "Go on without one" not in text
        dismissal = f"/setup/prompts/charger:{POLLY}/dismiss"
        assert (await send(site, dismissal, {"user": USER})).status == 409
        daemon.onboarding.prompt_list = (prompt(mandatory=False),)
        assert "Go on without one" in await site.page(asked)
        assert (await send(site, dismissal, {"user": USER})).status == 303
        assert (await site.get(asked))[0] == 303


async def test_a_home_is_placed_and_made_as_asked():
    daemon = FakeDaemon()
    async with site_of(daemon) as site:
        await site.log_in()
        answer = await send(site, "/setup/homes", HOME)
        assert answer.headers["Location"] == "/setup/homes/the-cabin?done=made"
        assert asked_for(daemon, "place") == [(USER, 59.91, 10.75, "The Cabin", "Europe/Oslo", (CHARGER,))]
        [(table,)] = asked_for(daemon, "create_home")
        assert table == {
            "id": "the-cabin",
            "user_id": USER,
            "timezone": "Europe/Oslo",
            "currency": "NOK",
            "charger_ids": [CHARGER],
            "location_id": "home-1",
            "vehicle": [{"id": POLLY}],
            "policy": [
                {"name": "ready-by", "at": "06:45", "soc_pct": 70.0},
                {"name": "flat", "per_kwh": 0.31},
            ],
        }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latitude": "north"}, "Latitude must be a number."),
        ({"latitude": "inf"}, "Latitude must be a number."),
        ({"latitude": "0", "longitude": "0"}, "Gulf of Guinea"),
        ({"name": "!"}, "Give the home a name."),
        ({"name": "lindgren"}, "is missing or taken"),
    ],
)
async def test_a_home_that_cannot_be_is_refused_in_words_and_the_form_keeps_what_was_typed(change, words):
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        answer = await send(site, "/setup/homes", HOME | change)
        text = await answer.text()
        assert answer.status == 400
        assert words in text
        assert 'value="06:45"' in text


async def test_the_place_of_a_car_fills_the_form_and_stands_in_no_address():
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        text = await site.page(f"/setup/place?user={USER}&from={POLLY}")
        assert 'value="59.910000"' in text
        assert "59.91&" not in text


async def test_what_must_be_done_is_shown_safely_with_what_blocks_first():
    daemon = FakeDaemon()
    daemon.onboarding.conflict_list = (Conflict(id="smart-charging", vehicle_id=POLLY, text="Another hand."),)
    async with site_of(daemon) as site:
        await site.log_in()
        text = await site.page(f"/setup/cars/{POLLY}")
        assert text.index("Enable &lt;remote&gt; charging") < text.index("Park in reach")
        assert "<strong>app</strong>" in text
        assert "<script>alert" not in text
        assert f'action="/setup/assets/{POLLY}/relink"' in text
        answer = await send(site, f"/setup/cars/{POLLY}/conflicts/smart-charging", {})
        assert answer.status == 303
        assert asked_for(daemon, "resolve") == [(POLLY, "smart-charging")]


async def test_a_lost_account_is_offered_to_be_linked_again():
    daemon = FakeDaemon()
    lost = (VendorLink(vendor="ZAPTEC", kind="charger", valid=False),)
    daemon.onboarding.accounts[USER] = an_account(vehicles=(replace(a_card(), linked=False),), vendors=lost)
    async with site_of(daemon) as site:
        await site.log_in()
        text = await site.page(f"/setup?user={USER}")
        assert "link again" in text
        assert f'action="/setup/assets/{CHARGER}/relink"' in text
        assert "account was lost" in await site.page(f"/setup/cars/{POLLY}")
        assert (await send(site, f"/setup/assets/{POLLY}/relink", {})).status == 200


async def test_a_provider_that_does_not_answer_is_told_and_the_homes_are_still_shown():
    daemon = FakeDaemon()
    daemon.onboarding.broken = ProviderUnavailable("no network")
    async with site_of(daemon) as site:
        await site.log_in()
        text = await site.page(f"/setup?user={USER}")
        assert "no network" in text
        assert "Homes" in text


async def test_a_home_of_the_file_is_read_only_with_the_lines_to_paste():
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        text = await site.page("/setup/homes/lindgren")
        assert "kwhen.toml:12" in text
        assert "[[home]]" in text
        assert "Delete" not in text
        assert (await send(site, "/setup/homes/lindgren/delete", {"release": "yes"})).status == 409


async def test_a_home_is_paused_watched_and_deleted():
    daemon = FakeDaemon()
    async with site_of(daemon) as site:
        await site.log_in()
        await send(site, "/setup/homes", HOME)
        await send(site, "/setup/pauses/the-cabin", {"days": "7"})
        assert asked_for(daemon, "pause") == [("the-cabin", NOW + timedelta(days=7))]
        assert "Resume now" in await site.page("/setup/homes/the-cabin")
        await send(site, "/setup/pauses/the-cabin", {"days": "resume"})
        assert asked_for(daemon, "pause")[-1] == ("the-cabin", None)
        await send(site, "/setup/homes/the-cabin/mode", {"mode": "observe"})
        assert asked_for(daemon, "change_home")[0][1]["mode"] == "observe"
        assert (await send(site, "/setup/homes/the-cabin/delete", {"release": "yes"})).status == 303
        assert asked_for(daemon, "delete_home") == [("the-cabin", True)]


TILES = "https://tiles.example:8443/{z}/{x}/{y}.png"


async def test_only_the_page_with_the_map_may_fetch_pictures_and_only_from_the_owners_choice():
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        assert "leaflet" not in await site.page(f"/setup/place?user={USER}")
        sent = {"language": "sv-SE", "tiles": TILES, "credit": "<b>Maps</b>"}
        assert (await send(site, "/setup/preferences", sent)).status == 303
        async with site.visitor.get(f"{site.origin}/setup/place?user={USER}") as answer:
            policy, text = answer.headers["Content-Security-Policy"], await answer.text()
        assert policy.endswith("; img-src 'self' data: https://tiles.example:8443")
        assert "leaflet.min.js" in text
        assert "&lt;b&gt;Maps" in text
        async with site.visitor.get(f"{site.origin}/setup") as answer:
            assert "tiles.example" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "tiles",
    ["http://tiles.example/{z}/{x}/{y}", "https://a b/{z}/{x}/{y}", "https://x; script-src */{z}/{x}/{y}",
     "https://tiles.example/", "javascript:{z}{x}{y}", "https://u@tiles.example/{z}/{x}/{y}", "https://[/{z}/{x}/{y}"],
)  # fmt: skip
async def test_what_is_no_address_of_tiles_is_refused(tiles):
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        answer = await send(site, "/setup/preferences", {"language": "en-US", "tiles": tiles, "credit": ""})
        assert answer.status == 400


@pytest.mark.parametrize(
    ("text", "shown", "never"),
    [
        ("Tap **here**.<br>Then there", "<strong>here</strong>", "&lt;br"),
        ("<img src=x onerror=alert(1)>", "&lt;img", "<img"),
        ("![x](https://spy.example/x.png)", "", "<img"),
        ("[x](javascript:alert(1))", "", "href"),
        ("[x](https://a.example)", 'rel="noopener noreferrer nofollow"', "<script"),
        ("# Big", "<h4>Big</h4>", "<h1"),
        ("[x]( data:text/html,<script>1</script> )", "", "<script"),
    ],
)
def test_markdown_is_made_safe(text, shown, never):
    html = str(safe(text))
    assert shown in html
    assert never not in html
