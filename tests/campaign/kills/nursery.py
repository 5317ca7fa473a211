"""`python -m tests.campaign.kills.nursery`: reads orders, a JSON object a line, and forks a daemon for each.

Importing the daemon takes seconds, and a thousand daemons are wanted. A fork is a process of its own all the same: own
memory, files, threads and locks, from before the first line of the daemon's own has run. Tells of births and deaths on
standard output; the end of standard input kills all that live.
"""

import asyncio
import gc
import os
import selectors
import signal
import sys
import warnings
from typing import BinaryIO

import msgspec

from tests.campaign.kills.daemon import Order, run


def forked(order: Order) -> int:
    """Give birth to a daemon; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for given, number in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(given, number)
        os.closerange(3, 64)
        status = asyncio.run(run(order))
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)


def say(**members: int) -> None:
    """Tell the parent."""
    sys.stdout.buffer.write(msgspec.json.encode(members) + b"\n")
    sys.stdout.buffer.flush()


class Nursery:
    """Orders come in, births and deaths go out."""

    def __init__(self, orders: BinaryIO) -> None:
        self._orders = orders
        self._living: set[int] = set()

    def keep(self) -> None:
        """Go on until there are no more orders."""
        woken, wake = os.pipe()
        for end in (woken, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake)
        with selectors.DefaultSelector() as selector:
            selector.register(self._orders, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if woken in ready:
                    os.read(woken, 4096)
                    self._bury()
                if self._orders in ready:
                    line = self._orders.readline()
                    if not line:
                        break
                    pid = forked(msgspec.json.decode(line, type=Order))
                    self._living.add(pid)
                    say(born=pid)
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)

    def _bury(self) -> None:
        while self._living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._living.discard(pid)
            say(died=pid, status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # a library's idle thread is no reason against a fork
    gc.freeze()
    say(ready=1)
    with open(0, "rb", buffering=0, closefd=False) as told:
        Nursery(told).keep()
