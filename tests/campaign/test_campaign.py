"""The campaign's own parts: what is drawn, how a life is made smaller, what it costs, and what the ledger keeps."""

import dataclasses
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from scheduler.core import decide, dispatch, keys
from scheduler.core.model import Place, Verdict
from simulator.market import Slot, Zone, bounds
from simulator.physics import Battery
from simulator.world import World
from tests.campaign import __main__ as campaign
from tests.campaign import bills
from tests.campaign.__main__ import MOST_LOST, main
from tests.campaign.drawing import ZONES, draw
from tests.campaign.leaving import Leaving
from tests.campaign.ledger import Ledger, summary
from tests.campaign.life import live
from tests.campaign.outcome import Outcome
from tests.campaign.script import DAY_S, Car, Home, Script, Stay, Trouble, read, written
from tests.campaign.shrinking import smallest
from tests.campaign.town import HOMES_AT
from tests.campaign.troubles import KINDS, drawn
from tests.conftest import CHECKOUT

NOON = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BY_HOUR = [0.1] * 6 + [0.3] * 18


def test_a_seed_is_one_life_and_another_seed_another():
    assert draw(7, folder=None) == draw(7, folder=None) != draw(8, folder=None)


def test_a_life_survives_being_written_down():
    script = draw(3, folder=None)
    assert read(written(script)) == script


def test_lives_stand_in_six_time_zones_and_cross_changes_of_their_clocks():
    lives = [draw(seed, folder=None) for seed in range(1, 40)]
    assert {home.timezone for life in lives for home in life.homes} == set(ZONES)
    assert sum(_crosses(life) for life in lives) > len(lives) / 4


def _crosses(life: Script) -> bool:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only here

    return any(
        life.start_at.astimezone(ZoneInfo(home.timezone)).utcoffset()
        != life.end_at.astimezone(ZoneInfo(home.timezone)).utcoffset()
        for home in life.homes
    )


def test_stays_follow_one_another_and_lie_in_their_life():
    for seed in range(1, 30):
        life = draw(seed, folder=None)
        for car in (car for home in life.homes for car in home.cars):
            edges = [edge for stay in car.stays for edge in (stay.plugs_s, stay.leaves_s)]
            assert edges == sorted(edges)
            assert all(0 < stay.plugs_s < life.days * DAY_S for stay in car.stays)


def test_real_owners_are_drawn_where_the_data_are(data_dir):
    life = draw(4, folder=data_dir)
    assert life == draw(4, folder=data_dir)
    assert sum(len(car.stays) for home in life.homes for car in home.cars) > 0


def test_every_kind_of_trouble_is_drawn_and_lasts_as_long_as_its_kind():
    dice = random.Random(1)
    found = [drawn(dice, cars=5, end_s=10 * DAY_S) for _ in range(3000)]
    assert {it.code for it in found} == set(KINDS)
    for it in found:
        least_s, most_s = KINDS[it.code].lasts_s
        assert least_s <= it.for_s <= most_s
        assert (it.car >= 0) == KINDS[it.code].one_car


def test_troubles_of_all_nine_kinds_are_there():
    assert {code[0] for code in KINDS} == set("NPWTDBXCG") | {"O"}


def test_a_failing_life_is_made_as_small_as_it_can_be():
    life = draw(5, folder=None)
    culprit = Trouble(code="N01", at_s=90_000, for_s=3600)
    life = msgspec.structs.replace(life, troubles=(*life.troubles, culprit))
    small = smallest(life, lambda one: culprit in one.troubles and sum(len(home.cars) for home in one.homes) >= 2)
    assert small.troubles == (culprit,)
    assert sum(len(home.cars) for home in small.homes) == 2
    assert small.days == 2
    assert all(not car.stays for home in small.homes for car in home.cars)


def test_troubles_follow_their_cars_when_a_home_is_left_out():
    life = draw(6, folder=None)
    last = sum(len(home.cars) for home in life.homes) - 1
    kept = life.homes[-1].cars[-1]
    life = msgspec.structs.replace(life, troubles=(Trouble(code="P05", at_s=7200, for_s=60, car=last),))
    small = smallest(life, lambda one: bool(one.troubles) and kept.power_kw == _car(one, one.troubles[0].car).power_kw)
    assert small.troubles[0].car == sum(len(home.cars) for home in small.homes) - 1


def _car(script: Script, number: int):
    return [car for home in script.homes for car in home.cars][number]


def market() -> bills.Market:
    def prices(day):
        start, end = bounds(day)
        hours = round((end - start) / HOUR)
        slots = [start + n * HOUR for n in range(hours)]
        return [Slot(start=at, end=at + HOUR, per_kwh=BY_HOUR[at.hour]) for at in slots]

    return bills.Market(Zone(name="NO1", currency="EUR", prices=prices), NOON, 3)


def session(
    *, kwh: float, kw: float, plugged_at: datetime, hours: float, soc_pct: float = 50.0, minimum_pct: float = 0.0
):
    start = plugged_at + HOUR
    return bills.Session(
        plugged_at=plugged_at,
        unplugged_at=plugged_at + hours * HOUR,
        trace=((start, start + kwh / kw * HOUR, kw),),
        kw=kw,
        soc_pct=soc_pct,
        capacity_kwh=50.0,
        departure_at=plugged_at + (hours - 1) * HOUR,
        minimum_pct=minimum_pct,
    )


def test_the_optimum_takes_the_cheap_hours_and_keeps_the_reserve():
    one = session(kwh=10.0, kw=10.0, plugged_at=NOON + 4 * HOUR, hours=15.0)
    found = bills.sums([one], market(), quiet=True)
    assert found["compared"] == 1
    assert found["spent"] == pytest.approx(3.0)
    assert found["optimum"] == found["free_optimum"] == pytest.approx(1.0)


def test_what_the_minimum_asks_for_is_charged_at_once_in_the_optimum_too():
    one = session(kwh=10.0, kw=10.0, plugged_at=NOON + 4 * HOUR, hours=15.0, soc_pct=10.0, minimum_pct=19.0)
    found = bills.sums([one], market(), quiet=True)
    assert found["optimum"] == pytest.approx(5.0 * 0.3 + 5.0 * 0.1)
    assert found["free_optimum"] == pytest.approx(1.0)


def test_a_car_that_tapers_does_so_in_the_cheapest_hour_of_the_optimum_too():
    one = session(kwh=10.0, kw=10.0, plugged_at=NOON + 4 * HOUR, hours=15.0)
    start = one.trace[0][0]
    slower = ((start, start + HOUR, 8.0), (start + 3 * HOUR, start + 4 * HOUR, 2.0))
    spans = [(start + n * HOUR, start + (n + 1) * HOUR, 0.3 if n % 2 else 0.1) for n in range(12)]
    prices = Zone(name="NO1", currency="EUR", prices=lambda _: [Slot(start=a, end=b, per_kwh=c) for a, b, c in spans])
    alternating = bills.Market(prices, NOON - 9 * HOUR, -8)
    curve = dataclasses.replace(one, trace=slower).curve()
    assert curve[[0, 60, 120]] == pytest.approx([0.0, 8.0, 10.0])
    assert alternating.least(start, start + 2 * HOUR, curve) == pytest.approx(8.0 * 0.1 + 2.0 * 0.3)
    assert alternating.least(start, start + 3 * HOUR, curve) == pytest.approx(1.0)
    assert alternating.least(start, start + HOUR, curve) is None


def test_a_car_that_had_to_be_stopped_ends_earlier_and_keeps_what_it_took_by_itself():
    one = session(kwh=10.0, kw=10.0, plugged_at=NOON + 12 * HOUR - HOUR, hours=9.0)  # leaves at 7, cheap until 6
    at, cheap = one.plugged_at, NOON + 16 * HOUR
    by_itself = ((at + timedelta(seconds=60), at + timedelta(seconds=240), 10.0), (cheap, cheap + HOUR * 0.95, 10.0))
    waited, stopped = one, dataclasses.replace(one, trace=by_itself)
    assert stopped.first_kwh == pytest.approx(10.0 / 60)
    assert (waited.departure_at - waited.ends_by, stopped.departure_at - stopped.ends_by) == (0.5 * HOUR, HOUR)
    found = bills.sums([stopped], market(), quiet=True)
    assert found["optimum"] == pytest.approx(10.0 / 60 * 0.3 + (10.0 - 10.0 / 60) * 0.1, rel=1e-3)


def test_a_session_with_prices_to_come_is_no_fair_comparison():
    one = session(kwh=10.0, kw=10.0, plugged_at=NOON - 2 * HOUR, hours=20.0)  # plugged in before noon's auction
    assert bills.sums([one], market(), quiet=True)["compared"] == 0


def test_a_car_that_must_not_be_paused_is_no_fair_comparison():
    one = session(kwh=10.0, kw=10.0, plugged_at=NOON + 4 * HOUR, hours=15.0)
    found = bills.sums([dataclasses.replace(one, pausable=False)], market(), quiet=True)
    assert (found["compared"], found["sessions"]) == (0, 1)


def test_a_ledger_goes_on_after_a_line_that_was_cut_short(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.enter(Outcome(seed=1, fidelity="memory", vehicle_days=10, cpu_s=5.0))
    ledger.path.write_text(ledger.path.read_text() + '{"seed": 2, "fide')
    assert [one.seed for one in ledger.outcomes()] == [1]


def test_the_summary_counts_what_broke_and_names_its_seeds():
    broken = {"rule": "S1", "seq": 1, "vehicle": "car", "text": "…"}
    lives = [
        Outcome(seed=1, fidelity="memory", vehicle_days=10, cpu_s=5.0, combinations=("N01", "N01+P05")),
        Outcome(seed=2, fidelity="memory", vehicle_days=20, cpu_s=5.0, combinations=("N01",), violations=(broken,)),
        Outcome(seed=3, fidelity="full", vehicle_days=5, cpu_s=5.0, figures={"spent": 1.01, "optimum": 1.0}),
    ]
    told = summary(lives)
    assert (told["memory"]["vehicle_days"], told["memory"]["vehicle_days_per_core_second"]) == (30, 3.0)
    assert told["memory"]["violations"] == {"S1": 1}
    assert told["memory"]["failing_seeds"] == [2]
    assert told["memory"]["combinations_of_troubles"] == 2
    assert told["full"]["E1"] == 1.01


def test_the_figures_that_are_told_are_those_of_the_lives_that_are_kept():
    told = json.loads(campaign.LEDGER.with_name("lives_last.json").read_bytes())
    assert told == summary(Ledger(campaign.LEDGER).outcomes())
    assert [fidelity for fidelity, figures in told.items() if figures["violations"]] == []


def test_a_command_that_crosses_with_a_leaving_is_none_for_a_car_long_gone():
    world, leaving = World(seed=1, start_at=NOON), Leaving()
    world.on_truth = lambda truth: leaving.hear(truth, world.agenda.now)
    world.add_user("user-1", home=HOMES_AT, timezone="Europe/Oslo")
    battery = Battery(capacity_kwh=60.0)
    car = world.add_vehicle("user-1", battery=battery, soc_pct=50.0)
    car.plug_in()
    world.run_for(hours=1)
    car.drive_to(car.home.moved(north_m=9_000.0))
    world.run_for(minutes=20)
    crossing = world.actions.charge(car, "STOP")
    assert [leaving.crossed(crossing), len(world.actions.away)] == [True, 1]
    world.run_for(minutes=20)
    assert [leaving.crossed(world.actions.charge(car, "START")), len(world.actions.away)] == [False, 2]
    car.drive_to(car.home)
    car.plug_in()
    world.run_for(hours=1)
    car.unplug()
    assert leaving.crossed(crossing)  # whatever came after
    stranger = world.add_vehicle("user-1", battery=battery, soc_pct=50.0)
    assert not leaving.crossed(world.actions.charge(stranger, "START"))  # it was never here


def test_a_gate_that_lets_everything_through_is_noticed(monkeypatch):
    """A car plugged in elsewhere is commanded: the checker and the simulator's own count both say so."""

    def open_gate(now, **_members):
        return Verdict(place=Place.HOME, why="charger", text="Let through.")

    for module in (decide, dispatch, keys):
        monkeypatch.setattr(module, "gate", open_gate)
    stay = Stay(plugs_s=8 * 3600, leaves_s=20 * 3600, used_kwh=5.0, away=True)
    car = Car(capacity_kwh=60.0, power_kw=11.0, soc_pct=40.0, stays=(stay,))
    home = Home(timezone="Europe/Oslo", cars=(car,))
    outcome = live(Script(seed=1, start_at=NOON, days=1, homes=(home,)))
    assert outcome.away > 0
    assert "S1a" in {violation["rule"] for violation in outcome.violations}
    assert not outcome.good
    monkeypatch.undo()
    assert live(Script(seed=1, start_at=NOON, days=1, homes=(home,))).good


def test_a_run_is_kept_and_gone_on_with(tmp_path):
    """The command as the documents show it, with lives of one day of one car: two in all, by two calls."""
    ledger = tmp_path / "ledger.jsonl"
    small = ["--days", "1", "--cars", "1", "--workers", "1", "--ledger", str(ledger)]

    def called(*arguments: str) -> str:
        command = [sys.executable, "-m", "tests.campaign", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout

    assert "1 vehicle-days · seed 1 ·" in called("run", "--vehicle-days", "1", *small)
    assert "2 vehicle-days · seed 2 ·" in called("run", "--vehicle-days", "2", *small)
    told = json.loads(called("report", "--ledger", str(ledger)))
    assert (told["memory"]["lives"], told["memory"]["vehicle_days"]) == (2, 2)


def test_lives_that_come_to_no_end_are_told_and_take_no_other_with_them(tmp_path, monkeypatch, capsys):
    def lost(seed, *_):
        raise RuntimeError(f"{seed} waits for what cannot come")

    monkeypatch.setattr(campaign, "lived", lost)
    monkeypatch.setattr(campaign, "ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(workers))
    ledger = tmp_path / "ledger.jsonl"
    assert main(["run", "--vehicle-days", "1", "--workers", "1", "--ledger", str(ledger)]) == 1
    told = capsys.readouterr().err
    assert [line.split(" came")[0] for line in told.splitlines() if "came to no end" in line] == [
        f"seed {seed}" for seed in range(1, MOST_LOST + 1)
    ]
    assert list(Ledger(ledger).outcomes()) == []


@pytest.mark.parametrize("wrong", ["--days=0", "--cars=-1", "--workers=two"])
def test_a_campaign_of_nothing_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", wrong])
    assert ended.value.code == 2
    assert "give a whole number from 1 on" in capsys.readouterr().err
