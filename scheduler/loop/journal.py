"""The journal: what was seen, decided, sent and found, numbered without gaps in each run of the daemon."""

from collections.abc import Iterable, Mapping
from typing import Any

from scheduler.core.observation import Stamp
from scheduler.core.timeline import nanoseconds
from scheduler.ports import Event


class Journal:
    """Numbers lines. A line is numbered when its batch is handed to the store, so that the order is that of commits."""

    def __init__(self, *, run: int, node: str) -> None:
        self._run = run
        self._node = node
        self._seq = 0
        self._seen: dict[str, int] = {}

    def number(self, drafts: Iterable[tuple[str | None, Mapping[str, Any]]], *, now: Stamp) -> list[Event]:
        """Return the lines with seq, times, run, node and vehicle; an INTENT or RESULT gets its basis.

        The basis is the latest accepted observation of the vehicle in this run.
        """
        lines = []
        for vehicle_id, draft in drafts:
            self._seq += 1
            line: Event = {
                "seq": self._seq,
                "t": nanoseconds(now.at),
                "m": now.mono_ns,
                "run": self._run,
                "node": self._node,
                "v": vehicle_id,
                **draft,
            }
            if vehicle_id is not None:
                self._base(vehicle_id, line)
            lines.append(line)
        return lines

    def _base(self, vehicle_id: str, line: Event) -> None:
        if line["k"] == "OBS" and line["ok"]:
            self._seen[vehicle_id] = line["seq"]
        elif line["k"] in ("INTENT", "RESULT"):
            line["basis"] = [self._seen[vehicle_id]] if vehicle_id in self._seen else []
