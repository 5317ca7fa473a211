"""Deliveries that come together are made durable together, and each gets its own answer."""

import asyncio

import pytest

from scheduler.core.errors import StoreBusy, StoreError
from scheduler.enode.intake import Intake
from scheduler.ports import Inbound
from tests.web_support import RECEIVED


def work(name: str) -> list[Inbound]:
    return [Inbound(kind="event", user_id="u", vehicle_id=name, payload=b"{}", received=RECEIVED, key=name)]


class Sink:
    """Notes what it is given in each call; raises what it is told to for calls that hold a name."""

    def __init__(self, **trouble) -> None:
        self.calls: list[list[str]] = []
        self.trouble = trouble
        self.gate: asyncio.Event | None = None
        self.called = asyncio.Event()

    async def put(self, rows) -> int:
        names = [row.vehicle_id for row in rows]
        self.calls.append(names)
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        for name in names:
            if name in self.trouble:
                raise self.trouble[name]
        return len(names)


def intake(sink: Sink, *, patience_s: float = 5.0) -> tuple[Intake, list[int]]:
    counted: list[int] = []
    return Intake(sink.put, count=counted.append, patience_s=lambda: patience_s), counted


async def together(taking: Intake, *names: str) -> list[object]:
    """Hand over work in one turn of the event loop; return what became of each."""
    return await asyncio.gather(*(taking.put(work(name)) for name in names), return_exceptions=True)


async def test_what_comes_together_is_one_call_in_order():
    sink = Sink()
    taking, counted = intake(sink)
    assert await together(taking, "a", "b", "c") == [None, None, None]
    await taking.put(work("d"))
    assert sink.calls == [["a", "b", "c"], ["d"]]
    assert counted == [3, 1]


async def test_nothing_is_answered_before_it_is_kept_and_what_comes_later_does_not_wait_for_it():
    sink = Sink()
    sink.gate = asyncio.Event()
    taking, counted = intake(sink)
    first = taking.put(work("a"))
    await sink.called.wait()
    sink.gate, gate = None, sink.gate
    await taking.put(work("b"))
    assert not first.done()
    gate.set()
    await first
    assert counted == [1, 1]


async def test_what_cannot_be_stored_takes_no_neighbour_with_it():
    sink = Sink(b=StoreError("bad"))
    taking, counted = intake(sink)
    a, b, c = await together(taking, "a", "b", "c")
    assert (a, c) == (None, None)
    assert isinstance(b, StoreError)
    assert sink.calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert counted == [1, 1]


@pytest.mark.parametrize("trouble", [StoreBusy("locked"), ValueError("a fault of ours")])
async def test_other_trouble_is_everyones_and_is_not_tried_again(trouble):
    sink = Sink(b=trouble)
    taking, counted = intake(sink)
    assert await together(taking, "a", "b") == [trouble, trouble]
    assert (sink.calls, counted) == ([["a", "b"]], [])


async def test_a_sink_that_hangs_is_given_up_for_all_and_what_it_keeps_late_is_counted():
    sink = Sink()
    sink.gate = asyncio.Event()
    counted: asyncio.Queue[int] = asyncio.Queue()
    taking = Intake(sink.put, count=counted.put_nowait, patience_s=lambda: 0.01)
    assert [type(one) for one in await together(taking, "a", "b")] == [TimeoutError, TimeoutError]
    assert counted.empty()
    sink.gate.set()
    assert await counted.get() == 2


async def test_who_no_longer_waits_is_no_trouble_to_the_others():
    sink = Sink()
    taking, counted = intake(sink)
    gone, waiting = taking.put(work("a")), taking.put(work("b"))
    gone.cancel()
    await waiting
    assert (sink.calls, counted) == ([["a", "b"]], [2])
