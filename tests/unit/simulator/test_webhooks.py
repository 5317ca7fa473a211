"""Deliveries: signed, repeated, given up, taken up again."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from simulator.clock import ManualClock
from simulator.webhooks import Webhooks, signature

SECRET = "0123456789abcdef"


class Receiver:
    """A client's endpoint that answers as it is told."""

    def __init__(self) -> None:
        self.code: int | None = 204
        self.got: list[tuple[bytes, dict[str, str]]] = []

    async def post(self, url, body, headers):
        self.got.append((body, dict(headers)))
        if self.code is None:
            raise ConnectionError("refused")
        return self.code, "", []

    def events(self) -> list[dict]:
        return [event for body, _ in self.got for event in json.loads(body)]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def clock(world) -> ManualClock:
    return ManualClock(world.agenda.now)


@pytest.fixture
async def hooks(world, receiver, clock) -> AsyncIterator[Webhooks]:
    world.bind(clock)
    hooks = Webhooks(world, clock, receiver.post)
    await hooks.start()
    yield hooks
    await hooks.stop()


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def pass_time(clock, world, seconds: float, step: float = 60.0) -> None:
    for _ in range(int(seconds / step)):
        clock.advance(step)
        world.catch_up()
        await settle()


def event(number: int) -> dict:
    return {"event": "user:vehicle:updated", "user": {"id": "u"}, "vehicle": {"id": str(number)}, "updatedFields": []}


@pytest.mark.parametrize(
    ("secret", "body", "expected"),
    [
        pytest.param(
            "example-secret",
            b'{"payload":"example"}',
            "sha1=e417e6fc2e7f8a78c93a35a7b344d36ce179fc8d",
            id="the-published-vector",
        ),
    ],
)
def test_a_body_is_signed_as_published(secret, body, expected):
    assert signature(secret, body) == expected


async def test_events_arrive_signed_in_batches_of_a_hundred_at_most(world, hooks, receiver):
    hooks.subscribe(url="http://x/", secret=SECRET, authentication={"headerName": "x-key", "headerValue": "v"})
    for number in range(250):
        world.publish(event(number))
    await settle()
    sizes = [len(json.loads(body)) for body, _ in receiver.got]
    assert (sum(sizes), max(sizes)) == (250, 100)
    body, headers = receiver.got[0]
    assert headers["x-enode-signature"] == signature(SECRET, body)
    assert headers["x-key"] == "v"
    assert len({each["x-enode-delivery"] for _, each in receiver.got}) == len(sizes)
    assert [each["vehicle"]["id"] for each in receiver.events()] == [str(number) for number in range(250)]


async def test_only_subscribed_events_arrive(world, hooks, receiver):
    hooks.subscribe(url="http://x/", secret=SECRET, events=["user:vendor-action:updated"])
    world.publish(event(1))
    await settle()
    assert receiver.got == []


async def test_a_refused_batch_is_sent_again_after_growing_waits_and_loses_nothing(world, hooks, receiver, clock):
    hook = hooks.subscribe(url="http://x/", secret=SECRET)
    receiver.code = 500
    world.publish(event(1))
    await settle()
    assert len(receiver.got) == 1
    await pass_time(clock, world, 10, step=10)
    assert len(receiver.got) == 2
    await pass_time(clock, world, 20, step=10)
    assert len(receiver.got) == 2
    receiver.code = 200
    world.publish(event(2))
    await pass_time(clock, world, 10, step=10)
    assert [each["vehicle"]["id"] for each in receiver.events()] == ["1", "1", "1", "2"]
    assert (hook.active, hook.attempts) == (True, 0)


async def test_a_day_of_failures_deactivates_and_a_change_takes_it_up_again(world, hooks, receiver, clock):
    hook = hooks.subscribe(url="http://x/", secret=SECRET)
    receiver.code = None
    world.publish(event(1))
    await settle()
    await pass_time(clock, world, 26 * 3600, step=600)
    assert (hook.active, len(hook.pending)) == (False, 0)
    receiver.got.clear()
    receiver.code = 200
    world.publish(event(2))
    await settle()
    assert receiver.got == []
    hooks.reactivate(hook)
    world.publish(event(3))
    await settle()
    assert [each["vehicle"]["id"] for each in receiver.events()] == ["3"]


@pytest.mark.parametrize(
    ("code", "status"),
    [pytest.param(200, "SUCCESS", id="answered"), pytest.param(None, "FAILURE", id="refused")],
)
async def test_a_test_call_says_how_it_went_and_reactivates(world, hooks, receiver, code, status):
    hook = hooks.subscribe(url="http://x/", secret=SECRET)
    hook.active = False
    receiver.code = code
    assert (await hooks.test(hook))["status"] == status
    assert hook.active is (code == 200)
    assert receiver.events()[0]["event"] == "enode:webhook:test"


async def test_a_heartbeat_comes_unasked(world, hooks, receiver, clock):
    hooks.subscribe(url="http://x/", secret=SECRET, events=["user:vehicle:deleted"])
    await pass_time(clock, world, 1800)
    assert [each["event"] for each in receiver.events()] == ["system:heartbeat"] * 2
    assert receiver.events()[0]["pendingEvents"] == 0


async def test_an_endpoint_that_never_answers_fails_after_five_seconds_of_the_loop(world, clock, monkeypatch):
    monkeypatch.setattr("simulator.webhooks.TIMEOUT_S", 0.0)

    async def never(url, body, headers):
        await asyncio.Event().wait()

    hooks = Webhooks(world, clock, never)
    await hooks.start()
    hook = hooks.subscribe(url="http://x/", secret=SECRET)
    assert (await hooks.test(hook))["description"] == "No answer: TimeoutError"
    assert hooks.in_flight == 0
    await hooks.stop()


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        pytest.param("delivery_drop", [], id="lost"),
        pytest.param("delivery_duplicate", ["1", "2", "1", "2"], id="twice"),
        pytest.param("delivery_shuffle", ["2", "1"], id="out-of-order"),
        pytest.param("delivery_unknown", ["1", "1", "2"], id="with-an-unknown-event"),
    ],
)
async def test_deliveries_go_wrong_when_asked_to(world, hooks, receiver, kind, ids):
    hooks.subscribe(url="http://x/", secret=SECRET)
    world.faults.add(kind, count=1)
    world.publish(event(1))
    world.publish(event(2))
    await settle()
    assert [each["vehicle"]["id"] for each in receiver.events()] == ids


async def test_a_late_delivery_comes_after_newer_ones(world, hooks, receiver, clock):
    hooks.subscribe(url="http://x/", secret=SECRET)
    world.faults.add("delivery_late", count=1, delay_s=120.0)
    world.publish(event(1))
    await settle()
    world.publish(event(2))
    await settle()
    await pass_time(clock, world, 180)
    assert [each["vehicle"]["id"] for each in receiver.events()] == ["2", "1"]


async def test_a_tampered_body_does_not_match_its_signature_and_the_repeat_does(world, hooks, receiver, clock):
    hooks.subscribe(url="http://x/", secret=SECRET)
    world.faults.add("delivery_tamper", count=1)
    receiver.code = 401
    world.publish(event(1))
    await settle()
    body, headers = receiver.got[0]
    assert headers["x-enode-signature"] != signature(SECRET, body)
    receiver.code = 200
    await pass_time(clock, world, 10, step=10)
    body, headers = receiver.got[1]
    assert headers["x-enode-signature"] == signature(SECRET, body)


async def test_an_unsubscribed_webhook_gets_nothing_more(world, hooks, receiver):
    hook = hooks.subscribe(url="http://x/", secret=SECRET)
    hooks.unsubscribe(hook)
    world.publish(event(1))
    await settle()
    assert receiver.got == []
