"""Waiting that was asked for."""

from datetime import timedelta

import pytest

from scheduler.buckets import Buckets, asked_wait_s, is_quota_refusal
from tests.web_support import NOON, StepClock


@pytest.mark.parametrize(
    ("headers", "body", "wait_s"),
    [
        ({"Retry-After": "900"}, b"", 900),
        ({"Retry-After": " 0 "}, b"", 0),
        ({"Retry-After": "Fri, 20 Nov 2026 12:05:00 GMT"}, b"", 300),
        ({"Retry-After": "Fri, 20 Nov 2026 11:00:00 GMT"}, b"", 0),
        (
            {"Retry-After": "Fri, 20 Nov 2026 15:05:00 GMT", "Date": "Fri, 20 Nov 2026 15:00:00 GMT"},
            b"",
            300,
        ),
        ({"Retry-After": "soon"}, b"", None),
        ({"Retry-After": "-5"}, b"", None),
        ({"Retry-After": "٣"}, b"", None),
        ({}, b"Quota will be replenished in 00:28:11.", 28 * 60 + 11),
        ({}, b"\xff 1:00:00", 3600),
        ({}, b"", None),
        ({"Retry-After": "5"}, b"in 01:00:00", 5),
        ({"RateLimit-Reset": "117"}, b"in 01:00:00", 117),
        ({"Retry-After": "5", "RateLimit-Reset": "117"}, b"", 5),
        ({"Retry-After": "soon", "RateLimit-Reset": "117"}, b"", 117),
        ({"RateLimit-Reset": "1795000000"}, b"", None),
        ({"RateLimit-Reset": "-5"}, b"", None),
        ({"RateLimit-Reset": "soon"}, b"", None),
    ],
)
def test_the_wait_is_read(headers, body, wait_s):
    assert asked_wait_s(headers, body, now=NOON) == wait_s


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (429, b"", True),
        (403, b"Quota will be replenished in 00:28:11", True),
        (403, b'{"detail": "Rate limit exceeded"}', True),
        (403, b'{"title": "Connections limit reached."}', False),
        (403, b"", False),
        (400, b"quota", False),
    ],
)
def test_a_refusal_for_too_many_requests_is_recognised(status, body, refusal):
    assert is_quota_refusal(status, body) is refusal


def test_a_bucket_is_held_for_as_long_as_asked():
    clock, told = StepClock(), []
    buckets = Buckets(clock, on_hold=lambda name, until: told.append((name, until)))
    buckets.hold("enode:read", 900)
    assert buckets.wait_s("enode:read") == 900
    clock.advance(899.5)
    buckets.went_through("enode:read")  # an answer to a request from before
    assert buckets.wait_s("enode:read") == pytest.approx(0.5)
    clock.advance(0.5)
    assert buckets.wait_s("enode:read") == 0
    assert told == [("enode:read", NOON + timedelta(seconds=900))]


def test_a_hold_is_never_shortened():
    buckets = Buckets(StepClock())
    buckets.hold("b", 900)
    buckets.hold("b", 10)
    assert buckets.wait_s("b") == 900


def test_without_a_wait_the_guess_doubles_and_starts_again():
    clock = StepClock()
    buckets = Buckets(clock)
    waits = []
    for _ in range(7):
        waits.append(buckets.hold("b", None))
        clock.advance(1000)
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    buckets.went_through("b")
    assert buckets.hold("b", None) == 30


def test_nobody_silences_us_for_more_than_a_day():
    buckets = Buckets(StepClock())
    assert buckets.hold("b", 1e12) == 86_400


def test_what_is_above_holds_what_is_below_and_not_the_other_way_round():
    buckets = Buckets(StepClock())
    buckets.hold("enode:read", 60)
    assert buckets.wait_s("enode:read:v") == 60
    assert buckets.wait_s("enode:command:v") == 0
    buckets.hold("enode:command:v", 60)
    assert buckets.wait_s("enode:command") == 0


def test_two_held_side_by_side_hold_their_whole_lane():
    clock = StepClock()
    buckets = Buckets(clock)
    buckets.hold("enode:read:v", 60)
    buckets.hold("enode:read:v", 60)
    assert buckets.wait_s("enode:read:x") == 0
    buckets.hold("enode:read:w", 90)
    assert buckets.wait_s("enode:read:x") == 90
    assert buckets.wait_s("enode:command:x") == 0


def test_many_buckets_do_not_fill_the_memory():
    clock = StepClock()
    buckets = Buckets(clock)
    for number in range(10_050):
        buckets.hold(f"b{number}", 1)
        clock.advance(2)
    assert len(buckets._holds) <= 10_000
    assert buckets.wait_s("b10049") == 0
