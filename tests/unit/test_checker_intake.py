"""The checker on what comes in, what is configured and which clock it goes by: S15, S18, S19, S21."""

import pytest

from tests.unit.checker_journal import ready


def again(journal, **members):
    """The first configuration is told once more, with other members under the same hash."""
    first = journal.events[0]
    told = {name: first[name] for name in ("hash", "params", "homes")}
    return journal.add("CONF", None, **{**told, **members})


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        pytest.param(
            "S15", lambda j: j.obs(src="webhook", auth=None), lambda j: j.obs(src="webhook", auth="signature"),
            id="a-webhook-without-a-signature",
        ),
        pytest.param(
            "S15", lambda j: j.obs(src="webhook", auth="api"), lambda j: j.obs(src="webhook", auth="api", ok=False),
            id="what-was-refused-needs-no-proof",
        ),
        pytest.param("S15", lambda j: j.obs(auth=None), lambda j: j.obs(auth="api"), id="a-poll-of-another-api"),
        pytest.param(
            "S15", lambda j: j.ovr(**{"from": "stranger"}), lambda j: j.ovr(**{"from": "cli"}), id="a-stranger's-wish"
        ),
        pytest.param(
            "S18", lambda j: j.at(1).step(6).start(), lambda j: j.at(1).step(6).obs().start(), id="a-step-forward"
        ),
        pytest.param(
            "S18", lambda j: j.at(1).step(-0.6).start(), lambda j: j.at(1).step(0.4).start(), id="a-step-is-more-than-30-s"
        ),
        pytest.param(
            "S18",
            lambda j: j.at(1).step(2).obs("other", chg=None).start(basis=[3]),
            lambda j: j.at(1).step(2).obs("other", chg=None).obs().start(),
            id="another-vehicle's-reading",
        ),
        pytest.param(
            "S18",
            lambda j: j.at(1).add("CLOCK", None, st="resumed", d=0).start(),
            lambda j: j.at(1).add("CLOCK", None, st="resumed", d=0).obs().start(),
            id="a-host-that-slept",
        ),
        pytest.param(
            "S18",
            lambda j: j.at(1).step(9).add("CLOCK", None, st="stepped", d=1).start(),
            lambda j: j.at(1).step(9).obs().at(2).add("CLOCK", None, st="stepped", d=1).start(),
            id="the-step-is-told-by-the-next-beat",
        ),
        pytest.param(
            "S18",
            lambda j: j.add("CLOCK", None, st="unsynced", d=0).obs().at(1).start(),
            lambda j: j.add("CLOCK", None, st="unsynced", d=0).obs().at(1).add("CLOCK", None, st="synced", d=0).start(),
            id="a-clock-that-nobody-keeps",
        ),
        pytest.param(
            "S18", lambda j: j.add("TICK", None, n=1, t=1.5), lambda j: j.add("TICK", None, n=1, t=0), id="no-whole-instant"
        ),
        pytest.param("S18", lambda j: j.add("TICK", None, n=1, m=True), lambda j: j, id="no-number-at-all"),
        pytest.param(
            "S19", lambda j: j.add("HTTP", None, text="Authorization: Bearer abcdefgh12345678"),
            lambda j: j.add("HTTP", None, text="the bearer of bad news"), id="a-bearer-token",
        ),
        pytest.param(
            "S19", lambda j: j.result("a", "failed", failure={"type": "X", "detail": "https://me:hunter2@cloud.test/"}),
            lambda j: j.result("a", "failed", failure={"type": "X", "detail": "https://cloud.test:443/@me"}),
            id="a-password-in-an-address",
        ),
        pytest.param(
            "S19", lambda j: j.add("NOTE", code="x", why="client_secret=0123456789ab"),
            lambda j: j.add("NOTE", code="x", why="the secret is unknown"), id="a-secret-in-a-query",
        ),
        pytest.param(
            "S19", lambda j: j.add("HTTP", None, tries=[{"access_token": 7}]),
            lambda j: j.add("HTTP", None, tries=[{"access_token": None}]), id="a-member-by-its-name",
        ),
        pytest.param(
            "S19", lambda j: j.conf(latitude=59.9), lambda j: j.conf(loc="home"), id="coordinates"
        ),
        pytest.param(
            "S21", lambda j: j.at(1).start(conf="other"), lambda j: j.at(1).start(conf=j.hash), id="an-unknown-hash"
        ),
        pytest.param(
            "S21",
            lambda j: j.conf(kw_max=7.0).at(1).start(conf="h0"),
            lambda j: j.conf(kw_max=7.0).at(1).start(conf="h1"),
            id="a-configuration-that-is-over",
        ),
        pytest.param(
            "S21",
            lambda j: again(j, params={"N_hour": 3}),
            again,
            id="one-hash-for-two-configurations",
        ),
    ],
)  # fmt: skip
def test_it_names_the_broken_rule_alone_and_is_silent_on_the_sibling(rule, broken, kept):
    assert broken(ready()).rules() == {rule}
    assert kept(ready()).rules() == set()


def test_a_violation_of_secrecy_does_not_tell_the_secret():
    (found,) = ready().add("HTTP", None, text="Authorization: Bearer abcdefgh12345678").check()
    assert found.text == "text looks like a secret"


def test_a_run_of_its_own_has_a_clock_of_its_own():
    journal = ready().at(1).step(240).restart().at(2).start()
    assert journal.rules() == set()


def test_a_line_that_a_failing_store_kept_back_is_no_step():
    journal = ready().at(1).step(10).obs()
    late = {**journal.events[4], "seq": 50}
    journal.events.append(late)
    assert journal.start().rules() == set()
