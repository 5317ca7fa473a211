"""How the run before this one ended: in order, or by a loss of power, a kill for its memory, a crash."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog

from scheduler.core.errors import StoreError
from scheduler.ports import Clock, Store

log = structlog.get_logger()

SPACE, KEY = "life", "running since"

TOLD_FOR = timedelta(days=1)
"""How long the alert stands: whoever looks once a day sees it."""

CODE = "ENDED_UNEXPECTEDLY"


class LastRun:
    """Leaves a sign in the store while this run lasts; one that is found was left by a run that did not stop in order.

    Args:
        store: keeps the sign.
        clock: dates it.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._found_at: datetime | None = None
        self._since = ""

    async def begin(self) -> None:
        """Look for the sign of the run before, and leave our own. Raises StoreError."""
        left = await self._store.kept(SPACE, KEY)
        now = self._clock.now()
        await self._store.keep(SPACE, KEY, now.isoformat(timespec="minutes").encode())
        if left is not None:
            self._found_at, self._since = now, left.decode(errors="replace")
            log.warning("daemon.ended_unexpectedly", began=self._since)

    async def end(self) -> None:
        """Take our sign away: this run stops in order. A store that does not take it is told of elsewhere."""
        try:
            await self._store.spend(SPACE, KEY)
        except StoreError as error:
            log.warning("store.trouble", what="stop", why=str(error))

    def alerts(self) -> Iterator[tuple[str, str]]:
        """Yield the code and the text of the alert, for a day."""
        if self._found_at is not None and self._clock.now() - self._found_at < TOLD_FOR:
            text = (
                f"The daemon that ran since {self._since} did not stop in order: a loss of power, a kill (for its "
                "memory, or by the watchdog) or a crash. It goes on from what is stored, wishes included."
            )
            yield CODE, text
