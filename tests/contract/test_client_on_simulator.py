"""The Enode adapter against the simulator, over real sockets: the port's promises kept by a provider that behaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from scheduler.core.command import Action, Outcome
from scheduler.core.errors import (
    NotFound,
    ProviderError,
    ProviderProtocolError,
    ProviderThrottled,
    ProviderUnauthorized,
)
from scheduler.core.observation import Delivery, Source, Stamp
from scheduler.enode.client import EnodeClient
from scheduler.enode.connection import Connection
from scheduler.enode.linking import LinkRequest, link_charger, link_vehicle
from scheduler.enode.mapping import card_of
from scheduler.enode.provider import EnodeProvider
from scheduler.enode.subscription import Subscription, SubscriptionState, ensure, remove
from scheduler.enode.tokens import Account
from scheduler.enode.webhook import PATH, WebhookCounters, webhook_app
from scheduler.ports import Notice
from scheduler.web_client import WebClient, WebLimits
from simulator.clock import ManualClock
from simulator.keys import WEBHOOKS
from simulator.scenario import standalone_world
from simulator.server import serve
from tests.web_support import serving

START_AT = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


class SimulatedClock:
    """The daemon's clock on the simulator's time: sleeping lets it pass."""

    def __init__(self, manual: ManualClock) -> None:
        self._manual = manual

    def now(self) -> datetime:
        return self._manual.now()

    def monotonic_ns(self) -> int:
        return round((self.now() - START_AT).total_seconds() * 1e9)

    async def sleep(self, seconds: float) -> None:
        self._manual.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._manual.advance(seconds)


class Against:
    """A provider of ours and the simulator that it talks to."""

    def __init__(self, world, running, web, clock, *, client_secret=None) -> None:
        self.world, self.running, self.clock = world, running, clock
        account = Account(
            api_url=running.url,
            token_url=running.url + "/oauth2/token",
            client_id=world.client_id,
            client_secret=client_secret or world.client_secret,
        )
        self.client = EnodeClient(Connection(web, account, clock, reads_per_s=1000))
        self.provider = EnodeProvider(self.client, stamp=self.stamp)

    def stamp(self) -> Stamp:
        return Stamp(at=self.clock.now(), mono_ns=self.clock.monotonic_ns(), run=1)

    def car(self, name):
        return next(vehicle for vehicle in self.world.vehicles.values() if vehicle.name == name)

    def calls(self, method, path) -> int:
        return sum(1 for call in self.world.requests if (call["method"], call["path"]) == (method, path))

    async def until_final(self, action_id):
        """Look at an action every half minute until it is over."""
        for _ in range(100):
            report = await self.provider.action(action_id)
            if report.outcome is not Outcome.PENDING:
                return report
            self.clock.advance(30)
        raise AssertionError("the action never ended")


@asynccontextmanager
async def against(**options) -> AsyncIterator[Against]:
    world = standalone_world(seed=1, start_at=START_AT)
    manual = ManualClock(START_AT)
    running = await serve(world, manual)
    clock = SimulatedClock(manual)
    try:
        async with WebClient(clock, limits=WebLimits(call_s=3, connect_s=1, read_s=1)) as web:
            manual.advance(600)  # pairs are recognised, first readings are in
            yield Against(world, running, web, clock, **options)
    finally:
        await running.stop()


async def test_every_vehicle_of_every_user_is_read():
    async with against() as here:
        users = await here.client.users()
        assert {user.id for user in users} == set(here.world.users)
        seen = {one.vehicle_id: one for user in users for one in await here.provider.vehicles(user.id)}
        assert set(seen) == set(here.world.vehicles)
        assert all(one.source is Source.POLL and one.digest for one in seen.values())
        charging = seen[here.car("Charging at home").id]
        assert (charging.charge.plugged, charging.charge.charging) == (True, True)
        assert charging.charge.charger_id in here.world.chargers
        assert charging.place.location_id is not None
        assert charging.battery.soc_pct > 41
        road = seen[here.car("On the road").id]
        assert (road.charge.plugged, road.charge.delivery) == (False, Delivery.UNPLUGGED)
        public = seen[here.car("At a public charger").id]
        assert (public.charge.plugged, public.charge.charger_id) == (True, None)
        assert public.place.location_id is None
        one = await here.provider.vehicle(charging.vehicle_id)
        assert (one.charge, one.place, one.battery) == (charging.charge, charging.place, charging.battery)
        assert card_of(await here.client.vehicle(charging.vehicle_id)).name == "Charging at home"


async def test_every_charger_is_read():
    async with against() as here:
        users = await here.client.users()
        reports = {one.charger_id: one for user in users for one in await here.provider.chargers(user.id)}
        assert set(reports) == set(here.world.chargers)
        charging = here.car("Charging at home")
        assert [one.plugged for one in reports.values() if one.vehicle_id == charging.id] == [True]


async def test_pages_are_followed(monkeypatch):
    monkeypatch.setattr("scheduler.enode.connection.PAGE_SIZE", 2)
    async with against() as here:
        assert len(await here.client.vehicles()) == len(here.world.vehicles)
        assert len(await here.client.chargers()) == len(here.world.chargers)
        pages = [call for call in here.world.requests if call["path"].startswith("/vehicles?")]
        assert len(pages) == len(here.world.vehicles) / 2


@pytest.mark.parametrize(("name", "action"), [("Idle at home", Action.START), ("Charging at home", Action.STOP)])
async def test_a_command_is_confirmed_and_takes_effect(name, action):
    async with against() as here:
        car = here.car(name)
        report = await here.provider.command(car.id, action)
        assert (report.outcome, report.kind, report.vehicle_id) == (Outcome.PENDING, action, car.id)
        final = await here.until_final(report.action_id)
        assert (final.outcome, final.action_id, final.failure) == (Outcome.CONFIRMED, report.action_id, None)
        assert (car.power_kw() > 0) is (action is Action.START)
        seen = await here.provider.vehicle(car.id)
        assert seen.charge.charging is (action is Action.START)
        assert seen.charge.at > START_AT


async def test_the_same_command_again_is_the_same_action():
    async with against() as here:
        car = here.car("Idle at home")
        first = await here.provider.command(car.id, Action.START)
        second = await here.provider.command(car.id, Action.START)
        assert first.action_id == second.action_id
        stop = await here.provider.command(car.id, Action.STOP)
        replaced = await here.provider.action(first.action_id)
        assert (replaced.outcome, replaced.failure.type) == (Outcome.CANCELLED, "CONFLICT")
        assert stop.action_id != first.action_id


async def test_a_cancelled_action_says_so_and_one_that_is_over_how_it_ended():
    async with against() as here:
        car = here.car("Idle at home")
        pending = await here.provider.command(car.id, Action.START)
        cancelled = await here.provider.cancel(pending.action_id)
        assert (cancelled.outcome, cancelled.failure.type) == (Outcome.CANCELLED, "REQUESTED_CANCELLATION")
        assert (await here.provider.cancel(pending.action_id)).outcome is Outcome.CANCELLED
        with pytest.raises(NotFound):
            await here.provider.cancel("00000000-0000-4000-8000-000000000000")


async def test_a_device_that_never_reacts_ends_in_no_response():
    async with against() as here:
        car = here.car("Idle at home")
        car.mood.silent_commands = 100
        report = await here.provider.command(car.id, Action.START)
        final = await here.until_final(report.action_id)
        assert (final.outcome, final.failure.type) == (Outcome.FAILED, "NO_RESPONSE")
        assert final.failure.detail


async def test_refusals_are_told_apart():
    async with against() as here:
        car = here.car("Idle at home")
        car.controlled_elsewhere = True
        elsewhere = await here.provider.command(car.id, Action.START)
        assert (elsewhere.outcome, elsewhere.failure.type) == (Outcome.REJECTED, "HTTP_422")
        gone = await here.provider.command("00000000-0000-4000-8000-000000000000", Action.START)
        assert (gone.outcome, gone.failure.type) == (Outcome.REJECTED, "HTTP_404")
        with pytest.raises(NotFound):
            await here.provider.vehicle("00000000-0000-4000-8000-000000000000")


async def test_a_lost_answer_is_ambiguous_and_nothing_is_repeated():
    async with against() as here:
        car = here.car("Idle at home")
        path = f"/vehicles/{car.id}/charging"
        here.world.faults.add("lost_reply", method="POST", path=path, count=1)
        report = await here.provider.command(car.id, Action.START)
        assert (report.outcome, report.failure.type) == (Outcome.AMBIGUOUS, "LOST")
        assert here.calls("POST", path) == 1
        assert here.world.actions.accepted[car.id] == 1
        here.world.faults.add("drop", method="POST", path=path, count=1)
        assert (await here.provider.command(car.id, Action.START)).outcome is Outcome.AMBIGUOUS


async def test_half_an_answer_and_a_page_are_ambiguous_too():
    async with against() as here:
        car = here.car("Idle at home")
        for kind in ("truncate", "html"):
            here.world.faults.add(kind, method="POST", path="*/charging", count=1)
            assert (await here.provider.command(car.id, Action.START)).outcome is Outcome.AMBIGUOUS


async def test_a_limit_is_kept():
    async with against() as here:
        car = here.car("Idle at home")
        path = f"/vehicles/{car.id}/charging"
        here.world.faults.add("status", method="POST", path=path, count=1, status=429, retry_after_s=900)
        report = await here.provider.command(car.id, Action.START)
        assert (report.outcome, report.retry_after_s) == (Outcome.NOT_SENT, 900)
        here.clock.advance(899)
        assert (await here.provider.command(car.id, Action.START)).outcome is Outcome.NOT_SENT
        assert here.calls("POST", path) == 1
        here.clock.advance(1)
        assert (await here.provider.command(car.id, Action.START)).outcome is Outcome.PENDING
        here.world.faults.add("status", method="GET", path="/vehicles/*", count=1, status=429, retry_after_s=900)
        with pytest.raises(ProviderThrottled):
            await here.provider.vehicle(car.id)


async def test_reads_survive_a_bad_moment():
    async with against() as here:
        car = here.car("Idle at home")
        for kind in ("drop", "lost_reply"):
            here.world.faults.add(kind, method="GET", path="/vehicles/*", count=1)
            assert (await here.provider.vehicle(car.id)).vehicle_id == car.id
        here.world.faults.add("status", method="GET", path="/vehicles/*", count=2, status=502)
        assert (await here.provider.vehicle(car.id)).vehicle_id == car.id


@pytest.mark.parametrize("kind", ["truncate", "html"])
async def test_an_answer_that_is_no_vehicle_is_an_error(kind):
    async with against() as here:
        here.world.faults.add(kind, method="GET", path="/vehicles/*")
        with pytest.raises(ProviderProtocolError):
            await here.provider.vehicle(here.car("Idle at home").id)
        here.world.faults.clear()
        here.world.faults.add(kind, method="GET", path="/users/*")
        with pytest.raises(ProviderProtocolError):
            await here.provider.vehicles("user-oslo")


async def test_values_nobody_documented_are_unknown_and_nothing_more():
    async with against() as here:
        here.world.faults.add("unknown_values", method="GET", path="/vehicles/*")
        seen = await here.provider.vehicle(here.car("Charging at home").id)
        assert seen.charge.delivery is Delivery.UNKNOWN
        assert (seen.charge.plugged, seen.charge.charging) == (True, True)  # isPluggedIn and isCharging still speak


async def test_a_token_that_ends_in_between_is_renewed_without_a_second_action():
    async with against() as here:
        car = here.car("Idle at home")
        await here.provider.vehicle(car.id)
        here.world.faults.add("expired_token", method="POST", path="*/charging", count=1)
        report = await here.provider.command(car.id, Action.START)
        assert report.outcome is Outcome.PENDING
        assert here.world.actions.accepted[car.id] == 1
        assert here.calls("POST", "/oauth2/token") == 2
        here.clock.advance(3700)
        await here.provider.vehicle(car.id)
        assert here.calls("POST", "/oauth2/token") == 3


async def test_wrong_credentials_are_tried_once():
    async with against(client_secret="not-the-secret-at-all") as here:
        for _ in range(5):
            with pytest.raises(ProviderUnauthorized):
                await here.provider.vehicles("user-oslo")
        assert here.calls("POST", "/oauth2/token") == 1


async def test_a_refresh_is_asked_for():
    async with against() as here:
        car = here.car("Idle at home")
        await here.provider.refresh(car.id)
        assert here.calls("POST", f"/vehicles/{car.id}/refresh-hint") == 1
        with pytest.raises(NotFound):
            await here.provider.refresh("00000000-0000-4000-8000-000000000000")


async def test_a_home_is_set_up_as_the_pairing_guide_says():
    async with against() as here:
        request = LinkRequest(redirect_uri="http://127.0.0.1:9/linked?state=x")
        first = await link_vehicle(here.client, "somebody-new", request)
        second = await link_charger(here.client, "somebody-new", request)
        assert first.url != second.url
        assert here.calls("POST", "/users/somebody-new/link") == 2
        place = await here.client.create_location(
            "user-groningen", name="Home", latitude=53.2194, longitude=6.5665, timezone="Europe/Amsterdam"
        )
        charger = (await here.provider.chargers("user-groningen"))[0]
        assert charger.location_id is None
        await here.client.place_charger(charger.charger_id, place.id)
        assert (await here.provider.chargers("user-groningen"))[0].location_id == place.id
        assert [one.id for one in await here.client.locations("user-groningen")] == [place.id]
        assert (await here.client.location(place.id)).timezone == "Europe/Amsterdam"
        renamed = await here.client.update_location(place.id, name="Home again")
        assert (renamed.name, renamed.timezone) == ("Home again", "Europe/Amsterdam")
        await here.client.delete_location(place.id)
        with pytest.raises(NotFound):
            await here.client.location(place.id)


async def test_interventions_health_and_foreign_schedules_are_read():
    async with against() as here:
        assert all(one.title for one in await here.client.interventions())
        assert await here.client.ready() is True
        car = here.car("Idle at home")
        assert await here.client.smart_charging_enabled(car.id) is False
        for user in await here.client.users():
            assert (await here.client.user(user.id)).vendors


@asynccontextmanager
async def receiving(here) -> AsyncIterator[tuple[str, list, WebhookCounters]]:
    """Listen for deliveries; what came is kept in order."""
    rows, counters = [], WebhookCounters()

    async def sink(work) -> int:
        rows.extend(work)
        return len(work)

    app = webhook_app(secrets=lambda: [SECRET.encode()], sink=sink, stamp=here.stamp, counters=counters)
    async with serving(app) as url:
        yield url + PATH, rows, counters


async def settle(here, *, seconds=60.0) -> None:
    """Let simulated time pass and deliveries arrive."""
    hooks = here.running.app[WEBHOOKS]
    for _ in range(int(seconds / 5)):
        here.clock.advance(5)
        for _ in range(200):
            await asyncio.sleep(0)
            if not hooks.in_flight and not any(hook.pending for hook in hooks.subscriptions.values()):
                break
        else:
            await asyncio.sleep(0.01)


async def test_events_arrive_signed_and_are_read():
    async with against() as here, receiving(here) as (url, rows, counters):
        status = await ensure(here.client, Subscription(url=url, secret=SECRET), write_secret=True)
        assert status.state is SubscriptionState.CREATED
        assert (await ensure(here.client, Subscription(url=url, secret=SECRET))).state is SubscriptionState.ACTIVE
        car = here.car("Idle at home")
        report = await here.provider.command(car.id, Action.START)
        await settle(here, seconds=300)
        news = [here.provider.read_event(row.payload, row.received) for row in rows]
        actions = [one for one in news if getattr(one, "action_id", None) == report.action_id]
        assert actions[-1].outcome is Outcome.CONFIRMED
        readings = [one for one in news if getattr(one, "source", None) is Source.WEBHOOK and one.vehicle_id == car.id]
        assert readings[-1].charge.charging is True
        assert not [one for one in news if isinstance(one, Notice) and one.what == "unknown"]
        assert len({row.key for row in rows}) == len(rows)
        assert (counters.unreadable, sum(counters.refused.values())) == (0, 0)
        assert counters.heard_at is not None


async def test_a_subscription_under_another_secret_is_refused_until_it_is_written():
    async with against() as here, receiving(here) as (url, rows, counters):
        await ensure(here.client, Subscription(url=url, secret="another-secret-altogether"))
        await settle(here)
        here.car("Idle at home").person_starts()
        await settle(here, seconds=120)
        assert not rows
        assert counters.refused["signature"] > 0
        status = await ensure(here.client, Subscription(url=url, secret=SECRET), write_secret=True)
        assert status.state in {SubscriptionState.UPDATED, SubscriptionState.REACTIVATED}
        here.car("Charging at home").person_stops()
        await settle(here, seconds=300)
        assert rows


async def test_a_subscription_that_was_given_up_is_woken():
    async with against() as here, receiving(here) as (url, _rows, counters):
        await ensure(here.client, Subscription(url=url, secret=SECRET))
        hook = next(iter(here.running.app[WEBHOOKS].subscriptions.values()))
        hook.active = False
        status = await ensure(here.client, Subscription(url=url, secret=SECRET))
        assert (status.state, status.gap) == (SubscriptionState.REACTIVATED, True)
        assert counters.deliveries == 1
        assert hook.active
        assert await remove(here.client, url) is True
        assert await here.client.webhooks() == []


@pytest.mark.parametrize("kind", ["drop", "html", "truncate", "status"])
async def test_only_provider_errors_leave_the_provider(kind):
    async with against() as here:
        car = here.car("Idle at home")
        here.world.faults.add(kind, method="*", path="/vehicles*", status=500)
        with pytest.raises(ProviderError):
            await here.provider.vehicle(car.id)
        with pytest.raises(ProviderError):
            await here.provider.action("a")
        report = await here.provider.command(car.id, Action.START)
        assert report.outcome is Outcome.AMBIGUOUS
