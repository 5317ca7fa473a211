"""A home on its forms: doubts that come before it is made, and what can be changed of one that was."""

import re
from html import unescape

import pytest

from scheduler.config import toml_of
from scheduler.core.errors import ProviderUnavailable
from scheduler.core.garage import Doubt, Position, Spot
from scheduler.http.web.home_form import as_fields, as_lines
from tests.fake_onboarding import CHARGER, PLACE, POLLY, USER, FakeOnboarding, a_card, an_account
from tests.fakes_daemon import FakeDaemon
from tests.unit.http.web.test_setting_up import HOME, asked_for, send
from tests.web_site import site_of

EXCHANGED = Doubt(text="latitude 10.75 and longitude 59.91 look exchanged", exchanged=True)
NEAR = Doubt(text="Home lindgren is within 200 m")
READY = {"name": "ready-by", "at": "06:45", "soc_pct": 70.0}
FLAT = {"name": "flat", "per_kwh": 0.31}
RICH = [{"name": "minimum-soc", "soc_pct": 20}, {**READY, "days": [0, 1]}, FLAT]
CABIN = {
    "id": "cabin",
    "user_id": USER,
    "timezone": "Europe/Oslo",
    "currency": "NOK",
    "location_id": PLACE,
    "charger_ids": [CHARGER],
    "max_kw": 9.0,
    "vehicle": [{"id": POLLY, "name": "Polly", "charge_power_kw": 11.0, "capacity_kwh": 60}],
    "policy": [READY, FLAT],
}
AT = "/setup/homes/cabin/change"


class Filled(dict):
    """What a page's form would send as it was shown."""

    def __init__(self, text):
        form = text[text.index('class="card">') :]
        for tag in re.findall(r"<input [^>]*>", form):
            found = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
            ticked = found.get("type") != "checkbox" or " checked" in tag
            if ticked and not found.get("name", "_").startswith("_"):
                self[found["name"]] = found.get("value", "")
        for name, area in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
            self[name] = unescape(area)
        for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
            self[name] = unescape(re.findall(r'value="([^"]*)" selected', options)[0])


async def a_daemon(**changes):
    daemon = FakeDaemon()
    await daemon.onboarding.create_home(CABIN | changes)
    return daemon


async def test_a_doubt_is_told_before_anything_is_made_and_a_yes_is_to_that_doubt_alone():
    daemon = FakeDaemon()
    daemon.onboarding.doubt_list = (EXCHANGED,)
    async with site_of(daemon) as site:
        await site.log_in()
        answer = await send(site, "/setup/homes", HOME)
        text = await answer.text()
        assert (answer.status, "Latitude 10.75 and longitude 59.91 look exchanged" in text) == (409, True)
        assert 'value="06:45"' in text
        [mark] = re.findall(r'name="confirm" value="(\w+)"', text)
        daemon.onboarding.doubt_list = (EXCHANGED, NEAR)
        assert (await send(site, "/setup/homes", HOME | {"confirm": mark})).status == 409
        assert asked_for(daemon, "place") == asked_for(daemon, "create_home") == []
        daemon.onboarding.doubt_list = (EXCHANGED,)
        assert (await send(site, "/setup/homes", HOME | {"confirm": mark})).status == 303
        assert asked_for(daemon, "place")[0][1:3] == (59.91, 10.75)


async def test_exchanged_coordinates_are_offered_the_right_way_round():
    daemon = FakeDaemon()
    daemon.onboarding.doubt_list = (EXCHANGED,)
    async with site_of(daemon) as site:
        await site.log_in()
        text = await (await send(site, "/setup/homes", HOME)).text()
        assert 'name="exchange"' in text
        text = await (await send(site, "/setup/homes", HOME | {"exchange": "yes"})).text()
        assert (Filled(text)["latitude"], Filled(text)["longitude"]) == ("10.75", "59,91")
        assert asked_for(daemon, "place") == []
        daemon.onboarding.doubt_list = (NEAR,)
        assert 'name="exchange"' not in await (await send(site, "/setup/homes", HOME)).text()


async def test_where_no_home_can_be_there_is_nothing_to_say_yes_to():
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        answer = await send(site, "/setup/homes", HOME | {"latitude": "0", "longitude": "0", "confirm": "yes"})
        assert (answer.status, 'name="confirm"' in await answer.text()) == (400, False)


async def test_what_is_sent_back_as_it_was_shown_changes_nothing_and_leaves_the_place_alone():
    daemon = await a_daemon()
    async with site_of(daemon) as site:
        await site.log_in()
        assert f'href="{AT}"' in await site.page("/setup/homes/cabin")
        sent = Filled(await site.page(AT))
        assert (await send(site, AT, sent)).headers["Location"] == "/setup/homes/cabin?done=changed"
        assert asked_for(daemon, "change_home") == [("cabin", CABIN, True, None)]
        assert asked_for(daemon, "doubts") == []


async def test_power_cars_prices_and_departure_are_changed():
    daemon = await a_daemon()
    daemon.onboarding.accounts[USER] = an_account(vehicles=(a_card(), a_card("new-2222", name="New", home_id=None)))
    async with site_of(daemon) as site:
        await site.log_in()
        sent = Filled(await site.page(AT)) | {
            f"power:{POLLY}": "7,4",
            "ready_at": "",
            "prices": "market",
            "currency": "sek",
        }
        await site.post(AT, {**sent, "_csrf": await site.csrf()})
        table = asked_for(daemon, "change_home")[-1][1]
        assert table["vehicle"] == [{"id": POLLY, "name": "Polly", "capacity_kwh": 60, "charge_power_kw": 7.4}]
        assert (table["policy"], table["currency"], table["max_kw"]) == (
            [{"name": "spot", "source": "market"}],
            "SEK",
            9.0,
        )
        await site.post(AT, {**sent, "vehicle": "new-2222", "power:new-2222": "", "_csrf": await site.csrf()})
        assert asked_for(daemon, "change_home")[-1][1]["vehicle"] == [{"id": "new-2222"}]
        await site.post(AT, {**sent, "vehicle": "somebody-elses", "_csrf": await site.csrf()})
        assert asked_for(daemon, "change_home")[-1][1]["vehicle"] == []


async def test_another_place_is_doubted_first_and_a_doubt_of_the_old_place_is_not_told_again():
    daemon = await a_daemon()
    daemon.onboarding.doubt_list = (NEAR,)
    async with site_of(daemon) as site:
        await site.log_in()
        sent = Filled(await site.page(AT))
        assert (sent["latitude"], sent["longitude"], sent["name"]) == ("59.910000", "10.750000", "Home")
        moved = sent | {"latitude": "59.95"}
        answer = await send(site, AT, moved)
        [mark] = re.findall(r'name="confirm" value="(\w+)"', await answer.text())
        assert (answer.status, asked_for(daemon, "change_home")) == (409, [])
        there = Spot(name="Home", timezone="Europe/Oslo", position=Position(latitude=59.95, longitude=10.75))
        assert asked_for(daemon, "doubts") == [(USER, there, (CHARGER,), "cabin")]
        assert (await send(site, AT, moved | {"confirm": mark})).status == 303
        assert asked_for(daemon, "change_home")[-1][3] == there
        renamed = await send(site, AT, sent | {"name": "Cabin"})
        assert (renamed.status, asked_for(daemon, "change_home")[-1][3].name) == (303, "Cabin")
        text = await (await send(site, AT, moved | {"exchange": "yes"})).text()
        assert Filled(text)["latitude"] == "10.750000"


async def test_a_charger_that_comes_to_the_home_is_put_in_its_place():
    daemon = await a_daemon(charger_ids=[])
    async with site_of(daemon) as site:
        await site.log_in()
        sent = Filled(await site.page(AT))
        assert "charger" not in sent
        await send(site, AT, sent | {"charger": CHARGER})
        [(_, table, _, spot)] = asked_for(daemon, "change_home")
        assert (table["charger_ids"], spot.position.latitude) == ([CHARGER], 59.91)


async def test_policies_that_say_more_than_the_form_are_lines_of_toml():
    daemon = await a_daemon(policy=RICH)
    async with site_of(daemon) as site:
        await site.log_in()
        sent = Filled(await site.page(AT))
        assert sent["policies"].startswith('[[home.policy]]\nname = "minimum-soc"\nsoc_pct = 20\n\n[[home.policy]]')
        assert "ready_at" not in sent
        await send(site, AT, sent)
        assert asked_for(daemon, "change_home")[-1][1]["policy"] == RICH
        lines = '[[policy]]\r\nname = "ready-by"\r\nat = 06:45:00\r\ndepartures = [{ at = 2026-12-24T04:00:00 }]'
        await send(site, AT, sent | {"policies": lines})
        departure = {"name": "ready-by", "at": "06:45:00", "departures": [{"at": "2026-12-24T04:00:00"}]}
        assert asked_for(daemon, "change_home")[-1][1]["policy"] == [departure]
        await send(site, AT, sent | {"policies": ""})
        assert asked_for(daemon, "change_home")[-1][1]["policy"] == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("[[home.policy]", "no TOML"),
        ("x = " + "[" * 20_000, "no TOML"),
        ("[[home]]\nid = 'x'", "policies alone"),
        ("[home]\nid = 'x'", "policies alone"),
        ("policy = ['flat']", "policies alone"),
        ("policy = 'flat'", "policies alone"),
        ("[[policy]]\nname='flat'\n[other]", "policies alone"),
    ],
)
async def test_lines_that_are_no_policies_are_refused_in_words_and_stay(lines, words):
    daemon = await a_daemon(policy=RICH)
    async with site_of(daemon) as site:
        await site.log_in()
        answer = await send(site, AT, Filled(await site.page(AT)) | {"policies": lines})
        text = await answer.text()
        assert (answer.status, words in text, Filled(text)["policies"]) == (400, True, lines)
        assert asked_for(daemon, "change_home") == []


async def test_the_faults_of_the_same_validation_are_shown():
    async with site_of(await a_daemon()) as site:
        await site.log_in()
        sent = Filled(await site.page(AT))
        answer = await send(site, AT, sent | {"timezone": "Nowhere"})
        assert (answer.status, "there is no Nowhere" in await answer.text()) == (400, True)
        answer = await send(site, AT, sent | {"latitude": "north"})
        assert (answer.status, "Latitude must be a number." in await answer.text()) == (400, True)


async def test_a_held_car_is_started_first_unless_the_person_takes_that_away():
    daemon = await a_daemon()
    daemon.onboarding.held = frozenset({"cabin"})
    async with site_of(daemon) as site:
        await site.log_in()
        sent = Filled(await site.page(AT))
        kept = {name: value for name, value in sent.items() if name != "release"}
        answer = await send(site, AT, kept)
        text = await answer.text()
        assert (answer.status, "a car of the home is held" in text.lower(), "release" in Filled(text)) == (
            400,
            True,
            False,
        )
        assert (await send(site, AT, sent)).status == 303


class Silent(FakeOnboarding):
    async def account(self, user_id, *, fresh=False):
        raise ProviderUnavailable("no network")


async def test_while_the_provider_does_not_answer_all_but_the_place_is_changed():
    daemon = await a_daemon()
    daemon.onboarding = Silent(stored=daemon.onboarding.stored, tables=daemon.onboarding.tables)
    async with site_of(daemon) as site:
        await site.log_in()
        text = await site.page(AT)
        assert "no network" in text
        sent = Filled(text)
        assert "latitude" not in sent
        await send(site, AT, sent | {"per_kwh": "0.5", "latitude": "1", "longitude": "1"})
        [(_, table, _, spot)] = asked_for(daemon, "change_home")
        assert (table["policy"][1]["per_kwh"], table["charger_ids"], spot) == (0.5, [CHARGER], None)


async def test_a_home_of_the_file_has_no_form():
    async with site_of(FakeDaemon()) as site:
        await site.log_in()
        assert (await site.get("/setup/homes/lindgren/change"))[0] == 303
        assert (await send(site, "/setup/homes/lindgren/change", {})).status == 303
        assert (await site.get("/setup/homes/nobody/change", headers={"Accept": "text/html"}))[0] == 404


@pytest.mark.parametrize(
    ("policies", "fields"),
    [
        ([READY, FLAT], {"ready_at": "06:45", "target_pct": "70", "prices": "flat", "per_kwh": "0.31"}),
        ([{"name": "spot", "source": "market"}], {"ready_at": "", "target_pct": "80", "prices": "market"}),
        ([], None),
        ([READY], None),
        ([FLAT, READY], None),
        ([READY, READY, FLAT], None),
        ([{**READY, "days": [0]}, FLAT], None),
        ([{"name": "ready-by", "departures": []}, FLAT], None),
        ([{"name": "spot", "source": "market", "vat_pct": 25}], None),
        ([{"name": "flat", "per_kwh": "0.3"}], None),
    ],
)
def test_policies_are_fields_where_these_say_all(policies, fields):
    assert as_fields(policies) == fields


def test_the_policies_are_found_among_the_lines_of_a_home_wherever_they_stand():
    table = {"policy": [READY, {"name": "flat", "note": "a\n\n[[home.policy]]"}], "vehicle": [{"id": "v"}], "id": "x"}
    assert as_lines(toml_of(table)).count("\n[[home.policy]]") == 1
    assert "vehicle" not in as_lines(toml_of(table))
