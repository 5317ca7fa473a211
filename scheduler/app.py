"""Wiring: builds everything, starts and stops it in written order, and speaks to systemd."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from scheduler import __version__, notify
from scheduler.clock import SystemClock
from scheduler.config import Installed, Settings, installed, load, policy_sets, price_feeds, warnings
from scheduler.core.errors import ConfigError, ProviderError, StoreError, StoreLocked, StoreNewer
from scheduler.core.model import Decision, Hand, Home, Override, PriceSeries, Situation, VehicleState, Will, shard_of
from scheduler.core.observation import Stamp
from scheduler.core.timeline import nanoseconds
from scheduler.engine import Alarm, LocalEngine
from scheduler.enode.client import EnodeClient
from scheduler.enode.connection import Connection
from scheduler.enode.provider import EnodeProvider
from scheduler.enode.subscription import Subscription, SubscriptionStatus, ensure
from scheduler.enode.tokens import Account
from scheduler.enode.webhook import WebhookCounters, webhook_app
from scheduler.faults import Faults
from scheduler.http.api import api_app
from scheduler.http.serving import serve_port, serve_socket
from scheduler.http.status_page import status_page_app
from scheduler.log import set_up
from scheduler.loop.acts import Acts, Step, no_step
from scheduler.loop.drain import Loop
from scheduler.loop.journal import Journal
from scheduler.loop.poller import Poller
from scheduler.loop.price_book import PriceBook
from scheduler.loop.world import World
from scheduler.ports import AlertChange, Batch, Clock, Event, Inbound, Store
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient
from storage import open_store
from storage.mapping import encode_override

log = structlog.get_logger()

EXIT_GOOD, EXIT_NOT_SO, EXIT_STORE, EXIT_FAULT, EXIT_CONFIG = 0, 1, 65, 70, 78

POLL_EVERY_S = 20.0
PRICES_EVERY_S = 900.0
WEBHOOK_EVERY_S = 600.0
PRUNE_EVERY_S = 6 * 3600.0
PROVIDER_PATIENCE = timedelta(minutes=5)
"""How long the provider may fail before a person is told."""


def world_of(settings: Settings, plugins: Installed) -> World:
    """Return the configured homes with their policies. Raises ConfigError naming what does not fit."""
    policies = policy_sets(settings, plugins)
    return World(homes=settings.homes, policies=policies, limits=settings.limits, conf=settings.digest)


class App:
    """The running daemon. It implements `scheduler.http.daemon.Daemon`."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        reread: Callable[[], Settings] | None = None,
        step: Step = no_step,
        alarm_cap_s: float = 1.0,
        redactor: Redactor | None = None,
    ) -> None:
        self.settings = settings
        self.redactor = redactor or Redactor(settings.secrets())
        self.clock = clock
        self._reread = reread or (lambda: settings)
        self._step = step
        self._alarm_cap_s = alarm_cap_s
        self._installed = installed()
        self._world = world_of(settings, self._installed)
        self.store: Store = open_store(settings.storage_url, clock=clock)
        self.webhook_counters = WebhookCounters()
        self.subscription: SubscriptionStatus | None = None
        self._wrote_secret = False
        self._cleanups: list[Callable[[], Awaitable[None]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.swept_at: Stamp | None = None
        self.ticks = 0
        self._told: set[str] = set()
        self._lines: list[Event] = []  # waiting for the next sweep
        self.webhook_port = self.page_port = 0
        self.ready = False

    async def start(self) -> None:
        """Open the store, build the parts, start the loops, open the doors."""
        self.node = socket.gethostname()
        self.run = await self.store.open(node=self.node)
        self._cleanups.append(self.store.close)
        self._build()
        await self._journal(
            self._world.as_event(),
            {"k": "LEASE", "epoch": self.run, "op": "got", "exp": None},
            {"k": "LIFE", "op": "start", "version": __version__},
        )
        await self.loop.load()
        await self.prices.load()
        await self.prices.fetch()
        self._start_loops()
        await self._open_doors()
        self.engine.poke(await self.store.shards_with_work())
        self.ready = True
        await self._journal({"k": "LIFE", "op": "ready"})
        log.info("daemon.started", version=__version__, run=self.run, homes=len(self._world.homes))

    def _build(self) -> None:
        settings, clock = self.settings, self.clock
        self.web = WebClient(clock, redact=self.redactor, on_hold=self._held)
        self._cleanups.append(self.web.close)
        account = Account(
            api_url=settings.enode.api_url,
            token_url=settings.enode.token_url,
            client_id=settings.enode.client_id,
            client_secret=settings.enode.client_secret.reveal(),
        )
        self.enode = EnodeClient(Connection(self.web, account, clock))
        self.provider = EnodeProvider(self.enode, stamp=self._stamp)
        self.journal = Journal(run=self.run, node=self.node)
        self.engine = LocalEngine(self._drain, clock=clock)
        self.acts = Acts(
            provider=self.provider, store=self.store, stamp=self._stamp, poke=self.engine.poke, step=self._step
        )
        self.alarm = Alarm(clock, self._ring, cap_s=self._alarm_cap_s)
        self.loop = Loop(
            store=self.store,
            provider=self.provider,
            clock=clock,
            acts=self.acts,
            journal=self.journal,
            run=self.run,
            world=self._world,
            set_alarm=self.alarm.set,
            step=self._step,
        )
        self.poller = Poller(
            loop=self.loop, provider=self.provider, acts=self.acts, clock=clock, heard_at=self._heard_at
        )
        sources = price_feeds(settings, self._installed)
        self.prices = PriceBook(store=self.store, clock=clock, sources=sources, on_news=self._priced)

    def _stamp(self) -> Stamp:
        return Stamp(at=self.clock.now(), mono_ns=self.clock.monotonic_ns(), run=self.run)

    def _held(self, bucket: str, until: datetime) -> None:
        """Remember for the journal that the provider asked for a pause (S23)."""
        self._lines.append({"k": "LIMIT", "bucket": bucket, "until": nanoseconds(until)})

    async def _drain(self, shard: int) -> bool:
        return await self.loop.drain(shard)

    def _ring(self, vehicle_ids: list[str]) -> None:
        self.engine.poke(self.loop.wake(vehicle_ids))

    def _wake_all(self) -> None:
        self._ring([v.id for _, v in self.loop.world.vehicles()])

    def _priced(self, series: tuple[PriceSeries, ...]) -> None:
        self.loop.prices = series
        self._wake_all()

    def _heard_at(self) -> Any:
        return self.webhook_counters.heard_at if self.subscription is not None else None

    def _start_loops(self) -> None:
        for name, work in (("engine", self.engine.run()), ("alarm", self.alarm.run())):
            self._tasks.append(asyncio.create_task(work, name=name))
        self._cleanups.append(self._stop_loops)
        watchdog_s = notify.watchdog_interval_s()
        tick_s = self._world.limits.t_tick.total_seconds()
        self.engine.periodic("sweep", min(tick_s, watchdog_s / 3) if watchdog_s else tick_s, self.sweep)
        self.engine.periodic("poll", POLL_EVERY_S, self.poller.sweep)
        self.engine.periodic("prices", PRICES_EVERY_S, self.prices.fetch)
        self.engine.periodic("prune", PRUNE_EVERY_S, self.prune)
        if self.settings.webhook.public_url:
            self.engine.periodic("webhook", WEBHOOK_EVERY_S, self._check_subscription)

    async def _stop_loops(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.acts.close()

    async def _open_doors(self) -> None:
        settings = self.settings
        runner = await serve_socket(api_app(self), settings.socket)
        self._cleanups.append(runner.cleanup)
        if settings.http.enabled:
            app = status_page_app(self, settings.http.allowed_hosts)
            runner, self.page_port = await serve_port(app, host=settings.http.host, port=settings.http.port)
            self._cleanups.append(runner.cleanup)
        if settings.webhook.enabled:
            await self._open_webhook()

    async def _open_webhook(self) -> None:
        secret = self.settings.webhook.secret
        assert secret is not None
        app = webhook_app(
            secrets=lambda: [secret.reveal().encode()],
            sink=self._take_in,
            stamp=self._stamp,
            counters=self.webhook_counters,
        )
        webhook = self.settings.webhook
        runner, self.webhook_port = await serve_port(app, host=webhook.host, port=webhook.port)
        self._cleanups.append(runner.cleanup)
        self._tasks.append(asyncio.create_task(self._check_subscription_once(), name="subscription"))

    async def _take_in(self, work: list[Inbound]) -> int:
        new = await self.store.put(work)
        if new:
            self.engine.poke({shard_of(row.user_id) for row in work})
        return new

    async def _check_subscription_once(self) -> None:
        await self._check_subscription()
        await asyncio.Event().wait()

    async def _check_subscription(self) -> None:
        """Make, check and reactivate the webhook subscription; after a gap every vehicle is read again (L8)."""
        url, secret = self.settings.webhook.public_url, self.settings.webhook.secret
        if not url or secret is None:
            return
        wanted = Subscription(url=url, secret=secret.reveal())
        try:
            status = await ensure(self.enode, wanted, write_secret=not self._wrote_secret)
        except ProviderError as error:
            log.warning("webhook.unchecked", why=str(error))
            return
        self._wrote_secret = True
        if status.gap:
            self.poller.forget()
        if self.subscription is None or status.state != self.subscription.state:
            log.info("webhook.checked", state=str(status.state), detail=status.detail)
        self.subscription = status

    async def sweep(self) -> None:
        """Prove once a minute that the clock runs, the store keeps and the shards move; then feed the watchdog."""
        line = self.loop.check_clock()
        if line is not None:
            self.poller.forget()
        self.ticks += 1
        try:
            lines, self._lines = self._lines, []
            lines += [line] if line else []
            await self._journal(*lines, {"k": "TICK", "n": self.ticks}, alerts=self._alerts())
            self.loop.durable = True
        except StoreError as error:
            self.loop.durable = False
            log.error("store.trouble", what="tick", why=str(error))
        self.engine.poke(await self.store.shards_with_work())
        self.swept_at = self._stamp()
        notify.notify(notify.WATCHDOG, notify.status(f"{len(self.loop.states)} vehicles, sweep {self.ticks}"))

    def _alerts(self) -> list[AlertChange]:
        """Return the daemon's own alerts that began or ended: of the provider, the store and the webhook path."""
        now, health = self._stamp(), self.acts.health
        holding: dict[str, str] = {}
        failing = health.failing_since
        if failing is not None and now.at - failing.at >= PROVIDER_PATIENCE:
            code = "CREDENTIALS_LOST" if health.unauthorized else "PROVIDER_DOWN"
            holding[code] = health.why
        heard = self.webhook_counters.heard_at
        if self.subscription is not None and heard is not None and now.at - heard > self._world.limits.t_hb:
            holding["WEBHOOK_SILENT"] = "No webhook and no heartbeat arrived for an hour; polling has taken over."
        if not self.loop.durable:
            holding["STORE_TROUBLE"] = "The store could not keep what was decided."
        begun = [
            AlertChange(code=c, vehicle_id=None, text=t, severity="critical", raised_at=now.at)
            for c, t in holding.items()
            if c not in self._told
        ]
        ended = [
            AlertChange(code=c, vehicle_id=None, text="", severity="info", raised_at=now.at, cleared_at=now.at)
            for c in self._told - holding.keys()
        ]
        self._told = set(holding)
        return [*begun, *ended]

    async def _journal(self, *lines: Event, alerts: Sequence[AlertChange] = ()) -> None:
        told = [
            {"k": "ALERT", "code": a.code, "sev": a.severity, "op": "cleared" if a.cleared_at else "raised"}
            for a in alerts
        ]
        drafts = [(None, line) for line in (*lines, *told)]
        await self.store.commit(Batch(events=self.journal.number(drafts, now=self._stamp()), alerts=alerts))

    async def prune(self) -> None:
        """Delete what is older than its retention."""
        with contextlib.suppress(StoreError):
            gone = await self.store.prune(before=self.settings.retained_since(self.clock.now()))
            log.info("store.pruned", rows=gone)

    async def stop(self) -> None:
        """Stop without commanding anything (S25); tell of every car that stays held."""
        self.ready = False
        if hasattr(self, "journal"):
            held = [v.state for v in self.loop.states.values() if v.state.session and v.state.session.held_since]
            now = self.clock.now()
            alerts = [
                AlertChange(
                    code="HELD_WHILE_STOPPING",
                    vehicle_id=state.vehicle_id,
                    text=f"Held while the daemon is stopped; the latest start is {self._latest_start(state)}.",
                    severity="warning",
                    raised_at=now,
                )
                for state in held
            ]
            for state in held:
                log.warning("car.held", vehicle_id=state.vehicle_id, latest_start=self._latest_start(state))
            with contextlib.suppress(StoreError):
                await self._journal({"k": "LIFE", "op": "stop"}, alerts=alerts)
        while self._cleanups:
            with contextlib.suppress(Exception):
                await self._cleanups.pop()()

    def _latest_start(self, state: VehicleState) -> str:
        last = self.loop.last.get(state.vehicle_id)
        lsts = [n.lst_at for n in last[1].plan.needs if n.lst_at is not None] if last is not None else []
        return f"{min(lsts):%Y-%m-%dT%H:%MZ}" if lsts else "unknown"

    async def failed(self) -> BaseException | None:
        """Wait until a supervised task ends, which it never should; return why."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = next(iter(done))
        return task.exception() or RuntimeError(f"task {task.get_name()} ended")

    # --- what the faces see -------------------------------------------------------------------------------------

    def homes(self) -> tuple[Home, ...]:
        """Return the homes in force."""
        return self.loop.world.homes

    def state(self, vehicle_id: str) -> VehicleState | None:
        """Return what is kept of a vehicle."""
        kept = self.loop.states.get(vehicle_id)
        return kept.state if kept is not None else None

    def last(self, vehicle_id: str) -> tuple[Situation, Decision] | None:
        """Return the newest situation with its decision."""
        return self.loop.last.get(vehicle_id)

    async def wish(self, vehicle_id: str, override: Override) -> None:
        """Store what a person wants, then wake the vehicle."""
        owner = self.loop.world.owner(vehicle_id)
        if owner is None:
            raise KeyError(vehicle_id)
        home, _ = owner
        row = Inbound(
            kind="wish",
            user_id=home.user_id,
            vehicle_id=vehicle_id,
            payload=encode_override(override),
            received=self._stamp(),
        )
        await self._take_in([row])

    async def release(self, vehicle_ids: Sequence[str]) -> list[str]:
        """Start those of the vehicles that we hold."""
        held = [i for i in vehicle_ids if (s := self.state(i)) is not None and s.session and s.session.held_since]
        for vehicle_id in held:
            await self.wish(vehicle_id, Override(will=Will.CHARGE, by=Hand.CLI, set_at=self.clock.now()))
        return held

    def policies(self) -> list[dict[str, str]]:
        """Return each policy of each home with its status."""
        return [
            {"home": home.id, "name": speaker.label, "status": speaker.why or str(speaker.status)}
            for home in self.loop.world.homes
            for speaker in getattr(self.loop.world.policies[home.id], "speakers", ())
        ]

    def health(self) -> dict[str, Any]:
        """Return how each part is."""
        health = self.acts.health
        webhook = str(self.subscription.state) if self.subscription else "polling only"
        return {
            "ready": self.ready,
            "live": True,
            "version": __version__,
            "run": self.run,
            "store": "ok" if self.loop.durable else "trouble",
            "provider": "ok" if health.failing_since is None else health.why,
            "webhook": webhook,
            "prices": self.prices.trouble or "ok",
            "sweep_at": self.swept_at.at if self.swept_at is not None else None,
            "vehicles": len(self.loop.states),
            "mode": ", ".join(sorted({str(home.mode) for home in self.loop.world.homes})),
            "counters": self._counted(),
        }

    def _counted(self) -> dict[str, int]:
        """Return what went by since the start, by name."""
        loop, webhook = self.loop.counters, self.webhook_counters
        return {
            "ticks": self.ticks,
            "decisions": loop.decisions,
            "commands": loop.commands,
            "turns_failed": loop.turns_failed,
            "events": loop.events,
            "events_unknown": loop.unknown_event,
            "news_of_unknown_vehicles": loop.unknown_vehicle,
            "news_unreadable": loop.unreadable,
            "webhook_deliveries": webhook.deliveries,
            "webhook_events": webhook.events,
            "webhook_stored": webhook.stored,
            "webhook_unreadable": webhook.unreadable,
            "webhook_refused": sum(webhook.refused.values()),
            "webhook_ignored": sum(webhook.ignored.values()),
        }

    async def reload(self) -> list[str]:
        """Apply the configuration whole, or raise ConfigError and change nothing (S21)."""
        settings = self._reread()
        world = world_of(settings, self._installed)
        sources = price_feeds(settings, self._installed)
        told = list(warnings(settings, at=self.clock.now()))
        if _fixed(settings) != _fixed(self.settings):
            told.append("storage, enode, listen addresses and sockets change only with a restart")
        self.settings, self._world = settings, world
        self.loop.apply(world)
        self.prices.replace_sources(sources)
        await self._journal(world.as_event())
        await self.prices.fetch()
        self._wake_all()
        log.info("config.applied", conf=settings.digest)
        return told

    async def webhook(self, op: str) -> dict[str, Any]:
        """Look at, make or test the subscription."""
        if op in ("ensure", "test"):
            await self._check_subscription()
        if op == "test" and self.subscription is not None:
            test = await self.enode.test_webhook(self.subscription.webhook_id)
            return {"succeeded": test.succeeded, "description": test.description}
        status = self.subscription
        return {
            "public_url": self.settings.webhook.public_url or None,
            "state": str(status.state) if status else "polling only",
            "detail": status.detail if status else "",
            "last_success_at": status.last_success_at if status else None,
            "heard_at": self.webhook_counters.heard_at,
        }


def _fixed(settings: Settings) -> tuple[object, ...]:
    """Return what only a restart can change."""
    return settings.enode, settings.webhook, settings.http, settings.socket, settings.storage_url


async def serve(app: App, *, stop: asyncio.Event, hup: asyncio.Event | None = None) -> int:
    """Run the daemon until `stop`; return the exit status."""
    try:
        await app.start()
        notify.notify(notify.READY)
        return await _until(app, stop, hup or asyncio.Event())
    finally:
        notify.notify(notify.STOPPING)
        await app.stop()


async def _until(app: App, stop: asyncio.Event, hup: asyncio.Event) -> int:
    broken = asyncio.create_task(app.failed())
    waits = {broken, asyncio.create_task(stop.wait()), asyncio.create_task(_reloads(app, hup))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            log.error("daemon.fault", why=repr(broken.result()))
            return EXIT_FAULT
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
        notify.notify(notify.READY)


def run(config_path: str | Path) -> int:
    """Run the daemon from its configuration file; return the exit status of DESIGN's list."""
    try:
        settings = load(Path(config_path), os.environ)
    except ConfigError as error:
        for problem in error.problems:
            print(problem)  # noqa: T201 - the log is not configured yet
        return EXIT_CONFIG
    redactor = Redactor(settings.secrets())
    set_up(settings.log, redactor=redactor)
    for told in warnings(settings, at=SystemClock().now()):
        log.warning("config.doubt", what=told)
    faults = Faults.beside(settings.storage_url)
    try:
        faults.wait()
        status = asyncio.run(_main(settings, Path(config_path), faults, redactor))
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
    except Exception:
        log.exception("daemon.fault")
        status = EXIT_FAULT
    if status == EXIT_FAULT:
        faults.note()
    return status


async def _main(settings: Settings, config_path: Path, faults: Faults, redactor: Redactor) -> int:
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    app = App(settings, clock=SystemClock(), reread=lambda: load(config_path, os.environ), redactor=redactor)
    loop.call_later(faults.forgiven_after_s, faults.clear)
    return await serve(app, stop=stop, hup=hup)
