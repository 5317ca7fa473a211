"""Run, replay, shrink and sum up lives: `python -m tests.campaign --help`."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from tests.campaign.drawing import draw
from tests.campaign.ledger import Ledger, summary
from tests.campaign.life import live
from tests.campaign.markets import data_folder
from tests.campaign.outcome import Outcome
from tests.campaign.replaying import lived
from tests.campaign.script import Script, read, written
from tests.campaign.shrinking import shrunk

LEDGER = Path(__file__).with_name("lives.jsonl")
"""It is kept with the project: a campaign takes longer than one machine is there."""

MOST_LOST = 5
"""After so many lives that came to no end none is begun any more: something is wrong with all of them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1 when a rule was broken."""
    chosen = _parser().parse_args(arguments)
    status: int = chosen.do(chosen)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="live through so many vehicle-days, going on where the ledger ends")
    run.add_argument("--vehicle-days", type=_positive, default=1000)
    run.add_argument("--fidelity", choices=("memory", "full"), default="memory")
    run.add_argument("--first-seed", type=int, default=1)
    run.add_argument("--workers", type=_positive, default=os.cpu_count() or 1)
    run.add_argument("--minutes", type=float, default=None, help="stop after so many minutes of real time")
    run.add_argument("--days", type=_positive, default=None, help="so long a life; drawn without")
    run.add_argument("--cars", type=_positive, default=None, help="so many cars a life; drawn without")
    run.add_argument("--ledger", type=Path, default=LEDGER)
    run.set_defaults(do=_run)
    one = commands.add_parser("replay", help="live through one life again, by its seed or its file")
    one.add_argument("life", help="a seed, or a file that `shrink` wrote")
    one.add_argument("--fidelity", choices=("memory", "full"), default="memory")
    one.set_defaults(do=_replay)
    small = commands.add_parser("shrink", help="find a short life that breaks the same rule")
    small.add_argument("life")
    small.add_argument("--rule", default="")
    small.add_argument("--out", type=Path, required=True)
    small.set_defaults(do=_shrink)
    told = commands.add_parser("report", help="sum up a ledger as JSON")
    told.add_argument("--ledger", type=Path, default=LEDGER)
    told.set_defaults(do=_report)
    return parser


def _positive(text: str) -> int:
    """Read a count; of no day, or no car, a campaign would never end."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count: give a whole number from 1 on")
    return int(text)


def _run(chosen: argparse.Namespace) -> int:
    ledger = Ledger(chosen.ledger)
    lived = [one for one in ledger.outcomes() if one.fidelity == chosen.fidelity]
    done = {one.seed for one in lived}
    days = sum(one.vehicle_days for one in lived)
    until_s = None if chosen.minutes is None else time.monotonic() + 60 * chosen.minutes
    seeds = (seed for seed in count(chosen.first_seed) if seed not in done)
    good, commit = all(one.good for one in lived), _commit()
    for seed, outcome in _lives(seeds, chosen, days, until_s):
        if isinstance(outcome, BaseException):
            print(f"seed {seed} came to no end: {outcome!r}", file=sys.stderr, flush=True)
            good = False
            continue
        ledger.enter(replace(outcome, commit=commit))
        days += outcome.vehicle_days
        good = good and outcome.good
        print(_line(outcome, days), flush=True)
    return 0 if good else 1


def _lives(
    seeds: Iterator[int], chosen: argparse.Namespace, days: int, until_s: float | None
) -> Iterator[tuple[int, Outcome | BaseException]]:
    """Yield each seed as its life ends, with what came of it, until there are vehicle-days enough or time is over."""
    with ProcessPoolExecutor(chosen.workers, max_tasks_per_child=20) as pool:
        under_way: dict[Future[Outcome], int] = {}
        typical = lost = 0

        def begin(seed: int) -> None:
            under_way[pool.submit(lived, seed, chosen.fidelity, chosen.days, chosen.cars)] = seed

        for seed in islice(seeds, chosen.workers):
            begin(seed)
        while under_way:
            ended = next(as_completed(under_way))
            seed = under_way.pop(ended)
            outcome = ended.exception() or ended.result()
            if isinstance(outcome, Outcome):
                typical = outcome.vehicle_days
                days += typical
            else:
                lost += 1
            wanted = days + typical * len(under_way) < chosen.vehicle_days and lost < MOST_LOST
            if wanted and (until_s is None or time.monotonic() < until_s):
                begin(next(seeds))
            yield seed, outcome


def _commit() -> str:
    """Return the commit that is checked out; what was changed since, `+` says."""
    asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return told.stdout.strip()


def _line(outcome: Outcome, days: int) -> str:
    rules = sorted({violation["rule"] for violation in outcome.violations})
    speed = outcome.vehicle_days / max(outcome.cpu_s, 0.01)
    wrong = f" BROKEN {' '.join(rules)} away={outcome.away} failed={outcome.turns_failed}" if not outcome.good else ""
    return f"{days:7} vehicle-days · seed {outcome.seed} · {outcome.commands} commands · {speed:.1f}/s{wrong}"


def _script(name: str) -> Script:
    return draw(int(name), folder=data_folder()) if name.isdecimal() else read(Path(name).read_bytes())


def _replay(chosen: argparse.Namespace) -> int:
    outcome = live(_script(chosen.life), chosen.fidelity)
    for violation in outcome.violations:
        print(json.dumps(violation))
    print(_line(outcome, outcome.vehicle_days))
    return 0 if outcome.good else 1


def _shrink(chosen: argparse.Namespace) -> int:
    small = shrunk(_script(chosen.life), rule=chosen.rule, say=lambda text: print(text, flush=True))
    if small is None:
        print("nothing is broken in this life")
        return 1
    chosen.out.write_bytes(written(small))
    print(f"written to {chosen.out}: replay it with `python -m tests.campaign replay {chosen.out}`")
    return 0


def _report(chosen: argparse.Namespace) -> int:
    print(json.dumps(summary(Ledger(chosen.ledger).outcomes()), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
