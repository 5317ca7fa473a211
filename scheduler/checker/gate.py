"""Rules on whether a vehicle may be commanded at all: evidence, place, plug, mode, and a restart that keeps quiet."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scheduler.checker.record import FUTURE_LIMIT, HOUR, MINUTE, Event, Record, Vehicle, elapsed
from scheduler.checker.rule import Rule, Send, SendRule, Violation, kinds

PARKED_REASONS = frozenset({"plan", "deadline", "min_soc", "user"})
PLUG_IN_SLACK = 2 * MINUTE
VENDOR_CONTACT_LIMIT = 2 * HOUR
OVERPOWER = 1.3


def why_not_home(vehicle: Vehicle, record: Record) -> str | None:
    """Return why the latest accepted observation does not prove the vehicle to be at home (S1a), None if it does."""
    home, observed = record.home(vehicle.id), vehicle.observed
    if home is None:
        return "the vehicle has no home"
    if observed is None:
        return "nothing was observed"
    chg, loc = observed.get("chg"), observed.get("loc")
    at_location = loc is not None and loc == home.get("loc")
    if not home.get("chargers"):
        return _why_not_at_location(home, vehicle, chg=chg, at_location=at_location)
    if chg is None or chg not in home["chargers"]:
        return "not plugged into a charger of the home" if chg is None else f"at charger {chg}, which is not the home's"
    if not at_location and not (loc is None and home.get("trust")):
        return "the home's charger without the home's location" if loc is None else "charger and location disagree"
    rival = _rival(vehicle, record, chg)
    return None if rival is None else f"vehicle {rival} claims the same charger"


def _why_not_at_location(home: Event, vehicle: Vehicle, *, chg: str | None, at_location: bool) -> str | None:
    if chg is not None:
        return f"at charger {chg}, and the home lists none"
    if not at_location:
        return "not at the home's location"
    limit_kw, session = home.get("kw_max"), vehicle.session
    if limit_kw is not None and session is not None and session.peak_kw > OVERPOWER * limit_kw:
        return f"{session.peak_kw:g} kW were seen in this session, more than the home can give"
    return None


def _rival(vehicle: Vehicle, record: Record, chg: str) -> str | None:
    """Return another vehicle whose claim to the charger stands: not unplugged since, nor denied by the charger."""
    said = record.charger_says.get(chg)
    for other in sorted(record.claims.get(chg, set()) - {vehicle.id}):
        observed = record.vehicles[other].observed
        claimed_at = 0 if observed is None else observed["ts"].get("charge") or 0
        if said is None or said.get("vehicle") != vehicle.id or said.get("ts", said["t"]) <= claimed_at:
            return other
    return None


class Place(SendRule):
    """Nothing is sent to a vehicle that is not proven to be at its home."""

    code = "S1a"

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield why the place is not proven."""
        why = why_not_home(send.vehicle, send.record)
        if why is not None:
            yield self.broken(send.event, why)


class Evidence(SendRule):
    """A command rests on accepted observations that are fresh, facet by facet (S1), or on S1b for a START."""

    code = "S1"
    learns = kinds("OBS REFRESH")

    def __init__(self) -> None:
        self._observations: dict[tuple[Any, int], tuple[str, bool]] = {}
        self._refreshes: dict[str, list[Event]] = {}

    def learn(self, event: Event, record: Record) -> None:
        """Remember observations by their number, and requests for a refresh."""
        if event["k"] == "OBS":
            self._observations[event.get("run"), event["seq"]] = event["v"], bool(event["ok"])
        elif event["k"] == "REFRESH":
            asked = [past for past in self._refreshes.get(event["v"], []) if elapsed(past, event) <= HOUR]
            self._refreshes[event["v"]] = [*asked, event]

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield every way in which the evidence does not carry the command."""
        if send.command.intent is not None:
            named = [
                self._observations.get((send.command.intent.get("run"), seq)) for seq in send.command.intent["basis"]
            ]
            if (send.vehicle.id, True) not in named:
                yield self.broken(send.event, "the basis names no accepted observation of the vehicle")
            elif any(one is not None and not one[1] for one in named):
                yield self.broken(send.event, "the basis names an observation that was not accepted")
        observed, home = send.vehicle.observed, send.record.home(send.vehicle.id)
        if observed is None:
            yield self.broken(send.event, "the vehicle was never observed")
            return
        yield from self._facet_age(send, observed, "charge")
        if home is not None and not home.get("chargers"):
            yield from self._facet_age(send, observed, "location")
            yield from self._location_since_plug_in(send, observed)

    def _facet_age(self, send: Send, observed: Event, facet: str) -> Iterator[Violation]:
        params = send.record.params
        received_ns = _age_rx(send.event, observed, facet)
        if received_ns is None:
            yield self.broken(send.event, f"{facet} was not received in this run")
        elif received_ns > params["X_rx"]:
            yield self.broken(send.event, f"{facet} was received {_minutes(received_ns)} before")
        src = observed["ts"].get(facet)
        age_ns = None if src is None else send.at - src
        if age_ns is None or age_ns < -FUTURE_LIMIT:
            yield self.broken(send.event, f"the age of {facet} is unknown")
        elif age_ns > params["X_src"]:
            if not send.is_start or send.why not in PARKED_REASONS or age_ns > params["X_parked"]:
                yield self.broken(send.event, f"{facet} is {_minutes(age_ns)} old")
            else:
                for why in self._why_not_parked(send, observed):
                    yield self.broken(send.event, f"{facet} is {_minutes(age_ns)} old and {why}", code="S1b")

    def _why_not_parked(self, send: Send, observed: Event) -> Iterator[str]:
        if observed.get("reach") is not True:
            yield "the vehicle is not reachable"
        seen = observed.get("seen")
        if seen is None or send.at - seen > VENDOR_CONTACT_LIMIT:
            yield "the vendor had no contact within two hours"
        asked = self._refreshes.get(send.vehicle.id, [])
        if not any(MINUTE <= elapsed(past, send.event) <= 30 * MINUTE for past in asked):
            yield "no refresh was asked for between 1 and 30 min before"
        if send.vehicle.session is not None and send.vehicle.session.strayed:
            yield "another place was seen since the plug-in"

    def _location_since_plug_in(self, send: Send, observed: Event) -> Iterator[Violation]:
        location, session = observed["ts"].get("location"), send.vehicle.session
        plugged = None if session is None else session.plugged_src
        if location is not None and plugged is not None and location < plugged - PLUG_IN_SLACK:
            yield self.broken(send.event, "the location is older than the plug-in")


def _age_rx(event: Event, observed: Event, facet: str) -> int | None:
    """Return how long before the event the facet was received [ns]; None if not in the run of the event."""
    received = observed["rx"].get(facet) if observed.get("rx") is not None else observed["m"]
    if observed.get("run") != event.get("run") or received is None or received > event["m"]:
        return None
    return int(event["m"]) - int(received)


def _minutes(span_ns: int) -> str:
    return f"{span_ns / MINUTE:.0f} min"


class Plugged(SendRule):
    """Nothing is sent unless the latest accepted observation says plugged in."""

    code = "S2"

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield what the plug was instead."""
        plugged = None if send.vehicle.observed is None else send.vehicle.observed.get("plugged")
        if plugged is not True:
            yield self.broken(send.event, "not plugged in" if plugged is False else "not known to be plugged in")


class Mode(SendRule):
    """Nothing is sent to a vehicle that is off, observed only, uncontrollable, or held by a foreign controller."""

    code = "S3"

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield why it may not be commanded."""
        why = send.record.why_no_command(send.vehicle)
        if why is not None:
            yield self.broken(send.event, why)


class QuietRestart(Rule):
    """The first command of a run follows an observation of that run and a difference from what is wanted."""

    code = "S25"
    judges = kinds("SEND")

    def __init__(self) -> None:
        self._commanded: set[tuple[Any, str]] = set()

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a first `SEND` that the restart alone explains."""
        if event["k"] != "SEND" or (event.get("run"), event["v"]) in self._commanded:
            return
        self._commanded.add((event.get("run"), event["v"]))
        observed = record.vehicle(event["v"]).observed
        if observed is None or observed.get("run") != event.get("run"):
            yield self.broken(event, "the run has not observed the vehicle yet")
        elif observed.get("charging") is (event["act"] == "START"):
            yield self.broken(event, "the vehicle already does what the command asks")
