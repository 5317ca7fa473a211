"""A daemon killed at each step of a command, and started again: one effect, and no intent is lost (B01, S5, S6)."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scheduler.checker import check
from scheduler.cli import demo_configuration
from scheduler.cli.demo_configuration import Places
from scheduler.clock import FastClock
from simulator.clock import LoopClock
from simulator.physics import Battery
from simulator.scenario import OSLO, demo_zone
from simulator.server import serve
from simulator.vehicle import Vehicle
from simulator.world import World
from storage import open_store

START_AT = datetime(2026, 1, 12, 19, 0, tzinfo=UTC)
SPEED = 60.0
PATIENCE_S = 90.0

INSIDE = ("before-intent", "after-intent", "after-reply")
"""Steps at which the daemon kills itself; at the others the test does it."""

FOUND = {"before-intent": [], "after-intent": [False], "after-reply": [True], "after-send": [True], "before-verify": []}
"""What the next daemon finds when it reads back. Nothing is lost before the intent, nor once the answer is stored."""

Event = dict[str, Any]


class Stage:
    """A car below its minimum, plugged in at home: the daemon wants to start it at once, whatever it costs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.origin_s = asyncio.get_running_loop().time()
        self.truths: list[Event] = []
        self.world = World(seed=1, start_at=START_AT)
        self.world.on_truth = lambda truth: self.truths.append({"k": "TRUTH", "seq": 0, "run": 0, "m": 0, **truth})
        self.world.market.add(demo_zone(seed=1))
        self.world.add_user("home-oslo", home=OSLO, timezone="Europe/Oslo")
        home = self.world.add_location("home-oslo", name="Home", point=OSLO, timezone="Europe/Oslo")
        charger = self.world.add_charger("home-oslo", location_id=home.id)
        self.car: Vehicle = self.world.add_vehicle(
            "home-oslo", name="Car", battery=Battery(capacity_kwh=58), soc_pct=12, auto_start=False
        )
        self.car.plug_in(charger)

    def configure(self, url: str) -> None:
        places = Places(directory=self.directory, api_url=url)
        self.configuration = demo_configuration.write(places, self.world.description())
        self.store_url = f"sqlite:///{places.database}"

    @contextmanager
    def daemon(self, label: str = "") -> Iterator[subprocess.Popen[str]]:
        times = {"start-at": START_AT.isoformat(), "origin-s": self.origin_s, "speed": SPEED, "label": label}
        command = [sys.executable, "-m", "tests.e2e.crashing_daemon", str(self.configuration)]
        process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in times.items())],
            cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def asked(self) -> list[Event]:
        return [one for one in self.world.requests if one["method"] == "POST" and one["path"].endswith("/charging")]

    async def journal(self) -> list[Event]:
        """Read the journal beside a daemon that may run."""
        store = open_store(self.store_url, clock=FastClock(start_at=START_AT, speed=SPEED, origin_s=self.origin_s))
        await store.open(node="test", exclusive=False)
        try:
            lines: list[Event] = []
            while page := await store.journal(after=lines[-1]["row"] if lines else 0):
                lines += page
            return lines
        finally:
            await store.close()


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something in another process to have happened."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - nobody here can be told
            await asyncio.sleep(0.005)
    assert holds(), what


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    running = await serve(stage.world, LoopClock(START_AT, SPEED, origin_s=stage.origin_s))
    stage.configure(running.url)
    yield stage
    await running.stop()


async def killed(stage: Stage, label: str) -> None:
    """Run a daemon that dies at the step."""
    with stage.daemon(label if label in INSIDE else "") as process:
        if label == "after-send":
            stage.world.faults.add("slow", method="POST", path="/vehicles/*/charging", count=1, delay_s=20.0)
            await until(lambda: bool(stage.asked()), "a command was sent")
            process.kill()
        elif label == "before-verify":
            await until(lambda: stage.car.charging, "the car obeyed")
            process.kill()
        await until(lambda: process.poll() is not None, "the daemon died")
        assert process.returncode == -signal.SIGKILL, process.stderr and process.stderr.read()


async def settled(stage: Stage) -> list[Event]:
    """Wait until every intent has its result and one was verified; return the journal."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            lines = await stage.journal()
            ended = {line["cmd"]: line["out"] for line in lines if line["k"] == "RESULT"}
            if "verified" in ended.values() and ended.keys() == {one["cmd"] for one in lines if one["k"] == "INTENT"}:
                return lines
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("label", FOUND)
async def test_a_daemon_killed_in_mid_command_has_one_effect_and_loses_no_intent(stage, label):
    await killed(stage, label)
    before = await stage.journal()
    intents = [line for line in before if line["k"] == "INTENT"]
    assert len(intents) == (0 if label == "before-intent" else 1)
    assert [line for line in before if line["k"] == "RESULT"] == []

    with stage.daemon() as process:
        await until(lambda: stage.car.charging, "the car charges")
        lines = await settled(stage)
        process.send_signal(signal.SIGTERM)
        await until(lambda: process.poll() is not None, "the daemon stopped")
        assert process.returncode == 0

    ended = {line["cmd"] for line in lines if line["k"] == "RESULT"}
    after = lines[len(before) :]
    assert stage.world.actions.accepted[stage.car.id] == 1
    assert {line["cmd"] for line in intents} <= ended
    kinds = [line["k"] for line in after if line["v"] == stage.car.id]
    assert [line["found"] for line in after if line["k"] == "READBACK"] == FOUND[label]
    if intents and "SEND" in kinds:
        assert "READBACK" in kinds[: kinds.index("SEND")]
    assert kinds.index("OBS") < kinds.index("RESULT")
    told = sorted([*lines, *stage.truths], key=lambda line: line["t"])
    assert check(told) == []
