"""`python -m tests.fuzz`: fuzz every parser; `--replay FILE` tries one kept input again."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.fuzz import campaign
from tests.fuzz.target import finding_of, tried
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run and return the exit status: 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many inputs all targets get together")
    parser.add_argument("--live", type=int, default=50_000, help="how many requests the running daemon gets besides")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=[*TARGETS], help="only this target; may be repeated")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="where the summary goes, as JSON")
    parser.add_argument("--replay", type=Path, help="try the input in this file, and do nothing else")
    given = parser.parse_args()
    if given.replay:
        return replayed(given.replay, given.target[0] if given.target else given.replay.parent.name)
    if not campaign.has_fuzzer():
        print("atheris is not installed here: mutations only, without coverage")  # noqa: T201
    began, commit = time.monotonic(), campaign.commit_here()
    targets = [TARGETS[name] for name in given.target or TARGETS]
    rows = campaign.run(targets, inputs=given.inputs, seed=given.seed, workers=given.workers)
    print(campaign.table(rows), flush=True)  # noqa: T201
    told = campaign.summary(rows, commit=commit, seed=given.seed, seconds=time.monotonic() - began)
    if given.live and not given.target:
        from tests.fuzz import live  # noqa: PLC0415 - it brings the processes' tests with it

        told["live"] = live.run(given.live, seed=given.seed)
        told["good"] = told["good"] and told["live"]["good"]
        print(json.dumps(told["live"], indent=1))  # noqa: T201
    text = json.dumps(told, indent=1) + "\n"
    out = given.out or campaign.BUILD / "summary.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(f"{told['inputs']} inputs, {told['findings']} findings, {'good' if told['good'] else 'NOT good'}: {out}")  # noqa: T201
    return 0 if told["good"] else 1


def replayed(path: Path, name: str) -> int:
    """Try one input again and say what comes of it."""
    data = path.read_bytes()
    error = tried(TARGETS[name], data)
    print("nothing is wrong with it" if error is None else finding_of(TARGETS[name], error, data).text)  # noqa: T201
    return 0 if error is None else 1


if __name__ == "__main__":
    sys.exit(main())
