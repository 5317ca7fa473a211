import json
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.model import Mode, Override, Plan, Will
from scheduler.core.terms import Price, PriceSlot, PriceState, Stated
from scheduler.http import views
from scheduler.http.daemon import Known, vehicle_called
from scheduler.http.overview import plan_of, summary_of
from scheduler.http.problem import Problem
from scheduler.http.wishes import read_override
from scheduler.ports import SessionTotal
from tests.fakes_daemon import (
    ELSIE,
    HOUR,
    NOW,
    POLLY,
    a_failed_start,
    make_daemon,
    make_home,
    make_situation,
    seen,
    waiting,
    with_carbon,
)


def test_a_summary_is_json_and_says_why():
    daemon = make_daemon()
    view = json.loads(json.dumps(summary_of(daemon, vehicle_called(daemon, "polly"))))
    assert view["why"].startswith("Waiting: cheapest 2 h 40 min")
    assert view["target"] == {"policy": "ready-by", "soc_pct": 80, "energy_kwh": 29.3, "by": "2026-11-21T06:30:00Z"}
    assert (view["soc_pct"], view["plugged"], view["next_start_at"]) == (41.0, True, "2026-11-21T00:15:00Z")


def test_a_vehicle_that_was_never_seen_is_shown_too():
    daemon = make_daemon()
    view = summary_of(daemon, vehicle_called(daemon, ELSIE))
    assert (view["why"], view["plugged"], view["mode"]) == ("Not seen yet.", None, "observe")


def test_the_stricter_mode_holds():
    home = make_home(mode=Mode.OBSERVE)
    assert views.mode_of(Known(home=home, spec=replace(home.vehicles[0], mode=Mode.OFF))) is Mode.OFF
    assert views.mode_of(Known(home=home, spec=home.vehicles[0])) is Mode.OBSERVE


def test_a_failure_keeps_the_providers_words():
    view = views.command_view(a_failed_start(), {"rover-2222": "Rover"})
    assert view["failure"] == {"type": "NO_RESPONSE", "detail": "The vehicle did not answer."}
    assert (view["name"], view["kind"], view["verified"]) == ("Rover", "START", False)


def test_the_plan_shows_the_prices_it_was_made_on():
    daemon = make_daemon()
    plan = plan_of(daemon, vehicle_called(daemon, POLLY))
    assert [slot["price_per_kwh"] for slot in plan["slots"]] == [0.5, 0.4, 0.3]
    assert len(plan["prices"]) == 10
    assert plan["currency"] == "NOK"


def test_prices_add_up_where_all_of_them_have_a_slot():
    market = (PriceSlot(start=NOW, end=NOW + 2 * HOUR, per_kwh=1.0),)
    fee = (
        PriceSlot(start=NOW - HOUR, end=NOW + HOUR, per_kwh=0.25),
        PriceSlot(start=NOW + HOUR, end=NOW + 3 * HOUR, per_kwh=0.5, state=PriceState.FORECAST),
    )
    home = make_home()
    now = replace(
        make_situation(home, home.vehicles[0], seen()),
        terms=tuple(Stated(rank=i, policy="p", term=Price(slots=s)) for i, s in enumerate((market, fee))),
    )
    assert views.price_curve(now) == (
        PriceSlot(start=NOW, end=NOW + HOUR, per_kwh=1.25),
        PriceSlot(start=NOW + HOUR, end=NOW + 2 * HOUR, per_kwh=1.5, state=PriceState.FORECAST),
    )


def test_what_only_weighs_is_no_price_of_the_persons():
    home = make_home()
    now = make_situation(home, home.vehicles[0], seen())
    slots = (PriceSlot(start=NOW, end=NOW + HOUR, per_kwh=0.05),)
    carbon = Stated(rank=3, policy="carbon", term=Price(slots=slots, billed=False))
    assert views.price_curve(replace(now, terms=(*now.terms, carbon))) == views.price_curve(now)
    assert views.price_curve(replace(now, terms=(carbon,))) == ()


def test_a_plan_tells_the_grams_to_expect():
    daemon = with_carbon(make_daemon(), 300.0)
    plan = plan_of(daemon, vehicle_called(daemon, POLLY))
    assert [slot["grams"] for slot in plan["slots"]] == [
        pytest.approx(300.0 * slot["energy_kwh"], abs=0.1) for slot in plan["slots"]
    ]
    assert plan["grams"] == pytest.approx(sum(slot["grams"] for slot in plan["slots"]))


def test_a_plan_without_grams_says_none():
    plan = plan_of(daemon := make_daemon(), vehicle_called(daemon, POLLY))
    assert (plan["grams"], {slot["grams"] for slot in plan["slots"]}) == (None, {None})
    assert views.plan_view(Plan(), grams=[])["grams"] is None


def test_a_total_without_grams_says_none():
    total = SessionTotal(currency="NOK", sessions=2, energy_kwh=9.0, cost=1.0, saved=0.5, unpriced=0)
    view = views.session_total_view(total)
    assert (view["grams"], view["grams_saved"], view["with_grams"], view["cost"]) == (None, None, 0, 1.0)
    known = views.session_total_view(replace(total, grams=5.0, grams_saved=-1.0, with_grams=1))
    assert (known["grams"], known["grams_saved"]) == (5.0, -1.0)


@pytest.mark.parametrize("text", [POLLY, "Polly", "polly", "pol", "Pol"])
def test_a_vehicle_is_called_by_id_name_or_prefix(text):
    assert vehicle_called(make_daemon(), text).spec.id == POLLY


def test_a_name_that_several_share_is_refused_with_all_of_them():
    daemon = make_daemon()
    home = daemon.home_list[0]
    twins = tuple(replace(spec, name="Twin") for spec in home.vehicles)
    daemon.home_list = (replace(home, vehicles=twins),)
    with pytest.raises(Problem, match=r"polly-1111.*rover-2222") as caught:
        vehicle_called(daemon, "twin")
    assert caught.value.status == 409


@pytest.mark.parametrize("text", ["", "nobody"])
def test_an_unknown_name_is_refused_with_those_known(text):
    with pytest.raises(Problem, match="Polly") as caught:
        vehicle_called(make_daemon(), text)
    assert caught.value.status == 404


class TestOverride:
    def read(self, body, last=None):
        daemon = make_daemon()
        return read_override(body, vehicle_called(daemon, POLLY), last, now=NOW)

    def test_a_local_time_means_its_next_coming(self):
        override = self.read({"will": "hold", "until": "06:00", "by": "cli"})
        assert override == Override(will=Will.HOLD, by="cli", set_at=NOW, until=NOW + timedelta(hours=6.5))

    def test_a_target_that_is_not_named_is_that_of_the_policies(self):
        decision = waiting()
        override = self.read({"will": "ready-by", "ready_at": "05:00"}, (None, decision))
        assert override.soc_pct == 80
        assert override.ready_at == NOW + timedelta(hours=5.5)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"will": "hands_off"},
            {"will": "charge", "soc_pct": 80},
            {"will": "ready-by"},
            {"will": "ready-by", "ready_at": "05:00", "soc_pct": 0},
            {"will": "ready-by", "ready_at": "05:00", "soc_pct": 101},
            {"will": "ready-by", "ready_at": "05:00", "soc_pct": True},
            {"will": "hold", "until": "2026-11-20T22:00"},
            {"will": "hold", "until": 5},
            {"will": "hold", "by": "car"},
            {"will": "hold", "till": "05:00"},
        ],
        ids=str,
    )
    def test_what_does_not_fit_is_refused(self, body):
        with pytest.raises(Problem) as caught:
            self.read(body)
        assert caught.value.status == 400
