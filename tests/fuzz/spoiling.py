"""Mutations that know the form of an input: JSON trees with one node spoilt, text with a word or a line of it changed.

Randomness comes from a `random.Random`, so that a seed makes the same mutations again, and hypothesis can shrink them.
"""

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from json.encoder import encode_basestring_ascii
from random import Random
from typing import Any

from tests.fuzz.target import Target

DEEP = 3000
"""So deep are nests: deeper than Python recurses by default, in few bytes."""

LARGEST = 1 << 16
"""No mutation makes an input longer [bytes]."""


class Raw(str):
    """A piece of JSON text to be written as it stands, right or wrong."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The members of an object in their order; a name may come twice, as JSON allows."""

    __slots__ = ()


RAW = tuple(
    map(
        Raw,
        [
            "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e308", "-1e308", "5e-324", "-0", "-0.0", "1E400", "0.1e-400",
            "9" * 30, "-" + "9" * 30, "9" * 400, "9" * 5000, "18446744073709551616", "9223372036854775807",
            "9223372036854775808", "-9223372036854775809", "253402300800", "253402300799999", "99999999999999999",
            '"\\ud800"', '"\\udfff\\ud800"', '"a\\u0000b"', '"\\u202e\\u2028"', '"\\ud83d\\ude00"', '"\x01"', '"\x7f"', "tru",
            "[", "}", "", "nul", '"', "/* */ 1", "'x'", "01", "+1", ".5", "1.", "0x10", "1_000",
            "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[" * 100_00,
        ],
    )
)  # fmt: skip
PLAIN: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 100, 100.0000001, 101, -0.5, 0.1 + 0.2, 2**31, 2**53 + 1, 1e15, 1e-9, "", " ", "null", "NaN",
    "inf", "1e400", "-", "0", "1", "١٢", "\uff11", "x" * 300, "é" * 200, "\U0001f697", "..", "../../etc/passwd", "a/b", "%00", "\r\n",
    [], {}, [None], [[]], {"": None}, [1, "a", None],
)  # fmt: skip
INSTANTS = (
    "2026-01-05T11:00:00Z", "2026-01-05T11:00:00+00:00", "2026-01-05T11:00:00", "2026-01-05", "2026-10-25T02:30:00+02:00",
    "2026-03-29T02:30:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999999999Z", "2026-02-30T00:00:00Z", "2026-01-05T24:00:00Z",
    "2026-01-05T23:59:60Z", "1969-12-31T23:59:59Z", "2262-04-12T00:00:00Z", "2026-01-05T11:00:00+23:59", "2026-W01-1T00:00Z",
    "2026-01-05T11:00:00.1234567890123Z", "20260105T110000Z", "+2026-01-05T11:00:00Z", "2026-01-05 11:00:00Z",
    "\uff12\uff10\uff12\uff16-01-05T11:00:00Z", "1767610800", "1767610800000", "-1", "99999999999999",
)  # fmt: skip
NUMBERS = (
    b"0", b"-0", b"-1", b"1", b"59", b"60", b"61", b"99", b"100", b"101", b"366", b"1e999", b"-1e308", b"1e308", b"nan", b"inf",
    b"-inf", b"9" * 20, b"9" * 400, b"9" * 5000, b"0.0000000001", b"1_0", b"0x1F", b"2147483648", b"9223372036854775808", b"00",
    "٣".encode(), "²".encode(), b"1,5", b"1.5.1",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d[\d.]*")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9-]*")
_STAMP = re.compile(rb"\d{4}-?\d\d-?\d\d(?:[T ]\d\d:?\d\d(?::?\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?")


def spoilt(target: Target, data: bytes, rnd: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return an input with one to four mutations; `others` may lend it their parts."""
    head, rest = data[: target.head], data[target.head :]
    if head and rnd.random() < 0.1:
        at = rnd.randrange(len(head))
        head = head[:at] + bytes([rnd.randrange(256)]) + head[at + 1 :]
        if rnd.random() < 0.7:
            return head + rest
    times = rnd.choice((1, 1, 1, 2, 2, 3, 4))
    other = rnd.choice(others)[target.head :] if others and rnd.random() < 0.15 else b""
    if target.form == "json" and rnd.random() < 0.93:
        return head + spoilt_json(rest, rnd, other, times=times)[:LARGEST]
    for _ in range(times):
        if target.form != "text" or rnd.random() < 0.15:
            rest = spoilt_bytes(rest, rnd)
        else:
            rest = spoilt_text(rest, rnd, target.words, other)
    return head + rest[:LARGEST]


def spoilt_json(data: bytes, rnd: Random, other: bytes = b"", *, times: int = 1) -> bytes:
    """Return JSON with nodes of its tree spoilt; what is no JSON is changed as bytes."""
    try:
        tree = json.loads(data, object_pairs_hook=Members)
        node = json.loads(other, object_pairs_hook=Members) if other else None
        box = [tree]
        for _ in range(times):
            if places := _places(box):
                _change(*rnd.choice(places), rnd, deepcopy(node))  # put into itself it would have no end
        return written(box[0]).encode("utf-8", "surrogatepass") if box else b""
    except (ArithmeticError, ValueError, RecursionError):  # no JSON, or a number that is too large to change
        return spoilt_bytes(data, rnd)


def _places(box: list[Any]) -> list[tuple[list[Any], int]]:
    """Return every node of a tree as its container and the place in it, the root's container being `box`."""
    found: list[tuple[list[Any], int]] = []
    todo = [box]
    while todo:
        inside = todo.pop()
        for at, one in enumerate(inside):
            found.append((inside, at))
            value = one[1] if isinstance(inside, Members) else one
            if isinstance(value, list):
                todo.append(value)
    return found


def _change(inside: list[Any], at: int, rnd: Random, node: Any) -> None:
    """Spoil the node at a place: another value, another name, twice, gone, wrapped, or in another's place."""
    kind = rnd.random()
    named = isinstance(inside, Members)
    if kind < 0.6:
        value = inside[at][1] if named else inside[at]
        new = node if node is not None and kind < 0.3 else _hostile(value, rnd)
        inside[at] = (inside[at][0], new) if named else new
    elif kind < 0.7:
        del inside[at]
    elif kind < 0.8:
        twin = (inside[at][0], _hostile(inside[at][1], rnd)) if named and rnd.random() < 0.5 else inside[at]
        inside.insert(rnd.randint(0, len(inside)), twin)
    elif kind < 0.87 and named:
        inside[at] = (rnd.choice((inside[at][0].lower(), "(spoilt)", "", "\x00", rnd.choice(inside)[0])), inside[at][1])
    elif kind < 0.94:
        value = inside[at][1] if named else inside[at]
        wrapped: Any = [value] if rnd.random() < 0.5 else Members([("a", value)])
        inside[at] = (inside[at][0], wrapped) if named else wrapped
    else:
        place = rnd.randrange(len(inside))
        inside[at], inside[place] = inside[place], inside[at]


def _hostile(value: Any, rnd: Random) -> Any:
    """Return something else for a value, more often of its own kind than not."""
    kind = rnd.random()
    if isinstance(value, str) and kind < 0.5:
        if value[:4].isdigit() and kind < 0.35:
            return rnd.choice(INSTANTS)
        at = rnd.randint(0, len(value))
        return (
            value[:at] + rnd.choice(("\x00", "\ud800", "é", " ", "-", "/", ":", "9", "Z", "\n", "")) + value[at + 1 :]
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool) and kind < 0.4:
        return rnd.choice((-value, value * 1000, value + 1, value - 1, value / 3, str(value), value * 1e12, value * 0))
    if kind < 0.7:
        return rnd.choice(RAW)
    # A list of them is copied: what is put into a tree may itself be changed, and put into itself it would have no end.
    return deepcopy(rnd.choice(PLAIN)) if kind < 0.92 else rnd.choice(INSTANTS)


def written(value: Any) -> str:
    """Return a tree as JSON text, `Raw` pieces as they stand."""
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value)
    if kind is Members:
        return "{" + ",".join([f"{encode_basestring_ascii(name)}:{written(one)}" for name, one in value]) + "}"
    if kind is list:
        return "[" + ",".join(map(written, value)) + "]"
    return str(value) if kind is Raw else json.dumps(value)


def spoilt_text(data: bytes, rnd: Random, words: Sequence[bytes], other: bytes = b"") -> bytes:
    """Return text with one line, number, instant or word of it changed."""
    kind = rnd.random()
    if kind < 0.25:
        return _with_lines(data, rnd, other)
    if kind < 0.45 and (found := list(_STAMP.finditer(data))):
        one = rnd.choice(found)
        return data[: one.start()] + rnd.choice(INSTANTS).encode() + data[one.end() :]
    if kind < 0.65 and (found := list(_NUMBER.finditer(data))):
        one = rnd.choice(found)
        return data[: one.start()] + rnd.choice(NUMBERS) + data[one.end() :]
    if kind < 0.85 and words and (found := list(_WORD.finditer(data))):
        one = rnd.choice(found)
        return data[: one.start()] + rnd.choice(words) + data[one.end() :]
    if words and kind < 0.93:
        at = rnd.randint(0, len(data))
        return data[:at] + rnd.choice(words) + data[at:]
    return spoilt_bytes(data, rnd)


def _with_lines(data: bytes, rnd: Random, other: bytes) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    at, kind = rnd.randrange(len(lines)), rnd.random()
    if kind < 0.3:
        del lines[at]
    elif kind < 0.5:
        lines.insert(rnd.randint(0, len(lines)), lines[at])
    elif kind < 0.6:
        lines.insert(at, lines[at] * rnd.choice((2, 20, 200)))
    elif kind < 0.75:
        place = rnd.randrange(len(lines))
        lines[at], lines[place] = lines[place], lines[at]
    elif other:
        lines[at:at] = rnd.choice(other.splitlines(keepends=True) or [b""]), b"\n"
    else:
        lines[at] = lines[at].rstrip(b"\r\n")
    return b"".join(lines)


def spoilt_bytes(data: bytes, rnd: Random) -> bytes:
    """Return bytes with a few of them flipped, cut out, repeated or put in."""
    at, kind = rnd.randint(0, len(data)), rnd.random()
    if kind < 0.3 and data:
        at = min(at, len(data) - 1)
        return data[:at] + bytes([data[at] ^ (1 << rnd.randrange(8))]) + data[at + 1 :]
    if kind < 0.5:
        return data[:at] + data[at + rnd.choice((1, 2, 8, 64)) :]
    if kind < 0.6:
        return data[:at]
    if kind < 0.75:
        return data[:at] + data[at : at + rnd.choice((1, 8, 64, 256))] * 2 + data[at:]
    return (
        data[:at]
        + rnd.choice((b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b'"', b"\r", b"\n\n", b"\xfe\xff"))
        + data[at:]
    )
