"""With the longest delay drawn at every edge, departures are met with their whole reserve left (U1, L1)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.command import Action
from scheduler.core.commitment import promised, purpose
from scheduler.core.decide import decide
from scheduler.core.energy import gained_pct
from scheduler.core.model import Decision, Situation
from scheduler.core.terms import Block, Price, RandomDelay, Target, Term
from tests.unit.core.builders import NOW, price_slots, situation, span

MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
CAPACITY_KWH, KW = 60.0, 7.0
TARGET_PCT, MET_PCT = 80.0, 79.9


@dataclass(kw_only=True)
class UnluckyNight:
    """A car that does what it is told, at a home where every draw is the longest."""

    terms: tuple[Term, ...]
    longest: timedelta
    soc_pct: float
    at: datetime = NOW
    charging: bool = False
    last: Decision | None = None
    reached_at: datetime | None = None
    moves: list[tuple[Action, datetime]] = field(default_factory=list)

    def live(self, until: datetime) -> "UnluckyNight":
        while self.at < until:
            decision = self.last = decide(self.situation())
            due = self.due(decision)
            if due is not None and self.at >= due:
                self.charging = not self.charging
                self.moves.append((Action.START if self.charging else Action.STOP, self.at))
            self.pass_time(decision, due if due is not None and due > self.at else None)
        return self

    def due(self, decision: Decision) -> datetime | None:
        """Return when the command that is wanted leaves in the worst case; None when none is."""
        codes = {reason.code for reason in decision.reasons}
        if decision.command is None and "random-delay" not in codes:
            return None
        drawn = decision.delay
        if drawn is None:
            return self.at
        longest = drawn.edge_at + self.longest
        return longest if decision.plan.start_by is None or self.charging else min(longest, decision.plan.start_by)

    def pass_time(self, decision: Decision, due: datetime | None) -> None:
        following = [at for at in (decision.next_due_at, due) if at is not None and at > self.at]
        then = max(min([*following, self.at + 15 * MIN]), self.at + timedelta(seconds=1))
        if self.charging:
            hours = (then - self.at) / HOUR
            self.soc_pct += gained_pct(grid_kwh=KW * hours, capacity_kwh=CAPACITY_KWH)
            if self.reached_at is None and self.soc_pct >= MET_PCT:
                self.reached_at = then
        self.at = then

    def situation(self) -> Situation:
        last = self.last
        now = situation(
            at=self.at,
            soc_pct=self.soc_pct,
            capacity_kwh=CAPACITY_KWH,
            charge_power_kw=KW,
            charging=self.charging,
            terms=self.terms,
            plugged_for=self.at - NOW + HOUR,
            session={"held_since": NOW if self.moves and not self.charging else None},
        )
        if last is None:
            return now
        kept = {"committed": promised(last.plan, NOW), "committed_to": purpose(now, last.plan.needs)}
        return replace(now, turned=last.turned, **kept)


@given(
    prices=st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=12, max_size=12),
    longest_min=st.sampled_from([5, 10, 30]),
    soc_pct=st.integers(min_value=45, max_value=75),
    spare_min=st.integers(min_value=0, max_value=400),
    blocked_h=st.sampled_from([None, 1.0, 2.5, 4.0]),
)
@settings(max_examples=40, deadline=None)
def test_the_deadline_holds_with_the_longest_delay_at_every_edge(prices, longest_min, soc_pct, spare_min, blocked_h):
    longest = longest_min * MIN
    wall = [Block(interval=span(blocked_h, blocked_h + 0.5))] if blocked_h is not None else []
    need = (TARGET_PCT - soc_pct) / gained_pct(grid_kwh=KW, capacity_kwh=CAPACITY_KWH) * HOUR
    margin = timedelta(minutes=31) + longest + (30 * MIN if wall else timedelta(0))
    by = NOW + need + margin + (spare_min + 1) * MIN
    target = Target(soc_pct=TARGET_PCT, by=by)
    terms = (*wall, Price(slots=price_slots(prices)), target, RandomDelay(longest=longest))
    night = UnluckyNight(terms=terms, longest=longest, soc_pct=float(soc_pct)).live(by)
    assert night.reached_at is not None
    assert night.reached_at <= by - timedelta(minutes=30)
