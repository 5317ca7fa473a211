import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.cli.solve_line import answered

NOW = "2026-11-22T15:00:00Z"
RATES = [
    {"start": "2026-11-22T15:00:00Z", "end": "2026-11-22T16:00:00Z", "value": 0.3},
    {"start": "2026-11-22T16:00:00Z", "end": "2026-11-22T17:00:00Z", "value": 0.1},
    {"start": "2026-11-22T17:00:00Z", "end": "2026-11-22T18:00:00Z", "value": 0.2},
]


def question(**changes):
    line = {"now": NOW, "target": "2026-11-22T18:00:00Z", "duration_s": 3600, "power_kw": 10, "rates": RATES}
    line |= changes
    return {name: value for name, value in line.items() if value is not ...}


def ask(text):
    line = text if isinstance(text, bytes) else json.dumps(text).encode()
    return json.loads(answered(line + b"\n"))


def spans(answer):
    return [(slot["start"], slot["end"]) for slot in answer["plan"]]


def test_a_line_is_answered_with_plan_cost_energy_and_time():
    answer = ask(question(start_cost=0.05))
    assert list(answer) == ["plan", "cost", "energy_kwh", "shortfall_kwh", "ns"]
    assert spans(answer) == [("2026-11-22T16:00:00Z", "2026-11-22T17:00:00Z")]
    assert (answer["cost"], answer["energy_kwh"], answer["shortfall_kwh"]) == (pytest.approx(1.05), 10.0, 0.0)
    assert isinstance(answer["ns"], int)
    assert answer["ns"] > 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, [("16:00:00Z", "17:00:00Z")], id="plain"),
        pytest.param({"rates": RATES[::-1]}, [("16:00:00Z", "17:00:00Z")], id="rates-in-any-order"),
        pytest.param({"now": "2026-11-22T16:00:00+01:00"}, [("16:00:00Z", "17:00:00Z")], id="another-offset"),
        pytest.param({"now": "2026-11-22T16:30:00Z"}, [("16:30:00Z", "17:30:00Z")], id="in-the-middle-of-a-slot"),
        pytest.param(
            {"now": "2026-11-22T16:30:00.25Z", "duration_s": 5399.75},
            [("16:30:00.250000Z", "18:00:00Z")],
            id="fractions-of-a-second",
        ),
        pytest.param({"precondition_s": 900}, [("16:00:00Z", "16:45:00Z"), ("17:45:00Z", "18:00:00Z")], id="two"),
        pytest.param({"precondition_s": 900, "continuous": True}, [("17:00:00Z", "18:00:00Z")], id="continuous"),
        pytest.param({"curve": [[0, 0], [1800, 9], [7200, 12]]}, [("16:00:00Z", "17:00:00Z")], id="curve"),
        pytest.param({"curve": [[1800, 9]], "power_kw": ...}, [("16:00:00Z", "17:00:00Z")], id="curve-alone"),
        pytest.param({"curve": None}, [("16:00:00Z", "17:00:00Z")], id="no-curve"),
        pytest.param({"duration_s": 0}, [], id="nothing-needed"),
    ],
)
def test_a_plan_is_told_in_utc(changes, expected):
    answer = ask(question(**changes))
    assert spans(answer) == [(f"2026-11-22T{start}", f"2026-11-22T{end}") for start, end in expected]


def test_energy_at_times_without_a_rate_is_told_only_where_there_is_some():
    answer = ask(question(rates=RATES[:1], duration_s=5400))
    assert answer["unknown_kwh"] == pytest.approx(5.0)
    assert answer["cost"] == pytest.approx(3.0)


def test_a_need_that_does_not_fit_takes_all_the_time_there_is():
    answer = ask(question(duration_s=14_400))
    assert spans(answer) == [(NOW, "2026-11-22T18:00:00Z")]
    assert (answer["energy_kwh"], answer["shortfall_kwh"]) == (pytest.approx(30.0), pytest.approx(10.0))


def test_a_target_that_has_passed_leaves_the_whole_need_short():
    answer = ask(question(target="2026-11-22T14:00:00Z"))
    assert (answer["plan"], answer["cost"], answer["shortfall_kwh"]) == ([], 0.0, 10.0)


def rate(**changes):
    return question(rates=[RATES[0] | changes])


@pytest.mark.parametrize(
    ("line", "member", "remedy"),
    [
        pytest.param(b"", "line", "one JSON object a line", id="empty"),
        pytest.param(b"what?", "line", "one JSON object a line", id="not-json"),
        pytest.param(b"[1, 2]", "line", "one JSON object a line", id="not-an-object"),
        pytest.param(b'{"now": NaN}', "line", "one JSON object a line", id="nan"),
        pytest.param(b"\xff\xfe", "line", "one JSON object a line", id="not-utf-8"),
        pytest.param(b'{"a":' + b"[" * 100_000, "a", "a line knows now, target", id="deep"),
        pytest.param(question(now=...), "now", "every line needs now, target, duration_s, rates", id="missing"),
        pytest.param(question(now=5), "now", "2026-11-22T23:15:00Z", id="wrong-type"),
        pytest.param(question(target="2026-11-22T18:00:00"), "target", "end it with Z", id="no-zone"),
        pytest.param(question(target="tomorrow"), "target", "2026-11-22T23:15:00Z", id="no-instant"),
        pytest.param(question(duration_s=-1), "duration_s", "write a number", id="negative"),
        pytest.param(question(duration_s=1e300), "duration_s", "write a number up to 1e+09", id="huge"),
        pytest.param(question(duration_s="3600"), "duration_s", "write a number", id="text"),
        pytest.param(question(duration_s=True), "duration_s", "write a number", id="truth"),
        pytest.param(question(continuous=1), "continuous", "true or false", id="not-a-truth"),
        pytest.param(question(durations=1), "durations", "a line knows now, target, duration_s", id="unknown-member"),
        pytest.param(question(power_kw=...), "power_kw", "give the power in kW, or a curve", id="no-power"),
        pytest.param(question(power_kw=0), "power_kw", "write a number", id="no-power-at-all"),
        pytest.param(question(curve=[[1, 2, 3]]), "curve[0]", "[seconds, kWh]", id="no-point"),
        pytest.param(question(curve=[[60, 2], [120, 1]]), "curve", "leave out the points", id="falling-curve"),
        pytest.param(question(curve=[[60, 2], [120, 2]]), "curve", "leave out the points", id="flat-at-the-end"),
        pytest.param(question(curve=[[1e-9, 1e9]]), "curve", "check seconds and kWh", id="lightning"),
        pytest.param(question(rates=None), "rates", "list in [ ]", id="no-list"),
        pytest.param(question(rates=[1]), "rates[0]", "in { }", id="no-object"),
        pytest.param(rate(value="1"), "rates[0].value", "write a number", id="price-as-text"),
        pytest.param(rate(value=1e18), "rates[0].value", "write a number up to 1e+09", id="price-out-of-range"),
        pytest.param(rate(end=NOW), "rates[0].end", "leave empty rates out", id="empty-rate"),
        pytest.param(rate(price=1), "rates[0].price", "a rate start, end, value", id="unknown-member-of-a-rate"),
        pytest.param(
            question(rates=[RATES[1], RATES[0] | {"end": "2026-11-22T16:01:00Z"}]),
            "rates[0].start",
            "overlaps with rates[1]; give one rate for each time",
            id="overlap",
        ),
        pytest.param(question(now="0001-01-01T00:00:00+14:00"), "now, target", "of our time", id="year-0"),
    ],
)
def test_a_bad_line_is_told_by_member_and_remedy(line, member, remedy):
    answer = ask(line)
    assert list(answer) == ["error"]
    assert answer["error"].startswith(f"{member}: ")
    assert remedy in answer["error"]


def test_the_command_answers_line_by_line_and_imports_none_of_the_daemon():
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "scheduler.cli", "solve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        for line, expected in ((question(), "plan"), ("[]", "error"), (question(continuous=True), "plan")):
            text = line if isinstance(line, str) else json.dumps(line)
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            assert expected in json.loads(process.stdout.readline())  # answered before the next one is asked
        rest, imported = process.communicate()
    assert (process.returncode, rest) == (0, b"")
    modules = {line.rsplit(b"|", 1)[-1].strip() for line in imported.splitlines()}
    assert b"scheduler.core.optimum" in modules
    assert not modules & {b"asyncio", b"typer", b"aiohttp", b"sqlalchemy", b"pydantic", b"scheduler.config"}


def test_a_night_of_quarters_meets_its_need_exactly():
    start = datetime(2026, 11, 22, 15, 3, 12, 345678, tzinfo=UTC)
    grid = start.replace(minute=0, second=0, microsecond=0)
    quarter = timedelta(minutes=15)
    rates = [
        {"start": (grid + i * quarter).isoformat(), "end": (grid + (i + 1) * quarter).isoformat(), "value": i * 7 % 13}
        for i in range(64)
    ]
    line = question(now=start.isoformat(), target="2026-11-23T06:47:00Z", duration_s=9876.5, start_cost=3, rates=rates)
    answer = ask(line)
    slots = [tuple(map(datetime.fromisoformat, span)) for span in spans(answer)]
    assert sum((end - begin).total_seconds() for begin, end in slots) == pytest.approx(9876.5, abs=1e-4)
    assert all(a[1] < b[0] for a, b in pairwise(slots))
    assert slots[0][0] >= start
    assert slots[-1][1] <= datetime(2026, 11, 23, 6, 47, tzinfo=UTC)
