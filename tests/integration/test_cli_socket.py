"""The command line as it is used: against a daemon behind its socket."""

import asyncio
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from scheduler.cli import main, terminal
from scheduler.cli.ending import CONFIGURATION, FAULT, NOT_RUNNING, NOT_SO, USAGE
from scheduler.core.decide import decide
from scheduler.core.errors import ConfigError
from scheduler.core.model import Will
from scheduler.core.planner import plan
from scheduler.http.api import api_app
from scheduler.http.serving import serve_socket
from scheduler.ports import AlertChange, DecisionRecord
from storage.mapping import encode_decision, encode_situation
from tests.fakes_daemon import (
    HOUR,
    NOW,
    POLLY,
    READY_AT,
    ROVER,
    a_session,
    file_source,
    make_daemon,
    make_home,
    make_situation,
    seen,
    with_carbon,
)


@contextmanager
def serving(daemon, path):
    """Serve the daemon's API from a thread of its own while the commands run in this one."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    runners = []

    async def start():
        runners.append(await serve_socket(api_app(daemon), path))
        ready.set()

    def run():
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runners[0].cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@pytest.fixture
def daemon():
    return make_daemon()


@pytest.fixture
def kwhen(daemon, tmp_path, monkeypatch, capsys):
    """Run a command against the daemon; answers with exit status, standard output and standard error."""
    path = tmp_path / "kwhen.sock"
    monkeypatch.setenv("KWHEN_SOCKET", str(path))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal.colourful.cache_clear()

    def run(*arguments):
        status = main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    with serving(daemon, path):
        yield run


def test_status_shows_homes_cars_reasons_and_alerts(kwhen):
    status, out, _ = kwhen("status")
    assert status == 0
    assert "41 % → 80 %" in out
    assert "Waiting: cheapest 2 h 40 min before 07:30 start at 01:15." in out
    assert "NO_PAUSE" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("command", [("alerts", "--all"), ("status",)])
def test_alerts_are_told_in_local_time(kwhen, daemon, command):
    at = datetime(2026, 1, 12, 22, 30, tzinfo=UTC)
    daemon.store.alert_rows = [
        AlertChange(
            code="CHARGER_LOST", vehicle_id="charger-1", text="Lost, until 22:40Z.", severity="warning", raised_at=at,
            cleared_at=at + timedelta(hours=1) if command[0] == "alerts" else None,
        )
    ]  # fmt: skip
    _, out, _ = kwhen(*command)
    told = " ".join(out.split())
    until = "–2026-01-13 00:30" if command[0] == "alerts" else ""
    assert told.endswith(f"Lost, until 23:40. [CHARGER_LOST] 2026-01-12 23:30{until}")


@pytest.mark.parametrize(
    "command",
    [
        "status", "plan Polly", "explain Polly", "actions", "sessions", "alerts", "prices", "policies", "webhook status",
        "override auto Polly", "override hold Polly", "release --all", "journal check",
    ],
)  # fmt: skip
def test_every_command_has_json(kwhen, command):
    status, out, err = kwhen(*command.split(), "--json")
    assert (status, err) == (0, "")
    assert isinstance(json.loads(out), dict)


@pytest.mark.parametrize(
    "command", ["status", "plan Polly", "explain Polly", "actions", "sessions", "prices", "policies"]
)
def test_every_table_is_drawn_for_a_person_too(kwhen, monkeypatch, command):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    terminal.colourful.cache_clear()
    status, out, _ = kwhen(*command.split())
    terminal.colourful.cache_clear()
    assert status == 0
    assert "\x1b[" in out


def test_plan_shows_slots_prices_and_the_chart(kwhen):
    _, out, _ = kwhen("plan", "polly")
    assert "01:15  02:00   8.2 kWh  51 %  0.500 NOK/kWh" in out
    assert "  0.30 ┤██████▇▇▇▇▄▄▄▄▁▁▁▁" in out
    assert "80 % by 07:30 ▲" in out
    assert "29.3 kWh for 11.40 NOK" in out


def test_plan_tells_the_carbon_to_expect(kwhen, daemon):
    assert "CO2" not in kwhen("plan", "polly")[1]
    with_carbon(daemon, 100.0)
    out = kwhen("plan", "polly")[1]
    assert "29.3 kWh for 11.40 NOK; about 2.9 kg CO2 expected; prices: published" in out
    assert "0.500 NOK/kWh   about 825 g" in out


def test_sessions_tell_carbon_where_it_is_known(kwhen, daemon):
    assert "CO2" not in kwhen("sessions")[1]
    unknown = replace(a_session(), id="2", plugged_at=NOW - 60 * HOUR)
    daemon.store.session_rows = [replace(a_session(), grams=850.4, baseline_grams=3210.0), unknown]
    head, weighed, other = kwhen("sessions")[1].splitlines()[:3]
    assert "CO2 AT ONCE" in head
    assert "25.20 NOK  850 g       3.2 kg  50 % → 80 %" in weighed
    assert re.search(r"25.20 NOK {2,}50 % → 80 %", other)


def test_prices_show_each_home_with_its_sources_chart_and_parts(kwhen):
    status, out, _ = kwhen("prices")
    assert status == 0
    lindgren, hytta = out.index("lindgren  Europe/Oslo, NOK per kWh"), out.index("hytta  Europe/Oslo, NOK per kWh")
    assert lindgren < hytta
    assert "  file  nord-pool · NO1 · NOK\n    fetched 3 min ago · known until 09:00 · asked next at 23:42" in out
    assert "Saturday 21 November, tomorrow\nTIME           MARKET  GRID FEE    VAT  NOK/kWh  STATE" in out
    assert "03:00 – 04:00   0.300     0.300  0.150    0.750  final" in out
    assert "▲ now" in out


def test_prices_of_one_home_and_one_day(kwhen):
    _, out, _ = kwhen("prices", "--home", "lind", "--day", "2026-11-21")
    assert "hytta" not in out
    assert "tomorrow" in out
    assert "today" not in out
    assert kwhen("prices", "--home", "nobody")[0] == NOT_SO
    status, out, err = kwhen("prices", "--day", "soon")
    assert (status, out) == (USAGE, "")
    assert "yesterday, today, tomorrow" in err


def test_prices_as_json_have_every_part_and_their_exact_sum(kwhen):
    told = json.loads(kwhen("prices", "--json")[1])
    assert [one["home"] for one in told["homes"]] == ["lindgren", "hytta"]
    assert [one["source"] for one in told["prices"]] == ["nord-pool"]
    for slot in told["homes"][0]["slots"]:
        added = 0.0
        for part in slot["parts"]:
            added += part["per_kwh"]
        assert added == slot["price_per_kwh"]


def test_prices_say_what_is_missing(kwhen, daemon):
    daemon.paid, daemon.sources = (), [file_source(series=None, fetched_at=None, trouble="answered 503", late=True)]
    out = kwhen("prices", "--home", "lindgren")[1]
    assert "never fetched" in out
    assert "late: answered 503" in out
    assert "No price is known yet." in out
    daemon.home_list = (make_home("bare", policies=()),)
    out = kwhen("prices")[1]
    assert "No policy of this home states a price" in out
    assert "Sources that no home reads\n  file  nord-pool" in out
    daemon.home_list, daemon.sources, daemon.store.series = (), [], []
    assert kwhen("prices")[1] == "No home and no price source is configured.\n"


def test_plan_tells_what_safety_costs(kwhen, daemon):
    situation, decision = daemon.newest[POLLY]
    situation = replace(situation, vehicle=replace(situation.vehicle, charge_power_kw=11.0))
    daemon.newest[POLLY] = (situation, replace(decision, plan=plan(situation)))
    assert "kWh for 12.95 NOK, safety costs nothing; prices: published" in kwhen("plan", "Polly")[1]
    dear = replace(situation, home=replace(situation.home, slack=timedelta(hours=4)))
    daemon.newest[POLLY] = (dear, replace(decision, plan=plan(dear)))
    out = kwhen("plan", "Polly")[1]
    cost, safety = (
        float(found) for found in re.search(r"for ([\d.]+) NOK, of which ([\d.]+) NOK for safety", out).groups()
    )
    assert cost - safety == pytest.approx(12.95, abs=0.02)


def test_plan_gives_its_reasons_term_by_term_as_json(kwhen):
    told = json.loads(kwhen("plan", "Polly", "--json")[1])
    assert [(one["policy"], one["kind"], one["outcome"]) for one in told["terms"]] == [
        ("ready-by", "target", "met"),
        ("spot", "price", "counted"),
    ]
    assert [slot["soc_pct"] for slot in told["slots"]] == [50.9, 64.1, 76.2]
    assert set(told["safety"]) == {"price", "slack_s", "resume_s", "start_latency_s", "random_delay_s"}


def test_plan_says_why_there_is_none(kwhen, daemon):
    situation, decision = daemon.newest[POLLY]
    daemon.newest[POLLY] = (situation, replace(decision, plan=plan(situation)))
    assert "Nothing is planned: capacity or charge power unknown: set charge_power_kw." in kwhen("plan", "Polly")[1]


def test_plan_says_what_will_be_missing_and_what_gave_way(kwhen, daemon):
    situation, decision = daemon.newest[POLLY]
    short = replace(decision.plan, shortfall_kwh=3.0, shortfall_why="too little time")
    daemon.newest[POLLY] = (situation, replace(decision, plan=short))
    assert "3.0 kWh will be missing: too little time" in kwhen("plan", "Polly")[1]


@pytest.mark.parametrize("command", ["plan", "explain"])
def test_what_a_departure_is_for_is_named(kwhen, daemon, command):
    situation, decision = daemon.newest[POLLY]
    (need,) = decision.plan.needs
    plan = replace(decision.plan, needs=(replace(need, why="calendar family: Airport"),))
    daemon.newest[POLLY] = (situation, replace(decision, plan=plan))
    assert "calendar family: Airport" in kwhen(command, "Polly")[1]


def test_explain_takes_the_local_time_of_the_home(kwhen, daemon):
    daemon.store.decision_rows.append(
        DecisionRecord(
            vehicle_id=POLLY, home_id="lindgren", at=NOW - timedelta(hours=20), key="k", summary="",
            situation=json.dumps({"observation": {"charge": {"plugged": True, "charging": True, "power_kw": 7.4}}}).encode(),
            decision=msgspec.json.encode(daemon.newest[POLLY][1]),
        )
    )  # fmt: skip
    status, out, _ = kwhen("explain", "Polly", "--at", "2026-11-20T04:10")
    assert status == 0
    assert "2026-11-20 04:10 Europe/Oslo, decided 03:30" in out
    assert "yes, 7.4 kW" in out
    assert kwhen("explain", "Polly", "--at", "2020-01-01T00:00")[0] == NOT_SO


def test_actions_show_why_one_failed(kwhen):
    _, out, _ = kwhen("actions", "--car", "Rover")
    assert "NO_RESPONSE The vehicle did not answer." in out
    assert "Polly" not in out


def test_overrides_reach_the_daemon(kwhen, daemon):
    assert kwhen("override", "ready-by", "Polly", "--at", "07:30", "--soc", "70")[1].startswith("Polly: 70 % by 07:30.")
    assert "nothing is sent before it is" in kwhen("override", "charge", "Rover", "--until", "06:00")[1]
    wishes = [(vehicle, o.will, o.by, o.ready_at or o.until) for vehicle, o in daemon.wishes]
    assert wishes == [
        (POLLY, Will.READY_BY, "cli", READY_AT),
        (ROVER, Will.CHARGE, "cli", READY_AT - timedelta(minutes=90)),
    ]


def test_release_names_what_it_starts(kwhen, daemon):
    assert kwhen("release", "Polly")[1].startswith("Polly: to be started")
    daemon.states.clear()
    assert kwhen("release", "--all")[1].startswith("Nothing is held")


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        ("plan nobody", NOT_SO, "Known: Polly"),
        ("override hold Polly --until soon", USAGE, "Write 2026-11-21T03:10"),
        ("override hold Polly --until 2020-01-01T00:00", USAGE, "is past"),
        ("release Polly --all", USAGE, "name a car"),
    ],
)
def test_a_refusal_names_the_remedy_and_ends_accordingly(kwhen, command, status, told):
    answer, out, err = kwhen(*command.split())
    assert (answer, out) == (status, "")
    assert told in err


def test_faults_of_the_daemon_are_told_apart(kwhen, daemon):
    daemon.refusal = ConfigError(["webhook.public_url: must begin with https://"])
    status, _, err = kwhen("webhook", "ensure")
    assert status == CONFIGURATION
    assert "webhook.public_url" in err
    daemon.store.alert_rows = [object()]
    assert kwhen("alerts", "--all")[0] == FAULT


def test_no_daemon_is_69_with_what_to_do(kwhen, tmp_path):
    status, out, err = kwhen("status", "--socket", str(tmp_path / "none.sock"))
    assert (status, out) == (NOT_RUNNING, "")
    assert "kwhen run" in err
    (tmp_path / "file.sock").touch()
    assert kwhen("status", "--socket", str(tmp_path / "file.sock"))[0] == NOT_RUNNING


class TestJournal:
    @pytest.fixture(autouse=True)
    def _events(self, daemon):
        start = 1_795_000_000_000_000_000
        daemon.store.events = [
            {"row": i, "seq": i, "t": start + i * 10**9, "m": i * 10**9, "run": 1, "node": "n", "k": "TICK"}
            for i in range(1, 41)
        ]

    def broken(self, daemon):
        event = {"k": "SEND", "v": POLLY, "cmd": "c-9", "act": "STOP", "seq": 41, "row": 41}
        daemon.store.events.append(daemon.store.events[-1] | event)

    def test_tail_shows_the_latest(self, kwhen):
        _, out, _ = kwhen("journal", "tail", "-n", "3")
        assert len(out.splitlines()) == 3
        assert out.splitlines()[-1].startswith("2026-11-18 11:07:20.000Z  TICK")

    def test_tail_follows_until_it_is_interrupted(self, kwhen, daemon, monkeypatch):
        def a_moment(seconds):
            if daemon.store.events[-1]["row"] == 42:
                raise KeyboardInterrupt
            daemon.store.events.append(daemon.store.events[-1] | {"row": daemon.store.events[-1]["row"] + 1})

        monkeypatch.setattr("scheduler.cli.journal.sleep", a_moment)
        status, out, _ = kwhen("journal", "tail", "-f", "-n", "1", "--json")
        assert (status, [json.loads(line)["row"] for line in out.splitlines()]) == (0, [40, 41, 42])

    def test_export_is_json_lines_and_can_be_checked(self, kwhen, tmp_path):
        file = tmp_path / "journal.jsonl"
        assert kwhen("journal", "export", str(file))[1] == f"written: 40 events to {file}\n"
        events = [json.loads(line) for line in file.read_text().splitlines()]
        assert [event["seq"] for event in events] == list(range(1, 41))
        assert "row" not in events[0]
        assert kwhen("journal", "check", str(file))[:2] == (0, "no violation in 40 events\n")

    def test_check_names_the_rule_that_is_broken(self, kwhen, daemon):
        self.broken(daemon)
        status, out, _ = kwhen("journal", "check")
        assert status == NOT_SO
        assert "S5 seq 41 polly-1111" in out
        assert {one["rule"] for one in json.loads(kwhen("journal", "check", "--json")[1])["violations"]} >= {"S5"}

    @pytest.mark.parametrize("line", ["nonsense", "[]", '{"no": "kind"}'])
    def test_what_is_no_journal_is_refused(self, kwhen, tmp_path, line):
        file = tmp_path / "journal.jsonl"
        file.write_text(line + "\n")
        assert kwhen("journal", "check", str(file))[0] == USAGE

    def test_a_file_that_is_not_there_is_told(self, kwhen, tmp_path):
        assert kwhen("journal", "check", str(tmp_path / "none"))[0] == NOT_SO


class TestReplay:
    def keep(self, daemon, **changes):
        home = make_home()
        situation = make_situation(home, home.vehicles[0], seen())
        stored, blobs = encode_situation(situation)
        daemon.store.blobs |= blobs
        record = DecisionRecord(
            vehicle_id=POLLY, home_id=home.id, at=NOW, key="k", situation=stored,
            decision=encode_decision(replace(decide(situation), **changes)), summary="",
        )  # fmt: skip
        daemon.store.decision_rows.append(record)

    def test_the_same_situation_gives_the_same_decision(self, kwhen, daemon):
        self.keep(daemon)
        assert kwhen("journal", "replay")[:2] == (0, "all the same, 1 of 1 decisions are the same\n")

    def test_a_difference_is_named_and_ends_with_1(self, kwhen, daemon):
        self.keep(daemon)
        self.keep(daemon, soc_pct=99.0)
        status, out, _ = kwhen("journal", "replay")
        assert status == NOT_SO
        assert "soc_pct: 99.0 → " in out
        [outcome] = json.loads(kwhen("journal", "replay", "--json")[1])["differing"]
        assert [one["member"] for one in outcome["differences"]] == ["soc_pct"]

    def test_a_situation_that_lost_a_part_is_told(self, kwhen, daemon):
        self.keep(daemon)
        daemon.store.blobs.clear()
        status, out, _ = kwhen("journal", "replay")
        assert status == NOT_SO
        assert "which is not stored" in out
