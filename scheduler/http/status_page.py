"""The read-only status page: one HTML document, rendered here, with no script and nothing fetched from elsewhere."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from aiohttp import web

from scheduler.http import chart
from scheduler.http.api import add_health
from scheduler.http.daemon import Daemon, vehicle_called
from scheduler.http.overview import commands_of, plan_of, status_of
from scheduler.http.problem import Problem, problems
from scheduler.http.wording import local

REFRESH_S = 15
COMMANDS_SHOWN = 5

STYLE = files("scheduler.http").joinpath("status_page.css").read_text(encoding="utf-8")

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

View = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status_page_app(daemon: Daemon, hosts: Iterable[str]) -> web.Application:
    """Return the application of the page, health and metrics; any Host but these names is refused with 421."""
    allowed = frozenset(host.lower().strip("[]") for host in hosts)

    @web.middleware
    async def host_checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host_name(request.headers.get("Host", "")) not in allowed:
            remedy = f"Open the page as {', '.join(sorted(allowed))}."
            raise Problem(421, "this host is not served here", remedy=remedy)
        response = await handler(request)
        response.headers.update(HEADERS)
        return response

    async def page(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.Response(text=await _whole(daemon), content_type="text/html")

    app = web.Application(middlewares=[problems, host_checked])
    app.router.add_get("/", page)
    add_health(app, daemon)
    return app


def _host_name(host: str) -> str:
    """Return the name in a Host header without the port, in lower case; an IPv6 address keeps no brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


async def _whole(daemon: Daemon) -> str:
    status = await status_of(daemon)
    details = {}
    for vehicle in (vehicle for home in status["homes"] for vehicle in home["vehicles"]):
        known = vehicle_called(daemon, vehicle["id"])
        commands = await commands_of(daemon, vehicle["id"], COMMANDS_SHOWN)
        details[vehicle["id"]] = {"plan": plan_of(daemon, known), "commands": commands}
    return render(status, details)


def render(status: View, details: dict[str, View]) -> str:
    """Return the page of a status view, with plan and commands by vehicle id. Every word from outside is escaped."""
    now = datetime.fromisoformat(status["at"])
    health = status["health"]
    homes = "".join(_home(home, details, now) for home in status["homes"])
    good = health.get("ready")
    badge = '<span class="good">running</span>' if good else '<span class="bad">not ready</span>'
    version, mode = escape(str(health.get("version", ""))), escape(str(health.get("mode", "")))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><title>kwhen</title><style>{STYLE}</style></head><body>'
        f"<header><h1>kwhen</h1><p>{badge} {version} {mode} · {now:%Y-%m-%d %H:%M} UTC</p></header>"
        f"<main>{_alerts(status['alerts'])}{homes or '<p>No home is configured.</p>'}</main></body></html>"
    )


def _alerts(alerts: list[View]) -> str:
    if not alerts:
        return ""
    rows = "".join(
        f'<li class="{escape(str(alert["severity"]))}"><b>{escape(alert["name"] or "kwhen")}</b> '
        f"{escape(alert['told'])} <small>{escape(alert['code'])}</small></li>"
        for alert in alerts
    )
    return f'<section><h2>Alerts</h2><ul class="alerts">{rows}</ul></section>'


def _home(home: View, details: dict[str, View], now: datetime) -> str:
    cars = "".join(_car(vehicle, details[vehicle["id"]], now) for vehicle in home["vehicles"])
    policies = escape(", ".join(home["policies"]) or "no policy")
    return f"<section><h2>{escape(home['id'])}</h2><p class='quiet'>{policies}</p>{cars}</section>"


def _car(vehicle: View, detail: View, now: datetime) -> str:
    place = vehicle["verdict"]["place"] if vehicle["verdict"] else "UNPROVEN"
    soc = "" if vehicle["soc_pct"] is None else f'<span class="soc">{vehicle["soc_pct"]:.0f} %</span>'
    state = "charging" if vehicle["charging"] else "plugged in" if vehicle["plugged"] else ""
    power = f" {vehicle['power_kw']:.1f} kW" if vehicle["charging"] and vehicle["power_kw"] else ""
    tags = "".join(
        f'<span class="tag {kind}">{escape(text)}</span>'
        for kind, text in ((place.lower(), place.lower()), ("charging" if vehicle["charging"] else "", state + power))
        if text
    )
    told = vehicle["verdict"]["text"] if vehicle["verdict"] else ""
    known = told.rstrip(".").casefold() in vehicle["why"].casefold()
    verdict = "" if known else f"<p class='quiet'>{escape(told)}</p>"
    return (
        f"<article><h3>{escape(vehicle['name'])} {soc}</h3><p>{tags}{_wish(vehicle, now)}</p>"
        f"<p class='why'>{escape(vehicle['why'])}</p>{verdict}{_plan(detail['plan'])}"
        f"{_commands(detail['commands'], vehicle['timezone'], now)}</article>"
    )


def _wish(vehicle: View, now: datetime) -> str:
    override = vehicle["override"]
    if override is None:
        return ""
    until = override["ready_at"] or override["until"]
    told = f" {local(datetime.fromisoformat(until), vehicle['timezone'], now=now)}" if until else ""
    return f'<span class="tag wish">asked to {escape(override["will"])}{told}</span>'


def _plan(plan: View) -> str:
    now, zone = datetime.fromisoformat(plan["now"]), plan["timezone"]
    rows = "".join(
        f"<tr><td>{_at(slot['start'], zone, now)} – {_at(slot['end'], zone, now)}</td>"
        f"<td class='right'>{slot['energy_kwh']:.1f} kWh</td><td class='right'>{_price(slot, plan['currency'])}</td>"
        f"<td>{escape(slot['why'])}</td></tr>"
        for slot in plan["slots"]
    )
    table = (
        f"<details><summary>{len(plan['slots'])} planned slots</summary><table>{rows}</table></details>" if rows else ""
    )
    return chart.svg(plan) + table


def _price(slot: View, currency: str) -> str:
    if slot["price_per_kwh"] is None:
        return "–"
    about = "" if slot["published"] else "≈ "
    return f"{about}{slot['price_per_kwh']:.3f} {escape(currency)}"


def _commands(commands: list[View], zone: str, now: datetime) -> str:
    rows = "".join(
        f"<tr><td>{_at(one['sent_at'], zone, now)}</td><td>{escape(one['kind'])}</td><td>{escape(one['why'])}</td>"
        f'<td class="{escape(one["state"])}">{escape(outcome(one))}</td></tr>'
        for one in commands
    )
    return f"<details open><summary>Last commands</summary><table>{rows}</table></details>" if rows else ""


def outcome(command: View) -> str:
    """Say what became of a command, with the provider's reason where it failed."""
    failure = command["failure"]
    if failure is None:
        return str(command["state"])
    return f"{command['state']}: {failure['type']}" + (f" ({failure['detail']})" if failure["detail"] else "")


def _at(text: str, zone: str, now: datetime) -> str:
    return local(datetime.fromisoformat(text), zone, now=now)
