"""From stored work to news: what each row says, and of which vehicle."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from scheduler.core.command import ActionReport
from scheduler.core.cycle import CycleNews, Gone, Lost, Regained
from scheduler.core.errors import ProviderError, StoreError
from scheduler.core.model import VehicleState
from scheduler.core.observation import Reading
from scheduler.enode.values import ChargerClaim
from scheduler.loop.world import World
from scheduler.ports import InboxRow, Notice, VehicleProvider, Versioned
from storage.mapping import decode_override, decode_reading, decode_report

log = structlog.get_logger()


@dataclass(kw_only=True)
class Counters:
    """What went by, for /metrics."""

    events: int = 0
    unknown_vehicle: int = 0
    unknown_event: int = 0
    unreadable: int = 0
    decisions: int = 0
    commands: int = 0
    turns_failed: int = 0


class NewsReader:
    """Reads rows of the inbox. What cannot be read, or is of no vehicle of ours, is counted and otherwise ignored.

    It also remembers which vehicle each charger last said was plugged into it. `vendors` are those of the vehicles, as
    far as they are known.
    """

    def __init__(self, provider: VehicleProvider, counters: Counters) -> None:
        self._provider = provider
        self._counters = counters
        self.vendors: dict[str, str] = {}
        self._claims: dict[str, ChargerClaim] = {}

    def read(self, rows: Iterable[InboxRow], *, world: World, known: Container[str]) -> dict[str, list[CycleNews]]:
        """Return the news of each known vehicle, in order of arrival.

        A row that cannot be read, since its file is damaged or another release wrote it, holds up no other: it is told.
        """
        news: dict[str, list[CycleNews]] = {}
        for row in rows:
            try:
                for vehicle_id, piece in self._pieces(row, world):
                    if vehicle_id in known:
                        news.setdefault(vehicle_id, []).append(piece)
                    else:
                        self._counters.unknown_vehicle += 1
            except (ProviderError, StoreError, ValueError) as error:
                self._counters.unreadable += 1
                log.warning("news.unreadable", kind=row.work.kind, vehicle_id=row.work.vehicle_id, why=str(error))
        return news

    def _pieces(self, row: InboxRow, world: World) -> Iterator[tuple[str, CycleNews]]:
        work = row.work
        match work.kind:
            case "event":
                self._counters.events += 1
                yield from self._event(row, world)
            case "reading":
                reading = decode_reading(work.payload)
                yield reading.vehicle_id, reading
            case "action" if work.vehicle_id is not None:
                yield work.vehicle_id, decode_report(work.payload)
            case "wish" if work.vehicle_id is not None:
                yield work.vehicle_id, decode_override(work.payload)
            case "lost" if work.vehicle_id is not None:
                yield work.vehicle_id, Lost(at=work.received.at)
            case "regained" if work.vehicle_id is not None:
                yield work.vehicle_id, Regained()
            case "gone" if work.vehicle_id is not None:
                yield work.vehicle_id, Gone()
            case _:
                self._counters.unknown_event += 1

    def _event(self, row: InboxRow, world: World) -> Iterator[tuple[str, CycleNews]]:
        news = self._provider.read_event(row.work.payload, row.work.received, digest=row.work.key)
        match news:
            case Reading():
                yield news.vehicle_id, news
            case ActionReport() if news.vehicle_id is not None:
                yield news.vehicle_id, news
            case Notice(what="deleted", vehicle_id=str(vehicle_id)):
                yield vehicle_id, Gone()
            case Notice(what="credentials-invalid", user_id=str(user_id), detail=vendor):
                for home, vehicle in world.vehicles():
                    own = self.vendors.get(vehicle.id, vendor)  # unknown: better one too many, until it is looked at
                    if home.user_id == user_id and (own == vendor or not vendor):
                        yield vehicle.id, Lost(at=row.work.received.at)
            case Notice(what="charger-updated", detail=str(detail)) if detail:
                claim = ChargerClaim.load(detail)
                before = self._claims.get(claim.charger_id)
                if before is None or before.at is None or (claim.at is not None and claim.at >= before.at):
                    self._claims[claim.charger_id] = claim
            case Notice(what="unknown"):
                self._counters.unknown_event += 1
            case _:
                return

    def contested(self, state: VehicleState, states: Mapping[str, Versioned]) -> bool:
        """Tell whether another car claims the same charger; a newer word of the charger's own ends its claim (S1a)."""
        charge = state.observation.charge
        if charge.charger_id is None or charge.plugged is not True:
            return False
        others = [v.state.observation.charge for i, v in states.items() if i != state.vehicle_id]
        rivals = [o for o in others if o.charger_id == charge.charger_id and o.plugged is True]
        word = self._claims.get(charge.charger_id)
        if not rivals or word is None or word.at is None or word.vehicle_id != state.vehicle_id:
            return bool(rivals)
        return any(rival.at is None or rival.at >= word.at for rival in rivals)
