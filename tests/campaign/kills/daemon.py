"""What a forked process runs: a whole daemon on a hurried time that it shares with its parent, with a fate of its own."""

import asyncio
import os
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from scheduler.app import App
from scheduler.clock import FastClock
from scheduler.config import load
from scheduler.log import set_up
from scheduler.process import serve
from storage import open_store


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """Where a daemon kills itself: at the n-th passing of a labelled step, or beside the n-th write of its store."""

    label: str = ""
    write: str = ""  # before, or after
    nth: int = 1


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a daemon is told at its birth. `origin_s` is the reading of the monotonic clock [s] at `start_at`."""

    configuration: str
    log: str
    start_at: datetime
    origin_s: float
    speed: float
    fate: Fate | None = None


@dataclass(kw_only=True)
class Doom:
    """Counts down to the step at which the daemon kills itself."""

    fate: Fate | None
    passed: int = 0

    def step(self, name: str) -> None:
        """Pass a labelled step of a command."""
        if self.fate is not None and self.fate.label == name:
            self._count()

    def watch(self, writer: Any) -> None:
        """Count the writes of a store: each before it is handed over, or once it is durable and nobody knows yet."""
        fate = self.fate
        if fate is None or not fate.write:
            return
        submit = writer.submit

        def doomed(work: Any, **options: Any) -> Any:
            if fate.write == "before":
                self._count()
                return submit(work, **options)
            done = options.pop("done", None)

            def durable(result: Any) -> None:
                self._count()
                if done is not None:
                    done(result)

            return submit(work, done=durable, **options)

        writer.submit = doomed

    def _count(self) -> None:
        assert self.fate is not None
        self.passed += 1
        if self.passed == self.fate.nth:
            os.kill(os.getpid(), signal.SIGKILL)


async def run(order: Order) -> int:
    """Run a daemon until SIGTERM, or its fate; return the exit status."""
    settings = load(Path(order.configuration), {})
    set_up(settings.log, secrets=settings.secrets())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    doom = Doom(fate=order.fate)
    clock = FastClock(start_at=order.start_at, speed=order.speed, origin_s=order.origin_s)
    store: Any = open_store(settings.storage_url, clock=clock)
    doom.watch(store.writer)
    app = App(settings, clock=clock, store=store, step=doom.step, alarm_cap_s=0.02 * clock.speed)
    return await serve(app, stop=stop)
