"""Alerts over time (L5): told when they begin, over when they are over, and not told again within six hours. Pure.

An alert that comes back with the same cause, in the same session and under the same wish, stands open again since it
was first told, and nobody is told once more. What rests on estimates is over only when its cause has been gone for as
long as evidence may be old: by then all of it is new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from scheduler.core.model import AlertWish, Situation, VehicleState, Voiced

QUIET = timedelta(hours=6)
"""Within this time of being told an alert is not told again."""

ESTIMATED = frozenset({"DEADLINE_AT_RISK"})
"""Alerts whose cause comes and goes with readings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """The state after a turn's alerts, the journal's lines of them, and the codes that opened and ended."""

    state: VehicleState
    events: tuple[dict[str, Any], ...]
    raised: tuple[str, ...]
    cleared: tuple[str, ...]


def speak(state: VehicleState, now: Situation, wishes: Sequence[AlertWish]) -> Spoken:
    """Return what becomes of the alerts that stood, and of those that hold now."""
    held = {wish.code: wish for wish in reversed(wishes)}
    known = {one.code: one for one in state.voiced}
    of = _matter(now)
    raised = [code for code in held if code not in state.alerts]
    told = {code: Voiced(code=code, cause=held[code].cause, of=of, told_at=now.at) for code in raised}
    again = {code for code in raised if _repeats(known.get(code), told[code])}
    known |= {code: one for code, one in told.items() if code not in again}
    waning = {code for code in state.alerts if code not in held and _stands(known.get(code), of, now)}
    cleared = tuple(code for code in state.alerts if code not in held and code not in waning)
    known = {
        code: replace(one, gone_at=_gone_at(one, now.at) if code in waning else None) for code, one in known.items()
    }
    open_now = (*(code for code in state.alerts if code not in cleared), *raised)
    kept = tuple(one for one in known.values() if one.code in open_now or now.at - one.told_at < QUIET)
    lines = [_line(held[code], "reopened" if code in again else "raised") for code in raised]
    lines += [_line(AlertWish(code=code, text="", severity="info"), "cleared") for code in cleared]
    return Spoken(
        state=replace(state, alerts=open_now, voiced=kept),
        events=tuple(lines),
        raised=tuple(raised),
        cleared=cleared,
    )


def told_at(state: VehicleState, code: str, at: datetime) -> datetime:
    """Return when an alert that stands was told; now, if that is not known."""
    return next((one.told_at for one in state.voiced if one.code == code), at)


def _matter(now: Situation) -> str:
    """Return what an alert belongs to: a session, and a person's wish in it."""
    session, wish = now.session, now.override
    return f"{session.id if session else ''} {wish.set_at.isoformat() if wish else ''}"


def _repeats(before: Voiced | None, told: Voiced) -> bool:
    if before is None or (before.cause, before.of) != (told.cause, told.of):
        return False
    return told.told_at - before.told_at < QUIET


def _stands(one: Voiced | None, of: str, now: Situation) -> bool:
    """Tell whether an alert stands although its cause is gone: it may be back with the next reading."""
    if one is None or one.code not in ESTIMATED or one.of != of or now.observation.charge.plugged is False:
        return False
    return now.at - _gone_at(one, now.at) < now.limits.x_src


def _gone_at(one: Voiced, at: datetime) -> datetime:
    return one.gone_at or at


def _line(wish: AlertWish, op: str) -> dict[str, Any]:
    line = {"k": "ALERT", "code": wish.code, "sev": wish.severity, "op": op, "until": None}
    return line | {"cause": wish.cause} if wish.cause else line
