"""The cycle at work: what wakes it, drains a shard, acts, and keeps the record."""
