"""What a person wants, read from a request."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scheduler.core.model import Decision, Hand, Override, Situation, Will
from scheduler.http.daemon import Known
from scheduler.http.instants import instant
from scheduler.http.problem import Problem
from scheduler.http.wording import local

WILLS = (Will.CHARGE, Will.HOLD, Will.READY_BY, Will.AUTO)
HANDS = (Hand.API, Hand.CLI, Hand.DASHBOARD)
MEMBERS = frozenset({"will", "until", "soc_pct", "ready_at", "by"})

USUAL_SOC_PCT = 80.0
"""The target of a `ready-by` that names none, where no policy has one either."""


def read_override(
    body: Mapping[str, Any], known: Known, last: tuple[Situation, Decision] | None, *, now: datetime
) -> Override:
    """Return the override that a body asks for: `will`, `until`, `soc_pct`, `ready_at`, `by`.

    Raises:
        Problem: a member is unknown, missing, or not what it must be (400).
    """
    unknown = sorted(set(body) - MEMBERS)
    if unknown:
        raise Problem(400, f"unknown member {', '.join(unknown)}", remedy=f"Known: {', '.join(sorted(MEMBERS))}.")
    will, by = _one_of(body, "will", WILLS, None), _one_of(body, "by", HANDS, Hand.API)
    until, ready_at = _ahead(body, "until", known, now), _ahead(body, "ready_at", known, now)
    soc_pct = _soc(body)
    if will is not Will.READY_BY:
        if ready_at is not None or soc_pct is not None:
            raise Problem(400, f"{will} takes neither soc_pct nor ready_at", remedy="Use will = ready-by.")
        return Override(will=will, by=by, set_at=now, until=None if will is Will.AUTO else until)
    if ready_at is None:
        raise Problem(400, "ready-by needs ready_at", remedy="Say when the car must be ready: `--at 07:30`.")
    if soc_pct is None:
        soc_pct = _usual_soc(last)
    return Override(will=will, by=by, set_at=now, until=until, soc_pct=soc_pct, ready_at=ready_at)


def _one_of(body: Mapping[str, Any], name: str, allowed: tuple[Any, ...], default: Any) -> Any:
    value = body.get(name, default)
    found = next((one for one in allowed if one == value), None)
    if found is None:
        raise Problem(400, f"{name} must be one of {', '.join(allowed)}", detail=f"not {value!r}")
    return found


def _ahead(body: Mapping[str, Any], name: str, known: Known, now: datetime) -> datetime | None:
    text = body.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise Problem(400, f"{name} must be an instant in text", detail=f"not {text!r}")
    at = instant(text, timezone=known.home.timezone, now=now)
    if at <= now:
        remedy = f"It is {local(now, known.home.timezone)} in {known.home.timezone}; give a later instant."
        raise Problem(400, f"{name} is past", detail=text, remedy=remedy)
    return at


def _soc(body: Mapping[str, Any]) -> float | None:
    value = body.get("soc_pct")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:  # noqa: PLR2004
        raise Problem(400, "soc_pct must be above 0 and at most 100", detail=f"not {value!r}")
    return float(value)


def _usual_soc(last: tuple[Situation, Decision] | None) -> float:
    """Return the highest target that the policies have now, which a person who names none will mean."""
    targets = [need.soc_pct for need in last[1].plan.needs if need.soc_pct is not None] if last else []
    return max(targets, default=USUAL_SOC_PCT)
