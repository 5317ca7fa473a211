"""The webhook subscription: made, checked, reactivated, and given a new secret.

Enode never tells a subscription's secret. So the first check of a run always writes ours; later ones only look. For a
rotation let the listener take both secrets, call `ensure` with the new one and `write_secret`, and drop the old one
after 24 hours, when nothing signed with it can come any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from scheduler.core.errors import CommandRejected
from scheduler.enode.client import EnodeClient
from scheduler.enode.events import API_VERSION
from scheduler.enode.tokens import is_private_enough
from scheduler.enode.values import Webhook

EVENTS: Final = (
    "user:vehicle:discovered",
    "user:vehicle:updated",
    "user:vehicle:deleted",
    "user:charger:discovered",
    "user:charger:updated",
    "user:charger:deleted",
    "user:vendor-action:updated",
    "user:credentials:invalidated",
    "user:vehicle:smart-charging-status-updated",
    "user:schedule:execution-updated",
)
SHORTEST_URL: Final = 8
LONGEST_URL: Final = 200
SHORTEST_SECRET: Final = 16
LONGEST_SECRET: Final = 256


class SubscriptionState(StrEnum):
    """What `ensure` found or did. After the last the events do not come."""

    ACTIVE = "active"
    CREATED = "created"
    UPDATED = "updated"
    REACTIVATED = "reactivated"
    FAILING = "failing"


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionStatus:
    """How the subscription is. `gap`: events may have been lost, so every vehicle should be read again (L8)."""

    state: SubscriptionState
    webhook_id: str
    last_success_at: datetime | None = None
    gap: bool = False
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """What we want subscribed.

    Raises:
        ValueError: an address that Enode would refuse, or a secret that is too short or too long.
    """

    url: str
    secret: str
    events: Sequence[str] = EVENTS
    header: tuple[str, str] | None = None  # name and value of one more header, for a proxy's sake

    def __post_init__(self) -> None:
        if not is_private_enough(self.url) or not SHORTEST_URL <= len(self.url) <= LONGEST_URL:
            raise ValueError("the webhook's public address must be https and at most 200 characters")
        if not SHORTEST_SECRET <= len(self.secret) <= LONGEST_SECRET:
            raise ValueError("the webhook's secret must have 16 to 256 characters")

    def body(self) -> dict[str, Any]:
        """Return the request that makes it."""
        wanted: dict[str, Any] = {
            "url": self.url,
            "secret": self.secret,
            "events": list(self.events),
            "apiVersion": API_VERSION,
        }
        if self.header is not None:
            name, value = self.header
            wanted["authentication"] = {"headerName": name.lower(), "headerValue": value}
        return wanted

    def fits(self, webhook: Webhook) -> bool:
        """Tell whether a subscription is as wanted, as far as can be seen."""
        return (
            ("*" in webhook.events or set(self.events) <= set(webhook.events))
            and webhook.api_version == API_VERSION
            and webhook.header_name == (self.header[0].lower() if self.header else None)
        )


async def ensure(client: EnodeClient, wanted: Subscription, *, write_secret: bool = False) -> SubscriptionStatus:
    """See to it that the subscription exists, is as wanted, and is active; leave others' alone.

    Args:
        client: Enode's API.
        wanted: what should be there.
        write_secret: the secret there may be another one.

    Raises:
        ProviderError: it could not be found out or done.
    """
    found = await _find(client, wanted.url)
    if found is None:
        try:
            made = await client.create_webhook(wanted.body())
        except CommandRejected:
            found = await _find(client, wanted.url)  # an answer that was lost had made it
            if found is None:
                raise
        else:
            return _status(made, SubscriptionState.CREATED, gap=True)
    was_active = found.active is not False
    if write_secret or not wanted.fits(found):
        changed = await client.update_webhook(found.id, wanted.body())
        if was_active and changed.active is not False:
            return _status(changed, SubscriptionState.UPDATED)
        found = changed
    elif was_active:
        return _status(found, SubscriptionState.ACTIVE)
    return await _reactivate(client, found)


async def remove(client: EnodeClient, url: str) -> bool:
    """Delete our subscription; return whether there was one."""
    found = await _find(client, url)
    if found is None:
        return False
    await client.delete_webhook(found.id)
    return True


async def _reactivate(client: EnodeClient, webhook: Webhook) -> SubscriptionStatus:
    """Have a test event sent: the subscription becomes active again if it arrives."""
    test = await client.test_webhook(webhook.id)
    state = SubscriptionState.REACTIVATED if test.succeeded else SubscriptionState.FAILING
    return _status(webhook, state, gap=True, detail="" if test.succeeded else test.description or "no answer")


async def _find(client: EnodeClient, url: str) -> Webhook | None:
    return next((webhook for webhook in await client.webhooks() if webhook.url == url), None)


def _status(webhook: Webhook, state: SubscriptionState, *, gap: bool = False, detail: str = "") -> SubscriptionStatus:
    return SubscriptionStatus(
        state=state, webhook_id=webhook.id, last_success_at=webhook.last_success_at, gap=gap, detail=detail
    )
