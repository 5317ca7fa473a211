"""A process that writes until it is killed, and says what was acknowledged: `store_until_killed.py URL`."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from scheduler.ports import Batch, Versioned
from storage import open_store
from tests.contract.conftest import FixedClock
from tests.contract.store_values import event, inbound, state


async def main(url: str) -> None:
    store = open_store(url, clock=FixedClock())
    await store.open(node="killed")

    async def produce(producer: int) -> None:
        for i in range(1_000_000):
            await store.put([inbound(key=f"{producer}-{i}")])
            sys.stdout.write(f"{producer}-{i}\n")
            sys.stdout.flush()

    async def batches() -> None:
        for version in range(1_000_000):
            await store.commit(
                Batch(states=[Versioned(state=state(name=str(version)), version=version)], events=[event(version + 1)])
            )

    await asyncio.gather(batches(), *(produce(p) for p in range(8)))


asyncio.run(main(sys.argv[1]))
