"""Why, in a sentence: built from a decision alone, in the local time of the home."""

import re
from datetime import UTC, date, datetime, time, timedelta

from scheduler.core.calendar import zone_named
from scheduler.core.model import Decision, Desired, Need, Place, Plan, PlannedSlot
from scheduler.http.wording import local, span

MOST_REASONS = 4
"""A sentence names so many reasons; `kwhen explain` lists all."""

FULL_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)Z")
UTC_TIME = re.compile(r"\b(\d\d):(\d\d)Z")

ENOUGH_KWH = 0.05
"""A need below this is met and not spoken of."""

SAYS_FULL = "complete"
"""The reason of a car that takes no more."""

SAID_BY_HEADLINE = "charging"
"""The reason that only repeats what the headline says."""


def why(decision: Decision, *, at: datetime, timezone: str, charging: bool | None) -> str:
    """Return one sentence that says what is done and why.

    For example: `Waiting: cheapest 2 h 40 min before Tue 07:30 start at 01:15.` `charging` is what was observed when
    the decision was taken (None: not known).
    """
    parts = [_main_reason(decision, at, timezone)]
    more = [reason for reason in decision.reasons[1:MOST_REASONS] if reason.code != SAID_BY_HEADLINE]
    parts += [localised(reason.text, at=at, timezone=timezone) for reason in more]
    if decision.plan.shortfall_kwh > ENOUGH_KWH:
        cause = localised(decision.plan.shortfall_why, at=at, timezone=timezone)
        parts.append(f"{decision.plan.shortfall_kwh:.1f} kWh will be missing" + (f": {cause}" if cause else ""))
    told = "; ".join(dict.fromkeys(_small(part.strip().rstrip(".")) for part in parts if part.strip()))
    return f"{headline(decision, charging=charging)}: {told}."


def headline(decision: Decision, *, charging: bool | None) -> str:
    """Return the state in a word or two: what the car does, as far as we have a say in it."""
    place = decision.verdict.place
    if place is Place.UNPLUGGED:
        return "Not plugged in"
    if place is Place.AWAY:
        return "Away from home"
    if decision.desired is Desired.LEAVE and not _place_is_the_reason(decision):
        return "Left alone"
    if place is Place.UNPROVEN:
        return "Charging, not proven to be home" if charging else "Not proven to be home"
    if decision.desired is Desired.CHARGE:
        if charging:
            return "Charging"
        return "Charged" if any(reason.code == SAYS_FULL for reason in decision.reasons) else "To be charged"
    return "Charging, to be paused" if charging else "Waiting"


def _place_is_the_reason(decision: Decision) -> bool:
    return bool(decision.reasons) and decision.reasons[0].code == decision.verdict.why


def _main_reason(decision: Decision, at: datetime, timezone: str) -> str:
    first = decision.reasons[0] if decision.reasons else None
    said = localised(first.text, at=at, timezone=timezone) if first else ""
    if decision.verdict.place is Place.UNPROVEN and decision.desired is not Desired.LEAVE:
        return localised(decision.verdict.text, at=at, timezone=timezone)
    if first is not None and first.code in {"wait", "charge-plan"}:
        return planned(decision.plan, at=at, timezone=timezone) or said
    return said or decision.verdict.text


def planned(plan: Plan, *, at: datetime, timezone: str) -> str:
    """Say in words when a plan charges: `cheapest 2 h 40 min before 07:30 start at 01:15`. Empty without slots."""
    ahead = [slot for slot in plan.slots if slot.end > at]
    if not ahead:
        return ""
    duration = sum((slot.end - max(slot.start, at) for slot in ahead), start=timedelta(0))
    what = f"{_kind_of(ahead)}{span(duration)}{_before(plan, at, timezone)}"
    if ahead[0].start <= at:
        return f"{what}, this stretch until {local(_end_of_stretch(ahead), timezone, now=at)}"
    return f"{what} start at {local(ahead[0].start, timezone, now=at)}"


def _kind_of(slots: list[PlannedSlot]) -> str:
    if any(slot.per_kwh is None for slot in slots):
        return ""
    return "cheapest " if all(slot.published for slot in slots) else "cheapest expected "


def _before(plan: Plan, at: datetime, timezone: str) -> str:
    due = next_due(plan, at=at)
    return f" before {local(due.by, timezone, now=at)}" if due is not None and due.by is not None else ""


def next_due(plan: Plan, *, at: datetime) -> Need | None:
    """Return the open need that comes due first; one that is due at once before all others."""
    open_needs = [need for need in plan.needs if need.energy_kwh > ENOUGH_KWH]
    return min(open_needs, key=lambda need: need.by or at, default=None)


def _end_of_stretch(slots: list[PlannedSlot]) -> datetime:
    end = slots[0].end
    for slot in slots[1:]:
        if slot.start != end:
            break
        end = slot.end
    return end


def localised(text: str, *, at: datetime, timezone: str) -> str:
    """Return the text with its UTC instants (`2026-11-21T02:10Z`, `02:10Z`) told in local time.

    A time of day without a date is taken as the one nearest to `at`.
    """

    def full(match: re.Match[str]) -> str:
        year, month, day, hour, minute = (int(part) for part in match.groups())
        return local(datetime(year, month, day, hour, minute, tzinfo=UTC), timezone, now=at)

    def near(match: re.Match[str]) -> str:
        told = time(int(match[1]), int(match[2]))
        days: list[date] = [at.date() + timedelta(days=offset) for offset in (-1, 0, 1)]
        nearest = min((datetime.combine(day, told, tzinfo=UTC) for day in days), key=lambda i: abs(i - at))
        return f"{nearest.astimezone(zone_named(timezone)):%H:%M}"

    try:
        return UTC_TIME.sub(near, FULL_INSTANT.sub(full, text))
    except ValueError:  # looks like an instant and is none
        return text


def _small(text: str) -> str:
    """Begin in lower case where the first word is a plain one; names and abbreviations keep their capitals."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:] == first[1:].lower() else text
