"""Many lives, some side by side; what has been lived is kept, so that an interrupted campaign goes on."""

import asyncio
import json
import multiprocessing
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from tests.campaign.kills.life import Life

A_LIFE = 50
"""Kills in one life; what is interrupted within a life is lived again."""

COUNTED = ("commands", "sends", "actions", "events", "overrides", "sessions", "lines", "runs")


def lived(state: Path, seed: int, number: int, kills: int) -> dict[str, Any]:
    """Live one life in a directory of its own, which stays if there was a fault; return its outcome."""
    directory = state / f"life-{number:03d}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    began = time.monotonic()
    outcome = asyncio.run(Life(directory, seed=f"{seed}:{number}").live(kills)).as_json()
    if not outcome["faults"]:
        shutil.rmtree(directory)
    return {"life": number, "wall_s": round(time.monotonic() - began, 1), **outcome}


def summary(lives: list[dict[str, Any]], *, seed: int) -> dict[str, Any]:
    """Add up what came of all lives."""
    kills: Counter[str] = Counter()
    for one in lives:
        kills.update(one["kills"])
    starts = sorted(one["start_s"] for one in lives)
    return {
        "seed": seed,
        "kills": kills.total(),
        "by_kind": dict(sorted(kills.items())),
        "lives": len(lives),
        **{name: sum(one[name] for one in lives) for name in COUNTED},
        "median_start_s": round(starts[len(starts) // 2], 3) if starts else None,
        "lived_s": round(sum(one["wall_s"] for one in lives), 1),
        "violations": sum(len(one["faults"]) for one in lives),
        "faults": [f"life {one['life']}: {fault}" for one in lives for fault in one["faults"]][:50],
    }


def campaign(state: Path, *, seed: int, kills: int, workers: int) -> dict[str, Any]:
    """Live all lives that have not been lived yet; return the summary of all."""
    state.mkdir(parents=True, exist_ok=True)
    progress = state / "progress.jsonl"
    done = [json.loads(line) for line in progress.read_text().splitlines()] if progress.exists() else []
    known = {one["life"] for one in done}
    numbers = range(-(-kills // A_LIFE))
    left = {number: min(A_LIFE, kills - number * A_LIFE) for number in numbers if number not in known}
    with (
        ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool,
        progress.open("a") as file,
    ):
        running = {pool.submit(lived, state, seed, number, count) for number, count in left.items()}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for one in ended:
                outcome = one.result()
                done.append(outcome)
                file.write(json.dumps(outcome) + "\n")
                file.flush()
                report = f"life {outcome['life']}: {sum(outcome['kills'].values())} kills, {outcome['wall_s']} s"
                sys.stderr.write("\n  ".join([report, *outcome["faults"][:10]]) + "\n")
    return summary(sorted(done, key=lambda one: int(one["life"])), seed=seed)
