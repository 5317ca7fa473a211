"""Homes, vehicles, situations, plans and decisions: the values that the cycle passes along."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zlib import crc32

from scheduler.core.command import Action, Command, Why
from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.observation import Observation
from scheduler.core.terms import Stated
from scheduler.core.timeline import Interval

SHARDS = 64
"""How many shards the work is cut into; fixed for ever, since it decides which rows a drain sees."""


def shard_of(user_id: str) -> int:
    """Return the shard of a user. One drain so sees a whole home."""
    return crc32(user_id.encode()) % SHARDS


class Mode(StrEnum):
    """What the daemon may do with a vehicle."""

    CONTROL = "control"
    OBSERVE = "observe"  # decide, show, send nothing
    OFF = "off"


class HoldMode(StrEnum):
    """Whether a car that starts by itself on plug-in may be stopped."""

    STOP = "stop"
    NEVER_STOP = "never-stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The parameters of `invariants.md`, by their names there."""

    x_rx: timedelta = timedelta(minutes=10)
    x_src: timedelta = timedelta(minutes=30)
    x_parked: timedelta = timedelta(hours=16)
    t_unplug: timedelta = timedelta(minutes=5)
    t_verify: timedelta = timedelta(minutes=35)
    t_probe: timedelta = timedelta(seconds=90)
    t_probe_again: timedelta = timedelta(minutes=5)
    t_dwell: timedelta = timedelta(minutes=10)
    n_hour: int = 6
    n_day: int = 24
    r_out: timedelta = timedelta(minutes=30)
    r_stop: timedelta = timedelta(minutes=30)
    t_stable: timedelta = timedelta(seconds=60)
    t_auto: timedelta = timedelta(minutes=10)
    t_alert: timedelta = timedelta(minutes=10)
    t_hb: timedelta = timedelta(minutes=60)
    t_conv: timedelta = timedelta(minutes=40)
    t_tick: timedelta = timedelta(seconds=60)
    eps_soc: float = 2.0
    p_overshoot: float = 5.0
    future_max: timedelta = timedelta(minutes=2)
    horizon: timedelta = timedelta(days=8)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicySpec:
    """One `[[home.policy]]` table: the policy's name and its settings as they were written."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleSpec:
    """What the owner configured of a vehicle. Capacity and power fill what the provider does not give."""

    id: str
    name: str = ""
    mode: Mode = Mode.CONTROL
    capacity_kwh: float | None = None
    charge_power_kw: float | None = None
    energy_per_session_kwh: float | None = None
    no_pause: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """An Enode user, a location, chargers, vehicles, a tariff and an ordered list of policies.

    `max_kw` bounds the power at the home; `min_dwell` is the shortest run and pause of a plan. `start_cost` is what one
    more start is worth avoiding [home currency]. `slack` is how long before a departure a plan means to be done, in
    place of `Limits.r_out`.
    """

    id: str
    user_id: str
    timezone: str
    location_id: str | None = None
    charger_ids: tuple[str, ...] = ()
    trust_charger: bool = False
    currency: str = "EUR"
    mode: Mode = Mode.CONTROL
    hold_mode: HoldMode = HoldMode.STOP
    max_kw: float | None = None
    start_cost: float = 0.0
    min_dwell: timedelta = timedelta(minutes=10)
    slack: timedelta | None = None
    vehicles: tuple[VehicleSpec, ...] = ()
    policies: tuple[PolicySpec, ...] = ()

    @property
    def shard(self) -> int:
        """The shard that this home's work falls into."""
        return shard_of(self.user_id)

    @property
    def calendars(self) -> frozenset[str]:
        """The names of the calendars that its policies read: what they say as their setting `calendar`."""
        named = (policy.settings.get("calendar") for policy in self.policies)
        return frozenset(name for name in named if isinstance(name, str))


class Will(StrEnum):
    """What a person wants, once."""

    CHARGE = "charge"
    HOLD = "hold"
    READY_BY = "ready-by"
    HANDS_OFF = "hands_off"
    AUTO = "auto"  # clears what was wanted before


class Hand(StrEnum):
    """Whose hand it was."""

    DASHBOARD = "dashboard"
    API = "api"
    CLI = "cli"
    CAR = "car"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """A person's wish. It ends at the unplug, by the person, or at `until`."""

    will: Will
    by: Hand
    set_at: datetime
    until: datetime | None = None
    soc_pct: float | None = None  # ready-by
    ready_at: datetime | None = None  # ready-by


@dataclass(frozen=True, kw_only=True, slots=True)
class Overdue:
    """A target that came due unmet: it acts as `by=None` until met, unplugged, or the person says otherwise (L9)."""

    policy: str
    soc_pct: float | None
    energy_kwh: float | None
    due_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """A span of charging at one power, as far as it was seen [kW, grid side]."""

    start: datetime
    end: datetime
    kw: float


BAND_PCT = 5.0
"""How wide a band of state of charge is [points]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BandSeen:
    """What a session took while the state of charge was in one band: energy [kWh, grid side] and how long it took."""

    from_pct: float
    kwh: float = 0.0
    hours: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """From an accepted plugged-in observation to a confirmed unplug (unplugged for `T_unplug`, or seen elsewhere)."""

    id: str
    plugged_at: datetime  # source time
    opened_at: datetime
    at_home: bool = False
    strayed: bool = False  # another place or charger was seen since the plug-in
    charging_when_opened: bool = False
    unplugged_since: datetime | None = None
    unplug_seen_again: bool = False  # a second reading without the plug, newer at its source
    replugged_at: datetime | None = None  # source time of the last plug-in after an unplug too short to end the session
    soc_at_start_pct: float | None = None
    energy_kwh: float = 0.0  # grid side, as far as power was seen
    energy_at_soc_kwh: float | None = None  # what it was when the state of charge that is told last moved
    metered_at: datetime | None = None  # source time up to which power was counted
    flows: tuple[Flow, ...] = ()
    stopped_at: datetime | None = None  # a stop that nobody claims, not yet answered
    stops: int = 0  # unclaimed stops seen
    corrections: int = 0  # unclaimed stops undone by a START of ours that worked (S8: at most one)
    failed_resumes: int = 0
    failures: int = 0  # failed commands in a row (back-off)
    retry_at: datetime | None = None
    held_since: datetime | None = None  # by our own verified STOP
    started_since: datetime | None = None  # charging since, by source time
    ended_at_pct: float | None = None  # the car's own limit when it ended there, or would not go on
    max_kw: float = 0.0  # highest power seen
    bands: tuple[BandSeen, ...] = ()  # ordered; where the power may fall as the battery fills


@dataclass(frozen=True, kw_only=True, slots=True)
class TaperBand:
    """The mean power in one band of state of charge, in the latest sessions that passed it [kW, grid side]."""

    from_pct: float
    kws: tuple[float, ...]  # newest last


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """What the vehicle's own sessions at this home taught. None until there is something to say."""

    power_kw: float | None = None
    start_latency_s: float | None = None  # 95th percentile
    session_energy_kwh: tuple[float, ...] = ()  # latest sessions, newest last, at most 100
    latencies_s: tuple[float, ...] = ()  # newest last, at most 50
    no_pause: bool = False
    taper: tuple[TaperBand, ...] = ()  # ordered


class PriceRung(StrEnum):
    """How far the prices reach down the fallback ladder."""

    FRESH = "fresh"
    OLDER = "older"
    PROFILE = "profile"
    NOW = "now"


class Place(StrEnum):
    """The home gate's verdict."""

    HOME = "HOME"
    AWAY = "AWAY"
    UNPLUGGED = "UNPLUGGED"
    UNPROVEN = "UNPROVEN"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Where the car is, and how we know. `why` is a constant word, `text` a sentence for the owner."""

    place: Place
    why: str = ""
    text: str = ""
    parked: bool = False  # the evidence is old but good enough for a START (S1b)

    @property
    def home(self) -> bool:
        """Tell whether a command may leave."""
        return self.place is Place.HOME


class Quality(StrEnum):
    """How well the state of charge is known."""

    FRESH = "fresh"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Energy for one target. `energy_kwh` is on the grid side, from now, pessimistic.

    `lst_at` is the latest start: from it, charging in every permitted interval still meets the need `R_out` before
    `by`, learned START latency and the greatest random delay included. `by=None` is at once.
    """

    policy: str
    energy_kwh: float
    by: datetime | None
    lst_at: datetime | None
    soc_pct: float | None = None
    quality: Quality = Quality.FRESH
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedSlot:
    """A span of planned charging at one price. `per_kwh` is None where no price is known."""

    start: datetime
    end: datetime
    energy_kwh: float
    per_kwh: float | None
    published: bool
    why: str

    @property
    def interval(self) -> Interval:
        """The span alone."""
        return Interval(start=self.start, end=self.end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A term that could not be honoured, and the one it gave way to."""

    policy: str
    what: str
    for_policy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Slots to charge in (UTC, ordered, disjoint) and why; energy that cannot arrive in time [kWh, grid side]."""

    slots: tuple[PlannedSlot, ...] = ()
    needs: tuple[Need, ...] = ()
    shortfall_kwh: float = 0.0
    shortfall_why: str = ""
    broken: tuple[Broken, ...] = ()
    rung: PriceRung = PriceRung.NOW
    cost: float | None = None
    asks: bool = False  # something asks for energy; without it the desired state is "leave alone"
    start_by: datetime | None = None  # from then on no random delay may put off a START; None without one

    def slot_at(self, at: datetime) -> PlannedSlot | None:
        """Return the planned slot that covers the instant."""
        return next((s for s in self.slots if s.start <= at < s.end), None)

    def next_start(self, at: datetime) -> datetime | None:
        """Return when planned charging begins after the instant."""
        return next((s.start for s in self.slots if s.start > at), None)


class Desired(StrEnum):
    """What should be."""

    CHARGE = "charge"
    HOLD = "hold"
    LEAVE = "leave"


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """Since which edge of the plan what should be is what it is, in this session of a home with random delays.

    `edge_at` is None where no edge brought it: after a plug-in, and after a person's wish (`wish_at`) began or ended.
    """

    desired: Desired
    edge_at: datetime | None = None
    wish_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """The random delay of an edge of the plan: how long was drawn, and until when nothing is sent for it.

    `cut`: the latest start leaves no time to wait for all of it.
    """

    edge_at: datetime
    drawn_s: int
    until: datetime
    cut: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One step of the explanation: a constant code and a sentence."""

    code: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """The command that closes the gap between desired and observed."""

    action: Action
    why: Why
    resume_at: datetime | None = None
    rests_on: str = ""  # a STOP: "price", "window", "target" or "user"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertWish:
    """Something a person should know. The same code and subject is one alert until it clears.

    `cause` tells it from another alert of the same code; it stays the same while numbers in the text change.
    """

    code: str
    text: str
    severity: str = "warning"  # info, warning, critical
    cause: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Voiced:
    """An alert that was told: its cause, the session and the wish it belongs to, and since when its cause is gone."""

    code: str
    cause: str
    of: str
    told_at: datetime
    gone_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """All inputs of one decision: frozen, serialisable, replayable."""

    at: datetime
    mono_ns: int
    run: int
    home: Home
    vehicle: VehicleSpec
    observation: Observation
    limits: Limits = Limits()
    prices: tuple[PriceSeries, ...] = ()
    departures: tuple[CalendarDeparture, ...] = ()  # of the home's calendars, ordered: from yesterday to the horizon
    session: Session | None = None
    command: Command | None = None
    recent: tuple[Command, ...] = ()
    override: Override | None = None
    overdue: tuple[Overdue, ...] = ()
    learned: Learned = Learned()
    committed: tuple[Interval, ...] = ()  # when the last plan means to charge (S13)
    committed_to: str = ""  # what it was made for
    turned: Turn | None = None  # as of the last decision
    refreshed_at: datetime | None = None
    alerts: tuple[str, ...] = ()  # codes raised now
    gone: bool = False  # the provider no longer knows the vehicle
    claimed_elsewhere: bool = False  # another vehicle claims the same charger
    credentials_valid: bool = True
    client_refused: bool = False  # the provider does not take our own credentials
    clock_trusted: bool = True
    store_durable: bool = True
    terms: tuple[Stated, ...] = ()
    set_aside: tuple[str, ...] = ()  # policies that could not speak, with why

    def series(self, name: str) -> PriceSeries | None:
        """Return the prices of one source."""
        return next((p for p in self.prices if p.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What follows from a situation, with the reasons in order of weight."""

    verdict: Verdict
    desired: Desired
    plan: Plan
    reasons: tuple[Reason, ...]
    command: Proposal | None = None
    recall: bool = False  # ask for cancellation of the pending action (S26)
    look: bool = False  # read the vehicle now
    refresh: bool = False  # ask the provider to refresh its reading: may wake the car
    alerts: tuple[AlertWish, ...] = ()
    next_due_at: datetime | None = None
    override: Override | None = None  # a person's hand was read (hands off)
    soc_pct: float | None = None
    soc_quality: Quality = Quality.UNKNOWN
    turned: Turn | None = None
    delay: Delay | None = None  # of what is wanted now, over or not (U1)
    longest_delay: timedelta = timedelta(0)  # the greatest that may be drawn


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleState:
    """What is kept of a vehicle between cycles. The store holds it as one row, with a version."""

    vehicle_id: str
    home_id: str
    user_id: str
    observation: Observation = field(default_factory=Observation)
    session: Session | None = None
    command: Command | None = None
    recent: tuple[Command, ...] = ()  # final, newest last, of the last 24 hours
    override: Override | None = None
    overdue: tuple[Overdue, ...] = ()
    learned: Learned = Learned()
    committed: tuple[Interval, ...] = ()
    committed_to: str = ""
    turned: Turn | None = None
    watched: tuple[Overdue, ...] = ()  # targets not yet due, as last stated
    desired: Desired | None = None  # of the last decision
    alerts: tuple[str, ...] = ()  # codes raised now
    voiced: tuple[Voiced, ...] = ()  # what was told of them, and of others not long ago
    refreshed_at: datetime | None = None
    credentials_lost_at: datetime | None = None
    gone: bool = False  # the provider no longer knows the vehicle
    need_key: str = ""  # what NEED and PLAN last said in the journal
    price_key: str = ""  # what PRICE last said
    noted: str = ""  # why a STOP at the target was last withheld
    decision_key: str = ""  # of the last stored decision
    next_due_at: datetime | None = None
