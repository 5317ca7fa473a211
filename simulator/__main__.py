"""`python -m simulator`: the simulator alone."""

import argparse

from simulator.command import WORLDS, main

parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes any free one")
parser.add_argument("--json", action="store_true", help="print one JSON object as the first line")
parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds for each real one")
parser.add_argument(
    "--haste", type=float, default=1.0, help="how many times as quick a car comes home, and devices react"
)
parser.add_argument("--seed", type=int, default=1, help="seed of everything drawn by lot")
parser.add_argument("--world", choices=sorted(WORLDS), default="standalone", help="what there is to begin with")
options = parser.parse_args()
main(
    port=options.port,
    as_json=options.json,
    speed=options.speed,
    haste=options.haste,
    seed=options.seed,
    world=options.world,
)
