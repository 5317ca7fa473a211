"""What a person can do for a vehicle: the provider's catalogue, kept by language, joined with what the car asks for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.core.errors import NotFound, ProviderError
from scheduler.core.garage import Account, Asked, Card, InterventionCard
from scheduler.enode.client import EnodeClient
from scheduler.enode.values import Intervention
from scheduler.ports import Clock

KEPT_FOR = timedelta(hours=12)
"""The catalogue is one for all users and changes with the provider's releases."""

LINK = "Link"


@dataclass(frozen=True, slots=True)
class _Kept:
    at: datetime
    by_id: dict[str, Intervention]


class Catalogue:
    """The provider's interventions by language, read when first needed."""

    def __init__(self, client: EnodeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def of(self, ids: Iterable[str], language: str) -> dict[str, Intervention]:
        """Return those of the interventions that the provider knows. Raises ProviderError."""
        wanted = tuple(ids)
        if not wanted:
            return {}
        kept = self._kept.get(language)
        if kept is None or self._clock.now() - kept.at >= KEPT_FOR:
            try:
                read = {one.id: one for one in await self._client.interventions(language=language)}
            except ProviderError:
                if kept is None:
                    raise
            else:
                kept = self._kept[language] = _Kept(self._clock.now(), read)
        for one in wanted:
            if one not in kept.by_id:  # newer than what is kept
                try:
                    kept.by_id[one] = await self._client.intervention(one, language=language)
                except NotFound:
                    continue
        return {one: kept.by_id[one] for one in wanted if one in kept.by_id}


def cards_of(card: Card, account: Account, catalogue: dict[str, Intervention]) -> tuple[InterventionCard, ...]:
    """Return a vehicle's interventions: those that block before those that only help, within each the charger's first.

    Beyond that the order is the provider's. One that the catalogue does not know is told of by its id.
    """
    found = [
        _card(one, blocking=blocking, card=card, account=account, told=catalogue.get(one))
        for blocking, ids in ((True, card.blocking), (False, card.optional))
        for one in ids
    ]
    kind = {one: known.vendor_type for one, known in catalogue.items()}
    return tuple(sorted(found, key=lambda one: (not one.blocking, kind.get(one.id) != "charger")))


def _card(
    intervention_id: str, *, blocking: bool, card: Card, account: Account, told: Intervention | None
) -> InterventionCard:
    asked = [one for one in card.asked if one.id == intervention_id]
    capabilities = tuple(dict.fromkeys(one.capability for one in asked))
    if told is None:
        title = "The provider asks for something that it does not explain"
        return InterventionCard(
            id=intervention_id, title=title, description="", blocking=blocking, capabilities=capabilities
        )
    return InterventionCard(
        id=intervention_id,
        title=told.title,
        description=told.description,
        blocking=blocking,
        capabilities=capabilities,
        vendor=told.vendor or "",
        brand=told.brand or "",
        domain=told.domain or "",
        who=told.agent or "",
        where=told.access or "",
        relink=_asset(intervention_id, card, account, told) if told.action == LINK else None,
    )


def _asset(intervention_id: str, card: Card, account: Account, told: Intervention) -> str:
    """Return the asset whose account is to be linked again: the charger that asks for it, else the vehicle."""
    if told.vendor_type == "charger":
        for charger in account.chargers:
            if any(one.id == intervention_id for one in charger.asked):
                return charger.id
    return card.id


USED = frozenset({"chargeState", "location", "startCharging", "stopCharging"})
"""The capabilities that kwhen uses: what stands in the way of others is not its business."""


def asked_of(needs: Iterable[Asked]) -> tuple[Asked, ...]:
    """Return what concerns kwhen, in the order returned."""
    return tuple(one for one in needs if one.capability in USED)
