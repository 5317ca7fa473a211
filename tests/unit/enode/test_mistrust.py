"""Why deliveries cannot be trusted: what can be known is told, and no more than that (W12)."""

import json
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from scheduler.enode.mistrust import AGAIN, LOOKS_A_MINUTE, REMEDIES, TEXTS, Finding, Mistrust
from scheduler.enode.webhook import is_signed, signature_of
from tests.web_support import StepClock

SECRET, OTHER = b"a secret that is long enough", b"another secret, long enough too"
CAR = "5d3c0b3e-0e5b-4c0c-9a45-0d7c2fb1b7a1"
EVENTS = [{"event": "user:vehicle:updated", "vehicle": {"id": CAR, "name": "Elsa's Zoë 🚗", "kwh": 11.0, "at": 1e-7}}]
BODY = json.dumps(EVENTS, separators=(",", ":"), ensure_ascii=False).encode()


class Watch:
    def __init__(self, *, proven=True):
        self.clock = StepClock()
        self.judged = 0
        self.mistrust = Mistrust(self.is_signed, now=self.clock.now, ids=lambda: [CAR], is_proven=lambda: proven)

    def is_signed(self, *given):
        self.judged += 1
        return is_signed(*given)

    def look(self, body, *, signed=BODY, secret=SECRET):
        self.mistrust.look(body, signature_of(signed, secret), [SECRET])
        return self.finding()

    def finding(self, heard_at=None):
        return self.mistrust.finding(heard_at=heard_at)


@pytest.mark.parametrize(
    "rewritten",
    [
        json.dumps(EVENTS).encode(),
        json.dumps(EVENTS, indent=2, ensure_ascii=False).encode(),
        json.dumps(EVENTS, separators=(",", ":")).encode(),
        BODY + b"\r\n",
        BODY.replace(b":", b": ", 1),
    ],
    ids=["spaces-and-escapes", "indented", "escapes", "a-line-more", "one-space"],
)
def test_a_body_that_was_written_anew_is_recognised(rewritten):
    assert Watch().look(rewritten) is Finding.REWRITTEN


def test_so_is_one_of_which_enode_escapes_what_the_proxy_does_not():
    escaped = json.dumps(EVENTS, separators=(",", ":")).encode()
    assert Watch().look(BODY, signed=escaped) is Finding.REWRITTEN


@pytest.mark.parametrize(("proven", "finding"), [(True, Finding.ALTERED), (False, Finding.UNPROVEN)])
def test_a_body_that_names_our_car_is_altered_where_the_secret_is_proven(proven, finding):
    assert Watch(proven=proven).look(BODY.replace(b"updated", b"Updated")) is finding
    assert Watch(proven=proven).look(BODY, secret=OTHER) is finding
    assert Watch(proven=proven).look(b'[{"event":"system:heartbeat"}]') is finding


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b"[" * 100_000, b'[{"vehicle":{"id":"x"}}]', b"\xff\xfe"])
def test_of_what_names_nothing_of_ours_nothing_is_known(body):
    assert Watch().look(body, secret=OTHER) is Finding.STRANGE


@pytest.mark.parametrize("signature", ["", "sha1=", "sha256=" + "0" * 64, "0" * 40])
def test_without_a_whole_signature_nothing_is_tried(signature):
    watch = Watch()
    watch.mistrust.look(BODY, signature, [SECRET])
    assert (watch.finding(), watch.judged) == (Finding.UNSIGNED, 0)


def test_a_flood_is_not_looked_at():
    watch = Watch()
    for _ in range(1000):
        watch.look(BODY, secret=OTHER)
    assert watch.judged <= 4 * LOOKS_A_MINUTE
    watch.clock.at += timedelta(minutes=1)
    assert watch.look(json.dumps(EVENTS).encode()) is Finding.REWRITTEN


def test_what_says_more_is_kept_until_a_delivery_is_trusted_or_hours_pass():
    watch = Watch()
    watch.look(json.dumps(EVENTS).encode())
    assert watch.look(b"noise") is Finding.REWRITTEN
    assert watch.finding(heard_at=watch.clock.now() + timedelta(seconds=1)) is None
    watch.clock.at += 2 * AGAIN + timedelta(minutes=1)
    assert watch.finding() is None
    assert watch.look(b"noise") is Finding.STRANGE


def test_the_log_says_it_once_an_hour_and_nothing_of_the_content():
    watch = Watch()
    with capture_logs() as logs:
        for _ in range(61):
            watch.look(BODY, secret=OTHER)
            watch.clock.at += timedelta(minutes=1)
    assert [(one["event"], one["why"]) for one in logs] == [("webhook.untrusted", TEXTS[Finding.ALTERED])] * 2
    assert CAR not in str(logs)
    assert set(TEXTS) == set(REMEDIES) == set(Finding)
