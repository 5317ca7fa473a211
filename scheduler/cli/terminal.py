"""What is printed: tables and colours at a terminal, plain aligned columns in a pipe, or JSON."""

import io
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console


class Styled(NamedTuple):
    """Text with a style of rich's (`green`, `bold red`, `dim`)."""

    text: str
    style: str


Cell = str | Styled
Line = Sequence[Cell]

GOOD, BAD, WARN, QUIET, STRONG = "green", "bold red", "yellow", "dim", "bold"


def clean(text: str) -> str:
    """Return the text without control characters: a car's name must not steer the terminal."""
    return "".join(" " if c in "\n\t" else "" if unicodedata.category(c) in {"Cc", "Cf"} else c for c in text)


@cache
def colourful() -> bool:
    """Tell whether a person watches: then rich draws, otherwise plain text is printed."""
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


@cache
def _console(*, error: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=error, highlight=False, soft_wrap=False, emoji=False, markup=False)


def show_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=indent, ensure_ascii=False))


def _parts(line: Cell | Line) -> list[Styled]:
    cells = [line] if isinstance(line, str | Styled) else line
    return [cell if isinstance(cell, Styled) else Styled(cell, "") for cell in cells]


def show(line: Cell | Line = "") -> None:
    """Print one line of text, styled in parts."""
    parts = _parts(line)
    if not colourful():
        print("".join(clean(part.text) for part in parts).rstrip())
        return
    from rich.text import Text

    _console().print(Text.assemble(*((clean(part.text), part.style) for part in parts)))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: Iterable[str] = ()) -> None:
    """Print a table; columns named in `right` hold figures. Without rows nothing is printed.

    Columns that are all nameless get no heading.
    """
    body = [[part for cell in row for part in _parts(cell)] for row in rows]
    if not body:
        return
    aligned = [name in set(right) for name in columns]
    if not colourful():
        _plain_table(columns, body, aligned)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(columns))
    for index, (name, to_right) in enumerate(zip(columns, aligned, strict=True), start=1):
        last = index == len(columns)
        table.add_column(name, justify="right" if to_right else "left", overflow="fold", no_wrap=not last)
    for row in body:
        table.add_row(*(Text(clean(cell.text), style=cell.style) for cell in row))
    _console().print(table)


def _plain_table(columns: Sequence[str], body: Sequence[Sequence[Styled]], aligned: Sequence[bool]) -> None:
    lines = [[clean(cell.text) for cell in row] for row in body]
    if any(columns):
        lines.insert(0, list(columns))
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, aligned, strict=True)
        ]
        print("  ".join(cells).rstrip())


def complain(title: str, details: Iterable[str] = (), remedy: str = "") -> None:
    """Tell on standard error what is wrong and what to do about it."""
    lines: list[tuple[Cell, ...]] = [(Styled("error: ", BAD), title)] if title else []
    lines += [("  ", detail) for text in details for detail in text.splitlines()]
    lines += [(Styled("  → ", STRONG), remedy)] if remedy else []
    for line in lines:
        parts = _parts(line)
        if sys.stderr.isatty():
            from rich.text import Text

            _console(error=True).print(Text.assemble(*((clean(part.text), part.style) for part in parts)))
        else:
            print("".join(clean(part.text) for part in parts), file=sys.stderr)


def never_mind_letters() -> None:
    """Let the outputs replace what their encoding cannot hold: a car's name must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def ascii_only() -> bool:
    """Tell whether the output cannot hold the characters that charts are drawn with."""
    try:
        "▁█░━▲│".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return True
    return os.environ.get("TERM") in {"dumb", "linux"}


def columns() -> int:
    """Return how wide the terminal is."""
    return _console().width if colourful() else 100
