"""Lives that once broke a rule, kept small, and how a broken one is told."""

from pathlib import Path

from tests.campaign.outcome import Outcome
from tests.campaign.script import Script, read

FOUND = Path(__file__).parent / "found"


def found_lives() -> list[Script]:
    """Return the lives that a campaign found and `shrink` made small, by name."""
    return [read(path.read_bytes()) for path in sorted(FOUND.glob("*.json"))]


def told(outcome: Outcome) -> str:
    """Return what broke, and how to see it again."""
    lines = [f"{one['rule']} {one['seq']} {one['vehicle']}: {one['text']}" for one in outcome.violations[:20]]
    counts = f"{outcome.away} commands away from home, {outcome.turns_failed} turns failed"
    return "\n".join([f"seed {outcome.seed}", counts, *lines])
