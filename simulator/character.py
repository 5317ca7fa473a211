"""What a car's owner wants of it, and how it takes commands."""

from dataclasses import dataclass
from datetime import time


@dataclass(frozen=True, kw_only=True)
class Habit:
    """When the owner wants the car, and with how much."""

    departure: time
    days: frozenset[int]
    target_soc_pct: float


@dataclass(kw_only=True)
class Mood:
    """How a car takes commands: how fast, and how many of the next ones go wrong."""

    latency_s: tuple[float, float] = (5.0, 15.0)  # from the call to the device, awake
    asleep_latency_s: tuple[float, float] = (40.0, 150.0)
    window_s: float = 720.0  # how long the provider tries
    silent_commands: int = 0  # so many commands get no reaction at all
    no_power_starts: int = 0  # so many are acknowledged, and no power comes
    sleep_refresh_s: float = 1200.0
    sleeps_after_s: float = 900.0
    resumes_left: int | None = None  # after so many starts by command the car ignores them
