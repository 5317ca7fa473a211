"""What a person should know now, from one situation and what was decided. The store keeps one alert per code."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from scheduler.core.battery import FROZEN_PCT, Charge
from scheduler.core.command import Action, CommandState
from scheduler.core.desire import ENOUGH_KWH, Want, latest_start
from scheduler.core.dispatch import Dispatch
from scheduler.core.gate import NOT_THERE
from scheduler.core.misses import missed_after_pause
from scheduler.core.model import AlertWish, Desired, Hand, Place, Plan, Situation, Will
from scheduler.core.needs import ended, own_limit
from scheduler.core.observation import Delivery
from scheduler.core.session import UNMOVED_KWH
from scheduler.core.tracking import FLOWING_KW

AHEAD = timedelta(hours=2)
"""L5: a deadline at risk is told so long before the latest start, where physics allows."""

SILENCE_PATIENCE = timedelta(minutes=30)
"""A car that was read again in vain for so long is not heard of; sooner, the next answer may just be on its way."""

CLAIM_PATIENCE = timedelta(minutes=15)
"""S1a: two cars claiming one charger are told of after this long."""

STARVED_FOR = timedelta(minutes=15)
"""A car that has charged at no power for so long is not only beginning, or giving way to another for a moment."""

BLOCKERS = frozenset({"incapable", "foreign", "credentials", "corrected", "clock", "store", "gone"})
"""Objections to a START that a person may have to lift."""

CODES = {
    "DEADLINE_AT_RISK": "the car will not have what was asked for at a departure",
    "MISSED_AFTER_PAUSE": "a departure was missed after a pause of our own",
    "STARTED_NO_POWER": "the car was started, yet no power flows",
    "CREDENTIALS_LOST": "the account link is lost; nothing is sent until it is linked again",
    "CHARGER_LOST": "the charger's account link is lost; nothing is sent to a car that needs it",
    "PROVIDER_DOWN": "the provider cannot be reached",
    "PRICES_MISSING": "prices that should be known are not",
    "PRICE_SOURCE_DOWN": "a price source is dead; no plan misses its prices so far",
    "CALENDAR_UNREAD": "a calendar cannot be read",
    "STORE_TROUBLE": "the store cannot keep what is decided",
    "STORE_LOG_LARGE": "the database's log grows, since somebody reads without an end",
    "STORE_RECOVERED": "the database was damaged, and what it knew last is forgotten",
    "PLUGIN_SET_ASIDE": "a policy could not speak",
    "ENDED_UNEXPECTEDLY": "the daemon was ended by something else than its stop",
    "HELD_WHILE_STOPPING": "the daemon stopped while it was holding a car",
    "FOREIGN_CONTROLLER": "another controller holds the car",
    "UNLISTED_CHARGER": "the car is plugged in at a charger that the home does not list",
    "CLAIMED_TWICE": "two cars claim the same charger",
    "STOPPED_BY_ANOTHER": "charging was stopped by another hand",
    "COMPLETE_BELOW_TARGET": "the car's own limit is below the target",
    "SOC_FROZEN": "the car reports less than the meter says, and is not charged further",
    "INCAPABLE": "the car cannot be controlled now",
    "NO_PAUSE": "the car does not resume after a pause",
    "SETUP": "a setting is missing",
    "GONE": "the provider no longer knows the car",
    "WEBHOOK_SILENT": "no webhook arrives; polling has taken over",
    "MOVED_WHILE_PENDING": "the car left while a command was pending",
}
"""Every alert code and what it means."""


def alerts(now: Situation, plan: Plan, charge: Charge, wanted: Want, done: Dispatch) -> Iterator[AlertWish]:
    """Yield every alert that holds now."""
    yield from _at_risk(now, plan, wanted, done)
    yield from _of_session(now, plan, wanted, charge)
    yield from missed_after_pause(now)
    if now.gone:
        text = "The provider no longer knows the car: link it again, and configure its new id."
        yield AlertWish(code="GONE", text=text, severity="critical")
    if not now.credentials_valid:
        yield AlertWish(code="CREDENTIALS_LOST", text="Link the vendor account again.", severity="critical")
    if done.verdict.why == "unlisted-charger":
        charger = now.observation.charge.charger_id or ""
        yield AlertWish(code="UNLISTED_CHARGER", text=done.verdict.text, cause=charger)
    if now.command is not None and (
        done.verdict.place in (Place.UNPLUGGED, Place.AWAY) or done.verdict.why in NOT_THERE
    ):
        text = f"{now.command.action} is still with the provider, and the car is not proven to be at home any more."
        yield AlertWish(code="MOVED_WHILE_PENDING", text=text, cause=now.command.id)
    if now.observation.smart_charging or _taken_over(now):
        text = "Switch off Enode's Smart Charging or Schedule for this car, then set the override to auto."
        yield AlertWish(code="FOREIGN_CONTROLLER", text=text)
    if done.blocked_by == "incapable":
        yield AlertWish(code="INCAPABLE", text=done.reasons[0].text)
    if plan.asks and plan.shortfall_why.startswith("capacity or charge power unknown"):
        yield AlertWish(code="SETUP", text=plan.shortfall_why, cause=plan.shortfall_why)
    if now.set_aside:
        text = " ".join(now.set_aside)
        yield AlertWish(code="PLUGIN_SET_ASIDE", text=text, cause=text)


def _taken_over(now: Situation) -> bool:
    """Tell whether the provider said that another controls the car. A person who said so needs no telling."""
    return now.override is not None and now.override.will is Will.HANDS_OFF and now.override.by is Hand.UNKNOWN


def tolerance_kwh(now: Situation) -> float:
    """Return how much less than asked for still counts as met."""
    return now.limits.eps_soc / 100 * (now.vehicle.capacity_kwh or now.observation.battery.capacity_kwh or 50.0)


def _at_risk(now: Situation, plan: Plan, wanted: Want, done: Dispatch) -> Iterator[AlertWish]:
    if now.session is None or not now.session.at_home or (wanted.desired is Desired.LEAVE and now.override is None):
        return
    enough = tolerance_kwh(now)
    if "DEADLINE_AT_RISK" in now.alerts and now.overdue:  # what was at risk is missed: over when it is made up for
        yield AlertWish(code="DEADLINE_AT_RISK", text="The departure has passed unmet.", severity="critical")
        return
    if "DEADLINE_AT_RISK" in now.alerts:  # told: it clears when all will be met, not by a reading's noise (L5)
        enough = ENOUGH_KWH
    if plan.shortfall_kwh > enough and plan.asks:
        text = f"{plan.shortfall_kwh:.1f} kWh will be missing: {plan.shortfall_why}"
        yield AlertWish(code="DEADLINE_AT_RISK", text=text, severity="critical", cause="shortfall")
        return
    lst = latest_start(plan)
    if lst is None or lst - now.at > AHEAD:
        return
    why, cause = _hindrance(now, wanted, done)
    if why:
        text = f"Charging must begin by {_clock(lst)}, and {cause}."
        yield AlertWish(code="DEADLINE_AT_RISK", text=text, severity="critical", cause=why)


def _hindrance(now: Situation, wanted: Want, done: Dispatch) -> tuple[str, str]:
    """Return what keeps power from a car that is to begin soon: a word, and a clause. Both empty where nothing does."""
    if _starved(now):
        return "no-power", "no power reaches the car"
    if now.observation.charge.charging is True:
        return "", ""
    if now.override is not None and now.override.will in (Will.HOLD, Will.HANDS_OFF):
        return "held", "a person asked to hold"
    if _stuck(now, wanted, done):
        return done.verdict.why, _clause(done.verdict.text)
    if now.session is not None and now.session.failures > 0:
        return "failing", "commands fail"
    return (done.blocked_by, _clause(done.reasons[0].text)) if done.blocked_by in BLOCKERS else ("", "")


def _clause(sentence: str) -> str:
    """Return a sentence as a part of another."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _stuck(now: Situation, wanted: Want, done: Dispatch) -> bool:
    """Tell whether the place is unproven in a way that may last: no answer for long, or evidence that says so.

    A held car that sleeps within reach is no risk: it may be started on what was seen last (S1b).
    """
    why, seen = done.verdict.why, now.observation
    if done.verdict.place not in (Place.UNPROVEN, Place.AWAY) or why == "settling":
        return False
    if why in ("unheard", "not-seen"):
        return seen.received is None or now.at - seen.received.at > SILENCE_PATIENCE
    return why != "stale" or seen.reachable is not True or wanted.desired is Desired.CHARGE


def _starved(now: Situation) -> bool:
    """Tell whether a car says that it charges, and for long at no power at all: its charger gives none.

    Where the state of charge rose and no power was ever told, the power is not to be believed.
    """
    session, charge = now.session, now.observation.charge
    if session is None or session.started_since is None or charge.charging is not True or charge.power_kw is None:
        return False
    before_pct, soc_pct = session.soc_at_start_pct, now.observation.battery.soc_pct
    rose = before_pct is not None and soc_pct is not None and soc_pct - before_pct > FROZEN_PCT
    if charge.power_kw > FLOWING_KW or (rose and session.energy_kwh < UNMOVED_KWH):
        return False
    flowed_at = max([session.started_since, *(flow.end for flow in session.flows[-1:])])
    return now.at - flowed_at >= STARVED_FOR


def _of_session(now: Situation, plan: Plan, wanted: Want, charge: Charge) -> Iterator[AlertWish]:
    session, seen = now.session, now.observation
    if session is None or not session.at_home:
        return
    last = now.recent[-1] if now.recent else None
    dead = seen.charge.delivery in (Delivery.NO_POWER, Delivery.FAULT)
    unseen = last is not None and last.action is Action.START and last.state is CommandState.UNVERIFIED
    waiting = seen.charge.charging is not True and (dead or unseen)
    if wanted.desired is Desired.CHARGE and (waiting or _starved(now)):
        yield AlertWish(code="STARTED_NO_POWER", text="Look at the charger and the cable: no power reaches the car.")
    if session.stopped_at is not None and seen.charge.charging is not True:
        text = "Charging was stopped by the car, the charger or in the app: resume (override charge) or keep (hold)."
        yield AlertWish(code="STOPPED_BY_ANOTHER", text=text, cause=f"{session.stopped_at:%Y-%m-%dT%H:%M:%SZ}")
    if now.claimed_elsewhere and now.at - session.opened_at >= CLAIM_PATIENCE:
        yield AlertWish(code="CLAIMED_TWICE", text="Two cars claim the same charger; unplug or name the right one.")
    target_pct = max((n.soc_pct for n in plan.needs if n.soc_pct is not None), default=0.0)
    stopped = ended(now) and charge.low_pct is not None and charge.low_pct < target_pct - now.limits.eps_soc
    if stopped or own_limit(now) < target_pct - now.limits.eps_soc:
        text = f"The car stopped at {charge.low_pct:.0f} %" if stopped else f"The car will stop at {own_limit(now):g} %"
        yield AlertWish(code="COMPLETE_BELOW_TARGET", text=f"{text}: raise the limit in the car.", severity="info")
    met_pct = max((n.soc_pct for n in plan.needs if n.soc_pct is not None and n.energy_kwh <= ENOUGH_KWH), default=0.0)
    held = charge.frozen and wanted.rests_on == "target"
    if held and (charge.low_pct or 0.0) < min(met_pct, own_limit(now)) - now.limits.eps_soc:
        text = f"The car still reports {charge.low_pct:.0f} %, yet it has taken what {charge.high_pct:.0f} % needs"
        yield AlertWish(code="SOC_FROZEN", text=f"{text}: look in the car; if it is not so, override charge.")
    if now.learned.no_pause:
        yield AlertWish(code="NO_PAUSE", text="Resuming failed: this car is no longer paused.", severity="info")


def _clock(at: datetime) -> str:
    return f"{at:%H:%MZ}"
