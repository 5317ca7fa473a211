"""Commands that crossed with a car's leaving, apart from those that no evidence can excuse."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from simulator.actions import Action
from simulator.vehicle import Vehicle

EVIDENCE = timedelta(minutes=30)  # X_src: so old may be what proves a car at home


class Leaving:
    """When cars that no longer hang on a plug at home last did, by the truth."""

    def __init__(self) -> None:
        self._here: set[str] = set()
        self._left: dict[str, datetime] = {}

    def hear(self, truth: Mapping[str, Any], now: datetime) -> None:
        """Take in a line of truth."""
        if truth["plugged"] and truth["home"]:
            self._here.add(truth["v"])
        elif truth["v"] in self._here:
            self._here.discard(truth["v"])
            self._left[truth["v"]] = now

    def crossed(self, action: Action) -> bool:
        """Tell whether a command that found no car had been sent for one that evidence may still have shown there.

        A charger that no car hangs on has had that of its user which left last.
        """
        asked, at = action.target, action.away_at
        cars = [asked] if isinstance(asked, Vehicle) else asked.world.vehicles.values()
        left = [self._left[car.id] for car in cars if car.user_id == action.user_id and car.id in self._left]
        return at is not None and any(timedelta(0) <= at - before <= EVIDENCE for before in left)
