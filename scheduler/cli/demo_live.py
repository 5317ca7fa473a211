"""The demonstration to watch: the simulator in a process of its own, the daemon in this one, time running fast."""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from scheduler.app import App
from scheduler.cli import demo_market
from scheduler.cli.demo_configuration import Places
from scheduler.cli.demo_narration import Narrator
from scheduler.cli.demo_report import Bookkeeper, Judge, Report, commands_of
from scheduler.cli.demo_staging import DAY, START_AT, free_port, passing_place, prepare, running
from scheduler.cli.demo_summary import show_sessions, show_totals
from scheduler.cli.terminal import QUIET, STRONG, Styled, show
from scheduler.clock import FastClock
from scheduler.config import Settings, installed, policy_sets
from scheduler.core.feeds import PriceSeries
from scheduler.http.wording import span
from scheduler.log import set_up

LOOK_EVERY_S = 0.1
"""How often the journal is read for something to tell [s of real time]."""

ALARM_CAP_S = 0.05
"""How long the daemon's alarm sleeps at most [s of real time]."""

READY_WITHIN_S = 30.0

CURTAIN_S = 2.0
"""After this much real time simulated time begins to run: both processes are up by then on most machines."""


@dataclass(frozen=True, kw_only=True)
class Show:
    """What the person who watches has chosen. `days` None: until Ctrl-C."""

    seed: int
    speed: float
    port: int
    polling_only: bool
    dashboard: bool
    days: int | None


def watch(chosen: Show) -> int:
    """Run until Ctrl-C, or until the days are over; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="kwhen-demo-", dir=passing_place()) as directory:
        return asyncio.run(_story(chosen, Path(directory)))


async def _story(chosen: Show, directory: Path) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    origin_s = loop.time() + CURTAIN_S
    clock = FastClock(start_at=START_AT, speed=chosen.speed, origin_s=origin_s)
    async with _stage(chosen, origin_s=origin_s) as url, aiohttp.ClientSession(url) as world:
        description = await _ask(world, "description")
        places = Places(
            directory=directory,
            api_url=url,
            webhook_port=None if chosen.polling_only else free_port(),
            page_port=free_port(chosen.port),
            dashboard=chosen.dashboard,
        )
        settings = prepare(places, description)
        await asyncio.sleep(max(0.0, origin_s - loop.time()))
        set_up(settings.log, secrets=settings.secrets())
        app = App(settings, clock=clock, alarm_cap_s=ALARM_CAP_S * chosen.speed)
        return await _told(app, settings, chosen, world, stop)


@contextlib.asynccontextmanager
async def _stage(chosen: Show, *, origin_s: float) -> AsyncIterator[str]:
    """Run the simulated world in a second process; yield its address. Ctrl-C at the terminal is not meant for it."""
    recorded = demo_market.prices_in()
    options = {"start-at": START_AT.isoformat(), "origin-s": origin_s, "speed": chosen.speed, "seed": chosen.seed}
    if recorded is not None:
        options["prices-in"] = str(recorded)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator.stage",
        *(f"--{name}={value}" for name, value in options.items()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        first = await asyncio.wait_for(process.stdout.readline(), READY_WITHIN_S)
        yield json.loads(first)["url"]
    finally:
        process.stdin.close()
        await process.wait()


async def _ask(world: aiohttp.ClientSession, what: str, **query: str) -> Any:
    async with world.get(f"/_sim/{what}", params=query) as answer:
        answer.raise_for_status()
        return await answer.json()


async def _told(app: App, settings: Settings, chosen: Show, world: aiohttp.ClientSession, stop: asyncio.Event) -> int:
    """Let the daemon run and tell what happens; in the end, what it came to."""
    last_at = None if chosen.days is None else START_AT + chosen.days * DAY
    async with running(app) as broken:
        _introduce(app, settings, chosen)
        narrator = Narrator(app)
        while not stop.is_set() and (last_at is None or app.clock.now() < last_at):
            if broken.done():
                raise RuntimeError(f"the daemon broke in the midst of the demonstration: {broken.result()!r}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
            await narrator.catch_up()
        _conclude(await _report(app, settings, world), settings, app.clock.now())
    return 0


def _introduce(app: App, settings: Settings, chosen: Show) -> None:
    cars = sum(len(home.vehicles) for home in settings.homes)
    pace = span(DAY / chosen.speed)
    ways = "by polling alone" if chosen.polling_only else "by webhooks and polling"
    show((Styled("kwhen demo", STRONG), f"  {len(settings.homes)} homes, {cars} cars, all simulated"))
    show(f"A day takes {pace}. The cars are seen {ways}.")
    show("Nothing leaves this machine.")
    page = "Dashboard    " if chosen.dashboard else "Status page  "
    show((page, Styled(f"http://127.0.0.1:{app.page_port}/", STRONG), Styled("   Ctrl-C ends it", QUIET)))
    if chosen.dashboard:
        show(("Set-up code  ", Styled(app.passwords.new_code(), STRONG), Styled("   to choose a password with", QUIET)))
    show()


def _conclude(report: Report, settings: Settings, now: datetime) -> None:
    names = {vehicle.id: vehicle.name for home in settings.homes for vehicle in home.vehicles}
    show()
    show((Styled("What it came to", STRONG), f" in {span(now - START_AT)} of simulated time"))
    show_sessions(report, names, {home.id: home.timezone for home in settings.homes})
    show_totals(report)


async def _market(world: aiohttp.ClientSession, now: datetime) -> PriceSeries:
    (zone,) = (await _ask(world, "description"))["prices"]
    first, last = demo_market.span(START_AT, now)
    told = await _ask(world, "prices", zone=zone["zone"], first=first.isoformat(), last=last.isoformat())
    return demo_market.series(told, currency=zone["currency"])


async def _report(app: App, settings: Settings, world: aiohttp.ClientSession) -> Report:
    judge = Judge(hurried=True)
    for truth in await _ask(world, "truth"):
        judge.hear(truth)
    await judge.advance(app.store)
    books = Bookkeeper(settings.homes, policy_sets(settings, installed()), await _market(world, app.clock.now()))
    return {
        "sessions": [await books.session(one) for one in await _ask(world, "sessions")],
        "commands": await commands_of(app.store),
        "commands_away_from_home": (await _ask(world, "requests"))["away"],
        "violations": judge.violations(),
    }
