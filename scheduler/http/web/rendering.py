"""Pages from templates: autoescape is on, an unknown name is an error, and every text of time is local to its home."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import jinja2
from aiohttp import web
from markupsafe import Markup

from scheduler.core.calendar import zone_named
from scheduler.http.web.assets import Assets, bundled
from scheduler.http.web.guard import CSRF_FIELD, SESSION
from scheduler.http.wording import local, mass, span

NAVIGATION = (
    ("/", "Cars"),
    ("/sessions", "Sessions"),
    ("/prices", "Prices"),
    ("/alerts", "Alerts"),
    ("/policies", "Policies"),
    ("/setup", "Set up"),
    ("/settings", "Settings"),
)
"""Address and name of each entry, in the order shown."""


class Renderer:
    """The templates with their filters."""

    def __init__(self, assets: Assets) -> None:
        self.environment = jinja2.Environment(
            loader=jinja2.PackageLoader("scheduler.http.web", "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.filters |= {
            "when": when,
            "ago": ago,
            "fixed": fixed,
            "signed": signed,
            "mass": mass_of,
            "day": day,
            "path": path_segment,
            "words": words,
            "listed": listed,
        }
        self.environment.globals |= {"asset": assets.address, "navigation": NAVIGATION, "csrf_field": CSRF_FIELD}

    def text(self, template: str, values: Mapping[str, Any]) -> str:
        """Return a page."""
        return self.environment.get_template(template).render(values)


RENDERER = web.AppKey("renderer", Renderer)


@cache
def renderer() -> Renderer:
    """Return the templates of this installation, compiled once."""
    return Renderer(bundled())


def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Answer with a page. The templates always know `path`, `csrf` (empty without a session) and `logged_in`."""
    session = request.get(SESSION)
    known = {"path": request.path, "csrf": session.csrf if session else "", "logged_in": session is not None}
    text = request.app[RENDERER].text(template, known | values)
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


def instant_of(value: datetime | str) -> datetime:
    """Return the instant of a view, which may stand there as text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def when(value: datetime | str | None, zone: str, now: datetime | str | None = None) -> Markup:
    """Return an instant as a `<time>` in local words, an en dash for none."""
    if value is None:
        return Markup("–")
    at = instant_of(value)
    told = local(at, zone, now=instant_of(now) if now is not None else None)
    full = f"{at.astimezone(zone_named(zone)):%Y-%m-%d %H:%M:%S %Z}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), full, told)


def day(value: datetime | str | None, zone: str) -> Markup:
    """Return an instant with its date and time of day, an en dash for none."""
    if value is None:
        return Markup("–")
    at = instant_of(value)
    there = at.astimezone(zone_named(zone))
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), f"{there:%Y-%m-%d %H:%M}")


def ago(value: datetime | str | None, now: datetime | str) -> str:
    """Return how old something is: `2 min ago`; `never` for what was not."""
    if value is None:
        return "never"
    age = instant_of(now) - instant_of(value)
    return "just now" if age.total_seconds() < 1 else f"{span(age)} ago"


def fixed(value: float | None, digits: int = 1, unit: str = "") -> str:
    """Return a number with its unit, an en dash for none."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}\N{NARROW NO-BREAK SPACE}{unit}" if unit else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """Return a number with its sign, an en dash for none."""
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def mass_of(grams: float | None) -> str:
    """Return a mass, an en dash for none."""
    return "–" if grams is None else mass(grams).replace(" ", "\N{NARROW NO-BREAK SPACE}")


def path_segment(value: str) -> str:
    """Return a text as one segment of an address."""
    return quote(value, safe="")


def words(value: str) -> str:
    """Return a constant word as a person reads it: `NO_RESPONSE` becomes `no response`."""
    return value.replace("_", " ").replace("-", " ").lower()


def listed(value: object) -> str:
    """Return a setting's value as text: a list by its members."""
    return ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)
