"""The verdict on a demonstration: what was delivered at which cost, what was sent, and which rule was broken.

Sessions, energy and places are the simulator's truth; prices are what the home's own policies say the person pays.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from scheduler.checker import Checker
from scheduler.checker.reading import PACE, RULES
from scheduler.core.command import Command
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Home, Situation
from scheduler.core.observation import Observation
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval, clip, nanoseconds
from scheduler.http.wording import rfc3339
from scheduler.loop.sessions import total_price
from scheduler.ports import Policies, Store

Report = dict[str, Any]
Span = tuple[datetime, datetime, float]
"""From, to, and the power drawn from the grid in between [kW]."""

TOLERANCE_PCT = 2.0
"""A departure is met within so many points of its target."""

PAGE = 1000
ALL = 1_000_000


class Judge:
    """Feeds the checker with the journal and the truth, in the order of time. `advance` now and then saves memory.

    In a run that is `hurried` the daemon's own pace is not judged: each second of its work counts as many minutes.
    Where the daemon's wall clock may step, `dated` tells when a line of the journal was truly written [ns].
    """

    def __init__(self, *, hurried: bool = False, dated: Callable[[Mapping[str, Any]], int] = itemgetter("t")) -> None:
        self.checker = Checker(rule for rule in RULES if not (hurried and rule in PACE))
        self._dated = dated
        self.truths: list[dict[str, Any]] = []
        self._row = 0
        self._seq = 0

    def hear(self, truth: Mapping[str, Any]) -> None:
        """Keep one record of the truth, as the simulator tells it."""
        self._seq += 1
        self.truths.append({"k": "TRUTH", "seq": self._seq, "run": 0, "node": "truth", "m": truth["t"], **truth})

    def bill(self, session: Report) -> None:
        """Tell the checker what a completed session cost, and what charging on arrival would have cost (E2)."""
        plugged_at, unplugged_at = (nanoseconds(_instant(session[name])) for name in ("plugged_at", "unplugged_at"))
        costs = {"cost": session["cost"], "at_once": session["baseline_cost"]}
        self.hear(
            {"k": "BILL", "t": unplugged_at, "v": session["vehicle"], "from": plugged_at, "to": unplugged_at, **costs}
        )

    async def advance(self, store: Store) -> None:
        """Judge everything that was stored until now."""
        while page := await store.journal(after=self._row, limit=PAGE):
            self._row = page[-1]["row"]
            for line in page:
                self._feed_truths(until=self._dated(line))
                self.checker.feed(line)

    def _feed_truths(self, until: int) -> None:
        due = 0
        while due < len(self.truths) and self.truths[due]["t"] <= until:
            self.checker.feed(self.truths[due])
            due += 1
        del self.truths[:due]

    def violations(self) -> list[Report]:
        """Return every violation, the remaining truth included."""
        self._feed_truths(until=1 << 63)
        return [one.as_json() for one in self.checker.finish()]


class Bookkeeper:
    """Prices the true sessions of one home each. `market` holds all prices of the time, published or not."""

    def __init__(self, homes: Sequence[Home], policies: Mapping[str, Policies], market: PriceSeries) -> None:
        self._homes = {home.user_id: home for home in homes}
        self._policies = policies
        self._market = market

    async def session(self, truth: Mapping[str, Any]) -> Report:
        """Return one completed session as the report shows it; `truth` is the simulator's own record of it."""
        home = self._homes[truth["user"]]
        plugged_at = _instant(truth["plugged_at"])
        slots = await self._paid(home, truth["vehicle"], plugged_at)
        trace = [(_instant(start), _instant(end), float(kw)) for start, end, kw in truth["power_trace"]]
        at_once = _at_once(plugged_at, truth["energy_kwh"], truth["max_power_kw"])
        departure, soc_pct, target_pct = (
            truth[name] for name in ("departure_at", "soc_at_departure_pct", "target_soc_pct")
        )
        met = None if departure is None else soc_pct >= target_pct - TOLERANCE_PCT
        return {
            "vehicle": truth["vehicle"],
            "home": home.id,
            "plugged_at": truth["plugged_at"],
            "unplugged_at": truth["unplugged_at"],
            "energy_kwh": round(truth["energy_kwh"], 3),
            "cost": _cost(trace, slots),
            "baseline_cost": _cost(at_once, slots),
            "currency": home.currency,
            "target_soc_pct": target_pct,
            "departure_at": departure,
            "soc_at_departure_pct": soc_pct,
            "reachable": truth["reachable"],
            "met": met,
            "shortfall_why": None if met else truth["why_not"] or "charged too late",
        }

    async def _paid(self, home: Home, vehicle_id: str, at: datetime) -> tuple[PriceSlot, ...]:
        """Return what the person pays from the plug-in's day on."""
        vehicle = next(one for one in home.vehicles if one.id == vehicle_id)
        situation = Situation(
            at=at,
            mono_ns=0,
            run=0,
            home=home,
            vehicle=vehicle,
            observation=Observation(),
            prices=(self._market,),
        )
        terms, _ = await self._policies[home.id].terms(situation)
        return total_price(terms)


def _at_once(plugged_at: datetime, energy_kwh: float, power_kw: float) -> list[Span]:
    """Return the same energy at full power from the plug-in on."""
    if energy_kwh <= 0:
        return []
    return [(plugged_at, plugged_at + timedelta(hours=energy_kwh / power_kw), power_kw)]


def _cost(spans: Sequence[Span], slots: Sequence[PriceSlot]) -> float:
    """Return what the energy costs.

    Raises:
        ValueError: some of it was drawn when no price is known.
    """
    cost = 0.0
    for start, end, kw in spans:
        if kw <= 0 or end <= start:
            continue
        parts = [(clip(Interval(start=start, end=end), start=s.start, end=s.end), s.per_kwh) for s in slots]
        priced = [(part, per_kwh) for part, per_kwh in parts if part is not None]
        if sum((part.duration for part, _ in priced), timedelta(0)) < end - start:
            raise ValueError(f"no price is known for all of {start} to {end}")
        cost += sum(part.hours * kw * per_kwh for part, per_kwh in priced)
    return round(cost, 4)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def command_report(command: Command) -> Report:
    """Return a command as the report shows it."""
    failure = command.failure
    return {
        "id": command.id,
        "vehicle": command.vehicle_id,
        "kind": command.action.value,
        "why": command.why.value,
        "state": command.state.value,
        "action_id": command.action_id,
        "failure": None if failure is None else {"type": failure.type, "detail": failure.detail},
        "sent_at": rfc3339(command.sent_at),
        "ended_at": rfc3339(command.ended_at),
        "verified": command.verified,
    }


async def commands_of(store: Store) -> list[Report]:
    """Return all commands in the order they were sent."""
    found = await store.commands(limit=ALL)
    ordered = sorted(found, key=lambda one: (nanoseconds(one.sent_at), one.vehicle_id))
    return [command_report(one) for one in ordered]


def totals(sessions: Sequence[Report]) -> Iterator[tuple[str, float, float, float]]:
    """Yield for each currency the energy [kWh], the cost, and what charging at once would have cost."""
    for currency in sorted({one["currency"] for one in sessions}):
        mine = [one for one in sessions if one["currency"] == currency]
        yield (
            currency,
            sum(one["energy_kwh"] for one in mine),
            sum(one["cost"] for one in mine),
            sum(one["baseline_cost"] for one in mine),
        )
