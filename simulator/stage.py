"""`python -m simulator.stage`: the demonstration's world in a process of its own, on a time shared with its parent.

Both read the machine's monotonic clock, which is the same in all its processes. It ends when its standard input is
closed, which the death of the parent does too.
"""

import argparse
import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path

from simulator.clock import LoopClock
from simulator.scenario import demo_world
from simulator.server import serve


async def run(
    *, start_at: datetime, origin_s: float, speed: float, seed: int, days: int, prices_in: Path | None
) -> None:
    """Serve the demonstration's world; the first line printed is a JSON object that says where.

    `origin_s` is the reading of the monotonic clock [s] at `start_at`.
    """
    world = demo_world(seed=seed, start_at=start_at, days=days, prices_in=prices_in)
    running = await serve(world, LoopClock(start_at, speed, origin_s=origin_s))
    try:
        sys.stdout.write(json.dumps({"url": running.url}) + "\n")
        sys.stdout.flush()
        await _end_of_input()
    finally:
        await running.stop()


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    transport.close()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m simulator.stage", description=__doc__)
    parser.add_argument("--start-at", type=datetime.fromisoformat, required=True, help="instant with an offset")
    parser.add_argument("--origin-s", type=float, required=True, help="the monotonic clock at that instant")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds for each real one")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything drawn by lot")
    parser.add_argument("--days", type=int, default=7, help="how long the demonstration is meant to last")
    parser.add_argument("--prices-in", type=Path, help="a directory of recorded prices")
    options = parser.parse_args()
    asyncio.run(run(**vars(options)))


if __name__ == "__main__":
    main()
