from scheduler.http.web.throttle import FORGOTTEN_AFTER_S, FREE_BY_ACCOUNT, FREE_BY_ADDRESS, MOST_ADDRESSES, Throttle
from tests.web_support import StepClock

HERE, THERE = "192.0.2.1", "198.51.100.7"


def made():
    clock = StepClock()
    return Throttle(clock), clock


def guess(throttle, address=HERE, times=1):
    for _ in range(times):
        throttle.tried(address)


def test_a_few_wrong_ones_cost_nothing():
    throttle, _ = made()
    guess(throttle, times=FREE_BY_ADDRESS - 1)
    assert throttle.wait_s(HERE) == 0


def test_each_further_one_doubles_the_wait_up_to_an_hour():
    throttle, clock = made()
    guess(throttle, times=FREE_BY_ADDRESS)
    waits = []
    for _ in range(14):
        waits.append(throttle.wait_s(HERE))
        clock.advance(waits[-1])
        assert throttle.wait_s(HERE) == 0
        guess(throttle)
    assert waits[:5] == [2, 4, 8, 16, 32]
    assert waits[-1] == 3600


def test_another_address_does_not_wait_for_a_few():
    throttle, _ = made()
    guess(throttle, times=FREE_BY_ADDRESS)
    assert throttle.wait_s(THERE) == 0


def test_many_addresses_make_the_account_wait_a_minute_at_most():
    throttle, _ = made()
    for number in range(FREE_BY_ACCOUNT):
        guess(throttle, f"192.0.2.{number}")
    assert throttle.wait_s(THERE) == 2
    for number in range(100):
        guess(throttle, f"203.0.113.{number}")
    assert throttle.wait_s(THERE) == 60


def test_the_addresses_of_one_network_are_one():
    throttle, _ = made()
    for number in range(FREE_BY_ADDRESS):
        guess(throttle, f"2001:db8::{number + 1}")
    assert throttle.wait_s("2001:db8::ffff") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0


def test_who_gets_in_is_forgiven():
    throttle, _ = made()
    guess(throttle, times=FREE_BY_ADDRESS)
    throttle.succeeded(HERE)
    assert throttle.wait_s(HERE) == 0
    guess(throttle, times=FREE_BY_ADDRESS - 1)
    assert throttle.wait_s(HERE) == 0


def test_old_attempts_are_forgotten():
    throttle, clock = made()
    guess(throttle, times=30)
    clock.advance(FORGOTTEN_AFTER_S)
    assert throttle.wait_s(HERE) == 0
    guess(throttle)
    assert throttle.wait_s(HERE) == 0


def test_it_remembers_no_more_addresses_than_it_should():
    throttle, _ = made()
    for number in range(MOST_ADDRESSES + 50):
        guess(throttle, f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(throttle._addresses) == MOST_ADDRESSES


def test_who_has_no_address_is_counted_too():
    throttle, _ = made()
    guess(throttle, "local", times=FREE_BY_ADDRESS)
    assert throttle.wait_s("local") > 0
