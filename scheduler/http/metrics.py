"""Metrics for Prometheus: read from the daemon at each scrape, so that nothing has to be kept in step."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.core.model import Desired, Place, VehicleState
from scheduler.core.timeline import nanoseconds
from scheduler.http.daemon import Daemon, Known, all_vehicles

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class DaemonCollector(Collector):
    """Yields what the daemon knows at the moment of the scrape.

    Whole numbers under `counters` in the daemon's health become counters `kwhen_<name>_total`.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        health = self._daemon.health()
        build = InfoMetricFamily("kwhen", "The daemon.")
        build.add_metric([], {"version": str(health.get("version", "")), "mode": str(health.get("mode", ""))})
        yield build
        for name in ("ready", "live"):
            yield GaugeMetricFamily(
                f"kwhen_{name}", f"1 while the daemon is {name}.", value=float(bool(health.get(name)))
            )
        swept = health.get("sweep_at")
        if swept is not None and hasattr(swept, "tzinfo"):
            text = "When the last sweep over all vehicles finished."
            yield GaugeMetricFamily("kwhen_sweep_timestamp_seconds", text, value=nanoseconds(swept) / 1e9)
        for name, value in sorted(health.get("counters", {}).items()):
            yield CounterMetricFamily(f"kwhen_{name}", f"{name.replace('_', ' ')}.", value=float(value))
        yield from self._vehicles()

    def _vehicles(self) -> Iterator[Metric]:
        vehicles = all_vehicles(self._daemon)
        states = {known.spec.id: self._daemon.state(known.spec.id) for known in vehicles}
        yield GaugeMetricFamily("kwhen_vehicles", "Configured vehicles.", value=len(vehicles))
        yield self._gauge("plugged_in", "1 while plugged in, 0 while not.", vehicles, states, _plugged)
        yield self._gauge("charging", "1 while charging, 0 while not.", vehicles, states, _charging)
        yield self._gauge("power_kilowatts", "Charge power [kW].", vehicles, states, _power)
        yield self._gauge("session_energy_kwh", "Energy in this plug session [kWh].", vehicles, states, _energy)
        yield self._gauge("open_alerts", "Alerts raised now.", vehicles, states, lambda s: float(len(s.alerts)))
        yield from self._decided(vehicles)

    def _gauge(
        self,
        name: str,
        text: str,
        vehicles: list[Known],
        states: dict[str, VehicleState | None],
        read: "Callable[[VehicleState], float | None]",
    ) -> Metric:
        gauge = GaugeMetricFamily(f"kwhen_vehicle_{name}", text, labels=["home", "vehicle"])
        for known in vehicles:
            state = states[known.spec.id]
            value = read(state) if state is not None else None
            if value is not None:
                gauge.add_metric([known.home.id, known.spec.id], value)
        return gauge

    def _decided(self, vehicles: list[Known]) -> Iterator[Metric]:
        labels = ["home", "vehicle"]
        soc = GaugeMetricFamily("kwhen_vehicle_soc_percent", "State of charge [%].", labels=labels)
        home = GaugeMetricFamily("kwhen_vehicle_at_home", "1 while proven to be plugged in at home.", labels=labels)
        wanted = GaugeMetricFamily("kwhen_vehicle_charge_wanted", "1 while the car should charge.", labels=labels)
        short = GaugeMetricFamily(
            "kwhen_vehicle_shortfall_kwh", "Energy that cannot arrive in time [kWh].", labels=labels
        )
        for known in vehicles:
            last = self._daemon.last(known.spec.id)
            if last is None:
                continue
            decision, names = last[1], [known.home.id, known.spec.id]
            if decision.soc_pct is not None:
                soc.add_metric(names, decision.soc_pct)
            home.add_metric(names, float(decision.verdict.place is Place.HOME))
            wanted.add_metric(names, float(decision.desired is Desired.CHARGE))
            short.add_metric(names, decision.plan.shortfall_kwh)
        yield from (soc, home, wanted, short)


def _flag(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _plugged(state: VehicleState) -> float | None:
    return _flag(state.observation.charge.plugged)


def _charging(state: VehicleState) -> float | None:
    return _flag(state.observation.charge.charging)


def _power(state: VehicleState) -> float | None:
    return state.observation.charge.power_kw


def _energy(state: VehicleState) -> float | None:
    return state.session.energy_kwh if state.session else None


def add_metrics(app: web.Application, daemon: Daemon) -> None:
    """Add `/metrics`, from a registry of its own."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DaemonCollector(daemon))

    async def metrics(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})

    app.router.add_get("/metrics", metrics)
