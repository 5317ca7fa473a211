"""What the faces show of the running daemon: each view put together from its state, newest decision and history."""

from scheduler.http import views
from scheduler.http.daemon import Daemon, Known, all_vehicles
from scheduler.http.wording import rfc3339

COMMANDS_SHOWN = 10


def summary_of(daemon: Daemon, known: Known) -> views.View:
    """Return the summary of one vehicle as it is now."""
    return views.vehicle_view(known, daemon.state(known.spec.id), daemon.last(known.spec.id))


def names_of(daemon: Daemon) -> dict[str, str]:
    """Return the vehicles' names by id."""
    return {known.spec.id: known.name for known in all_vehicles(daemon)}


async def status_of(daemon: Daemon) -> views.View:
    """Return everything that one look should show."""
    names = names_of(daemon)
    vehicles: dict[str, list[views.View]] = {home.id: [] for home in daemon.homes()}
    for known in all_vehicles(daemon):
        vehicles[known.home.id].append(summary_of(daemon, known))
    return {
        "at": rfc3339(daemon.clock.now()),
        "health": views.plain(daemon.health()),
        "homes": [views.home_view(home) | {"vehicles": vehicles[home.id]} for home in daemon.homes()],
        "alerts": [views.alert_view(alert, names) for alert in await daemon.store.alerts(open_only=True)],
    }


def plan_of(daemon: Daemon, known: Known) -> views.View:
    """Return the plan of one vehicle with its prices; without slots before the first cycle."""
    last = daemon.last(known.spec.id)
    head = {
        "vehicle": known.spec.id,
        "name": known.name,
        "home": known.home.id,
        "timezone": known.home.timezone,
        "currency": known.home.currency,
        "now": rfc3339(daemon.clock.now()),
    }
    if last is None:
        return head | {"slots": [], "needs": [], "prices": [], "why": "Not seen yet."}
    situation, decision = last
    told = views.decision_view(decision, situation, known.home.timezone)
    wanted = {key: told[key] for key in ("decided_at", "desired", "soc_pct", "soc_quality", "target", "why")}
    return head | wanted | views.plan_view(decision.plan, prices=views.price_curve(situation))


async def commands_of(daemon: Daemon, vehicle_id: str, limit: int = COMMANDS_SHOWN) -> list[views.View]:
    """Return the newest commands of one vehicle."""
    names = names_of(daemon)
    found = await daemon.store.commands(vehicle_id=vehicle_id, limit=limit)
    return [views.command_view(command, names) for command in found]
