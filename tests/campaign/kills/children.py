"""The parent's side of the nursery: daemons are born, and their ends are waited for."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from tests.campaign.kills.daemon import Order

CHECKOUT = Path(__file__).parents[3]


class Child:
    """One daemon process. `status` is its exit status once it has ended, negative for a signal."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self.ended = asyncio.Event()

    @property
    def lives(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return not self.ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that is dead takes none. Nobody else gets its id before `ended`, or just after."""
        if self.lives:
            os.kill(self.pid, number)

    async def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            return False
        return True


class Children:
    """Every daemon of one life, born one after the other."""

    def __init__(self) -> None:
        self._born: asyncio.Queue[Child] = asyncio.Queue()
        self._living: dict[int, Child] = {}

    async def start(self) -> None:
        """Start the nursery; return once it has loaded the daemon."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.campaign.kills.nursery", cwd=CHECKOUT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._process.stdout is not None
        await self._process.stdout.readline()
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """End the nursery, and with it every daemon."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def bear(self, order: Order) -> Child:
        """Start a daemon."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        return await self._born.get()

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = msgspec.json.decode(line, type=dict[str, int])
            if "born" in told:
                child = self._living[told["born"]] = Child(told["born"])
                self._born.put_nowait(child)
            else:
                child = self._living.pop(told["died"])
                child.status = told["status"]
                child.ended.set()
