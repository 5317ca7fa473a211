"""Which cars nothing is sent to, as accounts are read one after another."""

from dataclasses import replace

import pytest

from scheduler.core.errors import StoreBusy
from scheduler.core.garage import Account, VendorLink
from scheduler.core.model import Home, VehicleSpec
from scheduler.core.observation import Capabilities
from scheduler.onboard.holds import Holds
from storage.memory import MemoryStore
from tests.fake_onboarding import CHARGER, POLLY, USER, a_card, an_account
from tests.web_support import StepClock

ABLE = Capabilities(start=True, stop=True, locate=True)
UNABLE = Capabilities(start=False, stop=False, locate=False)
HOME = Home(
    id="lindgren", user_id=USER, timezone="Europe/Oslo", charger_ids=(CHARGER,), vehicles=(VehicleSpec(id=POLLY),)
)


class Kept:
    """The homes, as far as holding goes."""

    def __init__(self) -> None:
        self.barred: frozenset[str] = frozenset()
        self.broken = False

    def all(self) -> tuple[Home, ...]:
        return (HOME,)

    async def bar(self, vehicle_ids: frozenset[str]) -> None:
        if self.broken:
            raise StoreBusy("busy")
        self.barred = vehicle_ids


class Stage:
    """Holds over a store, and how often the homes were put in force."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.homes, self.rehomed, self.broken = store, Kept(), 0, False
        self.holds = self.another_run()

    def another_run(self) -> Holds:
        self.holds = Holds(store=self.store, homes=self.homes, rehome=self._rehome)
        return self.holds

    async def _rehome(self) -> None:
        if self.broken:
            raise StoreBusy("busy")
        self.rehomed += 1

    async def barred(self, account: Account) -> set[str]:
        await self.holds.look(account)
        return set(self.homes.barred)


@pytest.fixture
async def stage():
    store = MemoryStore(StepClock())
    await store.open(node="here")
    return Stage(store)


def seen(can: Capabilities, *, charger: bool, valid: bool = True, linked: bool = True) -> Account:
    account = an_account(vehicles=(a_card(capabilities=can, linked=linked),))
    link = VendorLink(vendor="ZAPTEC", kind="charger", valid=valid)
    return replace(account, vendors=(link,)) if charger else replace(account, chargers=())


async def test_a_car_that_needs_a_charger_waits_until_it_is_linked(stage):
    assert await stage.barred(seen(UNABLE, charger=False)) == {POLLY}
    assert await stage.barred(seen(UNABLE, charger=False)) == {POLLY}
    assert stage.rehomed == 1
    assert await stage.barred(seen(ABLE, charger=True)) == set()
    assert stage.rehomed == 2


async def test_what_a_car_could_not_do_alone_counts_when_its_charger_is_lost(stage):
    await stage.barred(seen(UNABLE, charger=False))
    stage.another_run()
    lost = seen(ABLE, charger=True, valid=False)  # the pair still says that it can be commanded
    assert await stage.barred(lost) == {POLLY}
    assert await stage.barred(seen(ABLE, charger=True)) == set()


async def test_a_car_that_learned_to_do_it_alone_goes_on_without_its_charger(stage):
    await stage.barred(seen(UNABLE, charger=False))
    assert await stage.barred(seen(ABLE, charger=False)) == set()
    stage.another_run()
    assert await stage.barred(seen(ABLE, charger=True, valid=False)) == set()


async def test_a_car_whose_own_account_is_lost_is_held_for_that_alone(stage):
    assert await stage.barred(seen(UNABLE, charger=False, linked=False)) == set()


async def test_the_cars_of_other_accounts_stay_as_they_are(stage):
    stage.homes.barred = frozenset({"somebody-else's"})
    assert await stage.barred(seen(UNABLE, charger=False)) == {POLLY, "somebody-else's"}


async def test_what_cannot_be_kept_is_tried_again_when_the_account_is_read_next(stage):
    stage.homes.broken = True
    assert await stage.barred(seen(UNABLE, charger=False)) == set()
    stage.homes.broken = False
    assert await stage.barred(seen(UNABLE, charger=False)) == {POLLY}


async def test_what_could_not_be_put_in_force_is_at_the_next_look(stage):
    stage.broken = True
    await stage.barred(seen(UNABLE, charger=False))
    assert stage.rehomed == 0
    stage.broken = False
    await stage.barred(seen(UNABLE, charger=False))
    await stage.barred(seen(UNABLE, charger=False))
    assert stage.rehomed == 1
