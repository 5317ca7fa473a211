"""`python -m tests.campaign.kills --kills 1000 --seed 1 --state build/kills-1`: real kills on real processes.

Lives of a daemon are lived, some side by side; each is killed so many times and then judged. What has been lived stays
in the state directory: the same command goes on where it ended. It prints a summary as JSON, and exits with 1 when
anything was lost or doubled. A seed draws how and when each daemon dies, as far as real processes keep to it.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.campaign.kills.lives import campaign


def main() -> int:
    """Read the options, live, and print the summary."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, required=True, help="directory in which progress is kept")
    parser.add_argument("--workers", type=int, default=2, help="lives side by side, at most 3")
    chosen = parser.parse_args()
    began = time.monotonic()
    told = campaign(chosen.state, seed=chosen.seed, kills=chosen.kills, workers=min(3, chosen.workers))
    told["wall_s"] = round(time.monotonic() - began, 1)
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return int(bool(told["violations"]))


if __name__ == "__main__":
    sys.exit(main())
