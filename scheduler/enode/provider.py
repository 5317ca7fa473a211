"""The `VehicleProvider` port on Enode."""

from collections.abc import Callable

import structlog

from scheduler.core.command import Action, ActionReport, Failure, Outcome
from scheduler.core.errors import (
    CommandRejected,
    NotFound,
    ProviderError,
    ProviderProtocolError,
    ProviderThrottled,
    ProviderUnauthorized,
)
from scheduler.core.observation import Reading, Source, Stamp
from scheduler.enode.client import EnodeClient
from scheduler.enode.events import read_event
from scheduler.enode.mapping import action_of, charger_of, reading_of
from scheduler.enode.values import ChargerReport
from scheduler.ports import News

log = structlog.get_logger()


class EnodeProvider:
    """Sees and commands vehicles through Enode. Raises only `ProviderError`.

    Args:
        client: Enode's API.
        stamp: reads the clocks when an answer arrives.
    """

    def __init__(self, client: EnodeClient, *, stamp: Callable[[], Stamp]) -> None:
        self._client = client
        self._stamp = stamp
        self.unreadable = 0
        """How many vehicles or chargers were left out because their object could not be read."""

    async def vehicles(self, user_id: str) -> list[Reading]:
        """Read all vehicles of a user, all pages; one that cannot be read is left out and logged."""
        objects = await self._client.vehicles(user_id)
        received = self._stamp()
        readings = []
        for raw in objects:
            try:
                readings.append(reading_of(raw, source=Source.POLL, received=received, user_id=user_id))
            except ProviderProtocolError as error:
                self.unreadable += 1
                log.warning("vehicle.unreadable", user_id=user_id, why=str(error))
        return readings

    async def chargers(self, user_id: str) -> list[ChargerReport]:
        """Read all chargers of a user, all pages; one that cannot be read is left out and logged."""
        objects = await self._client.chargers(user_id)
        received_at = self._stamp().at
        reports = []
        for raw in objects:
            try:
                reports.append(charger_of(raw, received_at=received_at))
            except ProviderProtocolError as error:
                self.unreadable += 1
                log.warning("charger.unreadable", user_id=user_id, why=str(error))
        return reports

    async def vehicle(self, vehicle_id: str) -> Reading:
        """Read one vehicle."""
        return reading_of(await self._client.vehicle(vehicle_id), source=Source.POLL, received=self._stamp())

    async def command(self, vehicle_id: str, action: Action) -> ActionReport:
        """Send START or STOP once and report what became of it; every outcome is a report, none an error.

        Lost credentials mean that nothing was sent; they are raised, since a person must act.

        Raises:
            ProviderUnauthorized: nothing was sent.
        """
        try:
            raw = await self._client.charge(vehicle_id, action)
        except (CommandRejected, NotFound) as error:
            return self._report(Outcome.REJECTED, vehicle_id, action, failure=_refusal(error))
        except ProviderThrottled as error:
            return self._report(
                Outcome.NOT_SENT,
                vehicle_id,
                action,
                failure=Failure(type="THROTTLED", detail=str(error)),
                retry_after_s=error.retry_after_s,
            )
        except ProviderError as error:
            return self._unclear(error, vehicle_id, action)
        try:
            report = action_of(raw, received_at=self._stamp().at)
        except ProviderProtocolError as error:
            error.ambiguous = True  # it was accepted, and we cannot read as what
            return self._unclear(error, vehicle_id, action)
        return ActionReport(
            outcome=report.outcome,
            received_at=report.received_at,
            action_id=report.action_id,
            vehicle_id=vehicle_id,
            kind=report.kind or action,
            failure=report.failure,
        )

    async def action(self, action_id: str) -> ActionReport:
        """Look at an action."""
        return action_of(await self._client.action(action_id), received_at=self._stamp().at)

    async def cancel(self, action_id: str) -> ActionReport:
        """Ask for cancellation; an action that is over is returned as it ended."""
        return action_of(await self._client.cancel(action_id), received_at=self._stamp().at)

    async def refresh(self, vehicle_id: str) -> None:
        """Ask for an earlier refresh; the result comes later as a reading."""
        await self._client.refresh_vehicle(vehicle_id)

    def read_event(self, payload: bytes, received: Stamp, *, digest: str | None = None) -> News:
        """Read one webhook event. Pure; raises `ProviderProtocolError` when it cannot be read."""
        return read_event(payload, received, digest=digest)

    def _unclear(self, error: ProviderError, vehicle_id: str, action: Action) -> ActionReport:
        """Return what an error means that is no refusal."""
        if error.ambiguous:
            failure = Failure(type="LOST", detail=str(error))
            return self._report(Outcome.AMBIGUOUS, vehicle_id, action, failure=failure)
        if isinstance(error, ProviderUnauthorized):
            raise error
        return self._report(Outcome.NOT_SENT, vehicle_id, action, failure=Failure(type="NOT_SENT", detail=str(error)))

    def _report(
        self,
        outcome: Outcome,
        vehicle_id: str,
        action: Action,
        *,
        failure: Failure,
        retry_after_s: float | None = None,
    ) -> ActionReport:
        return ActionReport(
            outcome=outcome,
            received_at=self._stamp().at,
            vehicle_id=vehicle_id,
            kind=action,
            failure=failure,
            retry_after_s=retry_after_s,
        )


def _refusal(error: CommandRejected | NotFound) -> Failure:
    if isinstance(error, CommandRejected):
        return Failure(type=f"HTTP_{error.status}", detail=error.reason)
    return Failure(type="HTTP_404", detail=str(error))
