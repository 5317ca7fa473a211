"""Guessing passwords is made slow: after some wrong ones an address, and then the account, has to wait (Z03)."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from scheduler.ports import Clock

NS = 1_000_000_000

FREE_BY_ADDRESS, FREE_BY_ACCOUNT = 4, 12
"""So many wrong ones cost nothing. The account bears more, so that a stranger does not lock the owner out lightly."""

FIRST_WAIT_S, LONGEST_WAIT_BY_ADDRESS_S, LONGEST_WAIT_BY_ACCOUNT_S = 2.0, 3600.0, 60.0
FORGOTTEN_AFTER_S = 6 * 3600.0

MOST_ADDRESSES = 4096
"""More are not remembered; the account's own count holds all the same."""


@dataclass(kw_only=True)
class _Count:
    wrong: int = 0
    last_ns: int = 0


class Throttle:
    """Counts attempts by address and for the account. In memory: a restart forgives."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._account = _Count()
        self._addresses: OrderedDict[str, _Count] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return how long this address has to wait before its next attempt [s]; 0 when it may try now."""
        by_address = self._left(
            self._addresses.get(_network(address), _Count()), FREE_BY_ADDRESS, LONGEST_WAIT_BY_ADDRESS_S
        )
        return max(by_address, self._left(self._account, FREE_BY_ACCOUNT, LONGEST_WAIT_BY_ACCOUNT_S))

    def _left(self, count: _Count, free: int, longest_s: float) -> float:
        if count.wrong < free:
            return 0.0
        passed_s = (self._clock.monotonic_ns() - count.last_ns) / NS
        if passed_s >= FORGOTTEN_AFTER_S:
            return 0.0
        doublings = min(count.wrong - free, 20)
        return max(0.0, min(FIRST_WAIT_S * float(2**doublings), longest_s) - passed_s)

    def tried(self, address: str) -> int:
        """Count an attempt before it is known to be wrong, so that many at once are counted too; return how many."""
        by_address = self._addresses.setdefault(_network(address), _Count())
        self._addresses.move_to_end(_network(address))
        while len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        now_ns = self._clock.monotonic_ns()
        for count in (by_address, self._account):
            if now_ns - count.last_ns >= FORGOTTEN_AFTER_S * NS:
                count.wrong = 0
            count.wrong += 1
            count.last_ns = now_ns
        return by_address.wrong

    def succeeded(self, address: str) -> None:
        """Forget what was counted for an address and the account: the owner was let in."""
        self._addresses.pop(_network(address), None)
        self._account = _Count()


def _network(address: str) -> str:
    """Return what counts as one address: in IPv6 a whole /64, of which one person has all."""
    try:
        read = ip_address(address)
    except ValueError:
        return address
    return address if read.version == 4 else str(ip_network((read, 64), strict=False))  # noqa: PLR2004
