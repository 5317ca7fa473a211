"""Making a failing life small: troubles, homes, stays and days are left out while the same rule is still broken."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from tests.campaign.life import live
from tests.campaign.script import DAY_S, Home, Script, Trouble

T = TypeVar("T")
Fails = Callable[[Script], bool]


def shrunk(script: Script, *, rule: str = "", say: Callable[[str], None] = lambda _: None) -> Script | None:
    """Return a smaller life that breaks the rule ("": the first that this one breaks), or None if it breaks none."""
    broken = {violation["rule"] for violation in live(script).violations}
    if not broken or (rule and rule not in broken):
        return None
    wanted = rule or min(broken)

    def fails(one: Script) -> bool:
        return any(violation["rule"] == wanted for violation in live(one).violations)

    return smallest(script, fails, say=say)


def smallest(script: Script, fails: Fails, *, say: Callable[[str], None] = lambda _: None) -> Script:
    """Return the life from which nothing more can be left out without its failing no more."""
    while True:
        for smaller in candidates(script):
            if fails(smaller):
                script = smaller
                say(f"{len(script.homes)} homes, {script.days} days, {len(script.troubles)} troubles")
                break
        else:
            return script


def candidates(script: Script) -> Iterator[Script]:
    """Yield lives with something left out, those first that leave out the most."""
    for troubles in _halves(script.troubles):
        yield msgspec.structs.replace(script, troubles=troubles)
    for number in range(len(script.homes)) if len(script.homes) > 1 else ():
        yield _without(script, number)
    for days in range(1, script.days):
        troubles = tuple(it for it in script.troubles if it.at_s + it.for_s < days * DAY_S)
        yield msgspec.structs.replace(script, days=days, troubles=troubles)
    for number, home in enumerate(script.homes):
        for car_number, car in enumerate(home.cars):
            for stays in _halves(car.stays):
                cars = _put(home.cars, car_number, msgspec.structs.replace(car, stays=stays))
                homes = _put(script.homes, number, msgspec.structs.replace(home, cars=cars))
                yield msgspec.structs.replace(script, homes=homes)


def _halves(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Yield the items without a half, a quarter, … and without each single one."""
    size = len(items)
    while size > 0:
        for start in range(0, len(items), size):
            yield (*items[:start], *items[start + size :])
        size //= 2


def _put(items: tuple[T, ...], number: int, item: T) -> tuple[T, ...]:
    return (*items[:number], item, *items[number + 1 :])


def _without(script: Script, number: int) -> Script:
    """Return a life without one home, its cars and their troubles; other cars keep their troubles."""
    before = sum(len(home.cars) for home in script.homes[:number])
    gone = range(before, before + len(script.homes[number].cars))
    homes: tuple[Home, ...] = (*script.homes[:number], *script.homes[number + 1 :])
    troubles: list[Trouble] = []
    for it in script.troubles:
        if it.car in gone:
            continue
        moved = it.car - len(gone) if it.car >= gone.stop else it.car
        troubles.append(msgspec.structs.replace(it, car=moved))
    return msgspec.structs.replace(script, homes=homes, troubles=tuple(troubles))
