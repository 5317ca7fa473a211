from dataclasses import replace

from scheduler.core.garage import Asked
from scheduler.enode.values import Intervention
from scheduler.onboard.interventions import asked_of, cards_of
from tests.fake_onboarding import a_card, an_account


def asked(number, capability="startCharging", *, optional=False):
    return Asked(id=number, capability=capability, optional=optional)


def known(number, kind="vehicle", **members):
    return Intervention(id=number, title=f"Do {number}", description="**How**", vendor_type=kind, **members)


def told(needs, catalogue, account=None):
    card = a_card(asked=tuple(needs))
    return cards_of(card, account or an_account(vehicles=(card,)), {one.id: one for one in catalogue})


def test_the_chargers_come_first_and_else_the_order_returned_stays():
    needs = [asked("v-2", "chargeState"), asked("v-1"), asked("c-2"), asked("c-1")]
    cards = told(needs, [known("v-1"), known("v-2"), known("c-1", "charger"), known("c-2", "charger")])
    assert [one.id for one in cards] == ["c-2", "c-1", "v-2", "v-1"]


def test_what_blocks_stands_apart_from_what_only_helps():
    cards = told([asked("help", optional=True), asked("block")], [known("help"), known("block")])
    assert [(one.id, one.blocking) for one in cards] == [("block", True), ("help", False)]


def test_one_that_is_asked_for_twice_is_shown_once_and_blocks_where_it_blocks_anything():
    [card] = told([asked("i", "chargeState", optional=True), asked("i"), asked("i", "stopCharging")], [known("i")])
    assert card.blocking
    assert card.capabilities == ("chargeState", "startCharging", "stopCharging")


def test_linking_again_is_of_the_device_that_asks_for_it():
    account = an_account()
    post = replace(account.chargers[0], asked=(asked("c"),))
    account = replace(account, chargers=(post,))
    cards = told(
        [asked("c"), asked("v"), asked("n")],
        [known("c", "charger", action="Link"), known("v", action="Link"), known("n")],
        account,
    )
    assert {one.id: one.relink for one in cards} == {"c": post.id, "v": account.vehicles[0].id, "n": None}


def test_one_that_the_catalogue_does_not_know_is_told_of_all_the_same():
    [card] = told([asked("new")], [])
    assert (card.id, card.blocking) == ("new", True)
    assert card.title


def test_what_kwhen_does_not_use_is_not_its_business():
    assert asked_of([asked("a", "odometer"), asked("b"), asked("c", "smartCharging")]) == (asked("b"),)
