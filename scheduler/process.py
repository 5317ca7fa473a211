"""`kwhen run`: one process, its signals, and its exit status."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import structlog

from scheduler.app import EXIT_FAULT, App, serve
from scheduler.clock import SystemClock
from scheduler.config import Settings, load, warnings
from scheduler.config.loading import state_directory
from scheduler.core.errors import ConfigError, StoreError, StoreLocked, StoreNewer
from scheduler.faults import Faults
from scheduler.log import set_up
from scheduler.redaction import Redactor

log = structlog.get_logger()

EXIT_NOT_SO, EXIT_STORE, EXIT_CONFIG = 1, 65, 78


def run(config_path: str | Path) -> int:
    """Run the daemon from its configuration file; return the exit status of DESIGN's list."""
    path = Path(config_path)
    try:
        settings = load(path, os.environ)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201 - the log is not configured yet
        return EXIT_CONFIG
    redactor = Redactor(settings.secrets())
    set_up(settings.log, redactor=redactor)
    for told in warnings(settings, at=SystemClock().now()):
        log.warning("config.doubt", what=told)
    _make_state_directory(settings)
    faults = Faults.beside(settings.storage_url)
    faults.wait()
    status = _guarded(settings, path, faults, redactor)
    if status == EXIT_FAULT:
        faults.note()
    return status


def _make_state_directory(settings: Settings) -> None:
    """Make the directory of the database where it is ours; one that cannot be made is the store's to tell."""
    directory = state_directory(os.environ)
    if settings.storage_url.startswith(f"sqlite:///{directory}/"):
        with contextlib.suppress(OSError):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _guarded(settings: Settings, path: Path, faults: Faults, redactor: Redactor) -> int:
    try:
        return asyncio.run(_main(settings, path, faults, redactor))
    except ConfigError as error:
        for problem in error.problems:
            log.error("config.refused", problem=problem)
        return EXIT_CONFIG
    except StoreLocked as error:
        log.error("daemon.refused", why=str(error))
        return EXIT_NOT_SO
    except StoreNewer as error:
        log.error("store.refused", why=str(error))
        return EXIT_STORE
    except (StoreError, OSError) as error:  # no directory, no space, a port in use: nothing that a trace would explain
        log.error("daemon.fault", why=str(error))
        return EXIT_FAULT
    except Exception:
        log.exception("daemon.fault")
        return EXIT_FAULT


async def _main(settings: Settings, path: Path, faults: Faults, redactor: Redactor) -> int:
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    app = App(
        settings,
        clock=SystemClock(),
        reread=lambda: load(path, os.environ),
        applied=lambda new: set_up(new.log, redactor=redactor),
        redactor=redactor,
    )
    loop.call_later(faults.forgiven_after_s, faults.clear)
    return await serve(app, stop=stop, hup=hup)
