"""Every parser takes whatever comes: mutations that hypothesis can shrink, and a short run of the coverage-guided fuzzer.

`python -m tests.fuzz` is the long run of the same targets.
"""

from random import Random

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.http.api import api_app
from scheduler.http.problem import problems
from scheduler.http.web.app import web_app
from scheduler.http.web.passwords import Passwords
from tests.fakes_daemon import make_daemon
from tests.fuzz import campaign, http_targets, spoiling
from tests.fuzz.http_wire import Served
from tests.fuzz.regressions import REGRESSIONS
from tests.fuzz.spoiling import spoilt
from tests.fuzz.target import Target, finding_of, tried
from tests.fuzz.targets import TARGETS
from tests.web_site import QUICK

INPUTS = 2_500
"""So many inputs the coverage-guided fuzzer makes for all targets together; a seed makes the same ones each time."""

CHEAP = [name for name, target in TARGETS.items() if target.cost < 10]


def examples_of(target: Target) -> int:
    """Return how many mutations a target is given here."""
    return 60 if target.cost < 10 else 15


@pytest.mark.parametrize("name", TARGETS)
def test_no_mutation_of_a_seed_breaks_a_parser(name):
    target = TARGETS[name]
    seeds = list(target.seeds())

    @settings(max_examples=examples_of(target), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.sampled_from(seeds), rnd=st.randoms(use_true_random=False), times=st.integers(1, 3))
    def one(seed, rnd, times):
        for _ in range(times):
            seed = spoilt(target, seed, rnd, seeds)
        judge(target, seed)

    one()


@pytest.mark.parametrize("name", CHEAP)
@settings(max_examples=30, deadline=None, database=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_break_a_parser(name, data):
    judge(TARGETS[name], data)


@pytest.mark.parametrize("name", TARGETS)
def test_most_seeds_of_our_own_are_read(name):
    """A target whose every input is refused at the door would fuzz nothing."""
    target = TARGETS[name]
    assert any(taken(target, seed) for seed in target.seeds())


def taken(target: Target, data: bytes) -> bool:
    try:
        target.run(data)
    except target.expected:
        return False
    return True


@pytest.mark.parametrize(("name", "data"), REGRESSIONS)
def test_what_was_found_is_found_no_more(name, data):
    judge(TARGETS[name], data)


def judge(target: Target, data: bytes) -> None:
    error = tried(target, data)
    if error is not None:
        raise AssertionError(finding_of(target, error, data).text) from error


def test_half_of_a_character_in_a_body_is_refused_at_the_door():
    """A home by such a name could be kept nowhere."""
    served = Served(api_app(make_daemon()))
    which = http_targets.OPERATIONS.index(("POST", "/api/v1/homes"))
    answer = served.asked(http_targets.request(bytes([which, 1]) + rb'{"body": {"id": "\ud800"}}'))
    served.close()
    assert answer[9:12] == b"400"


def test_a_form_in_bad_parts_is_refused_before_the_login():
    daemon = make_daemon()
    served = Served(web_app(daemon, hosts=["localhost"], passwords=Passwords(daemon.store, QUICK)))
    body = b"--x\r\n\x0f\nno name\r\n--x--"
    lines = b"Host: localhost\r\nOrigin: http://localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    answer = served.asked(b"POST /login HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (lines, len(body), body))
    served.close()
    assert answer[9:12] == b"400"


async def test_who_hangs_up_is_no_fault_of_ours():
    async def gone(_request):
        raise ConnectionResetError

    assert (await problems(make_mocked_request("GET", "/"), gone)).status == 400


def test_mutations_change_nothing_but_their_input():
    """What hostile values are made of must stay what it is: a list of them that is put into itself has no end."""
    before, rnd = repr(spoiling.PLAIN), Random(1)
    for _ in range(3000):
        spoiling.spoilt_json(b'{"a":[1,"x",{"b":null}]}', rnd, b"[[1],{}]", times=8)
    assert repr(spoiling.PLAIN) == before


def test_a_finding_is_one():
    """An error that is not expected, one without a word, and an input that takes too long."""

    def run(data):
        if data == b"broken":
            raise ZeroDivisionError
        if data == b"mute":
            raise ValueError
        if data == b"slow":
            sum(range(10**6))

    target = Target(name="t", run=run, seeds=list, expected=(ValueError,), slowest_s=0.001)
    assert isinstance(tried(target, b"broken"), ZeroDivisionError)
    assert "without a word" in str(tried(target, b"mute"))
    assert "it took" in str(tried(target, b"slow"))
    assert tried(target, b"slow", slower=10_000) is None
    assert tried(target, b"fine") is None


@pytest.mark.timeout(600)  # 15 s of work, most of it instrumenting; much longer where the machine is busy
@pytest.mark.skipif(not campaign.has_fuzzer(), reason="atheris has no wheel for this Python and machine")
def test_the_coverage_guided_fuzzer_finds_nothing_in_a_short_run(tmp_path):
    shares = campaign.shares(TARGETS.values(), INPUTS, least=40)
    names = [*TARGETS]
    tasks = [campaign.task_of(name, "coverage", shares[name], 1, tmp_path) for name in names]
    for folder in ("work", "corpus"):
        (tmp_path / folder).mkdir()
    campaign.worked(tasks, tmp_path)
    rows = [campaign.row_of([task]) for task in tasks]
    assert {row.target: (row.findings, row.trouble) for row in rows if row.findings or row.trouble} == {}
    assert {row.target: row.inputs for row in rows} == shares
    assert all(row.edges > 20 for row in rows), "the parsers are not instrumented"
