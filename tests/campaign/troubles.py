"""What can go wrong in a life, by the ids of the fault catalogue: each begins, lasts for its time, and ends.

`hinders` says that while it lasts no command can be expected to reach the car (of which the checker is told: a missed
deadline is excused by it, as by an outage).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from scheduler.core.model import Will
from simulator.market import Slot
from simulator.telemetry import Distortion
from simulator.vehicle import Vehicle
from tests.campaign.script import Trouble

if TYPE_CHECKING:
    from tests.campaign.life import Life

MINUTE, HOUR = 60, 3600
CHARGING = "/vehicles/*/charging"

Course = Callable[["Life", Trouble], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of trouble: how long it lasts [s, least and most], whether it strikes one car, and its course.

    With `one_account` the cars that are linked by the same account suffer with the one that is drawn.
    """

    code: str
    name: str
    lasts_s: tuple[int, int]
    course: Course
    one_car: bool = False
    one_account: bool = False
    hinders: bool = False
    weight: float = 1.0


KINDS: dict[str, Kind] = {}


def kind(code: str, lasts_s: tuple[int, int], **traits: Any) -> Callable[[Course], Course]:
    """Enter a course into the table of kinds; traits are members of `Kind`."""

    def enter(course: Course) -> Course:
        name = (course.__doc__ or "").strip().rstrip(".")
        KINDS[code] = Kind(code=code, name=name, lasts_s=lasts_s, course=course, **traits)
        return course

    return enter


def drawn(dice: random.Random, *, cars: int, end_s: int) -> Trouble:
    """Return a trouble of any kind, at any time of a life."""
    (chosen,) = dice.choices(list(KINDS.values()), [one.weight for one in KINDS.values()])
    least_s, most_s = chosen.lasts_s
    for_s = round(least_s * (most_s / least_s) ** dice.random())
    return Trouble(
        code=chosen.code,
        at_s=dice.randrange(2 * HOUR, max(2 * HOUR + 1, end_s - for_s - 3 * HOUR)),
        for_s=for_s,
        car=dice.randrange(cars) if chosen.one_car else -1,
        dose=round(dice.random(), 2),
    )


# the forms that most of them have


def spoils(code: str, lasts_s: tuple[int, int], fault: str, *, hinders: bool = False, **members: Any) -> None:
    """Enter a kind that spoils calls to the provider, or its deliveries. `share` may be "dose"."""

    async def course(life: "Life", it: Trouble) -> None:
        own = {name: it.dose if value == "dose" else value for name, value in members.items()}
        life.world.faults.add(fault, for_s=it.for_s, **own)
        await life.wait(it.for_s)

    course.__doc__ = f"{fault} {members}"
    kind(code, lasts_s, hinders=hinders)(course)


def distorts(code: str, lasts_s: tuple[int, int], *, hinders: bool = False, **members: Any) -> None:
    """Enter a kind that makes the picture of one car differ from the truth."""

    async def course(life: "Life", it: Trouble) -> None:
        for car in life.struck(it):
            car.telemetry.distortion = Distortion(**members)
        await life.wait(it.for_s)
        for car in life.struck(it):
            car.telemetry.distortion = Distortion()
            car.telemetry.moved()

    course.__doc__ = f"seen with {members}"
    kind(code, lasts_s, one_car=True, hinders=hinders)(course)


def moods(code: str, lasts_s: tuple[int, int], *, hinders: bool = False, **members: Any) -> None:
    """Enter a kind that changes how one car takes commands."""

    async def course(life: "Life", it: Trouble) -> None:
        for car in life.struck(it):
            with swapped(car.mood, **members):
                await life.wait(it.for_s)

    course.__doc__ = f"a car that has {members}"
    kind(code, lasts_s, one_car=True, hinders=hinders)(course)


@contextmanager
def swapped(owner: object, **members: Any) -> Iterator[None]:
    """Let an object have other members for a while."""
    before = {name: getattr(owner, name) for name in members}
    for name, value in members.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


# N: the network


@kind("N01", (5 * MINUTE, 9 * HOUR), hinders=True)
async def outage(life: "Life", it: Trouble) -> None:
    """No provider at all."""
    life.world.set_outage(down=True)
    await life.wait(it.for_s)
    life.world.set_outage(down=False)


spoils("N04", (10 * MINUTE, 3 * HOUR), "lost_reply", method="POST", path=CHARGING, share="dose", hinders=True)
spoils("N04b", (10 * MINUTE, 3 * HOUR), "drop", method="POST", path=CHARGING, share="dose", hinders=True)
spoils("N05", (10 * MINUTE, 2 * HOUR), "slow", delay_s=90.0, share="dose", hinders=True)
spoils("N05b", (10 * MINUTE, 4 * HOUR), "slow", delay_s=8.0)
spoils("N06", (10 * MINUTE, 2 * HOUR), "hang", delay_s=600.0, share="dose", hinders=True)
spoils("N07", (10 * MINUTE, 2 * HOUR), "truncate", share="dose", hinders=True)
spoils("N07b", (10 * MINUTE, 2 * HOUR), "html", share="dose", hinders=True)
spoils("N08", (10 * MINUTE, 6 * HOUR), "status", status=503, share="dose", hinders=True)
spoils("N09", (HOUR, 12 * HOUR), "delivery_drop")
spoils("N10", (20 * MINUTE, 6 * HOUR), "drop", path="/[uvc]*", hinders=True)

# P: the provider and the vehicle

spoils("P01", (10 * MINUTE, HOUR), "status", method="POST", path=CHARGING, status=429, retry_after_s=900, hinders=True)
spoils(
    "P01b",
    (10 * MINUTE, 2 * HOUR),
    "status",
    method="GET",
    path="/users/*",
    status=429,
    retry_after_s=300,
    hinders=True,
)
spoils("P03", (10 * MINUTE, 2 * HOUR), "expired_token", share="dose")
spoils("P23", (10 * MINUTE, 4 * HOUR), "unknown_values", hinders=True)
moods("P06", (HOUR, 12 * HOUR), asleep_latency_s=(300.0, 700.0), latency_s=(60.0, 200.0))
moods("P07", (HOUR, 4 * HOUR), silent_commands=2, hinders=True)
moods("P08", (HOUR, 4 * HOUR), no_power_starts=2, hinders=True)
moods("P26", (6 * HOUR, 24 * HOUR), resumes_left=1, hinders=True)
distorts("P14", (5 * MINUTE, 20 * MINUTE), flickers=3, hinders=True)
distorts("P15", (10 * MINUTE, 5 * HOUR), blank=True, hinders=True)
distorts("P18", (HOUR, 10 * HOUR), frozen_place=True, hinders=True)
distorts("P19", (5 * MINUTE, HOUR), soc_pct=0, hinders=True)
distorts("P20", (HOUR, 8 * HOUR), frozen_soc=True, hinders=True)


@kind("P05", (30 * MINUTE, 10 * HOUR), one_car=True, one_account=True, hinders=True)
async def account_lost(life: "Life", it: Trouble) -> None:
    """The account of the car must be linked again."""
    car = life.struck(it)[0]
    life.world.invalidate_credentials(car.user_id, car.vendor)
    await life.wait(it.for_s)
    life.world.accounts.restore(car.user_id, car.vendor)


@kind("P06b", (20 * MINUTE, 10 * HOUR), one_car=True, hinders=True)
async def unreachable(life: "Life", it: Trouble) -> None:
    """The car stands where nothing reaches it."""
    for car in life.struck(it):
        car.set_reachable(reachable=False)
    await life.wait(it.for_s)
    for car in life.struck(it):
        car.set_reachable(reachable=True)


@kind("P11", (10 * MINUTE, 6 * HOUR), one_car=True)
async def another_hand(life: "Life", it: Trouble) -> None:
    """Another hand stops or starts the car, twice."""
    for car in life.struck(it):
        for _ in range(2):
            await life.wait(it.for_s / 2)
            if car.plugged:
                car.car_stops() if car.charging else car.person_starts()


@kind("P12", (MINUTE, 2 * HOUR), one_car=True, hinders=True)
async def person_stops(life: "Life", it: Trouble) -> None:
    """A person stops the car in its own app."""
    for car in life.struck(it):
        if car.charging:
            car.person_stops()
    await life.wait(it.for_s)


@kind("P13", (MINUTE, 2 * HOUR), one_car=True)
async def person_starts(life: "Life", it: Trouble) -> None:
    """A person starts the car in its own app."""
    for car in life.struck(it):
        if car.plugged and not car.charging:
            car.person_starts()
    await life.wait(it.for_s)


@kind("P16", (HOUR, 12 * HOUR), one_car=True, hinders=True)
async def no_place(life: "Life", it: Trouble) -> None:
    """The car tells no place."""
    for car in life.struck(it):
        with swapped(car, has_gps=False):
            await life.wait(it.for_s)


@kind("P17", (3 * MINUTE, 40 * MINUTE), one_car=True, hinders=True)
async def place_jumps(life: "Life", it: Trouble) -> None:
    """The car seems to stand elsewhere."""
    for car in life.struck(it):
        car.telemetry.distortion = Distortion(position=car.home.moved(north_m=1500 + 30_000 * it.dose))
        await life.wait(it.for_s)
        car.telemetry.distortion = Distortion()
        car.telemetry.moved()


@kind("P25", (HOUR, 8 * HOUR), one_car=True, hinders=True)
async def incapable(life: "Life", it: Trouble) -> None:
    """The car can no longer be controlled."""
    for car in life.struck(it):
        with swapped(car, native_control=False):
            life.world.publish_vehicle(car)
            await life.wait(it.for_s)
        life.world.publish_vehicle(car)


@kind("P28", (2 * HOUR, 16 * HOUR), one_car=True, hinders=True)
async def weak(life: "Life", it: Trouble) -> None:
    """The car takes far less power than it should."""
    for car in life.struck(it):
        car.settle()
        car.weakness_kw = max(1.4, car.max_power_kw * (0.2 + 0.6 * it.dose))
        car.limit_changed()
        await life.wait(it.for_s)
        car.settle()
        car.weakness_kw = None
        car.limit_changed()


@kind("P29", (4 * HOUR, 24 * HOUR), one_car=True)
async def own_limit(life: "Life", it: Trouble) -> None:
    """The car's own limit lies below the target."""
    for car in life.struck(it):
        with _limited(car, 50.0 + 40 * it.dose):
            await life.wait(it.for_s)


@contextmanager
def _limited(car: Vehicle, limit_pct: float) -> Iterator[None]:
    before, car.charge_limit_pct = car.charge_limit_pct, limit_pct
    car.settle()
    car.limit_changed()
    yield
    car.settle()
    car.charge_limit_pct = before
    car.limit_changed()


# W: deliveries

spoils("W01", (HOUR, 24 * HOUR), "delivery_duplicate", share="dose")
spoils("W02", (HOUR, 24 * HOUR), "delivery_shuffle")
spoils("W02b", (HOUR, 12 * HOUR), "delivery_late", delay_s=900.0, share="dose")
spoils("W03", (HOUR, 24 * HOUR), "delivery_drop", share="dose")
spoils("W10", (HOUR, 24 * HOUR), "delivery_unknown", share="dose")
spoils("W12", (30 * MINUTE, 6 * HOUR), "delivery_tamper", share="dose")


# T: clocks


@kind("T03", (10 * MINUTE, 6 * HOUR), hinders=True, weight=0.5)
async def clock_steps(life: "Life", it: Trouble) -> None:
    """The daemon's clock is off for a while: it steps away, and back."""
    step = timedelta(hours=4 * it.dose - 2)
    life.clock.offset += step
    await life.wait(it.for_s)
    life.clock.offset -= step


@kind("T04", (HOUR, 12 * HOUR), one_car=True, hinders=True)
async def provider_ahead(life: "Life", it: Trouble) -> None:
    """The provider's clock runs ahead."""
    for car in life.struck(it):
        car.telemetry.distortion = Distortion(ahead_s=60 + 540 * it.dose)
        await life.wait(it.for_s)
        car.telemetry.distortion = Distortion()
        car.telemetry.moved()


# D: prices


@kind("D01", (24 * HOUR, 24 * HOUR))
async def prices_late(life: "Life", it: Trouble) -> None:
    """The next day's prices come late, or never."""
    day = (life.now() + timedelta(days=1)).date()
    at = None if it.dose > 0.5 else life.now() + timedelta(hours=30 * it.dose)
    life.zone.late[day] = at
    await life.wait(it.for_s)


@kind("D05", (6 * HOUR, 24 * HOUR))
async def slot_missing(life: "Life", it: Trouble) -> None:
    """A few slots are missing in the middle of the day."""
    hour = round(23 * it.dose)
    await _spoilt(life, it, lambda slots: [slot for slot in slots if slot.start.hour != hour])


@kind("D07", (6 * HOUR, 24 * HOUR))
async def no_numbers(life: "Life", it: Trouble) -> None:
    """Some prices are no numbers."""
    odd = ("NaN", None, "n/a", 1e400)[round(3 * it.dose)]
    await _spoilt(life, it, lambda slots: [Slot(start=s.start, end=s.end, per_kwh=odd) for s in slots])


@kind("D12", (12 * HOUR, 48 * HOUR))
async def all_equal(life: "Life", it: Trouble) -> None:
    """All prices are the same."""
    await _spoilt(life, it, lambda slots: [Slot(start=s.start, end=s.end, per_kwh=0.1) for s in slots])


@kind("D09", (6 * HOUR, 12 * HOUR))
async def corrected(life: "Life", it: Trouble) -> None:
    """Prices are corrected after the plan began."""
    await _spoilt(
        life,
        it,
        lambda slots: [Slot(start=s.start, end=s.end, per_kwh=s.per_kwh * 1.5) for s in slots[::2]] + slots[1::2],
    )


async def _spoilt(life: "Life", it: Trouble, spoil: Callable[[list[Slot]], list[Slot]]) -> None:
    life.zone.spoil = lambda slots: sorted(spoil(slots), key=lambda slot: slot.start)
    await life.wait(it.for_s)
    life.zone.spoil = None


spoils("D10", (6 * HOUR, 72 * HOUR), "status", path="/prices/*", status=503)


# B, X: store and process


@kind("B03", (5 * MINUTE, 3 * HOUR), hinders=True, weight=0.7)
async def store_full(life: "Life", it: Trouble) -> None:
    """The store takes nothing."""
    mend = life.lose_store()
    await life.wait(it.for_s)
    mend()


@kind("X07", (5, 30 * MINUTE), hinders=True)
async def restarted(life: "Life", it: Trouble) -> None:
    """The daemon is stopped, and started again after a while."""
    await life.down(it.for_s, crash=False)


@kind("B01", (5, 20 * MINUTE), hinders=True)
async def crashed(life: "Life", it: Trouble) -> None:
    """The daemon dies, at once or at a step of a command, and is started again."""
    step = ("", "before-intent", "after-intent", "after-send", "after-reply")[round(4 * it.dose)]
    if step:
        await life.step_reached(step, within_s=4 * HOUR)
    await life.down(it.for_s, crash=True)


# C: configuration


@kind("C01", (MINUTE, HOUR))
async def refused_reload(life: "Life", it: Trouble) -> None:
    """A configuration with an unknown key is to be loaded."""
    await life.reload(spoilt=True)
    await asyncio.sleep(it.for_s)


@kind("C06", (2 * HOUR, 10 * HOUR))
async def target_raised(life: "Life", it: Trouble) -> None:
    """The target is raised or lowered for a while."""
    await life.reload(target_by=round(30 * it.dose - 15))
    await life.wait(it.for_s)
    await life.reload(target_by=0)


# G: policies of others


@kind("G01", (HOUR, 24 * HOUR))
async def policy_fails(life: "Life", it: Trouble) -> None:
    """The policy of prices raises whenever it is asked."""
    await life.spoil_policies(for_s=it.for_s)


# the owner's will


@kind("O01", (HOUR, 24 * HOUR), one_car=True, hinders=True)
async def holds(life: "Life", it: Trouble) -> None:
    """A person asks the daemon to hold the car for a while."""
    await life.wish(it, Will.HOLD)


@kind("O02", (HOUR, 12 * HOUR), one_car=True)
async def charges_now(life: "Life", it: Trouble) -> None:
    """A person asks the daemon to charge now."""
    await life.wish(it, Will.CHARGE)
