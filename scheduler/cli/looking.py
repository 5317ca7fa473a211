"""What is and what was: `kwhen status`, `actions`, `sessions`, `alerts`, `policies`."""

from datetime import datetime
from typing import Annotated, Any

import typer

from scheduler.cli.connection import Connection
from scheduler.cli.options import CarOption, JsonOption, LimitOption, SocketOption
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, WARN, Cell, Styled, show, show_json, show_table
from scheduler.core.calendar import zone_named
from scheduler.http.wording import local, mass, span

PANEL = "Looking"
SEVERITY = {"critical": BAD, "warning": WARN}
STATE_STYLES = {"verified": GOOD, "failed": BAD, "unverified": WARN, "ambiguous": WARN, "cancelled": QUIET}
PLACE_WORDS = {"HOME": "home", "AWAY": "away", "UNPLUGGED": "unplugged", "UNPROVEN": "not proven home"}

FINE = frozenset({None, "", "ok", "fresh"})
"""What a part of the daemon says when there is nothing to say."""

View = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, actions, sessions, alerts, policies):
        app.command(rich_help_panel=PANEL)(command)


def status(*, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Show every home and car: battery, where it is, what it does next, and why."""
    view = Connection(socket).get("/status")
    if as_json:
        show_json(view)
        return
    now = datetime.fromisoformat(view["at"])
    _health(view["health"], now)
    for home in view["homes"]:
        show()
        mode = "" if home["mode"] == "control" else f" · {home['mode']}"
        show((Styled(home["id"], STRONG), Styled(f"  {', '.join(home['policies']) or 'no policy'}{mode}", QUIET)))
        names = ("CAR", "BATTERY", "STATE", "NEXT", "WHY")
        show_table(names, [_car(car, home["mode"], now) for car in home["vehicles"]])
    if view["alerts"]:
        show()
        for alert in view["alerts"]:
            _alert(alert)


def _health(health: View, now: datetime) -> None:
    ready = Styled("running", GOOD) if health.get("ready") else Styled("not ready", BAD)
    parts = [str(health["mode"])] if health.get("mode") else []
    parts += [f"webhook {health['webhook']}"] if health.get("webhook") else []
    parts += [
        f"{key}: {health[key]}" for key in ("provider", "prices", "calendars", "store") if health.get(key) not in FINE
    ]
    told = "".join(f" · {part}" for part in parts)
    version = f"kwhen {health.get('version', '')} · "
    show((Styled(version, QUIET), ready, Styled(f"{told} · {now:%Y-%m-%d %H:%M} UTC", QUIET)))


def _car(car: View, usual: str, now: datetime) -> list[Cell]:
    name = car["name"] if car["mode"] == usual else f"{car['name']} ({car['mode']})"
    return [Styled(name, STRONG), battery(car), state(car), _next(car, now), car["why"]]


def battery(car: View) -> Cell:
    """Say the state of charge and the target: `41 % → 80 %`; `~` marks an estimate."""
    if car["soc_pct"] is None:
        return Styled("?", QUIET)
    about = "~" if car["soc_quality"] == "estimated" else ""
    target = car["target"]["soc_pct"] if car.get("target") else None
    return f"{about}{car['soc_pct']:.0f} %" + (f" → {target:.0f} %" if target is not None else "")


def state(car: View) -> Cell:
    """Say where the car is and what it does, with its power."""
    place = PLACE_WORDS.get(car["verdict"]["place"], "") if car["verdict"] else "not seen"
    if car["charging"]:
        power = f" {car['power_kw']:.1f} kW" if car["power_kw"] else ""
        return Styled(f"{place}, charging{power}", GOOD if place == "home" else WARN)
    plugged = ", plugged in" if car["plugged"] and place != "unplugged" else ""
    return Styled(f"{place}{plugged}", "" if place == "home" else QUIET)


def _next(car: View, now: datetime) -> Cell:
    if car["override"]:
        return Styled(wish(car["override"], car["timezone"], now), WARN)
    if car["next_start_at"]:
        return f"start {_at(car['next_start_at'], car['timezone'], now)}"
    return ""


def wish(override: View, timezone: str, now: datetime) -> str:
    """Say what a person wants: `hold until 06:00`, `80 % by 07:30`."""
    if override["ready_at"]:
        return f"{override['soc_pct']:.0f} % by {_at(override['ready_at'], timezone, now)}"
    until = f" until {_at(override['until'], timezone, now)}" if override["until"] else ""
    return f"{override['will']}{until}"


def _alert(alert: View) -> None:
    style, zone = SEVERITY.get(alert["severity"], ""), zone_named(alert["timezone"])
    since = datetime.fromisoformat(alert["raised_at"]).astimezone(zone)
    when = f"{since:%Y-%m-%d %H:%M}"
    if alert["cleared_at"]:
        cleared = datetime.fromisoformat(alert["cleared_at"]).astimezone(zone)
        when += f"–{cleared:%H:%M}" if cleared.date() == since.date() else f"–{cleared:%Y-%m-%d %H:%M}"
    when += " UTC" if alert["timezone"] == "UTC" else ""
    show((Styled(f"{alert['severity']}: ", style), f"{alert['name'] or 'kwhen'}: {alert['told']} ",
          Styled(f"[{alert['code']}] {when}", QUIET)))  # fmt: skip


def _at(text: str | None, timezone: str, now: datetime) -> str:
    return local(datetime.fromisoformat(text), timezone, now=now) if text else ""


def zones(connection: Connection) -> tuple[dict[str, str], datetime]:
    """Return the time zone of each vehicle by id, and the daemon's present instant."""
    view = connection.get("/status")
    found = {car["id"]: str(home["timezone"]) for home in view["homes"] for car in home["vehicles"]}
    return found, datetime.fromisoformat(view["at"])


def actions(
    *,
    car: CarOption = None,
    limit: LimitOption = 20,
    since: Annotated[str | None, typer.Option(help="Only from this instant on, e.g. 2026-11-21T00:00Z.")] = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was sent to cars, what became of it, and why it failed where it did."""
    connection = Connection(socket)
    view = connection.get("/actions", vehicle=car, limit=limit, since=since)
    if as_json:
        show_json(view)
        return
    zone_of, now = zones(connection)
    rows = [command_row(one, zone_of.get(one["vehicle"], "UTC"), now) for one in view["actions"]]
    if not rows:
        show(Styled("Nothing was sent.", QUIET))
    show_table(("SENT", "CAR", "ACTION", "WHY", "STATE", "TOOK", "OUTCOME"), rows)


def command_row(one: View, timezone: str, now: datetime) -> list[Cell]:
    """Return the cells of one command."""
    took = ""
    if one["ended_at"]:
        took = span(datetime.fromisoformat(one["ended_at"]) - datetime.fromisoformat(one["sent_at"]))
    failure = one["failure"]
    outcome = " ".join(part for part in (failure["type"], failure["detail"]) if part) if failure else ""
    named = Styled(one["state"], STATE_STYLES.get(one["state"], ""))
    sent = _at(one["sent_at"], timezone, now)
    return [sent, Styled(one["name"], STRONG), one["kind"], one["why"], named, took, outcome]


def sessions(
    *, car: CarOption = None, limit: LimitOption = 20, socket: SocketOption = None, as_json: JsonOption = False
) -> None:
    """Show plug sessions: energy, cost, what charging at once would have cost, and whether the target was met.

    Where a source tells of the grid's carbon, also the CO2 of the energy, and what it would have been at once.
    """
    connection = Connection(socket)
    view = connection.get("/sessions", vehicle=car, limit=limit)
    if as_json:
        show_json(view)
        return
    zone_of, now = zones(connection)
    grams = any(one["grams"] is not None for one in view["sessions"])
    rows = [_session_row(one, zone_of.get(one["vehicle_id"], "UTC"), now, grams=grams) for one in view["sessions"]]
    if not rows:
        show(Styled("No session yet.", QUIET))
    carbon = ("CO2", "CO2 AT ONCE") if grams else ()
    names = ("PLUGGED IN", "UNPLUGGED", "CAR", "ENERGY", "COST", "AT ONCE", *carbon, "BATTERY", "TARGET")
    show_table(names, rows, right=("ENERGY", "COST", "AT ONCE", *carbon))


def _session_row(one: View, timezone: str, now: datetime, *, grams: bool) -> list[Cell]:
    reached = " → ".join(f"{one[key]:.0f} %" for key in ("soc_start_pct", "soc_end_pct") if one[key] is not None)
    outcome: dict[bool | None, Cell] = {True: Styled("met", GOOD), False: Styled(f"missed {one['why']}".strip(), BAD)}
    return [
        _at(one["plugged_at"], timezone, now),
        _at(one["unplugged_at"], timezone, now) or Styled("open", GOOD),
        Styled(one["name"], STRONG),
        f"{one['energy_kwh']:.1f} kWh",
        money(one["cost"], one["currency"]),
        money(one["baseline_cost"], one["currency"]),
        *(co2(one[key]) for key in ("grams", "baseline_grams") if grams),
        reached,
        outcome.get(one["met"], ""),
    ]


def money(amount: float | None, currency: str, digits: int = 2) -> str:
    """Return an amount with its currency; empty when it is not known."""
    return "" if amount is None else f"{amount:.{digits}f} {currency}"


def co2(grams: float | None) -> str:
    """Return a mass of CO2; empty when it is not known."""
    return "" if grams is None else mass(grams)


def alerts(
    *,
    every: Annotated[bool, typer.Option("--all", help="Those that have cleared, too.")] = False,
    limit: LimitOption = 50,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a person should know."""
    view = Connection(socket).get("/alerts", all=1 if every else None, limit=limit)
    if as_json:
        show_json(view)
        return
    if not view["alerts"]:
        show(Styled("No alert.", GOOD))
    for alert in view["alerts"]:
        _alert(alert)


def policies(*, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Show the policies of each home, in the order of precedence, and whether they can speak."""
    view = Connection(socket).get("/policies")
    if as_json:
        show_json(view)
        return
    rows = [
        [one["home"], Styled(one["name"], STRONG), Styled(one["status"], GOOD if one["status"] == "ready" else BAD)]
        for one in view["policies"]
    ]
    if not rows:
        show(Styled("No home has a policy: cars are left alone.", WARN))
    show_table(("HOME", "POLICY", "STATUS"), rows)
