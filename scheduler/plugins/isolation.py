"""Running a stranger's code with an end to one's patience."""

import ctypes
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from scheduler.core.errors import KwhenError

T = TypeVar("T")

LONGEST_TEXT = 200


class Hung(KwhenError):  # noqa: N818
    """The code did not come back in time."""


class Crashed(KwhenError):  # noqa: N818
    """The code raised; the text names what."""


class _Abandoned(BaseException):
    """Raised inside a thread that nobody waits for any more, so that a loop without end has one."""


class Guarded(Generic[T]):
    """Runs one plugin's code, never twice at the same time.

    The code runs in a daemon thread of its own. A thread cannot be killed: one that is stuck in Python code is ended by
    an exception, one that sleeps in the system is left behind, and until it comes back nothing new is begun.
    """

    def __init__(self) -> None:
        self._stuck: threading.Thread | None = None

    def run(self, work: Callable[[], T], timeout_s: float) -> T:
        """Return what `work` returns. Blocks for at most `timeout_s` of real time.

        Raises:
            Hung: it did not come back, or has not come back since an earlier call.
            Crashed: it raised anything but an error of our own, which passes.
        """
        if self._stuck is not None and self._stuck.is_alive():
            raise Hung("has not come back from an earlier call")
        results: list[T] = []
        errors: list[BaseException] = []

        def target() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - SystemExit in a plugin is a fault of the plugin
                errors.append(error)

        thread = threading.Thread(target=target, name="kwhen-plugin", daemon=True)
        thread.start()
        thread.join(timeout_s)
        if thread.is_alive():
            self._stuck = thread
            _abandon(thread)
            raise Hung(f"did not come back within {timeout_s:g} s")
        if results:
            return results[0]
        error = errors[0]
        if isinstance(error, KwhenError):
            raise error
        raise Crashed(f"raised {described(error)}") from None  # SystemExit and StopIteration would upset a loop


def described(error: BaseException) -> str:
    """Return the type and the text of a stranger's exception, short, whatever its `str` does."""
    try:
        text = " ".join(str(error).split())[:LONGEST_TEXT]
    except Exception:  # noqa: BLE001
        text = "(its text cannot be read)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _abandon(thread: threading.Thread) -> None:
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Abandoned))
