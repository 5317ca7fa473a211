"""`python -m tests.e2e.crashing_daemon`: a whole daemon that kills itself at a labelled step of a command (B01).

It shares a fast time with its parent: both count from the same reading of the monotonic clock.
"""

import argparse
import asyncio
import os
import signal
from datetime import datetime
from pathlib import Path

from scheduler.app import App
from scheduler.clock import FastClock
from scheduler.config import load
from scheduler.log import set_up
from scheduler.process import serve


def killer(label: str):
    def step(name: str) -> None:
        if name == label:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


async def run(configuration: Path, *, label: str, clock: FastClock) -> int:
    settings = load(configuration, {})
    set_up(settings.log, secrets=settings.secrets())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = App(settings, clock=clock, step=killer(label), alarm_cap_s=0.02 * clock.speed)
    return await serve(app, stop=stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", type=Path)
    parser.add_argument("--label", default="")
    parser.add_argument("--start-at", type=datetime.fromisoformat, required=True)
    parser.add_argument("--origin-s", type=float, required=True)
    parser.add_argument("--speed", type=float, required=True)
    chosen = parser.parse_args()
    fast = FastClock(start_at=chosen.start_at, speed=chosen.speed, origin_s=chosen.origin_s)
    raise SystemExit(asyncio.run(run(chosen.configuration, label=chosen.label, clock=fast)))
