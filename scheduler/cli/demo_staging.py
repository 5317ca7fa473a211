"""What both ways to run the demonstration need: when it begins, where it lies, and its configuration."""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler.app import App
from scheduler.cli import demo_configuration
from scheduler.cli.demo_configuration import Places
from scheduler.config import Settings, load

START_AT = datetime(2026, 1, 12, 14, 45, tzinfo=UTC)
"""A Monday, a quarter to four in the afternoon in Oslo and Berlin: the cars are still out."""

DAY = timedelta(days=1)
ROOM_BYTES = 2 << 30


def prepare(places: Places, description: Mapping[str, Any]) -> Settings:
    """Write the configuration and load it as the daemon would; the environment has no say in it."""
    return load(demo_configuration.write(places, description), {})


@contextlib.asynccontextmanager
async def running(app: App) -> AsyncIterator["asyncio.Task[BaseException | None]"]:
    """Run the daemon; yield a task that ends only if it breaks."""
    broken: asyncio.Task[BaseException | None] | None = None
    try:
        await app.start()
        broken = asyncio.create_task(app.failed(), name="daemon")
        yield broken
    finally:
        if broken is not None:
            broken.cancel()
            await asyncio.gather(broken, return_exceptions=True)
        await app.stop()


def passing_place() -> str | None:
    """Return a file system in memory with room enough: what is thrown away need not reach a disk.

    None, which means the usual place, where there is no such file system or TMPDIR names another.
    """
    if os.environ.get("TMPDIR"):
        return None
    memory = Path("/dev/shm")  # noqa: S108 - only a directory of our own is made in it
    with contextlib.suppress(OSError):
        if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= ROOM_BYTES:
            return str(memory)
    return None


def free_port(wanted: int = 0) -> int:
    """Return a port of this machine that nobody uses: the wanted one if it is free."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no port of 127.0.0.1 is free")
