"""The ledger of a campaign: one line of JSON for each life, so that a campaign goes on where it was interrupted."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.campaign.outcome import Outcome

Figures = dict[str, Any]


class Ledger:
    """Lives that were lived, by fidelity and seed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield every life in the order it was entered; a line cut short by an interruption is passed over."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield Outcome(**json.loads(line))
            except (ValueError, TypeError):
                continue

    def lived(self, fidelity: str) -> set[int]:
        """Return the seeds that are entered."""
        return {one.seed for one in self.outcomes() if one.fidelity == fidelity}

    def enter(self, outcome: Outcome) -> None:
        """Add a life."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")


def summary(outcomes: Iterable[Outcome]) -> Figures:
    """Return the figures of a campaign, apart for each fidelity."""
    by_fidelity: dict[str, list[Outcome]] = {}
    for one in outcomes:
        by_fidelity.setdefault(one.fidelity, []).append(one)
    return {fidelity: _figures(lives) for fidelity, lives in sorted(by_fidelity.items())}


def _figures(lives: list[Outcome]) -> Figures:
    money: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    combinations: set[str] = set()
    days_by_commit: Counter[str] = Counter()
    for life in lives:
        money.update(life.figures)
        rules.update(violation["rule"] for violation in life.violations)
        combinations.update(life.combinations)
        days_by_commit[life.commit] += life.vehicle_days
    days, cpu_s = sum(life.vehicle_days for life in lives), sum(life.cpu_s for life in lives)
    return {
        "lives": len(lives),
        "vehicle_days_by_commit": dict(days_by_commit),
        "vehicle_days": days,
        "sessions": round(money["sessions"]),
        "commands": sum(life.commands for life in lives),
        "commands_away_from_home": sum(life.away for life in lives),
        "commands_crossing_with_a_leaving": sum(life.crossed for life in lives),
        "turns_failed": sum(life.turns_failed for life in lives),
        "restarts": sum(life.restarts for life in lives),
        "troubles": sum(life.troubles for life in lives),
        "combinations_of_troubles": len(combinations),
        "violations": dict(sorted(rules.items())),
        "failing_seeds": sorted(life.seed for life in lives if not life.good)[:100],
        "E1": _ratio(money["spent"], money["optimum"]),
        "E1_sessions": round(money["compared"]),
        "price_of_safety": _ratio(money["optimum"], money["free_optimum"]),
        "E2": _ratio(money["cost"], money["at_once"]),
        "vehicle_days_per_core_second": _ratio(days, cpu_s),
    }


def _ratio(amount: float, base: float) -> float | None:
    return round(amount / base, 4) if base else None
