"""The webhook path as a whole: its listener's counters, and the subscription that is made, checked and reactivated."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog

from scheduler.core.errors import ProviderError
from scheduler.enode.client import EnodeClient
from scheduler.enode.mistrust import REMEDIES, TEXTS, Mistrust
from scheduler.enode.subscription import Subscription, SubscriptionStatus, ensure
from scheduler.enode.webhook import WebhookCounters

log = structlog.get_logger()


class WebhookPath:
    """Keeps the subscription alive. Without a wanted one the daemon only polls, and nothing here does anything.

    `on_gap` is called when events may have been lost, so that every vehicle is read again (L8).
    """

    def __init__(self, client: EnodeClient, wanted: Subscription | None, *, on_gap: Callable[[], None]) -> None:
        self._client = client
        self._wanted = wanted
        self._on_gap = on_gap
        self._secret_written = False
        self.on_taken: Callable[[], Awaitable[None]] | None = None
        """Called when the provider has taken our secret."""
        self.counters = WebhookCounters()
        self.status: SubscriptionStatus | None = None
        self.mistrust: Mistrust | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is to be a subscription."""
        return self._wanted is not None

    @property
    def secret_is_proven(self) -> bool:
        """Whether Enode has our secret: we gave it, or a delivery in this run fitted it."""
        return self._secret_written or self.counters.deliveries > 0

    def trouble(self) -> str:
        """Say what is wrong with deliveries that come and cannot be trusted, and its remedy; empty where none come."""
        found = self.mistrust.finding(heard_at=self.counters.heard_at) if self.mistrust is not None else None
        return "" if found is None else f"Deliveries come, and {TEXTS[found]}. {REMEDIES[found]}"

    def heard_at(self) -> datetime | None:
        """Return when the path last brought anything; None without a subscription."""
        return self.counters.heard_at if self.status is not None else None

    def clock_stepped(self, now: datetime) -> None:
        """Count what was heard while the clock ran ahead as heard now, not in the future."""
        heard_at = self.counters.heard_at
        self.counters.heard_at = None if heard_at is None else min(heard_at, now)

    def exchange(self, wanted: Subscription | None) -> None:
        """Want the subscription with another secret: the next check tells the provider."""
        if wanted != self._wanted:
            self._wanted, self._secret_written = wanted, False

    async def check(self) -> None:
        """Make, check or reactivate the subscription. Trouble is told and tried again at the next check."""
        if self._wanted is None:
            return
        try:
            status = await ensure(self._client, self._wanted, write_secret=not self._secret_written)
        except ProviderError as error:
            log.warning("webhook.unchecked", why=str(error))
            return
        if not self._secret_written:
            self._secret_written = True
            if self.on_taken is not None:
                await self.on_taken()
        if status.gap:
            self._on_gap()
        if self.status is None or status.state != self.status.state:
            log.info("webhook.checked", state=str(status.state), detail=status.detail)
        self.status = status

    async def test(self) -> dict[str, Any]:
        """Have a test event sent. Raises ProviderError."""
        await self.check()
        if self.status is None:
            return {"succeeded": False, "description": "Nothing is subscribed: set webhook.public_url."}
        test = await self._client.test_webhook(self.status.webhook_id)
        return {"succeeded": test.succeeded, "description": test.description}

    def told(self) -> dict[str, Any]:
        """Return how the path is."""
        status = self.status
        return {
            "public_url": self._wanted.url if self._wanted is not None else None,
            "state": str(status.state) if status is not None else "polling only",
            "detail": status.detail if status is not None else "",
            "last_success_at": status.last_success_at if status is not None else None,
            "heard_at": self.counters.heard_at,
            "trouble": self.trouble(),
        }
