"""A terminal, a daemon that begins with no home, and the simulator with nobody in it, on one virtual clock."""

import asyncio
import contextlib
import io
import json
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from structlog.testing import capture_logs

from scheduler.app import App
from scheduler.checker import check
from scheduler.cli import main
from scheduler.clock import SystemClock
from scheduler.config import load
from scheduler.virtual_time import run_virtual
from simulator.clock import LoopClock
from simulator.keys import LINKS
from simulator.linking import LinkSession
from simulator.scenario import owner_world
from simulator.server import Running, serve
from simulator.vehicle import Vehicle
from tests.e2e.stage import PRICES_BY_HOUR, free_port

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

    def app_links(self) -> list[LinkSession]:
        """Return the sessions that the provider opened."""
        return list(self.running.app[LINKS].sessions.values())

    def sign_in(self, url: str, vendor: str) -> None:
        """Link an account on the provider's page, and close the browser there."""
        links = self.running.app[LINKS]
        session = links.usable(url.rpartition("/")[2])
        assert session is not None
        links.complete(session, vendor)

    def listen(self, feed: AsyncIterator[dict[str, Any]], what: str) -> "asyncio.Task[None]":
        """Wait for something to be told."""

        async def heard() -> None:
            async for one in feed:
                if one["what"] == what:
                    return

        return asyncio.create_task(heard())

    async def provider(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Ask the provider for something beside the daemon, as its own app does."""
        url = self.running.url
        login = {"Authorization": aiohttp.encode_basic_auth(self.world.client_id, self.world.client_secret)}
        async with aiohttp.ClientSession() as session:
            grant = {"grant_type": "client_credentials"}
            async with session.post(f"{url}/oauth2/token", data=grant, headers=login) as answer:
                token = (await answer.json())["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with session.request(method, f"{url}{path}", json=body, headers=headers) as answer:
                assert answer.status < 300, await answer.text()

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
