"""`kwhen demo`: simulator and daemon together, with no account and no network.

`--fast` runs both in this process on one virtual clock and gives the verdict; without it time runs fast and a person
watches (`demo_live`).
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path
from uuid import UUID

from scheduler.app import App
from scheduler.cli import demo_market
from scheduler.cli.demo_configuration import Places
from scheduler.cli.demo_report import Bookkeeper, Judge, Report, commands_of
from scheduler.cli.demo_staging import DAY, START_AT, free_port, passing_place, prepare, running
from scheduler.clock import SystemClock
from scheduler.config import Settings, installed, policy_sets
from scheduler.core.feeds import PriceSeries
from scheduler.log import set_up
from scheduler.ports import Clock
from scheduler.virtual_time import run_virtual
from scheduler.web_client import WebLimits
from simulator.clock import LoopClock
from simulator.scenario import demo_world
from simulator.server import serve as serve_world
from simulator.world import World

NO_CAP_S = 1e6
"""A virtual wall clock does not step: the daemon's alarm need not look at it every second."""


def demo_command(
    *,
    fast: bool,
    days: int | None,
    seed: int,
    as_json: bool,
    polling_only: bool,
    speed: float,
    port: int,
    dashboard: bool = False,
) -> int:
    """Run the demonstration and return the exit status."""
    if not fast:
        from scheduler.cli.demo_live import Show, watch

        chosen = Show(seed=seed, speed=speed, port=port, polling_only=polling_only, dashboard=dashboard, days=days)
        return watch(chosen)
    run = FastRun(days=days or 7, seed=seed, polling_only=polling_only)
    report = run.report()
    if as_json:
        from scheduler.cli.terminal import show_json

        show_json(report)
    else:
        from scheduler.cli.demo_summary import show_sessions, show_totals

        show_sessions(report, *run.names())
        show_totals(report)
    return 0


class FastRun:
    """So many simulated days as fast as this machine can."""

    def __init__(self, *, days: int, seed: int, polling_only: bool = False) -> None:
        self.days = days
        self.seed = seed
        self.polling_only = polling_only
        self.world: World = demo_world(seed=seed, start_at=START_AT, days=days, prices_in=demo_market.prices_in())
        self._judge = Judge()
        self.world.on_truth = self._judge.hear

    def report(self) -> Report:
        """Live through the days; return the verdict."""
        began_s = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="kwhen-demo-", dir=passing_place()) as directory:
            found = run_virtual(lambda: self._story(Path(directory)), start_at=START_AT)
        wall_s = round(time.perf_counter() - began_s, 2)
        return {"days": self.days, "vehicles": len(self.world.vehicles), "wall_s": wall_s} | found

    def names(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the vehicles' names by id and the homes' time zones by id."""
        names = {vehicle.id: vehicle.name for vehicle in self.world.vehicles.values()}
        return names, {user.id.removeprefix("home-"): user.timezone for user in self.world.users.values()}

    async def _story(self, directory: Path) -> Report:
        clock = SystemClock()
        simulator = await serve_world(self.world, LoopClock(START_AT))
        try:
            port = None if self.polling_only else free_port()
            places = Places(directory=directory, api_url=simulator.url, webhook_port=port)
            settings = prepare(places, self.world.description())
            set_up(settings.log, secrets=settings.secrets())
            return await self._with_daemon(settings, clock)
        finally:
            await simulator.stop()

    async def _with_daemon(self, settings: Settings, clock: Clock) -> Report:
        ids = random.Random(f"commands:{self.seed}")  # noqa: S311 - the same commands bear the same ids in every run
        app = App(
            settings,
            clock=clock,
            alarm_cap_s=NO_CAP_S,
            web_limits=WebLimits(idle_s=DAY.total_seconds()),
            new_id=lambda: str(UUID(int=ids.getrandbits(128), version=4)),
            rng=random.Random(f"jitter:{self.seed}"),  # noqa: S311 - and so is every pause before an attempt
        )
        async with running(app) as broken:
            for _ in range(self.days):
                await asyncio.wait([broken], timeout=DAY.total_seconds())
                if broken.done():
                    raise RuntimeError(f"the daemon broke in the midst of the demonstration: {broken.result()!r}")
                await self._judge.advance(app.store)
            return await self._verdict(app, settings)

    def _market(self) -> PriceSeries:
        (zone,) = self.world.market.zones.values()
        told = zone.told(*demo_market.span(START_AT, START_AT + self.days * DAY))
        return demo_market.series(told, currency=zone.currency)

    async def _verdict(self, app: App, settings: Settings) -> Report:
        books = Bookkeeper(settings.homes, policy_sets(settings, installed()), self._market())
        sessions = [await books.session(one) for one in self.world.sessions()]
        for session in sessions:
            self._judge.bill(session)
        return {
            "sessions": sessions,
            "commands": await commands_of(app.store),
            "commands_away_from_home": len(self.world.actions.away),
            "violations": self._judge.violations(),
        }
