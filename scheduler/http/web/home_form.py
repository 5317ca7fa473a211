"""The form of a home: what was typed, what that means as a table of the configuration, and back."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from functools import cache
from hashlib import sha256
from typing import Any
from zoneinfo import available_timezones

from aiohttp import web

from scheduler.core.errors import HomeInvalid, OnboardError
from scheduler.core.garage import Account, Doubt, Position, Spot
from scheduler.http import asking
from scheduler.http.api import DAEMON
from scheduler.http.web.setup_links import user_of

FLAT = "flat"
TARGET_PCT = "80"
_CLOCK = re.compile(r"\d{2}:\d{2}(:\d{2})?\Z")


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form as it was sent, or as it is shown at first."""

    user_id: str
    texts: Mapping[str, str]
    charger_ids: tuple[str, ...] = ()
    vehicle_ids: tuple[str, ...] = ()

    def number(self, name: str, words: str) -> float:
        """Return a number. Raises ValueError with words for the person."""
        text = self.texts.get(name, "").strip().replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{words} must be a number.") from None
        if not abs(value) < 1e6:  # noqa: PLR2004 - finite
            raise ValueError(f"{words} must be a number.")
        return value

    def text(self, name: str) -> str:
        """Return a text without the blanks around it."""
        return self.texts.get(name, "").strip()

    def spot(self) -> Spot:
        """Return where the home is to be. Raises ValueError."""
        position = Position(
            latitude=self.number("latitude", "Latitude"), longitude=self.number("longitude", "Longitude")
        )
        return Spot(name=self.text("name"), timezone=self.text("timezone"), position=position)

    def exchanged(self) -> "Form":
        """Return the form with latitude and longitude exchanged."""
        there = {"latitude": self.text("longitude"), "longitude": self.text("latitude")}
        return replace(self, texts={**self.texts, **there})

    def settled(self, doubts: Sequence[Doubt]) -> bool:
        """Tell whether the person has said that these very doubts are unfounded, or there are none."""
        return not doubts or (not any(one.barred for one in doubts) and self.texts.get("confirm") == mark_of(doubts))


async def form_of(request: web.Request, *, user_id: str = "", first: Mapping[str, str] | None = None) -> Form:
    """Return the form that was sent, over the texts that it has at `first`. Raises Problem (400)."""
    sent = await asking.form(request)
    texts = {name: value for name, value in sent.items() if isinstance(value, str) and not name.startswith("_")}
    return Form(
        user_id=user_id or user_of(sent.get("user")),
        texts={**(first or {}), **texts},
        charger_ids=tuple(str(one) for one in sent.getall("charger", [])),
        vehicle_ids=tuple(str(one) for one in sent.getall("vehicle", [])),
    )


def mark_of(doubts: Iterable[Doubt]) -> str:
    """Return what stands for these doubts in the form, so that a yes to them is no yes to others."""
    return sha256("\n".join(one.text for one in doubts).encode()).hexdigest()[:16]


async def position_of(request: web.Request, account: Account, source: str) -> dict[str, str]:
    """Return the coordinates of a place that the provider keeps, or of where a car is now; they stand in no address."""
    kept = next((one for one in account.locations if one.id == source and one.position is not None), None)
    if kept is not None and kept.position is not None:
        return coordinates(kept.position) | {"name": kept.name, "timezone": kept.timezone}
    return coordinates(await request.app[DAEMON].onboarding.whereabouts(source))


def coordinates(position: Position) -> dict[str, str]:
    """Return a position as the form shows it."""
    return {"latitude": f"{position.latitude:.6f}", "longitude": f"{position.longitude:.6f}"}


def policies_of(form: Form) -> list[dict[str, Any]]:
    """Return the policies that the form asks for: of its fields, or of its lines of TOML. Raises ValueError."""
    if "policies" in form.texts:
        return _read(form.texts["policies"])
    found: list[dict[str, Any]] = []
    if form.text("ready_at"):
        soc_pct = form.number("target_pct", "The wanted state of charge")
        found.append({"name": "ready-by", "at": form.text("ready_at"), "soc_pct": soc_pct})
    if form.texts.get("prices") == FLAT:
        found.append({"name": "flat", "per_kwh": form.number("per_kwh", "The price")})
    else:
        found.append({"name": "spot", "source": form.texts.get("prices", "")})
    return found


def as_fields(policies: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """Return policies as the texts of the form's fields; None where they say more than these can."""
    *schedules, tariff = policies or [{}]
    texts = {"ready_at": "", "target_pct": TARGET_PCT}
    if len(schedules) > 1:
        return None
    for one in schedules:
        if one.get("name") != "ready-by" or not set(one) <= {"name", "at", "soc_pct"}:
            return None
        if _CLOCK.match(str(one.get("at"))) is None:
            return None
        texts |= {"ready_at": one["at"], "target_pct": f"{one.get('soc_pct', TARGET_PCT)}".removesuffix(".0")}
    match dict(tariff):
        case {"name": "flat", "per_kwh": int() | float() as per_kwh, **rest} if not rest:
            return texts | {"prices": FLAT, "per_kwh": f"{per_kwh}"}
        case {"name": "spot", "source": str(source), **rest} if not rest:
            return texts | {"prices": source}
    return None


def as_lines(lines: str) -> str:
    """Return the policies among the lines of a whole home."""
    blocks = [one.strip() for one in lines.split("\n\n")]
    return "\n\n".join(one for one in blocks if one.startswith("[[home.policy]]")) + "\n"


def _read(text: str) -> list[dict[str, Any]]:
    """Return the policies that lines of TOML tell, under [[home.policy]] or [[policy]]. Raises ValueError."""
    try:
        read = tomllib.loads(text.replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The policies are no TOML: {error}.") from None
    inner = read["home"] if set(read) == {"home"} else read
    found = inner.get("policy", []) if isinstance(inner, dict) and set(inner) <= {"policy"} else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("Here stand the policies alone, each under a line [[home.policy]].")
    return [_plain(one) for one in found]


def _plain(value: Any) -> Any:
    """Return a value of TOML as JSON knows it: dates and times become their texts, which policies read as well."""
    match value:
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case date() | time():
            return value.isoformat()
        case _:
            return value


def faults_of(error: Exception) -> list[str]:
    """Return what an error says, in sentences for the person."""
    if isinstance(error, HomeInvalid):
        return list(error.problems)
    remedy = error.remedy if isinstance(error, OnboardError) else ""
    return [f"{sentence(str(error)).rstrip('.')}. {remedy}".strip()]


def sentence(text: str) -> str:
    """Return a text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


@cache
def zones() -> tuple[str, ...]:
    """Return every time zone that there is; looking costs more than the rest of the page."""
    return tuple(sorted(available_timezones()))
