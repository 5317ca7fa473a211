"""What a failing store has not taken: kept in memory, and written with the next batch that it does take (L11)."""

from collections.abc import Iterable
from dataclasses import replace

from scheduler.core.model import shard_of
from scheduler.ports import Batch, Event, Inbound, InboxRow

MOST_NEWS, MOST_LINES = 1_000, 20_000
"""Of one shard no more is kept; the oldest goes first."""

UNSTORED = 0
"""The inbox id of news that never was in the inbox."""


class Debt:
    """News that could not be put into the inbox, and batches that could not be committed, each of one shard."""

    def __init__(self) -> None:
        self._news: dict[int, list[Inbound]] = {}
        self._batches: dict[int, Batch] = {}

    def hear(self, rows: Iterable[Inbound]) -> None:
        """Keep news that the store did not take."""
        for row in rows:
            kept = self._news.setdefault(shard_of(row.user_id), [])
            kept.append(row)
            del kept[:-MOST_NEWS]

    def news(self, shard: int) -> list[InboxRow]:
        """Hand out the news of a shard, once."""
        return [InboxRow(id=UNSTORED, work=row) for row in self._news.pop(shard, ())]

    def owe(self, shard: int, batch: Batch) -> None:
        """Keep what a batch tells of the past. States are superseded by later ones, inbox rows will be read again."""
        told = replace(batch, states=(), done=(), decisions=(), blobs={}, events=[_late(e) for e in batch.events])
        whole = self.joined(shard, told)
        self._batches[shard] = replace(whole, events=list(whole.events)[-MOST_LINES:])

    def joined(self, shard: int, batch: Batch) -> Batch:
        """Return the batch with what the shard owes before it."""
        owed = self._batches.get(shard)
        if owed is None:
            return batch
        return replace(
            batch,
            events=[*owed.events, *batch.events],
            commands=list({c.id: c for c in (*owed.commands, *batch.commands)}.values()),
            sessions=[*owed.sessions, *batch.sessions],
            alerts=[*owed.alerts, *batch.alerts],
            overrides=[*owed.overrides, *batch.overrides],
        )

    def paid(self, shard: int) -> None:
        """Forget what a shard owed: it is written."""
        self._batches.pop(shard, None)


def _late(line: Event) -> Event:
    """Mark a line that is written after the fact: no tick may follow it, for a run may end while its store fails."""
    return line | {"late": True} | ({"durable": False} if line["k"] == "INTENT" else {})
