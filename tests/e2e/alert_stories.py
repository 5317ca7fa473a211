"""How each alert comes about on the stage, and how its cause ends: the stories that `test_alerts` plays.

A story's `begin` injects the cause and returns when it could be known, its `end` takes the cause away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from policies.schedule.ready_by import ReadyBy
from scheduler import keeper
from scheduler.config import load
from scheduler.core.command import Action
from scheduler.core.model import Will
from simulator.capability import INCAPABLE
from simulator.market import Zone
from tests.e2e.stage import START_AT, Stage
from tests.e2e.test_calendar import reading
from tests.e2e.test_price_faults import TOMORROW
from tests.integration.test_damaged_database import damage

MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
PUBLISHED_AT = START_AT + 6 * HOUR


@dataclass(kw_only=True)
class Scene:
    """A stage on which one story is played; `undo` is closed when it is over."""

    stage: Stage
    undo: AsyncExitStack
    kept: dict[str, Any] = field(default_factory=dict)

    async def plugged(self, until: str = "18:00") -> None:
        """Plug the first car in at 17:00, and let time pass."""
        await self.stage.until("17:00")
        self.stage.plug_in()
        await self.stage.until(until)


Begin = Callable[[Scene], Awaitable[datetime]]
End = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Story:
    """How an alert comes about and ends.

    `lasts` is how long the cause is left alone before it ends. `broken` names rules that nobody could keep meanwhile.
    What the store cannot keep is judged by what the notifier `heard` alone.
    """

    code: str
    begin: Begin
    end: End
    lasts: timedelta = HOUR
    setup: Mapping[str, Any] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    heard: bool = False


async def nothing(_scene: Scene) -> None:
    """Leave it to itself: the cause ends by our own doing."""


async def hold(scene: Scene) -> datetime:
    await scene.plugged()
    await scene.stage.wish(Will.HOLD)
    return scene.stage.now()


async def let_go(scene: Scene) -> None:
    await scene.stage.wish(Will.AUTO)


async def miss(scene: Scene) -> datetime:
    await scene.plugged("17:08")
    scene.stage.world.set_outage(down=True)
    await scene.stage.until("06:30")
    return scene.stage.now()


async def end_outage(scene: Scene) -> None:
    scene.stage.world.set_outage(down=False)


async def fall_silent(scene: Scene) -> datetime:
    """The provider is silent from now on: that can be known when the car is to be read next."""
    await scene.stage.until("17:00")
    scene.stage.world.set_outage(down=True)
    await scene.stage.wait(minutes=5, seconds=30)
    failing_since = scene.stage.app.acts.health.failing_since
    assert failing_since is not None
    return failing_since.at


async def give_no_power(scene: Scene) -> datetime:
    scene.stage.car.mood.no_power_starts = 99
    await scene.plugged("01:00")
    return scene.stage.now()


async def give_power(scene: Scene) -> None:
    scene.stage.car.mood.no_power_starts = 0


async def lose_account(scene: Scene) -> datetime:
    await scene.plugged()
    scene.stage.world.invalidate_credentials("user", scene.stage.car.vendor)
    return scene.stage.now()


async def link_again(scene: Scene) -> None:
    scene.stage.world.accounts.restore("user", scene.stage.car.vendor)


async def refuse_client(scene: Scene) -> datetime:
    await scene.plugged()
    faults, lost_at = scene.stage.world.faults, scene.stage.now()
    for path in ("/users/*", "/vehicles/*"):
        faults.add("expired_token", path=path)
    faults.add("status", path="/oauth2/token", status=401)
    while not (refused := scene.stage.requests("POST", "/oauth2/token", since=lost_at)):
        await scene.stage.wait(seconds=10)
    return datetime.fromisoformat(refused[0]["at"])


async def clear_faults(scene: Scene) -> None:
    scene.stage.world.faults.clear()


async def lose_charger(scene: Scene) -> datetime:
    await scene.plugged()
    scene.stage.world.invalidate_credentials("user", scene.stage.posts[0].vendor)
    return scene.stage.now()


async def link_charger_again(scene: Scene) -> None:
    scene.stage.world.accounts.restore("user", scene.stage.posts[0].vendor)


def late(zone: Zone) -> None:
    """Publish tomorrow's prices six hours after the start, when they are long late."""
    zone.late[TOMORROW] = PUBLISHED_AT


async def wait_for_prices(scene: Scene) -> datetime:
    return scene.stage.setup.start_at


async def until_published(scene: Scene) -> None:
    await asyncio.sleep((PUBLISHED_AT - scene.stage.now()).total_seconds())


async def break_calendar(scene: Scene) -> datetime:
    scene.kept["diary"] = await scene.undo.enter_async_context(reading(scene.stage, dead=True))
    return scene.stage.now()


async def mend_calendar(scene: Scene) -> None:
    scene.kept["diary"].dead = False


async def fill_disk(scene: Scene) -> datetime:
    await scene.plugged()
    scene.kept["mend"] = scene.stage.lose_store()
    return scene.stage.now()


async def free_disk(scene: Scene) -> None:
    scene.kept["mend"]()


async def grow_log(scene: Scene) -> datetime:
    measured = keeper.log_bytes
    scene.undo.callback(setattr, keeper, "log_bytes", measured)
    keeper.log_bytes = lambda _path: 10 * keeper.LOG_LARGE
    scene.kept["measured"] = measured
    return scene.stage.now()


async def shrink_log(scene: Scene) -> None:
    keeper.log_bytes = scene.kept["measured"]


async def damage_store(scene: Scene) -> datetime:
    await scene.stage.until("17:00")
    await scene.stage.app.stop()
    damage(Path(scene.stage.directory / "kwhen.db"))
    started_at = scene.stage.now()
    await scene.stage.start_daemon()
    return started_at


async def die(scene: Scene) -> datetime:
    """Let the daemon end without taking its sign away, and start again."""
    scene.stage.app.last_run.end = _nothing  # type: ignore[method-assign]
    await scene.stage.restart()
    return scene.stage.now()


async def _nothing() -> None:
    """Do as a daemon that was killed."""


async def break_policy(scene: Scene) -> datetime:
    asked: list[datetime] = []

    def broken(*_: Any) -> Any:
        asked.append(scene.stage.now())
        raise RuntimeError("a policy's own fault")

    terms = ReadyBy.terms
    scene.undo.callback(setattr, ReadyBy, "terms", terms)
    scene.kept["terms"] = terms
    await scene.plugged()
    setattr(ReadyBy, "terms", broken)  # noqa: B010 - mypy refuses the plain way
    while not asked:
        await scene.stage.wait(seconds=10)
    return asked[0]


async def mend_policy(scene: Scene) -> None:
    setattr(ReadyBy, "terms", scene.kept["terms"])  # noqa: B010
    await scene.stage.app.reload()


async def stop_daemon(scene: Scene) -> datetime:
    await scene.plugged()
    stopped_at = scene.stage.now()
    await scene.stage.app.stop()
    return stopped_at


async def start_daemon(scene: Scene) -> None:
    await scene.stage.start_daemon()


async def schedule_elsewhere(scene: Scene) -> datetime:
    await scene.plugged("00:55")
    scene.stage.car.controlled_elsewhere = True
    await scene.stage.until("01:00")
    return scene.stage.now()


async def take_back(scene: Scene) -> None:
    scene.stage.car.controlled_elsewhere = False
    await scene.stage.wish(Will.AUTO)


async def plug_in_at_stranger(scene: Scene) -> datetime:
    await scene.stage.until("17:00")
    post = scene.stage.world.add_charger("user", location_id=scene.stage.location.id, max_power_kw=11.0)
    scene.stage.car.plug_in(post)
    return scene.stage.now()


async def unplug(scene: Scene) -> None:
    scene.stage.car.unplug()


async def claim_twice(scene: Scene) -> datetime:
    """Let a second car come to the charger of one whose leaving nobody told of."""
    await scene.plugged("17:30")
    first, second = scene.stage.cars
    scene.kept["refresher"] = refresher = first.telemetry.refresher
    scene.kept["refresh"], refresher._refresh = refresher._refresh, lambda: None
    first.unplug()
    second.plug_in(scene.stage.posts[0])
    came_at = scene.stage.now()
    await scene.stage.wait(minutes=2)  # the pair is forgotten by its provider: here it is not
    first.telemetry.recognised = scene.stage.posts[0]
    return came_at


async def notice_leaving(scene: Scene) -> None:
    scene.stage.car.telemetry.recognised = None
    scene.kept["refresher"]._refresh = scene.kept["refresh"]
    scene.kept["refresher"].now()


async def person_stops(scene: Scene) -> datetime:
    await scene.plugged("01:30")
    scene.stage.car.person_stops()
    return scene.stage.now()


async def limit(scene: Scene) -> datetime:
    scene.stage.car.charge_limit_pct = 60.0
    await scene.plugged("17:00:01")
    return scene.stage.now()


async def raise_limit(scene: Scene) -> None:
    scene.stage.car.charge_limit_pct = 100.0
    scene.stage.car.limit_changed()


async def freeze_reading(scene: Scene) -> datetime:
    """The readings stand still in mid-charge; the target is reached by the meter when it truly is."""
    await scene.plugged("01:30")
    scene.stage.car.telemetry.distortion.frozen_soc = True
    while scene.stage.car.true_soc_pct() < 80:
        await scene.stage.wait(seconds=10)
    return scene.stage.now()


async def thaw_reading(scene: Scene) -> None:
    scene.stage.car.telemetry.distortion.frozen_soc = False


async def lose_capability(scene: Scene) -> datetime:
    await scene.plugged("20:00")
    scene.stage.posts[0].scopes = ()
    scene.stage.car.capabilities = {"startCharging": INCAPABLE}
    await scene.stage.until("01:00")
    return scene.stage.now()


async def regain_capability(scene: Scene) -> None:
    scene.stage.car.capabilities = {}


async def resume_no_more(scene: Scene) -> datetime:
    await scene.plugged("20:00")
    scene.stage.car.mood.resumes_left, scene.stage.car.mood.window_s = 0, 600.0
    await scene.stage.until("01:00")
    while not scene.stage.state().learned.no_pause:
        await scene.stage.wait(seconds=10)
    ended = [c.ended_at for c in await scene.stage.commands(Action.START) if c.ended_at is not None]
    return ended[1]


async def forget_power(scene: Scene) -> datetime:
    path = scene.stage.directory / "kwhen.toml"
    scene.kept["text"] = path.read_text()
    await _with_file(scene, scene.kept["text"].replace("charge_power_kw = 11", ""))
    await scene.plugged("17:00:01")
    return scene.stage.now()


async def tell_power(scene: Scene) -> None:
    await _with_file(scene, scene.kept["text"])


async def _with_file(scene: Scene, text: str) -> None:
    path = scene.stage.directory / "kwhen.toml"
    path.write_text(text)
    settings = load(path, {"KWHEN_ENODE__CLIENT_SECRET": scene.stage.world.client_secret})
    scene.stage.app._reread = lambda: settings
    await scene.stage.app.reload()


async def vanish(scene: Scene) -> datetime:
    await scene.plugged()
    world, car = scene.stage.world, scene.stage.car
    scene.kept["vehicles"] = world.vehicles.pop(car.id)
    gone_at = scene.stage.now()
    while not (asked := scene.stage.requests("GET", "/users/user/vehicles*", since=gone_at)):
        await scene.stage.wait(seconds=10)
    return datetime.fromisoformat(asked[0]["at"])


async def come_back(scene: Scene) -> None:
    scene.stage.world.vehicles[scene.stage.car.id] = scene.kept["vehicles"]


async def drop_webhooks(scene: Scene) -> datetime:
    await scene.stage.until("17:50")
    scene.stage.world.faults.add("delivery_drop")
    heard_at = scene.stage.app.inbound.heard_at()
    assert heard_at is not None
    return heard_at


async def unplug_while_pending(scene: Scene) -> datetime:
    mood = scene.stage.car.mood
    await scene.plugged("00:55")
    mood.asleep_latency_s, mood.latency_s, mood.window_s = (900.0, 900.0), (900.0, 900.0), 1800.0
    scene.stage.world.faults.add("status", path="/vehicles/actions/*/cancel", status=503)
    await scene.stage.until("01:01")
    scene.stage.car.unplug()
    return scene.stage.now()


WEBHOOKS, MARKET = {"webhooks": True}, {"prices": "nord-pool", "market": late}
SQLITE = {"storage": "sqlite:///{}/kwhen.db"}

STORIES = [
    Story(code="DEADLINE_AT_RISK", begin=hold, end=let_go, lasts=6 * HOUR),
    Story(code="MISSED_AFTER_PAUSE", begin=miss, end=end_outage),
    Story(code="STARTED_NO_POWER", begin=give_no_power, end=give_power),
    Story(code="CREDENTIALS_LOST", begin=lose_account, end=link_again, setup=WEBHOOKS),
    Story(code="CREDENTIALS_LOST", begin=refuse_client, end=clear_faults, lasts=6 * HOUR),
    Story(code="CHARGER_LOST", begin=lose_charger, end=link_charger_again, setup=WEBHOOKS),
    Story(code="PROVIDER_DOWN", begin=fall_silent, end=end_outage, lasts=6 * HOUR),
    Story(code="PRICES_MISSING", begin=wait_for_prices, end=until_published, setup=MARKET),
    Story(code="PRICE_SOURCE_DOWN", begin=wait_for_prices, end=until_published, setup=MARKET | {"stand_in": True}),
    Story(code="CALENDAR_UNREAD", begin=break_calendar, end=mend_calendar),
    Story(code="STORE_TROUBLE", begin=fill_disk, end=free_disk, heard=True),
    Story(code="STORE_LOG_LARGE", begin=grow_log, end=shrink_log, setup=SQLITE),
    Story(code="STORE_RECOVERED", begin=damage_store, end=nothing, setup=SQLITE),
    Story(code="ENDED_UNEXPECTEDLY", begin=die, end=nothing, setup=SQLITE),
    Story(code="PLUGIN_SET_ASIDE", begin=break_policy, end=mend_policy),
    Story(code="HELD_WHILE_STOPPING", begin=stop_daemon, end=start_daemon, setup=SQLITE, heard=True),
    Story(code="FOREIGN_CONTROLLER", begin=schedule_elsewhere, end=take_back),
    Story(code="UNLISTED_CHARGER", begin=plug_in_at_stranger, end=unplug, setup=WEBHOOKS | {"chargers": False}),
    Story(code="CLAIMED_TWICE", begin=claim_twice, end=notice_leaving, setup={"cars": 2}),
    Story(code="STOPPED_BY_ANOTHER", begin=person_stops, end=nothing, lasts=MIN, setup=WEBHOOKS),
    Story(code="COMPLETE_BELOW_TARGET", begin=limit, end=raise_limit, setup=WEBHOOKS),
    Story(code="SOC_FROZEN", begin=freeze_reading, end=thaw_reading),
    Story(code="INCAPABLE", begin=lose_capability, end=regain_capability),
    Story(code="NO_PAUSE", begin=resume_no_more, end=unplug),
    Story(code="SETUP", begin=forget_power, end=tell_power, lasts=5 * MIN),
    Story(code="GONE", begin=vanish, end=come_back),
    Story(code="WEBHOOK_SILENT", begin=drop_webhooks, end=clear_faults, lasts=6 * HOUR, setup=WEBHOOKS),
    Story(code="MOVED_WHILE_PENDING", begin=unplug_while_pending, end=nothing, lasts=MIN, setup=WEBHOOKS),
]
