"""How a daemon is to die: drawn from a seed, kind and moment."""

import random
from dataclasses import dataclass, replace

from tests.campaign.kills.daemon import Fate

KINDS = {
    "random": 30,  # kill -9 at any moment
    "moment": 18,  # kill -9 just when something was seen from outside
    "label": 14,  # by itself, at a labelled step of a command
    "write": 14,  # by itself, just before or after a write of the store
    "twice": 10,  # kill -9 during the start, and once more during the next
    "term": 6,  # SIGTERM
    "term-kill": 4,  # SIGTERM, and kill -9 while it stops
    "pause": 4,  # SIGSTOP for a while, SIGCONT, and kill -9 later
}
"""Each kind of death, and how often it is drawn in a hundred."""

LABELS = ("before-intent", "after-intent", "after-reply")
MOMENTS = ("asked", "done", "delivered", "wished")

PATIENCE_S = 3.0
"""A daemon that is to die of something dies after so long at the latest."""

GROWN_UP, PROVOKED = 0.7, 0.4
"""How many are let become ready, and how many are asked for commands."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One daemon's death. `after_s`: the latest moment of it, from its birth, or from when it was ready (`grown_up`).

    `moment`: what it is timed by. `lag_s`: how long after the moment, or after SIGTERM. `pause_s`: how long it stands still. `provoke`: somebody asks
    for a command.
    """

    kind: str
    after_s: float
    fate: Fate | None = None
    moment: str = ""
    lag_s: float = 0.0
    pause_s: float = 0.0
    provoke: bool = False
    grown_up: bool = True


def drawn(rng: random.Random, *, pace: float = 1.0) -> Step:
    """Draw a step. `pace` below 1 shortens the lives of daemons.

    Some live for seconds, in which a command can come to its end; some do not outlast their start.
    """
    kind = rng.choices(list(KINDS), weights=list(KINDS.values()))[0]
    grown_up = kind in {"moment", "label"} or rng.random() < GROWN_UP
    after_s = pace * (rng.choice((rng.uniform(0.0, 1.0), rng.uniform(0.5, 4.0))) if grown_up else rng.uniform(0.0, 1.5))
    step = Step(kind=kind, after_s=after_s, grown_up=grown_up, provoke=rng.random() < PROVOKED)
    lag_s = rng.choice((0.0, rng.uniform(0, 0.005), rng.uniform(0, 0.05)))
    match kind:
        case "moment":
            return replace(step, after_s=PATIENCE_S, moment=rng.choice(MOMENTS), lag_s=lag_s, provoke=True)
        case "label":
            fate = Fate(label=rng.choice(LABELS), nth=rng.choice((1, 1, 2)))
            return replace(step, after_s=PATIENCE_S, fate=fate, provoke=True)
        case "write":
            fate = Fate(write=rng.choice(("before", "after")), nth=rng.randint(1, 40))
            return replace(step, after_s=PATIENCE_S, fate=fate)
        case "twice":
            return replace(step, after_s=rng.uniform(0.0, 0.6), grown_up=False)
        case "term-kill":
            return replace(step, lag_s=rng.uniform(0, 0.2))
        case "pause":
            return replace(step, pause_s=rng.uniform(0.2, 3.0))
        case _:
            return step
