"""Lost chargers: which they are, which cars they hold up, and what is told, once, until they are back."""

from dataclasses import replace

import pytest

from scheduler.core.errors import StoreBusy
from scheduler.core.garage import Account, VendorLink
from scheduler.core.model import Home, VehicleSpec
from scheduler.core.observation import Capabilities
from scheduler.onboard.lost_chargers import LostChargers, held_up, lost_chargers
from scheduler.ports import AlertChange, Batch
from storage.memory import MemoryStore
from tests.fake_onboarding import CHARGER, POLLY, USER, a_card, an_account
from tests.web_support import StepClock

HOME = Home(
    id="lindgren", user_id=USER, timezone="Europe/Oslo", charger_ids=(CHARGER,), vehicles=(VehicleSpec(id=POLLY),)
)
UNABLE = Capabilities(start=False, stop=False, locate=True)


def linked(vendor: str = "ZAPTEC", kind: str = "charger", *, valid: bool | None = False) -> VendorLink:
    return VendorLink(vendor=vendor, kind=kind, valid=valid)


def account(*vendors: VendorLink, **changes) -> Account:
    return replace(an_account(), vendors=vendors, **changes)


@pytest.mark.parametrize(
    ("given", "lost"),
    [
        pytest.param(account(linked()), {CHARGER}, id="lost"),
        pytest.param(account(linked(valid=True)), set(), id="valid"),
        pytest.param(account(linked(valid=None)), set(), id="not-said"),
        pytest.param(account(), set(), id="nothing-said"),
        pytest.param(account(linked(kind="vehicle")), set(), id="the-car's"),
        pytest.param(account(linked("EASEE"), linked(valid=True)), {"EASEE"}, id="another-that-is-not-shown"),
        pytest.param(account(linked(), chargers=()), {CHARGER}, id="left-out-and-known-from-the-home"),
    ],
)
def test_a_charger_is_lost_with_the_account_of_its_vendor(given, lost):
    assert lost_chargers(given, [HOME]) == lost


def test_a_lost_charger_that_nobody_names_is_told_of_by_its_vendor():
    assert lost_chargers(account(linked(), chargers=())) == {"ZAPTEC"}


def test_only_cars_that_are_commanded_through_it_are_held_up():
    able, unable = account(linked()), account(linked(), vehicles=(a_card(capabilities=UNABLE),))
    assert held_up(able, [HOME], ()) == set()
    assert held_up(able, [HOME], {POLLY}) == {POLLY}
    assert held_up(unable, [HOME], ()) == {POLLY}
    assert held_up(account(linked(valid=True)), [HOME], {POLLY}) == set()


@pytest.mark.parametrize(
    ("plugged", "at", "listed", "held"),
    [
        pytest.param(True, CHARGER, (), True, id="plugged-in-at-the-lost-one"),
        pytest.param(True, "other", (), False, id="plugged-in-at-the-other"),
        pytest.param(False, None, (), False, id="another-may-serve-it"),
        pytest.param(False, None, (CHARGER,), True, id="its-home-has-only-the-lost-one"),
        pytest.param(False, None, (CHARGER, "other"), False, id="its-home-has-both"),
    ],
)
def test_beside_a_charger_that_is_there_a_car_goes_on(plugged, at, listed, held):
    [charger] = an_account().chargers
    chargers = (charger, replace(charger, id="other", vendor="EASEE"))
    given = account(
        linked(), linked("EASEE", valid=True), chargers=chargers, vehicles=(a_card(plugged=plugged, charger_id=at),)
    )
    assert held_up(given, [replace(HOME, charger_ids=listed)], {POLLY}) == ({POLLY} if held else set())


class Teller:
    """Keeps what is told in a store; `broken` once."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.told: list[tuple[str, str | None]] = []
        self.broken = False

    async def __call__(self, changes: list[AlertChange]) -> None:
        if self.broken:
            self.broken = False
            raise StoreBusy("busy")
        await self.store.commit(Batch(alerts=changes))
        self.told += [("over" if one.cleared_at else one.severity, one.vehicle_id) for one in changes]


@pytest.fixture
async def store():
    made = MemoryStore(StepClock())
    await made.open(node="here")
    return made


@pytest.fixture
def tell(store):
    return Teller(store)


@pytest.fixture
def make(store, tell):
    def make(*homes: Home, barred: frozenset[str] = frozenset()) -> LostChargers:
        clock = StepClock()
        return LostChargers(
            store=store, now=clock.now, homes=lambda: homes, called=lambda _: "Go", barred=lambda: barred, tell=tell
        )

    return make


async def test_it_is_told_once_and_ends_when_the_vendor_is_valid_again(make, tell, store):
    watch = make(HOME)
    for given in (account(linked()), account(linked())):
        await watch.look(given)
    assert tell.told == [("warning", CHARGER)]
    [alert] = await store.alerts()
    assert (alert.code, alert.text) == (
        "CHARGER_LOST",
        "Link the account of the charger Go again. No car has to wait for it.",
    )
    await watch.look(account(linked(valid=True)))
    assert tell.told[1:] == [("over", CHARGER)]


async def test_a_car_that_waits_for_it_is_named_and_makes_it_critical(make, tell, store):
    await make(HOME, barred=frozenset({POLLY})).look(account(linked()))
    assert tell.told == [("critical", CHARGER)]
    [alert] = await store.alerts()
    assert alert.text.endswith("Until then nothing is sent to Polly.")


async def test_another_run_repeats_nothing_and_ends_what_the_last_one_told(make, tell):
    await make(HOME).look(account(linked()))
    again = make(HOME)
    await again.look(account(linked()))
    assert tell.told == [("warning", CHARGER)]
    await again.look(account(linked(valid=True)))
    assert tell.told[1:] == [("over", CHARGER)]


async def test_what_an_account_not_read_yet_may_still_have_lost_is_left_open(make, tell):
    other = replace(HOME, id="berg", user_id="user-berg", charger_ids=("charger-2",), vehicles=())
    await make(HOME, other).look(account(linked()))
    again = make(HOME, other)
    await again.look(Account(user_id="user-berg", at=account().at))
    assert tell.told == [("warning", CHARGER)]
    await again.look(account(linked(valid=True)))
    assert tell.told[1:] == [("over", CHARGER)]


async def test_it_ends_with_the_home(make, tell):
    await make(HOME).look(account(linked()))
    await make().forget_gone()
    assert tell.told[1:] == [("over", CHARGER)]


async def test_an_account_of_no_home_is_nobodys_alert(make, tell):
    await make().look(account(linked()))
    assert tell.told == []


async def test_what_could_not_be_kept_is_told_at_the_next_look(make, tell):
    watch = make(HOME)
    tell.broken = True
    await watch.look(account(linked()))
    assert tell.told == []
    await watch.look(account(linked()))
    assert tell.told == [("warning", CHARGER)]
