"""What the journal has said so far: configuration, and per vehicle its observation, session, commands and will.

Times are integer nanoseconds: `t` of the wall clock (UTC), `m` of the monotonic clock, whose origin is each run's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scheduler.checker.present import Present

Event = Mapping[str, Any]

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

FUTURE_LIMIT = 2 * MINUTE
"""A source time further ahead than this is no source time at all (S1)."""

DEFAULTS: Mapping[str, float] = {
    "X_rx": 10 * MINUTE,
    "X_src": 30 * MINUTE,
    "X_parked": 16 * HOUR,
    "T_unplug": 5 * MINUTE,
    "T_dwell": 10 * MINUTE,
    "N_hour": 6,
    "N_day": 24,
    "R_stop": 30 * MINUTE,
    "R_out": 30 * MINUTE,
    "T_verify": 35 * MINUTE,
    "T_alert": 10 * MINUTE,
    "T_hb": 60 * MINUTE,
    "T_conv": 40 * MINUTE,
    "T_tick": MINUTE,
    "horizon": 192 * HOUR,
    "eps_soc": 2,
}
"""The parameters that the rules read, as the invariants set them; `CONF.params` overrides."""

FAILED = frozenset({"failed", "unverified"})
"""Results that say the command had no effect: it is verified, or it has failed."""


def elapsed(earlier: Event, later: Event) -> int:
    """Return the time between two events [ns]: monotonic within a run, by the wall clock across runs."""
    if earlier.get("run") == later.get("run") and "m" in earlier and "m" in later:
        return int(later["m"]) - int(earlier["m"])
    return int(later["t"]) - int(earlier["t"])


@dataclass(kw_only=True)
class Command:
    """One command from its `INTENT` to its `RESULT`."""

    cmd: str
    act: str | None = None
    why: str | None = None
    intent: Event | None = None
    sent: Event | None = None
    acked: Event | None = None
    pid: str | None = None
    cancel: Event | None = None
    ambiguous: Event | None = None
    read_back: Event | None = None
    read_since: bool = False
    result: Event | None = None

    @property
    def run(self) -> str | None:
        """The run that last touched it: a later run must read back first."""
        last = self.sent or self.intent
        return None if last is None else last.get("run")

    def is_lost(self, now: Event) -> bool:
        """Whether its outcome is unknown: ambiguous, or sent by a run that is gone."""
        return self.ambiguous is not None or (self.sent is not None and self.run != now.get("run"))


@dataclass(kw_only=True)
class Session:
    """A plug session, told from observations alone: plugged in, until unplugged for `T_unplug` or seen elsewhere."""

    plugged_src: int | None
    strayed: bool = False
    peak_kw: float = 0.0
    ended: list[Command] = field(default_factory=list)


@dataclass(kw_only=True)
class Vehicle:
    """What the journal says of one vehicle. `observed` is its latest accepted `OBS`."""

    id: str
    observed: Event | None = None
    unplugged: Event | None = None
    session: Session | None = None
    commands: dict[str, Command] = field(default_factory=dict)
    pending: dict[str, Command] = field(default_factory=dict)
    override: Event | None = None
    need: Event | None = None
    soc_known: bool = False
    soc: float | None = None
    mode: str | None = None
    held_by: str | None = None
    no_pause: bool = False

    @property
    def open(self) -> list[Command]:
        """Commands that were sent and have no `RESULT`."""
        return [command for command in self.pending.values() if command.sent is not None]

    def will(self, at: int) -> str | None:
        """Return what the override in force at the instant asks for."""
        if self.override is None:
            return None
        until = self.override.get("until")
        return None if until is not None and at >= until else str(self.override["will"])

    def needs(self, key: str) -> Any:
        """Return a member of the last `NEED`, None before the first."""
        return None if self.need is None else self.need.get(key)


class Record:
    """All that the journal has said so far."""

    def __init__(self) -> None:
        self.params: dict[str, float] = dict(DEFAULTS)
        self.vehicles: dict[str, Vehicle] = {}
        self.claims: dict[str, set[str]] = {}
        self.charger_says: dict[str, Event] = {}
        self.present = Present()
        self._homes: dict[str, Event] = {}
        self._settings: dict[str, Event] = {}

    def vehicle(self, vehicle_id: str) -> Vehicle:
        """Return the vehicle, new if the journal has not named it before."""
        known = self.vehicles.get(vehicle_id)
        if known is None:
            known = self.vehicles[vehicle_id] = Vehicle(id=vehicle_id)
        return known

    def home(self, vehicle_id: str) -> Event | None:
        """Return the configured home of the vehicle."""
        return self._homes.get(vehicle_id)

    def setting(self, vehicle_id: str, key: str) -> Any:
        """Return a configured member of the vehicle."""
        return self._settings.get(vehicle_id, {}).get(key)

    def slack(self, vehicle_id: str) -> int:
        """Return the reserve before a deadline at the vehicle's home [ns]."""
        own = (self.home(vehicle_id) or {}).get("slack")
        return int(self.params["R_out"] if own is None else own)

    def configured(self) -> set[str]:
        """Return the vehicles that are to be looked at: all that are configured and not off."""
        return {
            vehicle_id
            for vehicle_id, home in self._homes.items()
            if "off" not in (home.get("mode"), self.setting(vehicle_id, "mode"))
        }

    def why_no_command(self, vehicle: Vehicle) -> str | None:
        """Return why the vehicle may not be commanded at all (S3), None if it may."""
        home = self.home(vehicle.id)
        if home is None:
            return "the vehicle is not configured"
        for what, mode in (
            ("home", home.get("mode", "control")),
            ("vehicle", self.setting(vehicle.id, "mode") or "control"),
            ("vehicle", vehicle.mode or "control"),
        ):
            if mode != "control":
                return f"the {what} is set to {mode}"
        return None if vehicle.held_by is None else f"the vehicle is held by a {vehicle.held_by} controller"

    def apply(self, event: Event) -> None:
        """Take the event into the record; kinds that no shared state depends on change nothing."""
        kind = event["k"]
        self.present.apply(event)
        if kind == "CONF":
            self._configure(event)
        elif kind == "CHARGER":
            self.charger_says[event["chg"]] = event
        elif event.get("v") is not None:
            vehicle = self.vehicle(event["v"])
            if kind == "OBS":
                self._observe(event, vehicle)
            elif kind in {"NEED", "MODE", "OVR", "PLUG"}:
                _take_word(event, vehicle)
            elif "cmd" in event:
                _take_command(event, vehicle)

    def _configure(self, event: Event) -> None:
        self.params = {**DEFAULTS, **event.get("params", {})}
        self._homes, self._settings = {}, {}
        for home in event.get("homes", ()):
            for vehicle in home.get("vehicles", ()):
                self._homes[vehicle["id"]] = home
                self._settings[vehicle["id"]] = vehicle

    def _observe(self, event: Event, vehicle: Vehicle) -> None:
        for command in vehicle.pending.values():
            command.read_since = True
        if not event["ok"]:
            return
        previous, vehicle.observed = vehicle.observed, event
        self._claim(previous, event)
        if previous is None or event.get("soc") != previous.get("soc"):  # a frozen value is no news
            vehicle.soc, vehicle.soc_known = event.get("soc"), event.get("soc") is not None
        self._follow_session(event, vehicle)

    def _claim(self, previous: Event | None, event: Event) -> None:
        if previous is not None and previous.get("chg") is not None:
            self.claims[previous["chg"]].discard(event["v"])
        if event.get("chg") is not None:
            claims = self.claims.setdefault(event["chg"], set())
            if event.get("plugged") is not False:
                claims.add(event["v"])

    def _follow_session(self, event: Event, vehicle: Vehicle) -> None:
        elsewhere = self._elsewhere(event)
        if event["plugged"] is False:
            vehicle.unplugged = vehicle.unplugged or event
            if elsewhere:
                _unplug(vehicle)
        elif event["plugged"] is True:
            if vehicle.unplugged is not None and elapsed(vehicle.unplugged, event) >= self.params["T_unplug"]:
                _unplug(vehicle)
            vehicle.unplugged = None
            if vehicle.session is None:
                vehicle.session = Session(plugged_src=event["ts"].get("charge"))
        if vehicle.session is not None:
            vehicle.session.strayed |= elsewhere
            vehicle.session.peak_kw = max(vehicle.session.peak_kw, event.get("kw") or 0.0)

    def _elsewhere(self, event: Event) -> bool:
        home = self.home(event["v"])
        if home is None:
            return False
        loc, chg, chargers = event.get("loc"), event.get("chg"), home.get("chargers") or ()
        return (loc is not None and loc != home.get("loc")) or bool(
            chargers and chg is not None and chg not in chargers
        )


def _unplug(vehicle: Vehicle) -> None:
    vehicle.session = None
    if vehicle.unplugged is not None:
        _forget_wish(vehicle)


def _forget_wish(vehicle: Vehicle) -> None:
    """End a wish with the session. One made after the plug was pulled is meant for the next."""
    wish, unplugged = vehicle.override, vehicle.unplugged
    if wish is not None and (unplugged is None or wish["t"] <= unplugged["t"]):
        vehicle.override = None


def _take_word(event: Event, vehicle: Vehicle) -> None:
    match event["k"]:
        case "NEED":
            vehicle.need = event
            vehicle.soc = event.get("soc")
            vehicle.soc_known = vehicle.soc is not None and event.get("soc_q") != "unknown"
        case "MODE":
            vehicle.mode = event.get("mode", vehicle.mode)
            vehicle.held_by = event.get("held_by", vehicle.held_by)
            vehicle.no_pause = event.get("no_pause", vehicle.no_pause)
        case "OVR":
            vehicle.override = event if event["op"] == "set" else None
        case "PLUG":
            if event["op"] == "out":
                _forget_wish(vehicle)


def _take_command(event: Event, vehicle: Vehicle) -> None:
    cmd = event["cmd"]
    command = vehicle.commands.get(cmd)
    if command is None:
        command = vehicle.commands[cmd] = vehicle.pending[cmd] = Command(cmd=cmd, act=event.get("act"))
    match event["k"]:
        case "INTENT":
            command.intent, command.act, command.why = event, event["act"], event.get("why")
        case "SEND":
            command.sent, command.ambiguous, command.read_back, command.read_since = event, None, None, False
        case "ACK":
            command.acked, command.pid = event, event.get("pid") or command.pid
        case "AMBIG":
            command.ambiguous, command.read_back, command.read_since = event, None, False
        case "READBACK":
            command.read_back = event
        case "CANCEL":
            command.cancel = event
        case "RESULT":
            command.result = event
            vehicle.pending.pop(cmd, None)
            if vehicle.session is not None:
                vehicle.session.ended.append(command)
