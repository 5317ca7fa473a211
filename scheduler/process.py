"""`kwhen run`: one process, what its signals ask of it, what systemd is told, and its exit status."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import structlog

from scheduler import notify
from scheduler.app import App
from scheduler.clock import SystemClock
from scheduler.config import Settings, load, warnings
from scheduler.config.loading import state_directory
from scheduler.core.errors import ConfigError, StoreDamaged, StoreError, StoreLocked, StoreNewer
from scheduler.faults import Faults
from scheduler.log import set_up
from scheduler.redaction import Redactor

log = structlog.get_logger()

EXIT_GOOD, EXIT_NOT_SO, EXIT_STORE, EXIT_FAULT, EXIT_CONFIG = 0, 1, 65, 70, 78


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


async def serve(app: App, *, stop: asyncio.Event, hup: asyncio.Event | None = None) -> int:
    """Run the daemon until `stop`; return the exit status."""
    try:
        await app.start()
        notify.notify(notify.READY)
        return await _until(app, stop, hup or asyncio.Event())
    except StoreDamaged as error:
        raise app.keeper.suspected(error) from error
    finally:
        notify.notify(notify.STOPPING)
        await app.stop()


async def _until(app: App, stop: asyncio.Event, hup: asyncio.Event) -> int:
    broken, reloads = asyncio.create_task(app.failed()), asyncio.create_task(_reloads(app, hup))
    waits = {broken, reloads, asyncio.create_task(stop.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            log.error("daemon.fault", why=repr(why := broken.result()))
            if isinstance(why, StoreDamaged):
                app.keeper.suspected(why)
            return EXIT_FAULT
        if reloads.done():
            await reloads  # raises what ended it
        return EXIT_GOOD
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _reloads(app: App, hup: asyncio.Event) -> None:
    while True:
        await hup.wait()
        hup.clear()
        notify.notify(notify.RELOADING)
        try:
            for told in await app.reload():
                log.warning("config.doubt", what=told)
        except ConfigError as error:
            for problem in error.problems:
                log.error("config.refused", problem=problem)
        except StoreError as error:
            log.error("config.refused", problem=f"the change cannot be kept: {error}")
        notify.notify(notify.READY)
