from dataclasses import replace

import pytest

from scheduler.core.garage import Asked, ChargerCard, PairState
from scheduler.core.model import Home
from scheduler.core.observation import Capabilities
from scheduler.onboard.pairing import pairing_of
from tests.fake_onboarding import a_card

POST = ChargerCard(id="c-1", user_id="u", vendor="ZAPTEC", name="Zaptec Go", location_id="l-1")
HOME = Home(id="h", user_id="u", timezone="Europe/Oslo", location_id="l-1", charger_ids=("c-1",))
UNABLE = Capabilities(start=False, stop=False, locate=False, read_charge=True)


def card(**changes):
    return a_card(asked=(), plugged=False, charger_id=None, location_id=None, **changes)


@pytest.mark.parametrize(
    ("seen", "chargers", "home", "state"),
    [
        pytest.param({}, (), HOME, PairState.NOT_LINKED, id="no-charger"),
        pytest.param({}, (POST,), HOME, PairState.ESTABLISHED, id="both-linked"),
        pytest.param({"plugged": True, "charger_id": "c-1"}, (POST,), HOME, PairState.HERE, id="at-the-homes-charger"),
        pytest.param({"plugged": True, "charger_id": "c-1"}, (POST,), None, PairState.HERE, id="in-no-home-yet"),
        pytest.param({"plugged": True, "charger_id": "c-9"}, (POST,), HOME, PairState.ELSEWHERE, id="other-charger"),
        pytest.param({"plugged": True, "location_id": "l-9"}, (POST,), HOME, PairState.ELSEWHERE, id="other-place"),
        pytest.param({"plugged": True, "location_id": "l-9"}, (), HOME, PairState.ELSEWHERE, id="other-place-unpaired"),
        pytest.param({"plugged": True}, (POST,), HOME, PairState.ESTABLISHED, id="not-recognised-yet"),
        pytest.param({"plugged": None, "charger_id": "c-1"}, (POST,), HOME, PairState.ESTABLISHED, id="plug-unknown"),
        pytest.param({"capabilities": UNABLE}, (POST,), HOME, PairState.CLEARED, id="cleared-after-failures"),
    ],
)
def test_a_pair_is_a_state_that_an_owner_understands(seen, chargers, home, state):
    told = pairing_of(replace(card(), **seen), chargers, home)
    assert told.state is state
    assert told.text


def test_what_a_person_could_unlock_is_not_a_cleared_pair():
    blocked = replace(card(capabilities=UNABLE), asked=(Asked(id="i", capability="startCharging", optional=False),))
    assert pairing_of(blocked, (POST,), HOME).state is PairState.ESTABLISHED


@pytest.mark.parametrize("seen", [{}, {"capabilities": UNABLE}], ids=["not-linked", "cleared"])
def test_what_brings_a_pair_on_is_said(seen):
    chargers = () if not seen else (POST,)
    assert pairing_of(replace(card(), **seen), chargers, HOME).remedy


def test_a_charger_without_a_place_is_named_where_the_car_hangs_on_it():
    bare = replace(POST, location_id=None)
    told = pairing_of(replace(card(), plugged=True, charger_id="c-1"), (bare,), HOME)
    assert (told.state, "Zaptec Go has no place" in told.remedy) == (PairState.HERE, True)
