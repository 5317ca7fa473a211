"""Run a simulator alone until it is told to stop."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from simulator.clock import LoopClock
from simulator.scenario import demo_world, owner_world, standalone_world
from simulator.server import serve
from simulator.world import World

WORLDS: Final[dict[str, Callable[[int, datetime], World]]] = {
    "standalone": lambda seed, start_at: standalone_world(seed=seed, start_at=start_at),
    "owner": lambda seed, start_at: owner_world(seed=seed, start_at=start_at),
    "demo": lambda seed, start_at: demo_world(seed=seed, start_at=start_at, days=7),
}


async def run(
    *,
    port: int,
    as_json: bool,
    speed: float,
    seed: int,
    host: str = "127.0.0.1",
    world: str = "standalone",
    haste: float = 1.0,
) -> None:
    """Serve one of `WORLDS`; the first line printed says where and with which credentials.

    Raises:
        OSError: the port is taken.
        ValueError: `speed` or `haste` is not positive.
    """
    if haste <= 0:
        raise ValueError("haste must be positive")
    start_at = datetime.now(UTC)  # noqa: TID251 - where simulated time starts; it is read once
    made = WORLDS[world](seed, start_at)
    made.agenda.haste = haste
    running = await serve(made, LoopClock(start_at, speed), host=host, port=port)
    try:
        found = {"url": running.url, "client_id": made.client_id, "client_secret": made.client_secret}
        text = json.dumps(found) if as_json else "\n".join(f"{key:14}{value}" for key, value in found.items())
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        await stopped.wait()
    finally:
        await running.stop()


def main(
    *, port: int, as_json: bool, speed: float = 1.0, seed: int = 1, world: str = "standalone", haste: float = 1.0
) -> None:
    """Serve one of `WORLDS` until SIGINT or SIGTERM (port 0: any free one)."""
    asyncio.run(run(port=port, as_json=as_json, speed=speed, seed=seed, world=world, haste=haste))
