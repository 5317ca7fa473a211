"""What an owner is asked to do next, with the reasons. Pure."""

from collections.abc import Container, Iterator

from scheduler.core.garage import Account, Card, Prompt
from scheduler.enode.linking import ChargerAdvice, charger_advice

CHARGER = "charger"


def prompts_of(account: Account, dismissed: Container[str]) -> tuple[Prompt, ...]:
    """Return the prompts of an account; a mandatory one stands however often it was dismissed."""
    found = (one for one in _charger_prompts(account) if one.mandatory or one.id not in dismissed)
    return tuple(sorted(found, key=lambda one: not one.mandatory))


def _charger_prompts(account: Account) -> Iterator[Prompt]:
    """Ask for the charger once for each vehicle, until one is linked."""
    if account.chargers:
        return
    for card in account.vehicles:
        mandatory = charger_advice(card.capabilities) is ChargerAdvice.MANDATORY
        yield Prompt(
            id=f"{CHARGER}:{card.id}",
            kind=CHARGER,
            user_id=account.user_id,
            vehicle_id=card.id,
            vehicle_name=card.name,
            mandatory=mandatory,
            reasons=tuple(_needed(card)) if mandatory else HELPS,
        )


HELPS = (
    "A plug-in is noticed sooner.",
    "When the car is offline, the charger can still be asked to start and stop.",
    "The charger tells the charging power where the car does not.",
    "The charger proves that the car is plugged in at home, and not at a socket next door.",
)
"""Why a charger is worth linking even where the car can do all by itself."""


def _needed(card: Card) -> Iterator[str]:
    can = card.capabilities
    if not can.start or not can.stop:
        yield f"{card.name} cannot be started and stopped by itself: the charger does it."
    if not can.locate:
        yield f"{card.name} does not tell where it is: the charger proves that it is at home."
    yield "Until the charger is linked, nothing is sent to the car."
    yield HELPS[0]
