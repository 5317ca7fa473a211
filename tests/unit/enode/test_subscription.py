"""The webhook subscription: made, checked, changed, reactivated."""

import pytest

from scheduler.core.errors import CommandRejected
from scheduler.enode.client import EnodeClient
from scheduler.enode.subscription import EVENTS, Subscription, SubscriptionState, ensure, remove
from scheduler.enode.values import Webhook, WebhookTest
from tests.web_support import NOON

URL = "https://kwhen.example.org/webhooks/enode"
SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
WANTED = Subscription(url=URL, secret=SECRET)


def webhook(*, url=URL, events=EVENTS, active=True, version="2024-10-01", header=None, number="w") -> Webhook:
    return Webhook(
        id=number,
        url=url,
        events=tuple(events),
        active=active,
        last_success_at=NOON,
        api_version=version,
        header_name=header,
    )


class Enode(EnodeClient):
    """Holds subscriptions, as Enode does, and notes what was done to them."""

    def __init__(self, *webhooks, reachable=True, patch_activates=True, lost_create=False) -> None:
        self.held = {webhook.id: webhook for webhook in webhooks}
        self.done = []
        self.reachable = reachable
        self.patch_activates = patch_activates
        self.lost_create = lost_create

    async def webhooks(self):
        hidden = self.lost_create and not self.done
        return [] if hidden else list(self.held.values())

    async def create_webhook(self, body):
        self.done.append(("create", body))
        if any(one.url == body["url"] for one in self.held.values()):
            raise CommandRejected("exists", status=400, reason="Webhook already exists")
        made = webhook(url=body["url"], events=body["events"], version=body["apiVersion"])
        self.held[made.id] = made
        return made

    async def update_webhook(self, webhook_id, body):
        self.done.append(("update", body))
        active = self.patch_activates or self.held[webhook_id].active
        name = body.get("authentication", {}).get("headerName")
        self.held[webhook_id] = webhook(
            number=webhook_id, events=body["events"], version=body["apiVersion"], active=active, header=name
        )
        return self.held[webhook_id]

    async def test_webhook(self, webhook_id):
        self.done.append(("test", None))
        return WebhookTest(succeeded=self.reachable, description="" if self.reachable else "connection refused")

    async def delete_webhook(self, webhook_id):
        self.done.append(("delete", None))
        del self.held[webhook_id]


@pytest.mark.parametrize(
    ("there", "options", "did", "state", "gap"),
    [
        pytest.param([], {}, ["create"], SubscriptionState.CREATED, True, id="none-is-made"),
        pytest.param([webhook()], {}, [], SubscriptionState.ACTIVE, False, id="a-good-one-is-left-alone"),
        pytest.param([webhook(events=["*"])], {}, [], SubscriptionState.ACTIVE, False, id="all-events-are-enough"),
        pytest.param([webhook(active=None)], {}, [], SubscriptionState.ACTIVE, False, id="activity-not-told"),
        pytest.param(
            [webhook()],
            {"write_secret": True},
            ["update"],
            SubscriptionState.UPDATED,
            False,
            id="the-secret-is-written",
        ),
        pytest.param(
            [webhook(events=EVENTS[:2])], {}, ["update"], SubscriptionState.UPDATED, False, id="events-are-added"
        ),
        pytest.param([webhook(version=None)], {}, ["update"], SubscriptionState.UPDATED, False, id="version-is-pinned"),
        pytest.param(
            [webhook(header="x-key")], {}, ["update"], SubscriptionState.UPDATED, False, id="header-is-dropped"
        ),
        pytest.param([webhook(active=False)], {}, ["test"], SubscriptionState.REACTIVATED, True, id="asleep-is-woken"),
        pytest.param(
            [webhook(active=False)],
            {"write_secret": True},
            ["update", "test"],
            SubscriptionState.REACTIVATED,
            True,
            id="asleep-with-a-new-secret",
        ),
        pytest.param(
            [webhook(url="https://other.example/hook", number="x")],
            {},
            ["create"],
            SubscriptionState.CREATED,
            True,
            id="others-are-left-alone",
        ),
    ],
)
async def test_the_subscription_becomes_as_wanted(*, there, options, did, state, gap):
    enode = Enode(*there)
    status = await ensure(enode, WANTED, **options)
    assert [name for name, _ in enode.done] == did
    assert (status.state, status.gap) == (state, gap)
    assert all(body is None or body["secret"] == SECRET for _, body in enode.done)
    assert {one.id for one in there} <= set(enode.held)


async def test_one_that_cannot_be_reached_is_told_as_failing():
    status = await ensure(Enode(webhook(active=False), reachable=False), WANTED)
    assert (status.state, status.detail, status.gap) == (SubscriptionState.FAILING, "connection refused", True)


async def test_one_whose_creation_was_answered_into_the_void_is_found():
    status = await ensure(Enode(webhook(), lost_create=True), WANTED)
    assert status.state is SubscriptionState.ACTIVE


async def test_a_creation_refused_for_another_reason_is_an_error():
    class Refusing(Enode):
        async def create_webhook(self, body):
            raise CommandRejected("no", status=400, reason="Webhook input is not valid.")

    with pytest.raises(CommandRejected):
        await ensure(Refusing(), WANTED)


async def test_ensuring_twice_does_nothing_the_second_time():
    enode = Enode()
    await ensure(enode, WANTED)
    status = await ensure(enode, WANTED)
    assert status.state is SubscriptionState.ACTIVE
    assert [name for name, _ in enode.done] == ["create"]


async def test_it_is_removed_once():
    enode = Enode(webhook())
    assert await remove(enode, URL) is True
    assert await remove(enode, URL) is False


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("http://kwhen.example.org/webhooks/enode", SECRET),
        ("https://" + "x" * 200, SECRET),
        ("", SECRET),
        (URL, ""),
        (URL, "x" * 15),
        (URL, "x" * 257),
    ],
)
def test_what_enode_or_safety_refuses_is_refused_here(url, secret):
    with pytest.raises(ValueError, match="webhook"):
        Subscription(url=url, secret=secret)
