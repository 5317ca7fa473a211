"""From an empty daemon to a car that charges and is full, in a browser, on a desk and on a phone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.intervention_texts import CHARGER_CONTROL
from tests.browser.owner import AXE, CHROMIUM, Simulator, daemon, simulator
from tests.e2e.stage import free_port

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium here"),
    pytest.mark.timeout(150),  # what nothing else bounds: a page whose scripts stand still
]

PASSWORD = "a long enough password"
PATIENCE_MS = 30_000
AXE_MS = 20_000
CAR_FULL_PCT, ALMOST_FULL_PCT = 100, 99.99  # the rest takes the car some ten seconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
OSLO = ("59.9139", "10.7522")
AXE_IN_TIME = f"""Promise.race([
    axe.run(), new Promise((_, late) => setTimeout(late, {AXE_MS}, new Error("axe takes too long")))])"""
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ALL_PAGES = (
    "/", "/sessions", "/prices", "/alerts", "/policies", "/settings",
    "/setup", "/setup/preferences", "/setup/homes/home", "/setup/place?user=owner", "/setup/charger?user=owner",
)  # fmt: skip


@dataclass(kw_only=True)
class Owner:
    """A person with a browser. Every page is looked at: its picture is kept, and axe finds no serious fault."""

    page: Any
    base: str
    code: str
    provider: Simulator
    pictures: Path
    faults: list[str] = field(default_factory=list)
    seen: int = 0

    def look(self, name: str) -> None:
        self.seen += 1
        self.page.screenshot(path=self.pictures / f"{self.seen:02d}-{name}.png", full_page=True)
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.faults.append(f"{name}: {wide} px too wide")
        self.page.evaluate(AXE.read_text() + "; 0")
        told = self.page.evaluate(AXE_IN_TIME)
        assert len(told["passes"]) > 5  # it has looked at the page
        self.faults += [
            f"{name}: {one['id']} at {one['nodes'][0]['target']}: {one['nodes'][0]['html'][:200]}"
            for one in told["violations"]
            if one["impact"] in {"serious", "critical"}
        ]

    def press(self, name: str, *, exact: bool = False) -> None:
        self.page.get_by_role("button", name=name, exact=exact).first.click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).first.click()

    def arrive(self, path: str) -> None:
        self.page.wait_for_url(re.compile(re.escape(self.base) + path))

    def sees(self, text: str | re.Pattern[str]) -> None:
        playwright.expect(self.page.locator("main")).to_contain_text(text, timeout=PATIENCE_MS)

    def headline(self) -> Any:
        return playwright.expect(self.page.locator(".headline"))

    def sets_the_password(self) -> None:
        self.page.goto(self.base)
        self.look("password")
        self.page.get_by_label("Set-up code").fill(self.code)
        self.page.get_by_label("New password").fill(PASSWORD)
        self.page.get_by_label("The same once more").fill(PASSWORD)
        self.press("Set the password")
        self.sees("No home yet")
        self.look("empty")
        self.follow("Set up")
        self.arrive("/setup$")
        self.look("set-up-empty")

    def links(self, button: str, brand: str) -> None:
        """Go to the provider's page, do what it asks, and come back by its redirect."""
        self.press(button)
        self.page.wait_for_url(re.compile(re.escape(self.provider.url) + "/link/"))
        self.page.get_by_label(brand).check()
        self.press("Continue", exact=True)
        self.press("Agree and continue")
        self.page.get_by_label("Name").fill("me")
        self.page.get_by_label("Password").fill("secret")
        self.press("Sign in")
        self.press("Back to the app")
        self.arrive("/linked")
        self.look("back")
        self.follow("Continue")

    def makes_the_home(self, *, by_car: bool) -> None:
        """Place the home, where the car is or by hand, and make it."""
        self.arrive("/setup/place")
        if by_car:
            self.press("Use where")
            self.arrive("/setup/place.*from=")
            playwright.expect(self.page.get_by_label("Latitude")).to_have_value(re.compile(r"59\.9"))
        else:
            self.page.get_by_label("Latitude").fill(OSLO[0])
            self.page.get_by_label("Longitude").fill(OSLO[1])
        self.page.get_by_label("Charging power").fill("11")
        self.look("home-form")
        self.press("Make this home")
        self.arrive("/setup/homes/home")
        self.sees("The home was made.")
        self.look("home")

    def tells(self, do: str, **more: Any) -> Any:
        return self.provider.ask(f"/_sim/vehicles/{self.car_id}", {"do": do, **more})

    @property
    def car_id(self) -> str:
        return self._devices("vehicles")[0]["id"]

    def _devices(self, kind: str) -> list[Any]:
        [user] = self.provider.ask("/_sim/description")["users"]
        return user[kind]

    def solves(self, told: str) -> None:
        """Do what the provider asks for; the page that was open says so without being loaded again."""
        self.page.goto(f"{self.base}/setup/cars/{self.car_id}")
        self.sees(told)
        self.sees("Let others control the charger")
        self.look("interventions")
        self.page.evaluate("document.body.dataset.walk = 'the same page'")
        [charger_id] = self._devices("chargers")
        self.provider.ask(f"/_sim/chargers/{charger_id}", {"do": "solve", "intervention": CHARGER_CONTROL})
        playwright.expect(self.page.locator("main")).not_to_contain_text("Let others control", timeout=PATIENCE_MS)
        assert self.page.evaluate("document.body.dataset.walk") == "the same page"
        self.sees("Nothing stands in the way")

    def charges_now(self) -> None:
        self.page.goto(f"{self.base}/cars/{self.car_id}")
        self.sees("Plan")
        self.page.get_by_text("The plan as a table").click()
        self.page.get_by_role("region", name="Planned charging").locator("tbody tr").first.wait_for()
        self.look("plan")
        self.press("Charge now")
        self.sees("Asked to charge")
        self.page.get_by_role("region", name="Last commands").get_by_text("verified").first.wait_for()
        self.headline().to_contain_text("Charging", timeout=PATIENCE_MS)
        self.look("charging")

    def finishes(self) -> None:
        """Let hours pass for the battery, and the car charge the rest and end by itself."""
        self.tells("set", charge_limit_pct=CAR_FULL_PCT)
        now = self.tells("soc", soc_pct=ALMOST_FULL_PCT)
        assert (now["delivery"], now["kw"] > 0) == ("PLUGGED_IN:CHARGING", True)
        self.sees(re.compile(r"99\s%"))
        self.headline().to_contain_text("Charging", timeout=PATIENCE_MS)
        self.sees(re.compile(r"100\s%"))
        self.headline().to_contain_text("Charged", timeout=PATIENCE_MS)
        self.sees("full")
        ended = self.provider.ask("/_sim/truth")[-1]
        assert (ended["cause"], ended["soc"], ended["charging"], ended["plugged"]) == ("car", CAR_FULL_PCT, False, True)
        self.look("finished")


@contextmanager
def owner(directory: Path, size: dict[str, int], scheme: str) -> Iterator[Owner]:
    with (
        simulator() as provider,
        daemon(directory, provider, free_port()) as (base, code),
        playwright.sync_playwright() as drivers,
    ):
        browser = drivers.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        context = browser.new_context(
            viewport=size, locale="en-GB", timezone_id="Europe/Oslo", color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        pictures = directory / "pictures"
        pictures.mkdir()
        person = Owner(page=page, base=base, code=code, provider=provider, pictures=pictures)
        page.on("console", lambda said: _hear(person, said))
        page.on("pageerror", lambda error: person.faults.append(f"script: {error}"))
        yield person  # the browser ends with its driver, which waits no longer than half a minute for it


def _hear(person: Owner, said: Any) -> None:
    """Take down what the browser complains of on our pages: a policy broken, a script that failed."""
    if said.type == "error" and said.location.get("url", "").startswith(person.base):
        person.faults.append(f"console: {said.text}")


WALKS = {
    "desk": (DESK, "light", "Renault", "Needed, in this order"),
    "phone": (PHONE, "dark", "Volkswagen", "Would help"),
}


@pytest.mark.parametrize("where", WALKS)
def test_from_nothing_to_a_car_that_is_full(where, tmp_path):
    size, scheme, brand, told = WALKS[where]
    with owner(tmp_path, size, scheme) as person:
        person.sets_the_password()
        person.links("Link a car", brand)
        person.tells("set", auto_start=False)  # what charges now has been told to
        person.arrive("/setup/charger")
        person.sees("cannot be started" if where == "desk" else "Go on without one")
        person.look("charger")
        person.links("Link the charger", "Zaptec")
        person.makes_the_home(by_car=where == "phone")
        person.solves(told)
        person.charges_now()
        person.finishes()
        for path in (*ALL_PAGES, f"/setup/cars/{person.car_id}", f"/cars/{person.car_id}/explain"):
            person.page.goto(person.base + path)
            person.look(re.sub(r"\W+", "-", path).strip("-") or "overview")
        assert person.faults == []
