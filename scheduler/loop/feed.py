"""The feed: what happens, told to whoever listens at the moment. Nothing is kept; a slow listener misses the oldest."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

MOST_WAITING = 200
"""So many happenings wait for one listener."""


class Feed:
    """Tells many listeners of what happens. Publishing never waits."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()

    def publish(self, what: str, vehicle_id: str | None = None) -> None:
        """Tell of one thing: `vehicle`, `alert`, `link`, `homes` or `prices`."""
        for waiting in self._listeners:
            if waiting.full():
                waiting.get_nowait()
            waiting.put_nowait({"what": what, "vehicle": vehicle_id})

    async def listen(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens from the first request on, until the listener goes."""
        waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(waiting)
        try:
            while True:
                yield await waiting.get()
        finally:
            self._listeners.discard(waiting)
