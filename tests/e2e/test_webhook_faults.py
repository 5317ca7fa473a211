"""Deliveries that come twice, out of order, late, altered or never (W01 to W13)."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from scheduler.config.secrets import Secret
from scheduler.core.command import Action
from scheduler.core.errors import StoreBusy
from simulator.instants import zulu
from simulator.webhooks import signature
from simulator.wire import vehicle_json
from tests.e2e.stage import SECRET, START_AT, Stage, perform, verified

NEW_SECRET = "another secret of the stage, long enough"
SILENT_NS = (START_AT + timedelta(hours=1)).timestamp() * 1e9


def event_of(stage: Stage, **charge: Any) -> dict[str, Any]:
    """Return an event that tells of the first car as it is, with the members of its charge state given."""
    body = vehicle_json(stage.world, stage.car)
    body["chargeState"] |= charge
    now = zulu(stage.now())
    return {"event": "user:vehicle:updated", "createdAt": now, "version": "2024-10-01", "user": {"id": "user"},
            "vehicle": body, "updatedFields": ["chargeState"]}  # fmt: skip


async def deliver(stage: Stage, events: Sequence[dict[str, Any]], *, times: int = 1, secret: str = SECRET) -> list[int]:
    """Deliver a batch so many times at once, as the provider would; return the answers' statuses."""
    body = json.dumps(events).encode()
    headers = {"content-type": "application/json", "x-enode-signature": signature(secret, body)}
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post() -> int:
            async with session.post(stage.webhook_url, data=body, headers=headers) as answer:
                return answer.status

        return await asyncio.gather(*(post() for _ in range(times)))


def test_w01_the_same_delivery_twenty_times_at_once_is_applied_once():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("18:00")
        before = len(await stage.journal("OBS"))
        event = event_of(stage, batteryLevel=43, lastUpdated=zulu(stage.now()))
        statuses = await deliver(stage, [event], times=20)
        assert set(statuses) <= {200, 202, 204}
        await stage.wait(seconds=5)
        applied = [o for o in (await stage.journal("OBS"))[before:] if o["soc"] == 43]
        assert [o["ok"] for o in applied] == [True]

    perform(story, webhooks=True)


def test_w01_everything_delivered_twice():
    async def story(stage: Stage) -> None:
        stage.world.faults.add("delivery_duplicate")
        await stage.night()
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert verified(await stage.commands())

    perform(story, webhooks=True)


def test_w02_an_older_event_never_overwrites_a_newer_one():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        older = event_of(stage, isPluggedIn=False, isCharging=False, powerDeliveryState="UNPLUGGED")
        stage.plug_in()
        await stage.until("17:10")
        session = stage.state().session
        assert session is not None
        assert set(await deliver(stage, [older])) <= {200, 202, 204}
        await stage.wait(minutes=10)
        assert stage.state().observation.charge.plugged is True
        assert (kept := stage.state().session) is not None
        assert kept.id == session.id
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]

    perform(story, webhooks=True)


def test_w02_batches_in_reverse_order():
    async def story(stage: Stage) -> None:
        stage.world.faults.add("delivery_shuffle")
        stage.world.faults.add("delivery_late", share=0.3, delay_s=200)
        await stage.night()
        assert verified(await stage.commands())
        assert stage.car.true_soc_pct() >= 78

    perform(story, webhooks=True)


def test_w03_a_plug_in_that_nobody_tells_of_is_found():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.world.faults.add("delivery_drop", for_s=300)
        stage.plug_in()
        plugged_at = stage.now()
        await stage.wait(minutes=35)
        (found,) = await stage.journal("PLUG")
        assert found["t"] / 1e9 - plugged_at.timestamp() <= 31 * 60
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        await stage.until("06:50")
        assert verified(await stage.commands())

    perform(story, webhooks=True)


def test_w08_an_endpoint_that_was_away_for_a_day_is_made_active_again():
    async def story(stage: Stage) -> None:
        hooks = stage.hooks
        await stage.until("17:00")
        (hook,) = hooks.subscriptions.values()
        hook.active = False
        hook.pending.clear()
        stage.plug_in()
        await stage.wait(minutes=15)
        assert hook.active
        assert [c.action for c in await stage.commands()] == [Action.STOP], "every car was read again (L8)"
        await stage.until("06:50")
        assert verified(await stage.commands())

    perform(story, webhooks=True)


def test_w09_strangers_are_counted_and_ignored():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("18:00")
        stranger, other_user = event_of(stage), event_of(stage)
        stranger["vehicle"]["id"] = "11111111-2222-4333-8444-555555555555"
        other_user["user"] = {"id": "somebody else"}
        other_user["vehicle"] |= {"id": "11111111-2222-4333-8444-666666666666", "userId": "somebody else"}
        assert set(await deliver(stage, [stranger, other_user])) <= {200, 202, 204}
        await stage.wait(minutes=2)
        assert stage.app.loop.counters.unknown_vehicle == 2
        assert await stage.app.store.shards_with_work() == set()
        await stage.until("06:50")
        assert verified(await stage.commands())

    perform(story, webhooks=True)


def test_w10_events_of_unknown_kinds_keep_nothing_else_back():
    async def story(stage: Stage) -> None:
        stage.world.faults.add("delivery_unknown")
        await stage.night()
        assert sum(stage.app.inbound.counters.ignored.values()) >= 10
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        (hook,) = stage.hooks.subscriptions.values()
        assert hook.attempts == 0
        assert stage.now() - hook.last_success <= timedelta(minutes=20)

    perform(story, webhooks=True)


def exchanged(stage: Stage, secret: str, previous: str) -> None:
    """Give the daemon's configuration a new secret, and the old one beside it."""
    webhook = replace(stage.settings.webhook, secret=Secret(secret), previous_secret=Secret(previous))
    stage.settings = replace(stage.settings, webhook=webhook)


def sent_with(stage: Stage) -> str:
    """Return the secret with which the provider signs."""
    (hook,) = stage.hooks.subscriptions.values()
    return hook.secret


async def statuses(stage: Stage, soc_pct: int) -> list[int]:
    """Deliver by the old secret and by the new one; return the answers' statuses."""
    event = event_of(stage, batteryLevel=soc_pct, lastUpdated=zulu(stage.now()))
    return [*await deliver(stage, [event]), *await deliver(stage, [event], secret=NEW_SECRET)]


def test_w11_the_secret_is_exchanged_by_a_reload():
    """In mid-run: what was signed before arrives, what is signed after too, and a day later only that."""

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("18:00")
        assert await statuses(stage, 43) == [200, 401]
        exchanged(stage, NEW_SECRET, SECRET)
        stage.app._reread = lambda: stage.settings
        assert await stage.app.reload() == []
        await stage.wait(minutes=1)
        assert sent_with(stage) == NEW_SECRET
        assert await statuses(stage, 44) == [200, 200]
        await stage.until("06:50")
        assert verified(await stage.commands())
        assert stage.app.inbound.counters.refused["signature"] == 1, "of the provider's own none was refused"
        await stage.until("17:55")
        assert await statuses(stage, 80) == [200, 200]
        await stage.until("18:05")
        assert await statuses(stage, 80) == [401, 200]

    perform(story, webhooks=True)


def test_w11_a_reload_that_the_store_fails_changes_nothing():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        exchanged(stage, NEW_SECRET, SECRET)
        wanted, before = replace(stage.settings, digest="another"), stage.app.settings
        stage.app._reread = lambda: wanted
        with pytest.MonkeyPatch.context() as patched:

            async def kept(space: str, key: str) -> bytes | None:
                raise StoreBusy("locked by another")

            patched.setattr(stage.app.store, "kept", kept)
            with pytest.raises(StoreBusy):
                await stage.app.reload()
        assert stage.app.settings is before
        assert stage.app.loop.world.conf == before.digest
        assert await statuses(stage, 43) == [200, 401]
        await stage.app.reload()
        assert stage.app.loop.world.conf == "another"

    perform(story, webhooks=True)


def test_w11_the_secret_is_exchanged_by_a_restart():
    """The provider cannot be told for an hour: the old secret counts until a day after it was."""

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        exchanged(stage, NEW_SECRET, SECRET)
        await stage.app.stop()
        stage.world.set_outage(down=True, for_s=3600)
        await stage.start_daemon()
        await stage.wait(minutes=30)
        assert sent_with(stage) == SECRET
        assert await statuses(stage, 43) == [200, 200]
        await stage.until("18:20")
        assert sent_with(stage) == NEW_SECRET
        await stage.restart()
        await stage.until("17:30")
        assert await statuses(stage, 44) == [200, 200]
        await stage.until("18:20")
        assert await statuses(stage, 45) == [401, 200], "the restart began no other day"

    perform(story, webhooks=True, storage="sqlite:///{}/kwhen.db")


def test_w12_bodies_altered_on_the_way_are_refused_and_polling_carries_on():
    async def story(stage: Stage) -> None:
        await stage.until("16:50")
        send = stage.hooks._send
        stage.hooks._send = lambda *delivery, **_: send(*delivery, tamper=True)  # again and again, unlike the fault
        before = stage.app.inbound.counters.stored
        await stage.night()
        counters = stage.app.inbound.counters
        assert counters.refused["signature"] > 10
        assert counters.stored == before
        (silent,) = await stage.alerts("WEBHOOK_SILENT")
        assert "the body was altered on the way" in silent.text
        assert "the body was altered on the way" in stage.app.health()["webhook_trouble"]
        assert {line["src"] for line in await stage.journal("OBS") if line["t"] > SILENT_NS} <= {"poll", "readback"}
        assert verified(await stage.commands())
        assert stage.car.true_soc_pct() >= 78

    perform(story, webhooks=True)


def test_w13_what_was_answered_is_applied_once_after_a_crash():
    """The daemon dies between its answer and its drain: it takes nothing from the inbox any more."""

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("18:00")
        event = event_of(stage, batteryLevel=47, lastUpdated=zulu(stage.now()))
        stage.app.loop.drain = dead
        assert set(await deliver(stage, [event], times=2)) == {200}
        stage.lose_store()
        await stage.restart()
        await stage.wait(minutes=1)
        applied = [o for o in await stage.journal("OBS") if o["soc"] == 47 and o["src"] == "webhook"]
        assert [(o["ok"], o["run"]) for o in applied] == [(True, 2)]
        assert await stage.app.store.shards_with_work() == set()

    async def dead(_shard: int) -> bool:
        return False

    perform(story, webhooks=True, storage="sqlite:///{}/kwhen.db")
