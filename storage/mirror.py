"""The undone work of every shard, in memory."""

from collections.abc import Iterable
from itertools import islice

from scheduler.core.model import shard_of
from scheduler.ports import InboxRow


class Mirror:
    """Work that is stored and not done, by shard, in order of arrival. Used on the loop's thread only."""

    def __init__(self) -> None:
        self._shards: dict[int, dict[int, InboxRow]] = {}
        self._shard_of: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how much work there is."""
        return len(self._shard_of)

    def add(self, rows: Iterable[InboxRow]) -> None:
        """Add work that has become durable."""
        for row in rows:
            shard = shard_of(row.work.user_id)
            self._shards.setdefault(shard, {})[row.id] = row
            self._shard_of[row.id] = shard

    def remove(self, ids: Iterable[int]) -> None:
        """Remove work that is done; what is not there is no error."""
        for row_id in ids:
            shard = self._shard_of.pop(row_id, None)
            if shard is not None:
                rows = self._shards[shard]
                del rows[row_id]
                if not rows:
                    del self._shards[shard]

    def replace(self, rows: Iterable[InboxRow]) -> None:
        """Forget all and start from what is stored, in order of arrival."""
        self._shards.clear()
        self._shard_of.clear()
        self.add(rows)

    def oldest(self, shard: int, *, limit: int) -> list[InboxRow]:
        """Return the shard's oldest work."""
        return list(islice(self._shards.get(shard, {}).values(), limit))

    def shards(self) -> set[int]:
        """Return the shards that have work."""
        return set(self._shards)
