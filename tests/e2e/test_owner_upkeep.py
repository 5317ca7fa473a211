"""What an owner does with a home that runs: pause it, change it, remove it; and what the provider may do to it."""

import pytest

from scheduler.core.errors import HomeInvalid, LinkOver, NotThere, Refused
from scheduler.core.garage import PairState
from scheduler.core.model import Mode
from simulator import remedies
from simulator.intervention_texts import VEHICLE_ODOMETER
from simulator.keys import LINKS
from simulator.vehicle import Vehicle
from tests.e2e.stage import OSLO
from tests.e2e.terminal import Walk, walk


async def settle(on: Walk, vendor: str = "VOLKSWAGEN", post: str = "EASEE") -> Vehicle:
    """Have a car and a charger linked, at a home that runs."""
    await on.link("vehicle", vendor)
    await on.link("charger", post)
    place = ["--latitude", str(OSLO.latitude), "--longitude", str(OSLO.longitude), "--timezone", "Europe/Oslo"]
    await on.kwhen("home", "place", "--user", "me", *place)
    policies = ["--ready-by", "07:30", "--target", "80", "--minimum", "20", "--prices", "market"]
    await on.kwhen("home", "create", "oslo", "--user", "me", *policies)
    return on.car


def mode(on: Walk) -> Mode:
    [home] = on.app.homes()
    return home.mode


def test_a_paused_home_is_only_watched_until_then():
    async def story(on: Walk) -> None:
        await settle(on)
        await on.kwhen("home", "pause", "oslo", "--until", "2026-01-12T18:30")
        assert mode(on) is Mode.OBSERVE
        await on.app.stop()
        await on.start()
        assert mode(on) is Mode.OBSERVE  # a restart is no end of it
        await on.wait(hours=2)
        assert mode(on) is Mode.CONTROL
        await on.kwhen("home", "pause", on.car.id, "--until", "2026-01-13T18:30")
        assert (mode(on), on.app.homes()[0].vehicles[0].mode) == (Mode.CONTROL, Mode.OBSERVE)
        await on.kwhen("home", "resume", on.car.id)
        assert on.app.homes()[0].vehicles[0].mode is Mode.CONTROL
        with pytest.raises(NotThere):
            await on.app.onboarding.pause("nobody", until=None)

    walk(story, webhooks=False)


def test_a_home_with_a_held_car_is_removed_once_the_car_is_let_go():
    async def story(on: Walk) -> None:
        car = await settle(on)
        await on.wait(minutes=20)
        await on.kwhen("override", "charge", car.name)
        await on.wait(minutes=30)
        assert car.charging
        await on.kwhen("override", "hold", car.name)
        await on.wait(minutes=30)
        assert not car.charging
        refused = await on.kwhen("home", "remove", "oslo", status=1)
        assert "Release it first" in refused
        for _ in range(10):  # a start takes a while; the command says so and may be repeated
            if await _tried(on, "home", "remove", "oslo", "--release"):
                break
            await on.wait(minutes=2)
        assert on.app.homes() == ()
        assert car.charging
        assert [a for a in await on.app.store.alerts() if a.vehicle_id == car.id] == []
        await on.app.stop()
        await on.start()
        assert on.app.homes() == ()

    walk(story, webhooks=True)


async def _tried(on: Walk, *arguments: str) -> bool:
    try:
        await on.kwhen(*arguments)
    except AssertionError:
        return False
    return True


def test_a_home_is_changed_while_it_runs_and_stays_after_a_restart_and_a_reload():
    async def story(on: Walk) -> None:
        car = await settle(on)
        text = await on.app.onboarding.home_text("oslo")
        assert text.stored
        with pytest.raises(HomeInvalid, match="stands at home oslo"):
            await on.app.onboarding.create_home({**text.table, "id": "cabin"})
        with pytest.raises(HomeInvalid, match="timezone"):
            await on.app.onboarding.change_home("oslo", {**text.table, "timezone": "Nowhere"})
        changed = {**text.table, "max_kw": 7.0}
        await on.app.onboarding.change_home("oslo", changed)
        await on.app.stop()
        await on.start()
        await on.app.reload()
        [home] = on.app.homes()
        assert (home.max_kw, [one.id for one in home.vehicles]) == (7.0, [car.id])
        shown = await on.kwhen("home", "show", "oslo")
        assert "max_kw = 7.0" in shown

    walk(story, webhooks=False)


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "polling-only"])
def test_a_lost_account_is_told_and_mended_by_linking_again(webhooks):
    async def story(on: Walk) -> None:
        car = await settle(on)
        await on.wait(minutes=30)
        on.world.accounts.lose("me", car.vendor)
        await on.wait(minutes=25)
        assert [a.code for a in await on.app.store.alerts() if a.code == "CREDENTIALS_LOST"] == ["CREDENTIALS_LOST"]
        account = await on.app.onboarding.account("me", fresh=True)
        assert [one.linked for one in account.vehicles] == [False]
        sent = len((await on.asked("actions"))["actions"])
        await on.wait(hours=2)
        assert len((await on.asked("actions"))["actions"]) == sent  # hands off
        start = await on.app.onboarding.relink(car.id, back_url="https://kwhen.example/linked?a=1")
        assert start.kind == "vehicle"
        on.world.accounts.restore("me", car.vendor)
        await on.wait(minutes=25)
        end = await on.app.onboarding.finish_link(start.state)
        assert end.found == (car.id,)
        assert [a for a in await on.app.store.alerts() if a.code == "CREDENTIALS_LOST"] == []
        with pytest.raises(Refused, match="nothing is wrong"):
            await on.app.onboarding.relink(next(iter(on.world.chargers)), back_url="")

    walk(story, webhooks=webhooks)


def test_a_state_works_once_and_for_a_day():
    async def story(on: Walk) -> None:
        begin = on.app.onboarding.begin_link
        one = await begin("me", "vehicle", back_url="https://kwhen.example/linked?a=1&state=forged")
        [session] = on.app_links()
        assert session.redirect_uri == f"https://kwhen.example/linked?a=1&state={one.state}"
        assert (await on.app.onboarding.finish_link(one.state, error="cancelled")).error == "cancelled"
        for state in (one.state, "never-was"):
            with pytest.raises(LinkOver):
                await on.app.onboarding.finish_link(state)
        late = await begin("me", "vehicle", back_url="https://kwhen.example/linked")
        await on.wait(hours=25)
        with pytest.raises(LinkOver):
            await on.app.onboarding.finish_link(late.state)
        with pytest.raises(Refused):
            await begin("me", "vehicle", back_url="https://kwhen.example/" + "x" * 500)
        with pytest.raises(NotThere):
            await begin("me", "battery", back_url="")

    walk(story, webhooks=False)


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "polling-only"])
def test_what_was_linked_is_found_though_the_person_never_comes_back(webhooks):
    async def story(on: Walk) -> None:
        start = await on.app.onboarding.begin_link("me", "vehicle", back_url="https://kwhen.example/linked")
        told = on.app.events()
        waiting = on.listen(told, "link")
        on.sign_in(start.url, "TESLA")
        await on.wait(minutes=5)
        assert waiting.done()
        end = await on.app.onboarding.finish_link(start.state)  # late, and still good
        assert end.found == (on.car.id,)

    walk(story, webhooks=webhooks)


def test_a_car_whose_charger_must_be_linked_is_only_watched_until_it_is():
    async def story(on: Walk) -> None:
        await on.link("vehicle", "RENAULT")
        [prompt] = await on.app.onboarding.prompts("me")
        with pytest.raises(Refused):
            await on.app.onboarding.dismiss("me", prompt.id)
        place = ["--latitude", str(OSLO.latitude), "--longitude", str(OSLO.longitude), "--timezone", "Europe/Oslo"]
        await on.kwhen("home", "place", "--user", "me", *place)
        await on.kwhen("home", "create", "oslo", "--user", "me", "--ready-by", "07:30")
        assert on.app.homes()[0].vehicles[0].mode is Mode.OBSERVE
        await on.link("charger", "EASEE")
        await on.wait(minutes=1)
        assert on.app.homes()[0].vehicles[0].mode is Mode.CONTROL

    walk(story, webhooks=False)


def test_an_optional_prompt_is_left_out_once_dismissed():
    async def story(on: Walk) -> None:
        told = await on.link("vehicle", "VOLKSWAGEN")
        assert "Worth it: link the charger" in told
        [prompt] = await on.app.onboarding.prompts("me")
        await on.app.onboarding.dismiss("me", prompt.id)
        assert await on.app.onboarding.prompts("me") == ()
        with pytest.raises(NotThere):
            await on.app.onboarding.dismiss("me", "charger:nobody")

    walk(story, webhooks=False)


def test_another_hand_of_the_providers_is_found_and_switched_off():
    async def story(on: Walk) -> None:
        car = await settle(on)
        schedule = {"targetId": car.id, "targetType": "vehicle", "isEnabled": True, "defaultShouldCharge": True}
        for method, path, body in (
            ("PUT", f"/vehicles/{car.id}/smart-charging-policy", {"isEnabled": True}),
            ("POST", "/users/me/schedules", {**schedule, "rules": []}),  # the two exclude one another
        ):
            await on.provider(method, path, body)
            [found] = await on.app.onboarding.conflicts(car.id)
            assert "Another hand: " in await on.kwhen("interventions", car.name)
            await on.app.onboarding.resolve(car.id, found.id)
            assert await on.app.onboarding.conflicts(car.id) == ()
        with pytest.raises(NotThere):
            await on.app.onboarding.resolve(car.id, "horoscope")

    walk(story, webhooks=False)


def test_where_a_car_is_now_can_be_the_home_and_its_pair_is_told():
    async def story(on: Walk) -> None:
        await on.link("vehicle", "VOLKSWAGEN")
        await on.link("charger", "EASEE")
        await on.wait(minutes=15)
        placed = await on.asked("home", "place", "--user", "me", "--where-is", on.car.id, "--timezone", "Europe/Oslo")
        assert placed["charger_ids"] == [one.id for one in on.world.chargers.values()]
        await on.kwhen("home", "create", "oslo", "--user", "me", "--ready-by", "07:30", "--observe")
        await on.wait(minutes=15)
        account = await on.app.onboarding.account("me", fresh=True)
        assert account.vehicles[0].pairing.state is PairState.HERE
        with pytest.raises(Refused):
            await on.app.onboarding.place("me", latitude=0, longitude=0, name="Home", timezone="Europe/Oslo")

    walk(story, webhooks=False)


async def alerts_of(on: Walk, code: str) -> list[str | None]:
    return [a.vehicle_id for a in await on.app.store.alerts() if a.code == code]


def only_car_mode(on: Walk) -> Mode:
    return on.app.homes()[0].vehicles[0].mode


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "polling-only"])
def test_a_lost_charger_is_told_and_holds_up_the_car_that_needs_it(webhooks):
    async def story(on: Walk) -> None:
        await on.link("vehicle", "RENAULT")
        await on.link("charger", "EASEE")
        place = ["--latitude", str(OSLO.latitude), "--longitude", str(OSLO.longitude), "--timezone", "Europe/Oslo"]
        await on.kwhen("home", "place", "--user", "me", *place)
        await on.kwhen("home", "create", "oslo", "--user", "me", "--ready-by", "07:30", "--prices", "market")
        await on.wait(minutes=30)
        [charger] = on.world.chargers.values()
        assert only_car_mode(on) is Mode.CONTROL
        on.world.accounts.lose("me", "EASEE")
        await on.wait(minutes=12)
        assert await alerts_of(on, "CHARGER_LOST") == [charger.id]
        assert await alerts_of(on, "CREDENTIALS_LOST") == []  # the car's own account is fine
        assert only_car_mode(on) is Mode.OBSERVE
        told = await on.kwhen("alerts")
        assert "critical: Easee Home: Link the account of the charger Easee Home again. " in told
        assert f"nothing is sent to {on.car.name}" in told
        await on.app.stop()
        await on.start()
        assert only_car_mode(on) is Mode.OBSERVE
        sent = len((await on.asked("actions"))["actions"])
        await on.wait(hours=2)
        assert await alerts_of(on, "CHARGER_LOST") == [charger.id]  # once, over a restart too
        assert len([a for a in await on.app.store.alerts(open_only=False) if a.code == "CHARGER_LOST"]) == 1
        assert len((await on.asked("actions"))["actions"]) == sent
        await on.app.onboarding.relink(charger.id, back_url="")
        [*_, session] = on.app_links()
        on.running.app[LINKS].complete(session, "EASEE")
        await on.wait(minutes=12)
        assert await alerts_of(on, "CHARGER_LOST") == []
        assert only_car_mode(on) is Mode.CONTROL

    walk(story, webhooks=webhooks)


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "polling-only"])
def test_a_lost_charger_does_not_hold_up_a_car_that_can_do_without_it(webhooks):
    async def story(on: Walk) -> None:
        car = await settle(on)
        await on.wait(minutes=20)
        [charger] = on.world.chargers
        on.world.accounts.lose("me", "EASEE")
        await on.wait(minutes=12)
        [alert] = [a for a in await on.app.store.alerts() if a.code == "CHARGER_LOST"]
        assert (alert.vehicle_id, alert.severity) == (charger, "warning")
        assert only_car_mode(on) is Mode.CONTROL
        assert on.app.state(car.id).credentials_lost_at is None
        on.world.accounts.end("me", "EASEE")  # unlinked for good: nothing is left to be linked again
        await on.wait(minutes=12)
        assert await alerts_of(on, "CHARGER_LOST") == []

    walk(story, webhooks=webhooks)


def test_a_sound_account_that_is_linked_again_is_done_when_something_came_of_it():
    async def story(on: Walk) -> None:
        car = await settle(on)
        remedies.ask(on.world, car, VEHICLE_ODOMETER, ["chargeState"], optional=True)  # linking again is what solves it
        account = await on.app.onboarding.account("me", fresh=True)
        assert [(one.linked, len(one.optional)) for one in account.vehicles] == [(True, 1)]
        first = await on.app.onboarding.relink(car.id, back_url="https://kwhen.example/linked")
        second = await on.app.onboarding.relink(car.id, back_url="https://kwhen.example/linked")
        assert (await on.app.onboarding.link_progress(first.state)).waiting
        await on.wait(minutes=2)
        assert (await on.app.onboarding.link_progress(first.state)).waiting
        assert (await on.app.onboarding.finish_link(second.state)).found == (car.id,)  # sent back to us: it was done
        session = on.app_links()[-2]
        on.running.app[LINKS].complete(session, car.vendor)
        assert (await on.app.onboarding.link_progress(first.state)).found == (car.id,)

    walk(story, webhooks=False)
