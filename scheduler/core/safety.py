"""What safety costs: the plan beside the one that could be made if every START worked at once."""

from dataclasses import replace
from datetime import timedelta

from scheduler.core.model import Plan, Situation
from scheduler.core.planner import plan
from scheduler.core.terms import RandomDelay, StartCost, of_type
from scheduler.core.timeline import merge

ALIKE_KWH = 0.01
"""Plans whose energies differ by more cannot be compared by their cost."""

NOTHING = timedelta(0)


def price_of_safety(situation: Situation) -> float | None:
    """Return what the plan costs beyond one without the margins, never negative [home currency, starts included].

    The margins are the slack before departures (`R_out`), the time to resume before the latest start (`R_stop`), the
    latency of a START and the greatest random delay. None where a price is unknown, or where the two do not bring the
    same energy.
    """
    safe, bold = plan(situation), plan(without_margins(situation))
    if safe.cost is None or bold.cost is None or abs(_energy_kwh(safe) - _energy_kwh(bold)) > ALIKE_KWH:
        return None
    return max(0.0, _with_starts(situation, safe) - _with_starts(situation, bold))


def without_margins(situation: Situation) -> Situation:
    """Return the situation as it would be if nothing could go wrong."""
    return replace(
        situation,
        limits=replace(situation.limits, r_out=NOTHING, r_stop=NOTHING),
        home=replace(situation.home, slack=NOTHING),
        learned=replace(situation.learned, start_latency_s=0.0),
        terms=tuple(stated for stated in situation.terms if not isinstance(stated.term, RandomDelay)),
    )


def _energy_kwh(made: Plan) -> float:
    return sum(slot.energy_kwh for slot in made.slots)


def _with_starts(situation: Situation, made: Plan) -> float:
    """Return what the energy and the starts of a plan cost; charging that goes on is no start."""
    begins = [run.start for run in merge(slot.interval for slot in made.slots)]
    on = situation.observation.charge.charging is True and begins[:1] == [situation.at]
    each = situation.home.start_cost + sum(term.amount for term in of_type(situation.terms, StartCost))
    return (made.cost or 0.0) + each * (len(begins) - on)
