"""`kwhen journal`: what was seen, decided, sent and found; checked against the rules, and decided once more."""

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from time import sleep
from typing import IO, Annotated, Any

import typer

from scheduler.cli.database import UrlOption
from scheduler.cli.ending import NOT_SO, USAGE, Ending
from scheduler.cli.options import CarOption, ConfigOption, JsonOption, SocketOption
from scheduler.cli.records import PAGE, Event, Records, records_of
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, WARN, Styled, show, show_json
from scheduler.core.timeline import from_nanoseconds

FOLLOW_S = 1.0
LONGEST = 100
FIRST_NS = 10**18
"""Whole numbers beyond this are instants [ns since 1970]."""

HIDDEN = frozenset({"row", "seq", "t", "m", "run", "node", "k", "v", "dig"})
"""Members of an event that its line shows in their own place, or not at all."""

KIND_STYLES = {"SEND": STRONG, "RESULT": GOOD, "ALERT": BAD, "AMBIG": WARN, "OVR": WARN, "TICK": QUIET, "OBS": QUIET}

RunOption = Annotated[int | None, typer.Option("--run", min=0, help="Only this run of the daemon.")]

app = typer.Typer(help="The journal: what was seen, decided, sent and found.", no_args_is_help=True)


@app.command()
def tail(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=10_000, help="So many of the latest.")] = 20,
    car: CarOption = None,
    run: RunOption = None,
    socket: SocketOption = None,
    database: UrlOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the latest events."""
    with records_of(socket=socket, database=database, config=config) as records:
        last = _last_row(records, run, car)
        names = records.names() if not as_json else {}
        for event in _latest(records, last, lines, run, car):
            _show(event, names, as_json=as_json)
        with suppress(KeyboardInterrupt):  # how a person ends it
            while follow:
                page = records.journal(after=last, limit=PAGE, run=run, car=car)
                for event in page:
                    _show(event, names, as_json=as_json)
                last = page[-1]["row"] if page else last
                sys.stdout.flush()
                sleep(0 if page else FOLLOW_S)


def _last_row(records: Records, run: int | None, car: str | None) -> int:
    """Return the row number of the newest event, 0 when there is none: rows are only numbered upwards."""

    def next_row(after: int) -> int | None:
        found = records.journal(after=after, limit=1, run=run, car=car)
        return found[0]["row"] if found else None

    low, high = 0, 1  # the newest is never below `low`; beyond `high` there is none once the first loop is done
    while (row := next_row(high)) is not None:
        low, high = row, row * 2
    while low < high:
        middle = (low + high) // 2
        row = next_row(middle)
        low, high = (low, middle) if row is None else (row, high)
    return low


def _latest(records: Records, last: int, count: int, run: int | None, car: str | None) -> list[Event]:
    """Return the newest events, looking ever further back until there are enough."""
    window = max(count, 1)
    while count:
        found = records.journal(after=max(last - window, 0), limit=PAGE, run=run, car=car)
        while found and found[-1]["row"] < last:
            found += records.journal(after=found[-1]["row"], limit=PAGE, run=run, car=car)
        if len(found) >= count or window >= last:
            return found[-count:]
        window *= 4
    return []


def _show(event: Event, names: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        show_json(event, indent=None)
        return
    rest = "  ".join(f"{key}={_short(value)}" for key, value in event.items() if key not in HIDDEN)
    kind, vehicle = str(event["k"]), str(event.get("v") or "")
    at = from_nanoseconds(event["t"])
    show(
        (
            Styled(f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}Z  ", QUIET),
            Styled(f"{kind:<8}", KIND_STYLES.get(kind, "")),
            Styled(f"{names.get(vehicle, vehicle[:8]):<12}  ", STRONG),
            rest,
        )
    )


def _short(value: Any) -> str:
    """Return a member in few words: instants as times of day, long ones cut (`--json` shows all)."""
    text = value if isinstance(value, str) else json.dumps(_readable(value), separators=(",", ":"), ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _readable(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() if value > FIRST_NS:
            return f"{from_nanoseconds(value):%H:%M:%S}Z"
        case float():
            return round(value, 3)
        case list():
            return [_readable(member) for member in value]
        case dict():
            return {key: _readable(member) for key, member in value.items()}
        case _:
            return value


def _pages(records: Records, *, after: int = 0, run: int | None = None, car: str | None = None) -> Iterator[Event]:
    while page := records.journal(after=after, limit=PAGE, run=run, car=car):
        yield from page
        after = page[-1]["row"]


@app.command()
def export(
    *,
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output if not given.")] = None,
    after: Annotated[int, typer.Option("--after", min=0, help="Only rows behind this number.")] = 0,
    car: CarOption = None,
    run: RunOption = None,
    socket: SocketOption = None,
    database: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the journal as JSON lines, one event a line."""
    with records_of(socket=socket, database=database, config=config) as records:
        opened: Any = nullcontext(sys.stdout) if file is None else file.open("w", encoding="utf-8")
        with opened as out:
            count = _write(out, _pages(records, after=after, run=run, car=car))
    if file is not None:
        show((Styled("written: ", GOOD), f"{count} events to {file}"))


def _write(out: IO[str], events: Iterator[Event]) -> int:
    count = 0
    for event in events:
        out.write(json.dumps({k: v for k, v in event.items() if k != "row"}, ensure_ascii=False) + "\n")
        count += 1
    return count


@app.command()
def check(
    *,
    file: Annotated[Path | None, typer.Argument(help="An exported journal; the stored one if not given.")] = None,
    run: RunOption = None,
    socket: SocketOption = None,
    database: UrlOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the journal against the invariants; exit 1 when one is broken."""
    from scheduler.checker import Checker

    checker, count = Checker(), 0
    try:
        if file is not None:
            with file.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        _feed(checker, _event_of(line, number, file))
                        count += 1
        else:
            with records_of(socket=socket, database=database, config=config) as records:
                for event in _pages(records, run=run):
                    _feed(checker, event)
                    count += 1
    except OSError as error:
        raise Ending(NOT_SO, f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Ending(USAGE, f"{file} is no journal: it is no text in UTF-8", details=[str(error)]) from error
    violations = checker.finish()
    if as_json:
        show_json({"events": count, "violations": [found.as_json() for found in violations]})
    else:
        for found in violations:
            show(
                (
                    Styled(f"{found.rule} ", BAD),
                    Styled(f"seq {found.seq} ", QUIET),
                    f"{found.vehicle or '–'}: {found.text}",
                )
            )
        word = Styled(f"{len(violations)} violations", BAD) if violations else Styled("no violation", GOOD)
        show((word, f" in {count} events"))
    if violations:
        raise typer.Exit(NOT_SO)


def _event_of(line: str, number: int, file: Path) -> Event:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Ending(USAGE, f"{file}, line {number}: not JSON", details=[str(error)]) from error
    if not isinstance(event, dict):
        raise Ending(USAGE, f"{file}, line {number}: no event")
    return event


def _feed(checker: Any, event: Event) -> None:
    try:
        checker.feed(event)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Ending(USAGE, f"seq {event.get('seq')} is no event of the journal", details=[repr(error)]) from error


@app.command()
def replay(
    *,
    car: CarOption = None,
    socket: SocketOption = None,
    database: UrlOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide every kept situation once more; exit 1 where the decision would be another today."""
    from scheduler.cli.replaying import replayed

    same, unread, differing = 0, 0, []
    with records_of(socket=socket, database=database, config=config) as records:
        for outcome in replayed(records, car):
            same += outcome.same
            unread += bool(outcome.unreadable)
            if not outcome.same:
                differing.append(outcome)
                if not as_json:
                    outcome.show()
    if as_json:
        show_json({"decisions": same + len(differing), "same": same, "differing": [one.as_json() for one in differing]})
    else:
        word = Styled(f"{len(differing)} differ", BAD) if differing else Styled("all the same", GOOD)
        show(
            (
                word,
                f", {same} of {same + len(differing)} decisions are the same",
                f", {unread} unreadable" if unread else "",
            )
        )
    if differing:
        raise typer.Exit(NOT_SO)
