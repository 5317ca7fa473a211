"""What came of a life, as it is kept in the ledger."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The figures of one life. Money in EUR; `figures` are those of `bills.sums`.

    `commit` is that of the code that lived it. `away` are commands for cars that had not hung at home for longer than
    what proves them there may be old (`X_src`); `crossed` are those that crossed with a car's leaving.
    `combinations` are the kinds of trouble that were there at one moment, each once.
    """

    seed: int
    fidelity: str
    vehicle_days: int
    commit: str = ""
    violations: tuple[dict[str, Any], ...] = ()
    commands: int = 0
    away: int = 0
    crossed: int = 0
    turns_failed: int = 0
    decisions: int = 0
    restarts: int = 0
    troubles: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    combinations: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Tell whether nothing was broken."""
        return not (self.violations or self.away or self.turns_failed)
