"""What deliveries bring is gathered and made durable together: one commit answers all that came with it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from scheduler.core.errors import StoreBusy, StoreError
from scheduler.ports import Inbound

Sink = Callable[[list[Inbound]], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A delivery's work, and who waits for it to be durable."""

    work: list[Inbound]
    kept: asyncio.Future[None]

    def end(self, error: Exception | None = None) -> None:
        """Tell that it is kept, or why not; nobody may wait any more."""
        if self.kept.done():
            return
        if error is None:
            self.kept.set_result(None)
        else:
            self.kept.set_exception(error)


def _end(gathered: Iterable[_Waiting], error: Exception | None = None) -> None:
    for one in gathered:
        one.end(error)


class Intake:
    """Hands work to the sink: all of one turn of the event loop in one call, under one deadline.

    A call that is not over by then goes on: what it keeps late is counted, and is a duplicate when it is sent again.

    Args:
        sink: makes work durable and returns how much of it was new; raises StoreError.
        count: told how much of a call was new.
        patience_s: how long a delivery waits for its call [s].
    """

    def __init__(self, sink: Sink, *, count: Callable[[int], None], patience_s: Callable[[], float]) -> None:
        self._sink = sink
        self._count = count
        self._patience_s = patience_s
        self._gathered: list[_Waiting] = []
        self._calls: set[asyncio.Task[None]] = set()

    def put(self, work: list[Inbound]) -> asyncio.Future[None]:
        """Return what resolves when the work is durable, or fails with StoreError or TimeoutError."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[None] = loop.create_future()
        self._gathered.append(_Waiting(work, kept))
        if len(self._gathered) == 1:
            loop.call_soon(self._hand_over)  # after the other handlers that are ready now
        return kept

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        call = asyncio.create_task(self._keep(gathered), name="webhook intake")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _keep(self, gathered: Sequence[_Waiting]) -> None:
        given_up = asyncio.get_running_loop().call_later(self._patience_s(), _end, gathered, TimeoutError("the sink"))
        try:
            await self._together(gathered)
        except Exception as error:  # noqa: BLE001 - each waits for an answer, whatever the sink raised
            _end(gathered, error)
        finally:
            given_up.cancel()

    async def _together(self, gathered: Sequence[_Waiting]) -> None:
        try:
            new = await self._sink(list(chain.from_iterable(one.work for one in gathered)))
        except StoreBusy:
            raise
        except StoreError:
            if len(gathered) == 1:
                raise
            await self._apart(gathered)
            return
        self._count(new)
        _end(gathered)

    async def _apart(self, gathered: Sequence[_Waiting]) -> None:
        """Keep each by itself: what cannot be stored takes no neighbour with it."""
        for one in gathered:
            try:
                self._count(await self._sink(one.work))
            except StoreError as error:
                one.end(error)
            else:
                one.end()
