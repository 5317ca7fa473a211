"""The daemon, with a thread beside it that takes more and more memory once /run/kwhen/leak is there."""

import sys
import threading
import time
from pathlib import Path

from scheduler.cli import main

HELD: list[bytearray] = []


def leak() -> None:
    while True:
        time.sleep(0.05)
        if Path("/run/kwhen/leak").exists():
            HELD.append(bytearray(b"x") * (16 << 20))


threading.Thread(target=leak, daemon=True).start()
sys.exit(main(sys.argv[1:]))
