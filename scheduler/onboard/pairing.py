"""How a vehicle stands to its user's chargers, as states that an owner understands. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from scheduler.core.garage import Card, ChargerCard, Pairing, PairState
from scheduler.core.model import Home

CONTROL = frozenset({"startCharging", "stopCharging", "location"})
"""What a pair unlocks."""


def paired(card: Card, chargers: Sequence[ChargerCard], home: Home | None) -> Card:
    """Return the card with its pairing filled in."""
    return replace(card, pairing=pairing_of(card, chargers, home))


def pairing_of(card: Card, chargers: Sequence[ChargerCard], home: Home | None) -> Pairing:
    """Say how a vehicle is paired, and what brings it on where something is amiss."""
    if card.plugged is True and card.charger_id is not None:
        return _at_charger(card.charger_id, chargers, home)
    if card.plugged is True and _elsewhere(card, home):
        return Pairing(state=PairState.ELSEWHERE, text="Plugged in at another place: kwhen leaves it alone there.")
    if not chargers:
        remedy = "Link the charger: it proves that the car is at home and can control it."
        return Pairing(state=PairState.NOT_LINKED, text="No charger is linked.", remedy=remedy)
    if _cleared(card):
        return Pairing(
            state=PairState.CLEARED,
            text="The pair was dissolved, as after commands that failed while the car was not plugged in.",
            remedy="Plug the car in at the charger: it is recognised again within some minutes.",
        )
    if card.plugged is True:
        remedy = "It can take some minutes. If it stays so: charge for a while, or unplug and plug in again."
        text = "Plugged in, and not recognised at a linked charger yet."
        return Pairing(state=PairState.ESTABLISHED, text=text, remedy=remedy)
    return Pairing(state=PairState.ESTABLISHED, text="Car and charger are linked and work together.")


def _at_charger(charger_id: str, chargers: Sequence[ChargerCard], home: Home | None) -> Pairing:
    charger = next((one for one in chargers if one.id == charger_id), None)
    name = charger.name if charger is not None else charger_id
    if home is not None and home.charger_ids and charger_id not in home.charger_ids:
        remedy = f"If {name} stands at this home, add it to the home's chargers."
        text = f"Plugged in at {name}, which is not a charger of this home."
        return Pairing(state=PairState.ELSEWHERE, text=text, remedy=remedy, charger_id=charger_id)
    remedy = ""
    if charger is not None and charger.location_id is None:
        remedy = f"{name} has no place yet: place the home, so that the car is known to be there."
    return Pairing(state=PairState.HERE, text=f"Plugged in at {name}.", remedy=remedy, charger_id=charger_id)


def _elsewhere(card: Card, home: Home | None) -> bool:
    """Tell whether the car's own GPS says that it stands at another place than the home's."""
    return home is not None and home.location_id is not None and card.location_id not in {None, home.location_id}


def _cleared(card: Card) -> bool:
    """Tell whether what a pair unlocks is missing for no reason that a person could remove."""
    can = card.capabilities
    missing = can.start is False or can.stop is False or can.locate is False
    return missing and not any(one.capability in CONTROL and not one.optional for one in card.asked)
