"""The forms of the set-up as a person meets them: doubts first, a home that is changed, and a code for the phone."""

from pathlib import Path

import pytest

from scheduler.core.garage import ChargerCard, Doubt
from tests.browser.owner import CHROMIUM
from tests.browser.site import browsing
from tests.fake_onboarding import CHARGER, PLACE, POLLY, USER, a_card, an_account
from tests.fakes_daemon import FakeDaemon

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium here"),
    pytest.mark.timeout(90),
]

LOOKS = {
    "desk": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
EXCHANGED = Doubt(text="latitude 10.75 and longitude 59.91 look exchanged", exchanged=True)
POLICIES = '[[home.policy]]\nname = "minimum-soc"\nsoc_pct = 20\n'


def asked_for(daemon, name):
    return [one[1:] for one in daemon.onboarding.did if one[0] == name]


@pytest.mark.parametrize("look", LOOKS)
def test_a_home_is_made_after_its_doubts_and_changed_afterwards(look):
    daemon = FakeDaemon()
    charger = ChargerCard(id=CHARGER, user_id=USER, vendor="ZAPTEC", name="Zaptec Go", location_id=PLACE)
    daemon.onboarding.accounts[USER] = an_account(vehicles=(a_card(home_id=None),), chargers=(charger,))
    daemon.onboarding.doubt_list = (EXCHANGED,)
    with playwright.sync_playwright() as drivers, browsing(drivers, daemon, **LOOKS[look]) as person:
        page = person.page
        person.go(f"/setup/place?user={USER}")
        page.get_by_label("Latitude").fill("10.75")
        page.get_by_label("Longitude").fill("59.91")
        page.get_by_label("Name").fill("Cabin")
        page.keyboard.press("Enter")  # sends the form, whatever buttons stand before
        playwright.expect(page.get_by_role("alert")).to_contain_text(
            "Latitude 10.75 and longitude 59.91 look exchanged"
        )
        page.get_by_label("Name").focus()
        with page.expect_navigation():  # the page before it says the same
            page.keyboard.press("Enter")  # is no yes
        playwright.expect(page.get_by_role("alert")).to_contain_text("Look at this first")
        person.look("doubt")
        assert asked_for(daemon, "place") == []
        page.get_by_role("button", name="Exchange latitude and longitude").click()
        playwright.expect(page.get_by_label("Latitude")).to_have_value("59.91")
        page.get_by_role("button", name="Make this home").click()
        page.get_by_role("button", name="It is right").click()
        page.wait_for_url("**/setup/homes/cabin?done=made")
        assert asked_for(daemon, "place")[0][1:3] == (59.91, 10.75)

        page.get_by_role("link", name="Change place, cars or policies").click()
        person.look("change")
        page.get_by_label("Charging power of Polly").fill("7.4")
        page.get_by_role("button", name="Change it").click()
        page.wait_for_url("**/setup/homes/cabin?done=changed")
        person.go("/setup/homes/cabin/change?policies=toml")
        page.get_by_label("Lines of TOML").fill(POLICIES + "oops")
        page.get_by_role("button", name="Change it").click()
        playwright.expect(page.get_by_role("alert")).to_contain_text("The policies are no TOML")
        person.look("policies")
        page.get_by_label("Lines of TOML").fill(POLICIES)
        page.get_by_role("button", name="Change it").click()
        page.wait_for_url("**/setup/homes/cabin?done=changed")
        table = asked_for(daemon, "change_home")[-1][1]
        assert table["vehicle"] == [{"id": POLLY, "charge_power_kw": 7.4}]
        assert table["policy"] == [{"name": "minimum-soc", "soc_pct": 20}]
        person.go("/setup?user=nobody")
        assert page.get_by_role("button", name="on a phone").count() == (1 if look == "desk" else 0)
        assert person.faults == []


def test_a_desk_shows_a_code_for_the_phone_and_goes_on_by_itself_once_that_is_done():
    daemon = FakeDaemon()
    daemon.onboarding.found = ()
    with playwright.sync_playwright() as drivers, browsing(drivers, daemon, **LOOKS["desk"]) as person:
        page = person.page
        person.go("/setup?user=nobody")
        page.get_by_role("button", name="Link the car on a phone").click()
        code = page.get_by_role("img", name="QR code")
        code.wait_for()
        box = code.locator("svg").bounding_box()
        assert box["width"] == box["height"] > 200
        person.look("code")
        page.get_by_role("button", name="Look now").click()
        playwright.expect(page.get_by_role("status").first).to_contain_text("Waiting for the phone")
        daemon.onboarding.found = (POLLY,)
        page.evaluate("document.body.dispatchEvent(new CustomEvent('kwhen:changed', { detail: { what: 'link' } }))")
        page.get_by_role("link", name="Go on").click()
        page.wait_for_url("**/setup/charger?user=nobody")
        assert person.faults == []
