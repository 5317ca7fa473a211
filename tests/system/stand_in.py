"""Stands in for the daemon: lives under the unit as it does, and writes down what the sandbox lets it do.

The findings go to `findings.json` in the state directory. The config file may hold `exit_status`, with which it ends.
"""

# ruff: noqa: PLC0415 (a stand-in that only ends needs no library)

import ctypes
import errno
import json
import mmap
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

from scheduler import notify


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def listing(path: str) -> list[str]:
    try:
        return sorted(entry.name for entry in Path(path).iterdir())
    except OSError as error:
        return [errno.errorcode[error.errno or 0]]


def heavy_libraries() -> str:
    import aiohttp
    import numpy as np
    import psycopg
    import pysqlite3
    import sqlmodel

    db = pysqlite3.connect(os.environ["STATE_DIRECTORY"] + "/kwhen.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS starts (pid INTEGER)")
    db.execute("INSERT INTO starts VALUES (?)", (os.getpid(),))
    db.commit()
    matrix = np.eye(300)
    assert (matrix @ matrix == matrix).all()
    return " ".join(module.__name__ for module in (aiohttp, np, psycopg, pysqlite3, sqlmodel))


def credentials() -> dict[str, str]:
    directory = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"))
    return {path.name: path.read_text() for path in directory.iterdir()} if directory.is_dir() else {}


def findings() -> dict[str, object]:
    libc = ctypes.CDLL(None, use_errno=True)

    def unshare() -> None:
        if libc.unshare(0x10000000) != 0:
            raise OSError(ctypes.get_errno(), "unshare")

    return {
        "uid": os.getuid(),
        "libraries": heavy_libraries(),
        "credentials": credentials(),
        "state_directory": os.environ["STATE_DIRECTORY"],
        "working_directory": str(Path.cwd()),
        "write_elsewhere": outcome(lambda: Path("/srv/open/file").write_text("")),
        "write_runtime": outcome(lambda: Path("/run/kwhen/kwhen.sock").write_text("")),
        "executable_memory": outcome(
            lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        ),
        "new_namespace": outcome(unshare),
        "homes": listing("/root"),
        "others": [entry for entry in listing("/proc") if entry == "1"],
    }


def main() -> int:
    settings = tomllib.loads(Path(sys.argv[2]).read_text())
    if "exit_status" in settings:
        return int(settings["exit_status"])
    found = findings() | {"reloads": 0}
    stopping = threading.Event()

    def write_down() -> None:
        Path(os.environ["STATE_DIRECTORY"], "findings.json").write_text(json.dumps(found))

    def reload(*_: object) -> None:
        notify.notify(notify.RELOADING)
        found["reloads"] += 1
        write_down()
        notify.notify(notify.READY, notify.status(f"reloaded {found['reloads']}"))

    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGHUP, reload)
    write_down()
    notify.notify(notify.READY, notify.status("standing in"))
    while not stopping.wait(0.2):
        notify.notify(notify.WATCHDOG)
    notify.notify(notify.STOPPING)
    return 0


sys.exit(main())
