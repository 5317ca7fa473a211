"""A run of all targets in worker processes: shares, memory, findings, and the table of it all."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz.target import Target
from tests.fuzz.worker import Task

BUILD = Path(__file__).resolve().parents[2] / "build" / "fuzz"

SOAKED = 0.75
"""Of a target's share so much is soaked; the rest is what the coverage-guided fuzzer makes."""

MOST_RSS = 8 * 1024 * 1024
MOST_BLOCKS = 5_000
"""No memory growth: from a quarter of a soak to its end a process gains less [bytes; allocations of Python's]."""

LEAST = 400
"""A target gets so many inputs at least."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one target. Memory is that of the soak; `edges` and `features` are the fuzzer's own counts."""

    target: str
    inputs: int
    per_s: float
    edges: int
    features: int
    findings: dict[str, int]
    rss_growth: int
    blocks_growth: int
    trouble: str = ""

    @property
    def good(self) -> bool:
        """Tell whether all is as it should be."""
        grown = self.rss_growth > MOST_RSS or self.blocks_growth > MOST_BLOCKS
        return not (self.findings or self.trouble or grown)


def has_fuzzer() -> bool:
    """Tell whether the coverage-guided fuzzer is installed."""
    return find_spec("atheris") is not None


def shares(targets: Iterable[Target], inputs: int, *, least: int = LEAST) -> dict[str, int]:
    """Return how many inputs each target gets: fewer where one costs more, by the root of what it costs."""
    parts = {one.name: one.cost**-0.5 for one in targets}
    whole = sum(parts.values())
    return {name: max(least, ceil(inputs * part / whole)) for name, part in parts.items()}


def run(targets: Sequence[Target], *, inputs: int, seed: int, workers: int, build: Path = BUILD) -> list[Row]:
    """Run the targets and return a row for each; findings are kept as files below `build`."""
    guided = has_fuzzer()
    for name in ("work", "corpus"):
        shutil.rmtree(build / name, ignore_errors=True)
        (build / name).mkdir(parents=True)
    wanted = shares(targets, inputs)
    plans = [
        {
            how: task_of(one.name, how, count, seed, build)
            for how, count in _parts(wanted[one.name], guided=guided).items()
        }
        for one in targets
    ]
    with ThreadPoolExecutor(workers) as pool:
        for how in ("coverage", "soak") if guided else ("soak",):
            tasks = [plan[how] for plan in plans]
            list(pool.map(lambda part: worked(part, build), [tasks[n::workers] for n in range(workers)]))
    return [row_of(list(plan.values())) for plan in plans]


def _parts(share: int, *, guided: bool) -> dict[str, int]:
    """Return how many inputs of a target's share are for the coverage-guided fuzzer, and how many soak it."""
    soaked = round(share * SOAKED)
    return {"coverage": share - soaked, "soak": soaked} if guided else {"soak": share}


def task_of(name: str, how: str, inputs: int, seed: int, build: Path) -> Task:
    """Return a task whose files lie below `build`."""
    return Task(
        target=name,
        how=how,
        inputs=inputs,
        seed=seed,
        corpus=str(build / "corpus" / name),
        findings=str(build / "findings"),
        out=str(build / "work" / f"{name}.{how}.json"),
        log=str(build / "work" / f"{name}.{how}.log"),
    )


def worked(tasks: list[Task], build: Path) -> None:
    """Do tasks of one kind, one after the other, each in a process of its own."""
    if not tasks:
        return
    path = build / "work" / f"{tasks[0].target}.{tasks[0].how}.tasks"
    path.write_text(json.dumps([asdict(task) for task in tasks]))
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # files of an input each need no disk
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("KWHEN_") or name in KEPT}
    # One order of sets for all: a seed then makes the same run.
    with (
        path.with_suffix(".output").open("wb") as output,
        TemporaryDirectory(prefix="kwhen-fuzz-", dir=memory) as place,
    ):
        subprocess.run(
            [sys.executable, "-m", "tests.fuzz.worker", str(path)],
            check=False,
            cwd=Path(__file__).resolve().parents[2],
            env={**surroundings, "PYTHONHASHSEED": "0", "TMPDIR": place},
            stdout=output,
            stderr=output,
        )


KEPT = frozenset({"KWHEN_DATA", "KWHEN_REFERENCE"})


def row_of(tasks: Sequence[Task]) -> Row:
    """Return what became of the tasks of one target, the fuzzer's first."""
    told = {task.how: _told(task) for task in tasks}
    found: dict[str, int] = {}
    for one in told.values():
        for key, count in one["found"].items():
            found[key] = found.get(key, 0) + count
    soak = told.get("soak", {"rss": [], "blocks": []})
    lines = Path(tasks[0].log).read_text(errors="replace") if Path(tasks[0].log).is_file() else ""
    edges, features = (int(n) for n in (re.findall(r"cov: (\d+) ft: (\d+)", lines) or [(0, 0)])[-1])
    ended = [task.how for task in tasks if not told[task.how]["done"]]
    return Row(
        target=tasks[0].target,
        inputs=sum(one["inputs"] for one in told.values()),
        per_s=sum(one["inputs"] for one in told.values()) / max(1e-9, sum(one["seconds"] for one in told.values())),
        edges=edges,
        features=features,
        findings=found,
        rss_growth=_growth(soak["rss"]),
        blocks_growth=_growth(soak["blocks"]),
        trouble=f"the process of {' and '.join(ended)} ended too early: see {Path(tasks[0].log).parent}"
        if ended
        else "",
    )


def _told(task: Task) -> dict[str, Any]:
    path = Path(task.out)
    if not path.is_file():
        return {"inputs": 0, "seconds": 0.0, "found": {}, "rss": [], "blocks": [], "done": False}
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def _growth(seen: Sequence[int]) -> int:
    """Return the growth from a quarter of the run, when everything is loaded and filled, to its end."""
    return seen[-1] - seen[len(seen) // 4] if seen else 0


def table(rows: Sequence[Row]) -> str:
    """Return the rows for people."""
    head = f"{'target':<28}{'inputs':>9}{'per s':>8}{'edges':>7}{'features':>10}{'findings':>10}{'RSS KiB':>9}{'blocks':>8}"
    lines = [head]
    for row in rows:
        figures = f"{row.inputs:>9}{row.per_s:>8.0f}{row.edges:>7}{row.features:>10}{sum(row.findings.values()):>10}"
        lines.append(f"{row.target:<28}{figures}{row.rss_growth // 1024:>+9}{row.blocks_growth:>+8}")
        lines += [f"    {key}: {count}" for key, count in row.findings.items()]
        lines += [f"    {row.trouble}"] if row.trouble else []
    return "\n".join(lines)


def summary(rows: Sequence[Row], *, commit: str, seed: int, seconds: float) -> dict[str, Any]:
    """Return the rows as JSON can hold them."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit,
        "seed": seed,
        "seconds": round(seconds),
        "inputs": sum(row.inputs for row in rows),
        "findings": sum(sum(row.findings.values()) for row in rows),
        "bounds": {"rss_growth": MOST_RSS, "blocks_growth": MOST_BLOCKS},
        "good": all(row.good for row in rows),
        "targets": {
            row.target: {k: v for k, v in asdict(row).items() if k != "target"} | {"per_s": round(row.per_s)}
            for row in rows
        },
    }


def commit_here() -> str:
    """Return the commit that is checked out, empty where that cannot be told."""
    git = shutil.which("git")
    if git is None:
        return ""
    asked = subprocess.run(
        [git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=BUILD.parents[1]
    )
    return asked.stdout.strip()
