"""What a fuzz target is, and how one input is tried on it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Form = Literal["json", "text", "bytes"]

HERE = f"{Path(__file__).resolve().parents[2]}/"

SLOWEST_S = 2.0
"""An input that takes longer [CPU seconds] is a finding: somebody else's answer must not hold the daemon up."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One parser under fuzzing.

    Attributes:
        name: for people and for the command line.
        run: reads one input; what it raises beyond `expected` is a finding, and so is an `AssertionError`.
        seeds: inputs to begin with.
        expected: the errors by which the parser says that it cannot read the input.
        head: so many bytes at the front of an input choose what is done with the rest (a variant, a status).
        form: how the rest is written, for the mutations.
        words: pieces of that language, for the mutations.
        cost: what an input costs beside one of the cheapest target: dear ones get a smaller share of a run.
        slowest_s: the bound on one input.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    expected: tuple[type[BaseException], ...]
    head: int = 0
    form: Form = "json"
    words: tuple[bytes, ...] = ()
    cost: float = 1.0
    slowest_s: float = SLOWEST_S


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What went wrong with one input. Findings of one `key` are of one cause, most likely."""

    target: str
    key: str
    text: str
    data: bytes = field(repr=False)


def tried(target: Target, data: bytes, *, slower: float = 1.0, times: int = 2) -> BaseException | None:
    """Try one input; return what is a finding, None where all is well. It may take `slower` times as long as it should.

    What takes too long is tried again, `times` in all: a busy machine may do many things on an input's account.
    """
    began = time.thread_time()
    try:
        target.run(data)
    except target.expected as error:
        if not (told := str(error)).strip():
            return AssertionError(f"{type(error).__name__} without a word")
        try:
            told.encode()
        except UnicodeEncodeError:
            return AssertionError(f"the text of {type(error).__name__} cannot be written: {told!r:.200}")
    except Exception as error:  # noqa: BLE001 - whatever else it raises is what we look for
        return error
    took = time.thread_time() - began
    if took <= slower * target.slowest_s:
        return None
    return tried(target, data, slower=slower, times=times - 1) if times > 1 else AssertionError(f"it took {took:.1f} s")


def finding_of(target: Target, error: BaseException, data: bytes) -> Finding:
    """Return an error as a finding, its key made of the kind of error and of our own innermost function."""
    where, trace = "", error.__traceback__
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        at = f"{code.co_filename.removeprefix(HERE).rpartition('site-packages/')[2]}:{trace.tb_lineno}"
        lines.append(f"  {at} {code.co_name}")
        if any(part in code.co_filename for part in ("/scheduler/", "/storage/", "/policies/", "/tests/fuzz/")):
            where = f"{code.co_filename.rpartition('/')[2].removesuffix('.py')}.{code.co_name}"
        trace = trace.tb_next
    key = f"{type(error).__name__}-{where}" + (f"-{str(error)[:30]}" if isinstance(error, AssertionError) else "")
    safe = "".join(c if c.isalnum() or c in "-._" else "_" for c in key)
    text = "\n".join([f"{type(error).__name__}: {error!s:.300}", *lines])
    return Finding(target=target.name, key=safe, text=text.encode(errors="backslashreplace").decode(), data=data)
