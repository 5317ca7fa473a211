"""Commands that crossed with a car's leaving, apart from those that no evidence can excuse."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from simulator.actions import Action
from simulator.vehicle import Vehicle

EVIDENCE = timedelta(minutes=30)  # X_src: so old may be what proves a car at home


class Leaving:
    """When cars left the plug at home, by the truth."""

    def __init__(self) -> None:
        self._here: set[str] = set()
        self._left: dict[str, list[datetime]] = {}

    def hear(self, truth: Mapping[str, Any], now: datetime) -> None:
        """Take in a line of truth."""
        if truth["plugged"] and truth["home"]:
            self._here.add(truth["v"])
        elif truth["v"] in self._here:
            self._here.discard(truth["v"])
            self._left.setdefault(truth["v"], []).append(now)

    def crossed(self, action: Action) -> bool:
        """Tell whether a command that found no car had been sent for one that evidence may still have shown there.

        A charger that no car hangs on may have had any of its user's.
        """
        asked, at = action.target, action.away_at
        cars = [asked] if isinstance(asked, Vehicle) else asked.world.vehicles.values()
        left = [before for car in cars if car.user_id == action.user_id for before in self._left.get(car.id, ())]
        return at is not None and any(timedelta(0) <= at - before <= EVIDENCE for before in left)
