"""An owner goes from nothing to a car that charges, at the terminal: the command line, the daemon, the simulator."""

import aiohttp
import pytest

from tests.e2e.stage import OSLO
from tests.e2e.terminal import Walk, walk


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "polling-only"])
def test_from_nothing_to_a_car_that_charges(webhooks):
    async def story(on: Walk) -> None:
        assert (await on.asked("status"))["homes"] == []
        refused = await on.kwhen("link", "charger", "--user", "me", "--no-wait", status=1)
        assert "vehicle first" in refused

        # the car, and that its charger is needed
        told = await on.link("vehicle", "RENAULT")
        assert "Linked: Car 1" in told
        assert "Needed: link the charger of Car 1" in told
        assert "cannot be started and stopped by itself" in told
        assert "does not tell where it is" in told
        told = await on.link("charger", "ZAPTEC")
        assert "Linked: Zaptec Go" in told
        assert "Needed" not in told

        # the home
        charger = next(iter(on.world.chargers.values()))
        place = ["--latitude", str(OSLO.latitude), "--longitude", str(OSLO.longitude), "--timezone", "Europe/Oslo"]
        placed = await on.asked("home", "place", "--user", "me", *place)
        assert (placed["reused"], placed["charger_ids"], placed["warnings"]) == (False, [charger.id], [])
        again = await on.asked("home", "place", "--user", "me", *place)
        assert (again["reused"], again["location_id"]) == (True, placed["location_id"])
        create = ["home", "create", "oslo", "--user", "me", "--target", "80", "--minimum", "20", "--prices", "market"]
        assert "Home: oslo" in await on.kwhen(*create, "--ready-by", "07:30")

        # what a person must do before anything can be commanded
        await on.wait(minutes=20)  # it comes home and is plugged in
        needed = await on.asked("interventions", "Car 1")
        assert [one["blocking"] for one in needed["interventions"]] == [True]
        assert needed["interventions"][0]["capabilities"] == ["startCharging", "stopCharging"]
        assert "needed: " in await on.kwhen("interventions", "Car 1")
        assert (await on.asked("actions"))["actions"] == []
        async with (
            aiohttp.ClientSession() as browser,
            browser.post(
                f"{on.running.url}/_sim/interventions",
                data={"device": charger.id, "intervention": needed["interventions"][0]["id"]},
                allow_redirects=False,
            ) as answer,
        ):
            assert answer.status == 303
        await on.wait(minutes=20)
        assert (await on.asked("interventions", "Car 1"))["interventions"] == []

        # the plan, and another wish
        plan = await on.asked("plan", "Car 1")
        assert plan["slots"], plan
        await on.kwhen("override", "charge", "Car 1")
        await on.wait(minutes=10)
        [status] = (await on.asked("status"))["homes"]
        assert status["vehicles"][0]["charging"] is True
        await on.kwhen("override", "auto", "Car 1")

        # the outcome
        await on.wait(hours=14)
        soc_pct = on.car.true_soc_pct()
        actions = (await on.asked("actions"))["actions"]
        assert "verified" in {one["state"] for one in actions}
        [session] = (await on.asked("sessions"))["sessions"]
        assert session["met"] is True, (session, soc_pct, actions)
        assert on.world.actions.away == []

    walk(story, webhooks=webhooks)
