from dataclasses import replace

from scheduler.core.model import Broken, Desired, Plan, PriceRung, Quality, Reason
from scheduler.http.daemon import vehicle_called
from scheduler.http.overview import plan_of, summary_of
from scheduler.http.web import chain
from tests.fakes_daemon import (
    ELSIE,
    HOUR,
    NOW,
    POLLY,
    ROVER,
    ZONE,
    make_daemon,
    make_situation,
    night_plan,
    seen,
    waiting,
)


def told(daemon, vehicle_id=POLLY):
    known = vehicle_called(daemon, vehicle_id)
    return summary_of(daemon, known) | {"plan": plan_of(daemon, known)}


def decided(decision):
    daemon = make_daemon()
    home = daemon.home_list[0]
    daemon.put(home, home.vehicles[0], seen(), decision)
    return daemon


def test_the_chain_goes_from_the_place_to_what_follows():
    steps = chain.steps(told(make_daemon()), at=NOW, timezone=ZONE)
    assert [step["title"] for step in steps] == ["Where it is", "What is wanted", "The plan", "What follows"]
    lines = [line["text"] for step in steps for line in step["lines"]]
    assert lines[0] == "At home. Plugged in at the home's charger and location."
    assert "ready-by: 29.3 kWh to reach 80 %" in lines
    assert "29.3 kWh in 3 slots, for 11.40." in lines
    assert lines[-1] == "A better time comes at 01:15."


def test_what_gave_way_and_what_was_not_heard_stand_in_the_chain():
    plan = replace(
        night_plan(),
        broken=(Broken(policy="quiet-hours", what="Block 23:00-05:00", for_policy="ready-by"),),
        shortfall_kwh=4.2,
        shortfall_why="Only 2 hours are left at 2026-11-21T00:15Z.",
        rung=PriceRung.PROFILE,
    )
    daemon = decided(waiting(plan=plan, reasons=(Reason(code="x", text="X."), Reason(code="dwell", text="Too soon."))))
    steps = chain.steps(told(daemon), at=NOW, timezone=ZONE, set_aside=("carbon: it raised ValueError",))
    text = {step["title"]: " ".join(line["text"] for line in step["lines"]) for step in steps}
    assert text["What gave way"] == "quiet-hours (Block 23:00-05:00) gave way to ready-by."
    assert text["What could not be heard"] == "carbon: it raised ValueError"
    assert "4.2 kWh will be missing: Only 2 hours are left at 01:15." in text["The plan"]
    assert "usual day" in text["The plan"]
    assert text["What follows"].endswith("Too soon.")


def test_a_need_of_unsure_soc_says_so():
    need = replace(night_plan().needs[0], quality=Quality.ESTIMATED, soc_pct=None)
    steps = chain.steps(told(decided(waiting(plan=Plan(needs=(need,))))), at=NOW, timezone=ZONE)
    assert steps[1]["lines"][0]["text"] == "ready-by: 29.3 kWh (estimated state of charge)"
    assert steps[2]["lines"][0]["text"] == "No charging is planned."


def test_before_the_first_cycle_there_is_no_chain():
    daemon = make_daemon()
    assert chain.steps(told(daemon, ELSIE), at=NOW, timezone=ZONE) == []
    assert chain.facets(daemon.state(ELSIE)) == []
    assert chain.next_change(daemon.last(ELSIE), at=NOW) is None


def test_each_facet_has_its_own_age():
    rows = {row["name"]: row for row in chain.facets(make_daemon().states[ROVER])}
    assert rows["State of charge"]["value"] == "41 %"
    assert rows["Charging"]["value"] == "charging at 50.0 kW"
    assert rows["Plug"]["at"] is not None


def test_the_next_change_is_the_start_or_the_end_of_the_stretch():
    daemon = make_daemon()
    waits = daemon.last(POLLY)
    first, last = waits[1].plan.slots[0].start, waits[1].plan.slots[-1].end
    assert chain.next_change(waits, at=NOW) == {"what": "Starts at", "at": first}
    charging = (waits[0], replace(waits[1], desired=Desired.CHARGE))
    assert chain.next_change(charging, at=first) == {"what": "Charges until", "at": last}
    assert chain.next_change(charging, at=last + HOUR) is None


def test_a_pause_ends_the_stretch():
    slots = night_plan().slots
    plan = replace(night_plan(), slots=(slots[0], replace(slots[2])))
    home = make_daemon().home_list[0]
    last = (make_situation(home, home.vehicles[0], seen()), waiting(plan=plan, desired=Desired.CHARGE))
    assert chain.next_change(last, at=slots[0].start)["at"] == slots[0].end


def test_the_state_is_told_in_a_word():
    daemon = make_daemon()
    words = {one: chain.tone_of(summary_of(daemon, vehicle_called(daemon, one)))[0] for one in (POLLY, ROVER, ELSIE)}
    assert words == {POLLY: "Waiting", ROVER: "Away", ELSIE: "Not seen yet"}
    full = {**summary_of(daemon, vehicle_called(daemon, POLLY)), "desired": "charge", "delivery": "PLUGGED_IN:COMPLETE"}
    assert chain.tone_of(full) == ("Charged", "good")
    daemon.states[POLLY] = replace(daemon.states[POLLY], credentials_lost_at=NOW)
    assert chain.tone_of(summary_of(daemon, vehicle_called(daemon, POLLY))) == ("Link lost", "bad")
    daemon.states[POLLY] = replace(daemon.states[POLLY], gone=True)
    assert chain.tone_of(summary_of(daemon, vehicle_called(daemon, POLLY))) == ("Gone from Enode", "bad")
