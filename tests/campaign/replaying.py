"""Lives that once broke a rule, kept small, and how a broken one is told."""

from pathlib import Path

from tests.campaign.drawing import draw
from tests.campaign.life import live
from tests.campaign.markets import data_folder
from tests.campaign.outcome import Outcome
from tests.campaign.script import Script, read

FOUND = Path(__file__).parent / "found"


def lived(seed: int, fidelity: str, days: int | None = None, cars: int | None = None) -> Outcome:
    """Return what came of the life of a seed. A process that a pool starts finds this function here."""
    return live(draw(seed, folder=data_folder(), days=days, cars=cars), fidelity)


def found_lives() -> list[Script]:
    """Return the lives that a campaign found and `shrink` made small, by name."""
    return [read(path.read_bytes()) for path in sorted(FOUND.glob("*.json"))]


def told(outcome: Outcome) -> str:
    """Return what broke, and how to see it again."""
    lines = [f"{one['rule']} {one['seq']} {one['vehicle']}: {one['text']}" for one in outcome.violations[:20]]
    counts = f"{outcome.away} commands away from home, {outcome.turns_failed} turns failed"
    return "\n".join([f"seed {outcome.seed}", counts, *lines])
