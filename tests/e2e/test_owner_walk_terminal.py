"""An owner goes from nothing to a car that charges, at the terminal: the command line, the daemon, the simulator."""

import asyncio
import contextlib
import io
import json
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from scheduler.app import App
from scheduler.checker import check
from scheduler.cli import main
from scheduler.clock import SystemClock
from scheduler.config import load
from scheduler.virtual_time import run_virtual
from simulator.clock import LoopClock
from simulator.keys import LINKS
from simulator.scenario import owner_world
from simulator.server import Running, serve
from simulator.vehicle import Vehicle
from tests.e2e.stage import OSLO, PRICES_BY_HOUR, free_port

START_AT = datetime(2026, 1, 12, 16, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

A_MOMENT_S, PASSES_S = 0.005, 0.25
"""While a command runs, so many seconds of the world pass in such a moment of ours."""


class Walk:
    """The simulator with nobody in it, a daemon with no home, and a terminal."""

    def __init__(self, directory: Path, *, webhooks: bool) -> None:
        self.directory = directory
        self.webhooks = webhooks
        self.world = owner_world(seed=1, start_at=START_AT)
        self.running: Running
        self.app: App

    async def open(self) -> None:
        self.running = await serve(self.world, LoopClock(START_AT))
        self.settings = load(self._configuration(), {"KWHEN_ENODE__CLIENT_SECRET": self.world.client_secret,
                                                     "KWHEN_WEBHOOK__SECRET": "a secret of the walk, long enough"})  # fmt: skip
        await self.start()

    async def start(self) -> None:
        self.app = App(self.settings, clock=SystemClock(), alarm_cap_s=60.0)
        await self.app.start()

    async def close(self) -> None:
        await self.app.stop()
        await self.running.stop()

    def _configuration(self) -> Path:
        prices = self.directory / "prices.csv"
        hours = [START_AT - timedelta(days=2) + i * HOUR for i in range(24 * 8)]
        rows = [f"{at:%Y-%m-%dT%H:%M:%SZ},{at + HOUR:%Y-%m-%dT%H:%M:%SZ},{PRICES_BY_HOUR[at.hour]}" for at in hours]
        prices.write_text("\n".join(["start_utc,end_utc,price", *rows]) + "\n")
        path, url, address = self.directory / "kwhen.toml", self.running.url, f"127.0.0.1:{free_port()}"
        webhook = f'[webhook]\nlisten = "{address}"\npublic_url = "http://{address}/webhooks/enode"\n'
        path.write_text(
            f'socket = "{self.directory}/kwhen.sock"\n'
            f'[enode]\nurl = "{url}"\ntoken_url = "{url}/oauth2/token"\nclient_id = "{self.world.client_id}"\n'
            f"{webhook if self.webhooks else ''}"
            f'[http]\nlisten = ""\n[storage]\nurl = "sqlite:///{self.directory}/kwhen.db"\n'
            f'[[prices]]\nname = "market"\nsource = "file"\npath = "{prices}"\ncurrency = "EUR"\nunit = "kWh"\n'
        )
        return path

    async def kwhen(self, *arguments: str, status: int = 0) -> str:
        """Run a command as a person does and return what it printed. A little of the world's time passes by it."""
        out, err, ended = io.StringIO(), io.StringIO(), threading.Event()
        statuses: list[int] = []

        def run() -> None:
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    statuses.append(main([*arguments, "--socket", f"{self.directory}/kwhen.sock"]))
            finally:
                ended.set()

        threading.Thread(target=run, daemon=True).start()
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(None, ended.wait, A_MOMENT_S):  # noqa: ASYNC110 - it waits in both times
            await asyncio.sleep(PASSES_S)
        assert statuses == [status], (arguments, out.getvalue(), err.getvalue())
        return out.getvalue() + err.getvalue()

    async def asked(self, *arguments: str) -> Any:
        return json.loads(await self.kwhen(*arguments, "--json"))

    async def link(self, kind: str, vendor: str) -> str:
        """Ask for a link, open its address and walk through the provider's page while the terminal waits."""
        links = self.running.app[LINKS]
        before = set(links.sessions)
        waiting = asyncio.create_task(self.kwhen("link", kind, "--user", "me", "--every", "0.05"))
        while not (opened := set(links.sessions) - before) and not waiting.done():  # noqa: ASYNC110 - a look each time
            await asyncio.sleep(PASSES_S)
        if not opened:
            await waiting
        address = f"{self.running.url}/link/{opened.pop()}"
        async with (
            aiohttp.ClientSession() as browser,
            browser.post(address, data={"do": "link", "vendor": vendor}, allow_redirects=False) as answer,
        ):
            assert answer.status == 302
            assert answer.headers["location"] == "https://example.com/"
        told = await waiting
        assert address in told
        assert "█" in told  # the code for the phone
        return told

    async def wait(self, **span: float) -> None:
        await asyncio.sleep(timedelta(**span).total_seconds())

    @property
    def car(self) -> Vehicle:
        return next(iter(self.world.vehicles.values()))

    async def broken_rules(self) -> set[str]:
        lines: list[dict[str, Any]] = []
        while page := await self.app.store.journal(after=lines[-1]["row"] if lines else 0, limit=5000):
            lines += page
        return {violation.rule for violation in check(iter(lines))}


def walk(story: Callable[[Walk], Awaitable[None]], *, webhooks: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="kwhen-walk-") as directory, _quiet():
        on = Walk(Path(directory), webhooks=webhooks)

        async def play() -> None:
            await on.open()
            try:
                await story(on)
                assert await on.broken_rules() == set()
                assert on.app.loop.counters.turns_failed == 0
            finally:
                await on.close()

        run_virtual(play, start_at=START_AT)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "polling-only"])
def test_from_nothing_to_a_car_that_charges(webhooks):
    async def story(on: Walk) -> None:
        assert (await on.asked("status"))["homes"] == []
        refused = await on.kwhen("link", "charger", "--user", "me", "--no-wait", status=1)
        assert "vehicle first" in refused

        # the car, and that its charger is needed
        told = await on.link("vehicle", "RENAULT")
        assert "Linked: Car 1" in told
        assert "Needed: link the charger of Car 1" in told
        assert "cannot be started and stopped by itself" in told
        assert "does not tell where it is" in told
        told = await on.link("charger", "ZAPTEC")
        assert "Linked: Zaptec Go" in told
        assert "Needed" not in told

        # the home
        charger = next(iter(on.world.chargers.values()))
        place = ["--latitude", str(OSLO.latitude), "--longitude", str(OSLO.longitude), "--timezone", "Europe/Oslo"]
        placed = await on.asked("home", "place", "--user", "me", *place)
        assert (placed["reused"], placed["charger_ids"], placed["warnings"]) == (False, [charger.id], [])
        again = await on.asked("home", "place", "--user", "me", *place)
        assert (again["reused"], again["location_id"]) == (True, placed["location_id"])
        create = ["home", "create", "oslo", "--user", "me", "--target", "80", "--minimum", "20", "--prices", "market"]
        assert "Home: oslo" in await on.kwhen(*create, "--ready-by", "07:30")

        # what a person must do before anything can be commanded
        await on.wait(minutes=20)  # it comes home and is plugged in
        needed = await on.asked("interventions", "Car 1")
        assert [one["blocking"] for one in needed["interventions"]] == [True]
        assert needed["interventions"][0]["capabilities"] == ["startCharging", "stopCharging"]
        assert "needed: " in await on.kwhen("interventions", "Car 1")
        assert (await on.asked("actions"))["actions"] == []
        async with (
            aiohttp.ClientSession() as browser,
            browser.post(
                f"{on.running.url}/_sim/interventions",
                data={"device": charger.id, "intervention": needed["interventions"][0]["id"]},
                allow_redirects=False,
            ) as answer,
        ):
            assert answer.status == 303
        await on.wait(minutes=20)
        assert (await on.asked("interventions", "Car 1"))["interventions"] == []

        # the plan, and another wish
        plan = await on.asked("plan", "Car 1")
        assert plan["slots"], plan
        await on.kwhen("override", "charge", "Car 1")
        await on.wait(minutes=10)
        [status] = (await on.asked("status"))["homes"]
        assert status["vehicles"][0]["charging"] is True
        await on.kwhen("override", "auto", "Car 1")

        # the outcome
        await on.wait(hours=14)
        soc_pct = on.car.true_soc_pct()
        actions = (await on.asked("actions"))["actions"]
        assert "verified" in {one["state"] for one in actions}
        [session] = (await on.asked("sessions"))["sessions"]
        assert session["met"] is True, (session, soc_pct, actions)
        assert on.world.actions.away == []

    walk(story, webhooks=webhooks)
