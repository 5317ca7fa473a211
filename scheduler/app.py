"""Wiring: builds everything, starts and stops it in written order, feeds the watchdog."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import structlog
from aiohttp.web import Application

from scheduler import __version__, notify
from scheduler.config import Settings, calendar_sources, installed, posts_of, price_feeds, warnings
from scheduler.core.errors import ProviderUnauthorized, StoreError
from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.model import Home, VehicleState
from scheduler.core.timeline import nanoseconds
from scheduler.engine import Alarm, Flood, LocalEngine
from scheduler.enode.client import EnodeClient
from scheduler.enode.connection import Connection
from scheduler.enode.mistrust import Mistrust
from scheduler.enode.provider import EnodeProvider
from scheduler.enode.subscription import Subscription
from scheduler.enode.tokens import Account
from scheduler.enode.webhook import is_signed, webhook_app
from scheduler.http.api import api_app
from scheduler.http.overview import zone_of
from scheduler.http.serving import serve_port, serve_socket
from scheduler.http.status_page import status_page_app
from scheduler.http.trying_out import add_trial
from scheduler.http.web.app import web_app
from scheduler.http.web.login import add_code
from scheduler.http.web.passwords import Passwords
from scheduler.keeper import Keeper
from scheduler.loop.acts import Acts, Step, no_step
from scheduler.loop.calendar_book import CalendarBook
from scheduler.loop.drain import Loop
from scheduler.loop.feed import Feed
from scheduler.loop.herald import Herald
from scheduler.loop.inbound import WebhookPath
from scheduler.loop.journal import Journal
from scheduler.loop.last_run import LastRun
from scheduler.loop.poller import Poller
from scheduler.loop.price_book import PriceBook
from scheduler.loop.pulse import Pulse
from scheduler.loop.signing import Secrets, Signing
from scheduler.loop.turn import Turn
from scheduler.onboard.homes import Homes
from scheduler.ports import AlertChange, Clock, Store
from scheduler.redaction import Redactor
from scheduler.tenancy import Tenancy, world_of
from scheduler.web_client import WebClient, WebLimits
from storage import open_store

log = structlog.get_logger()

POLL_EVERY_S = 30.0
PRICES_EVERY_S = 60.0
"""How often it is looked whether a price source is due."""

CALENDARS_EVERY_S = 60.0
"""How often it is looked whether a calendar is due."""

PRICES_PATIENCE_S = 10.0
"""How long a start or a reload waits for prices and calendars: what comes later is news like any other."""
WEBHOOK_EVERY_S = 600.0
PRUNE_EVERY_S = 6 * 3600.0
COPY_EVERY_S = 900.0
"""How often it is looked whether a copy of the database is due."""
NOTIFY_EVERY_S = 30.0
LAST_WORDS_S = 5.0

HELD = "HELD_WHILE_STOPPING"


class App(Tenancy):
    """The running daemon."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        reread: Callable[[], Settings] | None = None,
        applied: Callable[[Settings], None] = lambda _: None,
        step: Step = no_step,
        alarm_cap_s: float = 1.0,
        redactor: Redactor | None = None,
        web_limits: WebLimits | None = None,
        new_id: Callable[[], str] = lambda: str(uuid4()),
        rng: random.Random | None = None,
        store: Store | None = None,
        web_client: type[WebClient] = WebClient,
    ) -> None:
        self.settings = settings
        self.redactor = redactor or Redactor(settings.secrets())
        self.clock = clock
        self._reread = reread or (lambda: settings)
        self._applied = applied
        self._step = step
        self._alarm_cap_s = alarm_cap_s
        self._web_limits = web_limits
        self._new_id = new_id
        self._rng = rng
        self._installed = installed()
        self._world = world_of(settings, self._installed)
        self.store: Store = store if store is not None else open_store(settings.storage_url, clock=clock)
        self._web_client = web_client
        self.keeper = Keeper(self.store, settings=lambda: self.settings, clock=clock)
        self.feed = Feed()
        self.own_homes = Homes(store=self.store, clock=clock, settings=lambda: self.settings, plugins=self._installed)
        self.passwords = Passwords(self.store)
        self._cleanups: list[Callable[[], Awaitable[None]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._asked: set[asyncio.Task[None]] = set()
        self.webhook_port = self.page_port = 0
        self.ready = False

    async def start(self) -> None:
        """Open the store, build the parts, start the loops, open the doors."""
        self.node = socket.gethostname()
        self.run = await self.keeper.open(node=self.node)
        self._cleanups.append(self.store.close)
        await self.own_homes.load()
        self._world, self._paused = self._world_with_stored(self.settings), self.own_homes.pauses()
        self._build()
        await self.pulse.write(
            self._world.as_event(),
            {"k": "LEASE", "epoch": self.run, "op": "got", "exp": None},
            {"k": "LIFE", "op": "start", "version": __version__},
            alerts=await self._taken_over(),
        )
        await self.last_run.begin()
        await self.loop.load()
        await self.prices.load()
        await self.calendars.load()
        self.signing.use(await self._secrets(self.settings))
        self._cleanups.append(self._stop_asking)
        await self._first_answers()
        await self._survey()
        self._start_loops()
        await self._open_doors()
        self.engine.poke(await self.store.shards_with_work())
        self.engine.soon(self.poller.sweep)
        self.ready = True
        await self.pulse.write({"k": "LIFE", "op": "ready"})
        log.info("daemon.started", version=__version__, run=self.run, homes=len(self._world.homes))

    async def _first_answers(self) -> None:
        """Ask for prices and calendars; sources that take long answer when the daemon runs already (N11)."""
        asked = [
            asyncio.create_task(self.prices.fetch(), name="first prices"),
            asyncio.create_task(self.calendars.fetch(), name="first calendars"),
        ]
        self._asked.update(asked)
        for one in asked:
            one.add_done_callback(self._asked.discard)
        await asyncio.wait(asked, timeout=PRICES_PATIENCE_S)

    async def _stop_asking(self) -> None:
        asked = tuple(self._asked)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    async def _taken_over(self) -> list[AlertChange]:
        """Take over the daemon's own alerts that the last run left open; return the end of those of its stopping."""
        left = await self.store.alerts(open_only=True, limit=1000)
        self.pulse.take_over(one.code for one in left if one.vehicle_id is None)
        return [replace(one, cleared_at=self.clock.now()) for one in left if one.code == HELD]

    def _build(self) -> None:
        self._build_provider()
        self._build_loop()
        self._build_news()
        self._build_voices()
        self._build_onboarding()

    def _build_provider(self) -> None:
        settings, clock = self.settings, self.clock
        self.web = self._web_client(
            clock, redact=self.redactor, limits=self._web_limits, on_hold=self._held, rng=self._rng
        )
        self._cleanups.append(self.web.close)
        account = Account(
            api_url=settings.enode.api_url,
            token_url=settings.enode.token_url,
            client_id=settings.enode.client_id,
            client_secret=settings.enode.client_secret.reveal(),
        )
        self.enode = EnodeClient(Connection(self.web, account, clock, on_refused=self._refused))
        self.provider = EnodeProvider(self.enode, stamp=self._stamp)

    def _build_loop(self) -> None:
        clock = self.clock
        self.journal = Journal(run=self.run, node=self.node)
        pressed = Flood(lambda: self.inbound.counters.deliveries, time=asyncio.get_running_loop().time)
        self.engine = LocalEngine(self._drain, clock=clock, pressed=pressed)
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
            new_id=self._new_id,
            on_turn=self._turned,
        )
        self.loop.departures = self._departures

    def _build_news(self) -> None:
        """Build what brings events, prices, departures and readings."""
        settings, clock = self.settings, self.clock
        self.inbound = WebhookPath(self.enode, self._subscription(), on_gap=self._reread_vehicles)
        self.signing = Signing(store=self.store, clock=clock)
        self.inbound.on_taken = self.signing.taken
        sources = price_feeds(settings, self._installed, self.web)
        self.prices = PriceBook(
            store=self.store, clock=clock, sources=sources, on_news=self._priced, homes=self.homes, rng=self._rng
        )
        self.calendars = CalendarBook(
            store=self.store,
            clock=clock,
            sources=calendar_sources(settings, self.web),
            homes=self.homes,
            on_news=self._wake_all,
            rng=self._rng,
        )
        self.poller = Poller(
            loop=self.loop,
            provider=self.provider,
            acts=self.acts,
            clock=clock,
            heard_at=self.inbound.heard_at,
            rng=self._rng,
        )

    def _build_voices(self) -> None:
        """Build what tells the journal and people."""
        self.pulse = Pulse(
            store=self.store,
            journal=self.journal,
            loop=self.loop,
            health=self.acts.health,
            inbound=self.inbound,
            on_step=self._reread_vehicles,
            feeds={
                "PRICES_MISSING": lambda told: self.prices.missing(told=told),
                "PRICE_SOURCE_DOWN": lambda told: self.prices.standing_in(told=told),
                "CALENDAR_UNREAD": lambda told: self.calendars.missing(told=told),
            },
        )
        self.last_run = LastRun(store=self.store, clock=self.clock)
        self.pulse.also = lambda: (*self.keeper.alerts(), *self.last_run.alerts())
        self.herald = Herald(store=self.store, clock=self.clock, called=self._called, durable=lambda: self.loop.durable)
        self.herald.replace(posts_of(self.settings, self.web))

    def _called(self, vehicle_id: str | None) -> tuple[str, str]:
        """Return what the owner calls a vehicle or a charger, and the time zone of its home."""
        if vehicle_id is None:
            return "", zone_of(None, self.homes())
        owner, state = self.loop.world.owner(vehicle_id), self.state(vehicle_id)
        if owner is None and (charger := self.accounts.charger(vehicle_id)) is not None:
            homes = (home for home in self.homes() if home.user_id == charger.user_id)
            return charger.name, zone_of(vehicle_id, homes)
        seen = (state.observation.name if state is not None else None) or vehicle_id
        return (seen, "UTC") if owner is None else (owner[1].name or seen, owner[0].timezone)

    def _turned(self, turn: Turn) -> None:
        """Tell whoever watches of a turn; alerts apart, since they may show elsewhere than the vehicle."""
        settled = turn.settled
        if settled.raised or settled.cleared:
            self.feed.publish("alert", settled.state.vehicle_id)
            if self.settings.notify:
                self.engine.soon(self.herald.tell)
        self.feed.publish("vehicle", settled.state.vehicle_id)

    def _subscription(self) -> Subscription | None:
        webhook = self.settings.webhook
        if webhook.public_url is None or webhook.secret is None:
            return None
        return Subscription(url=webhook.public_url, secret=webhook.secret.reveal())

    async def _secrets(self, settings: Settings) -> Secrets:
        """Return what deliveries may be signed with by some settings. Raises StoreError."""
        given = (settings.webhook.secret, settings.webhook.previous_secret)
        secret, previous = ("" if one is None else one.reveal() for one in given)
        return await self.signing.read(secret, previous)

    def _refused(self, error: ProviderUnauthorized) -> None:
        """Note that our credentials are refused, whatever it was that asked (S24)."""
        self.acts.health.bad(self._stamp(), error)

    def _reread_vehicles(self) -> None:
        self.poller.forget()

    def _held(self, bucket: str, until: datetime) -> None:
        """Remember for the journal that the provider asked for a pause (S23)."""
        self.pulse.remember({"k": "LIMIT", "bucket": bucket, "until": nanoseconds(until)})

    async def _drain(self, shard: int) -> bool:
        return await self.loop.drain(shard)

    def _priced(self, series: tuple[PriceSeries, ...]) -> None:
        self.loop.prices = series
        self.feed.publish("prices")
        self._wake_all()

    def _departures(self, home: Home, at: datetime) -> tuple[CalendarDeparture, ...]:
        return self.calendars.of(home, at, horizon=self.loop.world.limits.horizon)

    def _start_loops(self) -> None:
        for name, work in (
            ("engine", self.engine.run()),
            ("alarm", self.alarm.run()),
            ("store", self.keeper.watch()),
        ):
            self._tasks.append(asyncio.create_task(work, name=name))
        self._cleanups.append(self._stop_loops)
        watchdog_s = notify.watchdog_interval_s()
        tick_s = self._world.limits.t_tick.total_seconds()
        self.engine.periodic("sweep", min(tick_s, watchdog_s / 3) if watchdog_s else tick_s, self.sweep)
        self.engine.periodic("poll", POLL_EVERY_S, self.poller.sweep)
        self.engine.periodic("prices", PRICES_EVERY_S, self.prices.fetch)
        self.engine.periodic("calendars", CALENDARS_EVERY_S, self.calendars.fetch)
        self.engine.periodic("prune", PRUNE_EVERY_S, self.prune)
        self.engine.periodic("copy", COPY_EVERY_S, self.keeper.copy)
        self._start_onboarding()
        self.engine.periodic("notify", NOTIFY_EVERY_S, self.herald.tell)
        if self.settings.webhook.public_url:
            self.engine.periodic("webhook", WEBHOOK_EVERY_S, self.inbound.check)

    async def _stop_loops(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.acts.close()

    async def _open_doors(self) -> None:
        settings = self.settings
        api = api_app(self)
        add_code(api, self.passwords)
        add_trial(api, self.herald.try_out)
        runner = await serve_socket(api, settings.socket)
        self._cleanups.append(runner.cleanup)
        if settings.http.enabled:
            await self._open_page()
        if settings.webhook.enabled:
            await self._open_webhook()

    async def _open_page(self) -> None:
        http = self.settings.http
        dashboard = http.page == "dashboard"
        app = self._dashboard() if dashboard else status_page_app(self, http.allowed_hosts)
        runner, self.page_port = await serve_port(app, host=http.host, port=http.port)
        self._cleanups.append(runner.cleanup)
        if dashboard and not await self.passwords.known():
            log.warning("password.wanted", page=f"http://{http.host}:{self.page_port}/", code=self.passwords.new_code())

    def _dashboard(self) -> Application:
        http = self.settings.http
        token = http.token.reveal() if http.token is not None else None
        return web_app(self, hosts=http.allowed_hosts, token=token, passwords=self.passwords, redact=self.redactor)

    async def _open_webhook(self) -> None:
        app = webhook_app(
            secrets=self.signing.in_force,
            sink=self.take_in,
            stamp=self._stamp,
            counters=self.inbound.counters,
            on_untrusted=self._mistrust().look,
        )
        webhook = self.settings.webhook
        runner, self.webhook_port = await serve_port(app, host=webhook.host, port=webhook.port)
        self._cleanups.append(runner.cleanup)
        self.engine.soon(self.inbound.check)

    def _mistrust(self) -> Mistrust:
        """Return what looks into deliveries whose signature fails (W12)."""
        self.inbound.mistrust = Mistrust(
            is_signed,
            now=self.clock.now,
            ids=lambda: (one for home, car in self.loop.world.vehicles() for one in (home.user_id, car.id)),
            is_proven=lambda: self.inbound.secret_is_proven,
        )
        return self.inbound.mistrust

    async def sweep(self) -> None:
        """Beat, poke the shards that have work, then feed the watchdog: a restart mends no full disk (B03)."""
        await self.pulse.beat()
        await self.keeper.look()
        try:
            self.engine.poke(await self.store.shards_with_work())
        except StoreError as error:
            log.error("store.trouble", what="sweep", why=str(error))
        notify.notify(notify.WATCHDOG, notify.status(f"{len(self.loop.states)} vehicles, sweep {self.pulse.beats}"))

    async def prune(self) -> None:
        """Delete what is older than its retention."""
        with contextlib.suppress(StoreError):
            now = self.clock.now()
            gone = await self.store.prune(before={**self.settings.retained_since(now), "kept": now})
            log.info("store.pruned", rows=gone)

    async def stop(self) -> None:
        """Stop without commanding anything (S25); tell of every car that stays held."""
        self.ready = False
        if hasattr(self, "pulse"):
            held = [v.state for v in self.loop.states.values() if v.state.session and v.state.session.held_since]
            now = self.clock.now()
            alerts = [
                AlertChange(
                    code=HELD,
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
                await self.pulse.write({"k": "LIFE", "op": "stop"}, alerts=alerts)
                await self.last_run.end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.herald.tell(), LAST_WORDS_S)
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

    async def reload(self) -> list[str]:
        """Apply the configuration whole, or raise ConfigError or StoreError and change nothing (S21)."""
        settings = self._reread()
        world = self._world_with_stored(settings)
        next_settings = _with_fixed(settings, of=self.settings)
        sources, calendars = price_feeds(settings, self._installed, self.web), calendar_sources(settings, self.web)
        posts, secrets = posts_of(settings, self.web), await self._secrets(next_settings)
        told = list(warnings(settings, at=self.clock.now()))
        if _fixed(settings) != _fixed(self.settings):
            told.append("storage, enode, listen addresses and sockets change only with a restart")
        if strangers := {one.user_id for one in world.homes} - {one.user_id for one in self.homes()}:
            await self._survey(strangers)
            world = self._world_with_stored(settings)
        self.redactor.add(*settings.secrets())
        await self._adopt(world)  # the last that may fail: from here on all of it holds
        self.settings = next_settings
        self.signing.use(secrets)
        self.inbound.exchange(self._subscription())
        self.engine.soon(self.inbound.check)
        self._applied(settings)
        self.prices.replace_sources(sources)
        self.calendars.replace_sources(calendars)
        self.herald.replace(posts)
        await self._first_answers()
        self._wake_all()
        log.info("config.applied", conf=settings.digest)
        return told


def _fixed(settings: Settings) -> tuple[object, ...]:
    """Return what only a restart can change."""
    webhook = replace(settings.webhook, secret=None, previous_secret=None)
    return settings.enode, webhook, settings.http, settings.socket, settings.storage_url


def _with_fixed(settings: Settings, *, of: Settings) -> Settings:
    """Return new settings in which that stays as it is which only a restart can change."""
    given = settings.webhook
    webhook = replace(of.webhook, secret=given.secret or of.webhook.secret, previous_secret=given.previous_secret)
    return replace(
        settings, enode=of.enode, webhook=webhook, http=of.http, socket=of.socket, storage_url=of.storage_url
    )
