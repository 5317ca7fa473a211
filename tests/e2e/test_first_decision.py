"""A home of the configuration file whose accounts no page has ever asked for: what must wait is held from the start."""

from dataclasses import replace

import pytest

from scheduler.config import load
from scheduler.core.model import Mode
from tests.e2e.terminal import Walk, walk

SECRETS = {"KWHEN_WEBHOOK__SECRET": "a secret of the walk, long enough"}


async def written(on: Walk, vendor: str) -> None:
    """Have a car linked and its home written in the file; the daemon that will read it knows of neither."""
    await on.link("vehicle", vendor)
    path = on.settings.path
    text = f'{path.read_text()}[[home]]\nid = "oslo"\nuser_id = "me"\ntimezone = "Europe/Oslo"\nlocation_id = "here"\n'
    ready = '[[home.policy]]\nname = "ready-by"\nat = "07:30"\n'
    path.write_text(f'{text}[[home.vehicle]]\nid = "{on.car.id}"\n{ready}')
    settings = load(path, SECRETS | {"KWHEN_ENODE__CLIENT_SECRET": on.world.client_secret})
    on.settings = replace(settings, storage_url=f"sqlite:///{on.directory}/another.db")


def mode(on: Walk) -> Mode:
    [vehicle] = on.app.homes()[0].vehicles
    return vehicle.mode


@pytest.mark.parametrize(("vendor", "expected"), [("RENAULT", Mode.OBSERVE), ("VOLKSWAGEN", Mode.CONTROL)])
def test_a_car_that_must_wait_for_its_charger_waits_from_the_first_decision(vendor, expected):
    async def story(on: Walk) -> None:
        await written(on, vendor)
        await on.app.stop()
        await on.start()
        assert mode(on) is expected
        await on.wait(minutes=30)
        assert mode(on) is expected
        lines = await on.app.store.journal(limit=5000)
        first = next(i for i, line in enumerate(lines) if line["k"] == "SIT")
        [*_, conf] = [line for line in lines[:first] if line["k"] == "CONF"]
        assert conf["homes"][0]["vehicles"][0]["mode"] == expected  # in force before anything was decided

    walk(story, webhooks=False)


def test_a_home_that_comes_with_a_reload_is_held_from_its_first_decision():
    async def story(on: Walk) -> None:
        old = on.settings
        await written(on, "RENAULT")
        on.settings, new = replace(old, storage_url=on.settings.storage_url), on.settings
        await on.app.stop()
        await on.start()
        on.app._reread = lambda: new
        await on.app.reload()
        assert mode(on) is Mode.OBSERVE

    walk(story, webhooks=False)


@pytest.mark.parametrize(("vendor", "expected"), [("RENAULT", Mode.OBSERVE), ("VOLKSWAGEN", Mode.CONTROL)])
def test_an_account_that_cannot_be_read_at_the_start_holds_nothing_until_it_can(vendor, expected):
    async def story(on: Walk) -> None:
        await written(on, vendor)
        await on.app.stop()
        on.world.set_outage(down=True)
        await on.start()
        assert on.app.ready
        assert mode(on) is Mode.CONTROL
        await on.wait(minutes=23)
        assert mode(on) is Mode.CONTROL
        assert (await on.asked("actions"))["actions"] == []
        on.world.set_outage(down=False)
        await on.wait(minutes=2)
        assert mode(on) is expected

    walk(story, webhooks=False)


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "polling-only"])
def test_a_car_whose_charger_is_unlinked_waits_for_the_next_one(webhooks):
    async def story(on: Walk) -> None:
        await written(on, "RENAULT")
        await on.link("charger", "EASEE")
        await on.app.stop()
        await on.start()
        assert mode(on) is Mode.CONTROL
        on.world.accounts.end("me", "EASEE")
        await on.wait(minutes=2 if webhooks else 75)
        assert mode(on) is Mode.OBSERVE

    walk(story, webhooks=webhooks)
