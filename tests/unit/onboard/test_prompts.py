import pytest

from scheduler.core.garage import Account
from scheduler.core.observation import Capabilities
from scheduler.onboard.prompts import prompts_of
from tests.fake_onboarding import NOW, a_card, an_account

ABLE = Capabilities(start=True, stop=True, locate=True)


def bare(**capabilities):
    given = {"start": True, "stop": True, "locate": True} | capabilities
    return an_account(vehicles=(a_card(capabilities=Capabilities(**given)),), chargers=())


@pytest.mark.parametrize(
    ("lacks", "reason"),
    [
        pytest.param({"start": False}, "started and stopped", id="no-start"),
        pytest.param({"stop": False}, "started and stopped", id="no-stop"),
        pytest.param({"locate": False}, "where it is", id="no-place"),
        pytest.param({"locate": None}, "where it is", id="not-said"),
    ],
)
def test_the_charger_is_needed_where_the_car_lacks_something(lacks, reason):
    [prompt] = prompts_of(bare(**lacks), ())
    assert prompt.mandatory
    assert reason in " ".join(prompt.reasons)


def test_a_car_that_can_do_all_by_itself_is_only_better_with_a_charger():
    [prompt] = prompts_of(bare(), ())
    assert not prompt.mandatory
    assert len(prompt.reasons) > 1


def test_an_optional_prompt_can_be_dismissed_and_a_mandatory_one_cannot():
    [optional], [needed] = prompts_of(bare(), ()), prompts_of(bare(start=False), ())
    assert prompts_of(bare(), {optional.id}) == ()
    assert prompts_of(bare(start=False), {needed.id}) == (needed,)


def test_nothing_is_asked_once_a_charger_is_linked_or_before_there_is_a_car():
    assert prompts_of(an_account(), ()) == ()
    assert prompts_of(Account(user_id="u", at=NOW), ()) == ()


def test_what_is_needed_comes_before_what_only_helps():
    cars = (a_card("one", capabilities=ABLE), a_card("two", capabilities=Capabilities(start=False)))
    assert [p.vehicle_id for p in prompts_of(an_account(vehicles=cars, chargers=()), ())] == ["two", "one"]
