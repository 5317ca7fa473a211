"""The demonstration in words: one line for each thing that happens, read from the daemon's own journal."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scheduler.app import App
from scheduler.cli.terminal import BAD, GOOD, QUIET, WARN, Styled, show
from scheduler.core.calendar import zone_named
from scheduler.core.command import Command
from scheduler.core.model import Home, Place, Plan
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval, from_nanoseconds, merge
from scheduler.http.views import price_curve
from scheduler.http.wording import local, span
from scheduler.ports import Event, SessionRecord

COLOURS = ("cyan", "magenta", "blue", "yellow")
MOVED = timedelta(minutes=15)
"""A plan whose next start moved less than this is no news."""

JUST_CLOSED = timedelta(minutes=30)
"""A session that ended so lately is the one that this unplug closed."""


@dataclass(kw_only=True)
class Car:
    """A car as the story knows it."""

    name: str
    home: Home
    colour: str
    plugged: bool = False
    away: bool = False
    tells_place: bool = False
    reachable: bool = True
    soc_pct: float | None = None
    charging: bool | None = None
    told_start_at: datetime | None = None
    told_plan: bool = False


class Narrator:
    """Tells the journal's lines that a person cares about. `speak` gets each line in parts."""

    def __init__(self, app: App, *, speak: Callable[[list[Styled]], None] = show) -> None:
        self._app = app
        self._speak = speak
        self._row = 0
        self._until: dict[str, datetime] = {}
        colours = iter(COLOURS * 10)
        self._cars = {
            vehicle.id: Car(name=vehicle.name, home=home, colour=next(colours))
            for home in app.homes()
            for vehicle in home.vehicles
        }
        self._width = max(len(car.name) for car in self._cars.values())

    async def catch_up(self) -> None:
        """Tell what was journalled since the last time."""
        while page := await self._app.store.journal(after=self._row):
            self._row = page[-1]["row"]
            for event in page:
                car = self._cars.get(event["v"] or "")
                if car is not None:
                    await self._tell(event, car)

    async def _tell(self, event: Event, car: Car) -> None:
        if event["k"] == "PLUG" and event["op"] == "out":
            await self._unplugged(event, car)
            return
        tell = {
            "OBS": self._observed,
            "PLUG": self._plugged,
            "PRICE": self._priced,
            "PLAN": self._planned,
            "INTENT": self._sent,
            "AMBIG": self._lost,
            "RESULT": self._ended,
            "OVR": self._wished,
            "ALERT": self._alerted,
        }.get(event["k"])
        if tell is not None and event.get("ok", True) and event.get("op") not in ("clear", "cleared"):
            tell(event, car)

    # --- what is seen

    def _observed(self, event: Event, car: Car) -> None:
        before = car.charging
        car.soc_pct, car.charging = event["soc"], event["charging"]
        car.tells_place = event["ts"]["location"] is not None
        if car.reachable and event["reach"] is False:
            self._say(event, car, Styled("cannot be reached any more", WARN))
        elif not car.reachable and event["reach"]:
            self._say(event, car, "can be reached again")
        car.reachable = event["reach"] is not False
        if before and event["state"] == "PLUGGED_IN:COMPLETE":
            self._say(event, car, f"full at its own limit, {car.soc_pct:.0f} %")

    def _plugged(self, event: Event, car: Car) -> None:
        car.plugged, car.told_plan, car.told_start_at = True, False, None
        soc = "" if car.soc_pct is None else f" with {car.soc_pct:.0f} %"
        charging = ", charges by itself" if car.charging else ""
        last = self._app.last(event["v"])
        place = Place.UNPROVEN if last is None else last[1].verdict.place
        car.away = place is Place.AWAY and car.tells_place
        if car.away:
            self._say(event, car, f"plugged in away from home{soc}: left alone")
        elif place is Place.HOME:
            self._say(event, car, f"plugged in at home{soc}{charging}")
        else:
            self._say(event, car, f"plugged in{soc}{charging}; place not proven yet")

    async def _unplugged(self, event: Event, car: Car) -> None:
        car.plugged = False
        found = await self._app.store.sessions(vehicle_id=event["v"], limit=1)
        if found and found[0].unplugged_at is not None and _at(event) - found[0].unplugged_at < JUST_CLOSED:
            self._say(event, car, *_departed(found[0], car))
            self._say(event, car, *_paid(found[0]))
        elif car.away:
            self._say(event, car, "unplugged" + ("" if car.soc_pct is None else f" with {car.soc_pct:.0f} %"))

    # --- what is decided

    def _plan(self, event: Event) -> tuple[Plan | None, tuple[PriceSlot, ...]]:
        last = self._app.last(event["v"])
        return (None, ()) if last is None else (last[1].plan, price_curve(last[0]))

    def _planned(self, event: Event, car: Car) -> None:
        at = _at(event)
        if car.away or not event["slots"]:
            return
        spans = merge(Interval(start=from_nanoseconds(a), end=from_nanoseconds(b)) for a, b in event["slots"])
        start = spans[0].start
        old = car.told_start_at
        moved = old is not None and start > at and abs(start - old) >= MOVED
        if (car.told_plan and not moved) or start <= at:
            return
        car.told_plan, car.told_start_at = True, start
        plan, prices = self._plan(event)
        when = ", ".join(
            f"{local(one.start, car.home.timezone, now=at)}–{local(one.end, car.home.timezone)}" for one in spans[:3]
        )
        cost = "" if plan is None or plan.cost is None else f" for {plan.cost:.2f} {car.home.currency}"
        now = _price_at(prices, at)
        dear = "" if now is None else f" (now {now:.2f}/kWh)"
        energy = "" if plan is None else f"{sum(slot.energy_kwh for slot in plan.slots):.1f} kWh "
        self._say(event, car, Styled("plan: " if old is None else "new plan: ", "bold"), f"{energy}{when}{cost}{dear}")

    def _priced(self, event: Event, car: Car) -> None:
        """Tell once a home when its published prices reach a new day."""
        if not event["spans"]:
            return
        until = from_nanoseconds(event["spans"][-1][1])
        before = self._until.get(car.home.id)
        self._until[car.home.id] = until
        grown = before is not None and timedelta(hours=20) < until - before < timedelta(hours=28)
        if grown and until - _at(event) < timedelta(days=2):
            there = until.astimezone(zone_named(car.home.timezone)) - timedelta(minutes=1)
            parts = [Styled(f"the prices of {there:%A} are out", QUIET)]
            self._line(event, car.home, Styled(f"{car.home.id}".ljust(self._width), QUIET), parts)

    def _sent(self, event: Event, car: Car) -> None:
        at = _at(event)
        _, prices = self._plan(event)
        price = _price_at(prices, at)
        now = "" if price is None else f" at {price:.2f} {car.home.currency}/kWh"
        style = "bold green" if event["act"] == "START" else "bold red"
        self._say(event, car, Styled(f"{event['act']} sent", style), f"{now}: {self._why(event, car, prices)}")

    def _why(self, event: Event, car: Car, prices: tuple[PriceSlot, ...]) -> str:
        resume = event.get("resume")
        if event["act"] == "STOP":
            if event["why"] == "target":
                return "the target is reached" + ("" if car.soc_pct is None else f", {car.soc_pct:.0f} %")
            if resume is not None:
                resume_at = from_nanoseconds(resume)
                then = _price_at(prices, resume_at)
                price = "" if then is None else f" ({then:.2f})"
                return f"cheaper from {local(resume_at, car.home.timezone, now=_at(event))} on{price}"
        words = {
            "plan": "the cheapest time has come" if event["act"] == "START" else "a cheaper time comes",
            "deadline": "the departure cannot wait longer",
            "min_soc": "below the minimum, price or not",
            "user": "a person asked for it",
            "reconcile": "nothing asks for a pause any more",
        }
        return words.get(event["why"], str(event["why"]))

    # --- what became of it

    def _command(self, event: Event) -> Command | None:
        state = self._app.state(event["v"])
        return next((one for one in reversed(state.recent if state else ()) if one.id == event["cmd"]), None)

    def _lost(self, event: Event, car: Car) -> None:
        self._say(event, car, Styled("the answer was lost: reading back before anything else is sent", WARN))

    def _ended(self, event: Event, car: Car) -> None:
        command = self._command(event)
        act = "the command" if command is None else command.action.value
        after = "" if command is None else f" {span(_at(event) - command.sent_at)} later"
        failure = (event.get("failure") or {}).get("type")
        if event["out"] == "verified":
            seen = "charging" if act == "START" else "not charging"
            confirmed = "confirmed and " if command is not None and command.confirmed_at is not None else ""
            self._say(event, car, f"{act} {confirmed}verified{after}: ", Styled(f"seen {seen}", GOOD))
        elif failure:
            self._say(event, car, Styled(f"{act} failed{after}: {failure}", BAD), ", trying again soon")
        else:
            self._say(event, car, f"{act} {event['out']}{after}")

    def _wished(self, event: Event, car: Car) -> None:
        if event["from"] == "car" and event["will"] == "charge":
            self._say(event, car, Styled("started by hand: a person's wish, not countered until unplugged", WARN))
        else:
            self._say(event, car, Styled(f"asked to {event['will']} ({event['from']})", WARN))

    def _alerted(self, event: Event, car: Car) -> None:
        last = self._app.last(event["v"])
        texts = [] if last is None else [one.text for one in last[1].alerts if one.code == event["code"]]
        style = QUIET if event["sev"] == "info" else WARN
        self._say(event, car, Styled("alert: ", style), Styled(texts[0] if texts else event["code"], style))

    # --- saying it

    def _say(self, event: Event, car: Car, *parts: str | Styled) -> None:
        name = Styled(car.name.ljust(self._width), car.colour)
        self._line(event, car.home, name, [part if isinstance(part, Styled) else Styled(part, "") for part in parts])

    def _line(self, event: Event, home: Home, name: Styled, parts: list[Styled]) -> None:
        there = _at(event).astimezone(zone_named(home.timezone))
        self._speak([Styled(f"{there:%a %H:%M}  ", QUIET), name, Styled("  ", ""), *parts])


def _departed(session: SessionRecord, car: Car) -> Iterator[Styled]:
    """Yield the end of a session in parts: what was asked and what was reached."""
    soc = session.soc_end_pct
    yield Styled("unplugged" if soc is None else f"unplugged with {soc:.0f} %", "")
    if session.met is not None and session.target_soc_pct is not None:
        departure = session.departure_at
        when = "" if departure is None else f" by {departure.astimezone(zone_named(car.home.timezone)):%H:%M}"
        asked = f"{session.target_soc_pct:.0f} %{when}"
        yield Styled(f", ready{when} as asked" if session.met else f", {asked} missed", GOOD if session.met else BAD)


def _paid(session: SessionRecord) -> Iterator[Styled]:
    """Yield energy and money of a session in parts."""
    yield Styled(f"{session.energy_kwh:.1f} kWh", "")
    if session.cost is not None and session.baseline_cost:
        yield Styled(f" for {session.cost:.2f} {session.currency} instead of {session.baseline_cost:.2f}", "")
        saved = 1 - session.cost / session.baseline_cost
        if saved > 0:
            yield Styled(f": {100 * saved:.0f} % saved", GOOD)


def _at(event: Mapping[str, Any]) -> datetime:
    return from_nanoseconds(event["t"])


def _price_at(prices: tuple[PriceSlot, ...], at: datetime) -> float | None:
    return next((slot.per_kwh for slot in prices if slot.start <= at < slot.end), None)
