"""Where a home is: doubts about coordinates, reuse of a place that is there, and the chargers put in it."""

from collections.abc import Iterable, Mapping, Sequence

from scheduler.config.places import distance_km, doubt_of, fault_of
from scheduler.core.garage import Doubt, LocationCard, Placed, Position
from scheduler.enode.client import EnodeClient

NEAR_KM = 0.2
"""The provider takes a car within 200 m of a place to be there: nearer places cannot be told apart."""


def near(position: Position, places: Iterable[LocationCard]) -> list[LocationCard]:
    """Return the places within 200 m, the nearest first."""
    here = (position.latitude, position.longitude)
    found = [
        (distance_km(here, (one.position.latitude, one.position.longitude)), one)
        for one in places
        if one.position is not None
    ]
    return [one for away_km, one in sorted(found, key=lambda pair: pair[0]) if away_km <= NEAR_KM]


def doubts(
    position: Position, *, timezone: str, places: Sequence[LocationCard], homes_at: Mapping[str, str]
) -> tuple[Doubt, ...]:
    """Return what an owner should look at before a place is used; one that is `barred` stands alone.

    Args:
        position: of the home.
        timezone: its IANA zone, whose city tells exchanged coordinates.
        places: what the provider keeps for the user.
        homes_at: the other homes, by their location id.
    """
    here = (position.latitude, position.longitude)
    likely = not fault_of(*here[::-1])
    if why := fault_of(*here):
        return (Doubt(text=why, barred=True, exchanged=likely),)
    told = []
    if odd := doubt_of(*here, timezone):
        told.append(Doubt(text=odd, exchanged=likely and not doubt_of(*here[::-1], timezone)))
    around = near(position, places)
    told += [
        Doubt(text=f"Home {homes_at[one.id]} is within 200 m: the two cannot be told apart.")
        for one in around
        if one.id in homes_at
    ]
    if len(around) > 1:
        names = ", ".join(one.name for one in around)
        told.append(
            Doubt(text=f"{names} lie within 200 m of here: the provider may take either for the place of the car.")
        )
    return tuple(told)


async def place_home(
    client: EnodeClient,
    *,
    user_id: str,
    position: Position,
    name: str,
    timezone: str,
    places: Sequence[LocationCard],
    charger_ids: Sequence[str],
) -> Placed:
    """Make the place, or take the nearest within 200 m, and put the chargers there. Raises ProviderError."""
    around = near(position, places)
    if around:
        location_id, called = around[0].id, around[0].name
    else:
        made = await client.create_location(
            user_id, name=name, latitude=position.latitude, longitude=position.longitude, timezone=timezone
        )
        location_id, called = made.id, made.name
    for charger_id in charger_ids:
        await client.place_charger(charger_id, location_id)
    return Placed(location_id=location_id, name=called, reused=bool(around), charger_ids=tuple(charger_ids))
