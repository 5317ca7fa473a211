"""The webhook listener without a control loop, in a process of its own; its work goes nowhere, or into a store.

Usage: `python -m bench.loaded.listening PORT nothing|store`. It goes on until it is terminated.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable

from aiohttp import web

from bench.loaded.daemon import SECRET
from scheduler.clock import SystemClock
from scheduler.core.observation import Stamp
from scheduler.enode.webhook import webhook_app
from scheduler.ports import Inbound
from storage import open_store

Sink = Callable[[list[Inbound]], Awaitable[int]]


async def nowhere(work: list[Inbound]) -> int:
    """Take work and keep none of it."""
    return len(work)


async def main(port: int, where: str) -> None:
    """Listen, and hand what comes to a sink."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        sink: Sink = nowhere
        if where == "store":
            store = open_store(f"sqlite:///{folder}/kwhen.db", clock=clock)
            await store.open(node="bench")
            sink = store.put
        app = webhook_app(
            secrets=lambda: [SECRET.encode()],
            sink=sink,
            stamp=lambda: Stamp(at=clock.now(), mono_ns=clock.monotonic_ns(), run=1),
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
