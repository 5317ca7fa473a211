"""Each target in a process of its own: under the coverage-guided fuzzer, or soaked in mutations to see what it keeps.

`python -m tests.fuzz.worker FILE`; the file holds a JSON list of `Task`s, all of one kind. They are done one after the
other in forks of this process, which has everything imported: instrumenting takes long. What was found stands in the
task's `out` when its process ends, and before, so that an end which nobody foresaw leaves its numbers; what the process
said stands in its `log`.
"""

import gc
import json
import os
import resource
import sys
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

INSTRUMENTED = ("scheduler", "policies", "storage", "icalendar", "recurring_ical_events", "tomllib")
LONGEST = 8192
"""The fuzzer makes no input longer [bytes]."""

OWN_MUTATIONS = 0.2
"""This share of the mutations is the fuzzer's own, of bytes; the others know the form."""

SLOWER = {"coverage": 8.0, "soak": 1.0}
"""Code that counts its branches takes so many times as long."""

SOAK_STEPS = 20
"""So often is the memory looked at while a target is soaked."""

PAGE = resource.getpagesize()

MOST_MEMORY = 4 * 1024**3
"""No process takes more than this [bytes]: what would is a finding, and must not become the machine's trouble."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a process is to do. `how` is "coverage" or "soak"; `corpus` holds the inputs to begin with."""

    target: str
    how: str
    inputs: int
    seed: int
    corpus: str
    findings: str
    out: str
    log: str


@dataclass(kw_only=True)
class Told:
    """What became of it. Memory in bytes; `blocks` are Python's own allocations, which no fuzzer's corpus is part of."""

    inputs: int = 0
    seconds: float = 0.0
    found: dict[str, int] = field(default_factory=dict)
    rss: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    done: bool = False


class Recorder:
    """Tries inputs, keeps the first of each finding, and writes down what it counted."""

    def __init__(self, task: Task, target: Any) -> None:
        from tests.fuzz.target import finding_of, tried  # noqa: PLC0415 - they import what is instrumented

        self.told = Told()
        self._task, self._target = task, target
        self._tried, self._finding_of = tried, finding_of
        self._found: Counter[str] = Counter()
        self._began = time.perf_counter()
        self._every = max(1, task.inputs // SOAK_STEPS)

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        error = self._tried(self._target, data, slower=SLOWER[self._task.how])
        if error is not None:
            self._keep(self._finding_of(self._target, error, data))
        self.told.inputs += 1
        if self.told.inputs % self._every == 0:
            self.write()

    def _keep(self, finding: Any) -> None:
        self._found[finding.key] += 1
        if self._found[finding.key] == 1:
            folder = Path(self._task.findings) / self._target.name
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{finding.key[:80]}-{sha256(finding.data).hexdigest()[:8]}"
            (folder / name).write_bytes(finding.data)
            (folder / f"{name}.txt").write_text(finding.text)

    def write(self, *, done: bool = False) -> None:
        """Write down what was counted so far."""
        gc.collect()
        self.told.rss.append(resident())
        self.told.blocks.append(sys.getallocatedblocks())
        self.told.seconds = time.perf_counter() - self._began
        self.told.found = dict(self._found)
        self.told.done = done
        out = Path(self._task.out)
        out.with_suffix(".part").write_text(json.dumps(asdict(self.told)))
        out.with_suffix(".part").replace(out)


def resident(pid: int | str = "self") -> int:
    """Return the resident memory of a process [bytes]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def soaked(task: Task) -> None:
    """Try mutations of the corpus, one after the other, with nothing beside that could keep memory."""
    from tests.fuzz.spoiling import spoilt  # noqa: PLC0415
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    target = TARGETS[task.target]
    corpus = [path.read_bytes() for path in sorted(Path(task.corpus).iterdir())] or list(target.seeds())
    rnd, record = Random(task.seed), Recorder(task, target)
    while record.told.inputs < task.inputs:
        record(spoilt(target, rnd.choice(corpus), rnd, corpus))
    record.write(done=True)


def covered(task: Task) -> None:
    """Run the coverage-guided fuzzer on an input after the other; it ends the process itself."""
    import atheris  # noqa: PLC0415

    from tests.fuzz.spoiling import spoilt  # noqa: PLC0415
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    target, corpus = TARGETS[task.target], Path(task.corpus)
    seeds = list(target.seeds())
    for seed in seeds:
        (corpus / sha256(seed).hexdigest()).write_bytes(seed)
    record = Recorder(task, target)

    def one_input(data: bytes) -> None:
        if record.told.inputs < task.inputs:
            record(data)
            if record.told.inputs == task.inputs:
                record.write(done=True)

    def mutated(data: bytes, longest: int, seed: int) -> bytes:
        rnd = Random(seed)
        made = atheris.Mutate(data, longest) if rnd.random() < OWN_MUTATIONS else spoilt(target, data, rnd, seeds)
        return made[:longest]

    options = [
        f"-runs={task.inputs}",
        f"-seed={task.seed}",
        f"-max_len={LONGEST}",
        "-len_control=0",
        "-timeout=60",
        "-rss_limit_mb=3000",
        f"-artifact_prefix={task.findings}/{task.target}-",
        task.corpus,
    ]
    atheris.Setup([sys.argv[0], *options], one_input, custom_mutator=mutated)
    atheris.Fuzz()


def imported(how: str) -> None:
    """Import all targets; for the fuzzer, with what counts the branches that are taken."""
    if how != "coverage":
        import tests.fuzz.targets  # noqa: PLC0415

        return
    import atheris  # noqa: PLC0415

    with atheris.instrument_imports(include=list(INSTRUMENTED), enable_loader_override=False):
        import tests.fuzz.targets  # noqa: F401, PLC0415


def forked(task: Task) -> None:
    """Do a task in a fork of this process, and wait for its end."""
    for place in (task.corpus, task.findings):
        Path(place).mkdir(parents=True, exist_ok=True)
    if pid := os.fork():
        os.waitpid(pid, 0)
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    log = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    try:
        (covered if task.how == "coverage" else soaked)(task)
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)


def main(path: str) -> None:
    """Do the tasks of a file."""
    tasks = [Task(**one) for one in json.loads(Path(path).read_text())]
    if tasks:
        imported(tasks[0].how)
    gc.collect()
    gc.freeze()  # what was imported need not be looked at again, whenever memory is counted
    for task in tasks:
        forked(task)


if __name__ == "__main__":
    main(sys.argv[1])
