"""iCalendar text cut into its events (RFC 5545), before anything in it is understood.

Only what says when an event begins and what it is called is kept: what else is in a calendar (guests, alarms, notes)
is nobody's business here, and cannot break anything.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

from scheduler.core.calendar import zone_named

KEPT = frozenset(
    {"UID", "DTSTART", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "SUMMARY", "DESCRIPTION", "STATUS", "SEQUENCE"}
)

MOST_A_DAY = 24
"""An event that comes again more often than this is left out: nobody leaves home so often."""

_FOLD = re.compile(rb"\r?\n[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_DAY = re.compile(r":(\d{8})(?:T\d{6}Z?)?\s*$")
_ZONE = re.compile(r';TZID="?([^";:]+)')
_FREQUENT = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})


@dataclass(frozen=True)
class Event:
    """The kept lines of one VEVENT, unfolded."""

    lines: tuple[str, ...]

    def named(self, name: str) -> list[str]:
        """Return the lines of one property."""
        return [line for line in self.lines if _name(line) == name]

    def days(self) -> list[str]:
        """Return the local date on which it begins, `YYYYMMDD`; nothing where that cannot be told at a glance."""
        return [found[1] for line in self.named("DTSTART") if (found := _DAY.search(line))]

    def rules(self) -> list[dict[str, str]]:
        """Return what its recurrence rules say, by the names of their parts."""
        texts = (line.partition(":")[2] for line in self.named("RRULE"))
        return [{k: v for k, _, v in (part.partition("=") for part in text.upper().split(";"))} for text in texts]


@dataclass(frozen=True)
class Series:
    """All events of one UID: one that may recur, and the instances of it that were moved or changed."""

    events: tuple[Event, ...]

    def may_touch(self, first: str, last: str) -> bool:
        """Tell whether anything of it may begin on the dates from `first` to `last` (`YYYYMMDD`), both included."""
        if any(not (days := event.days()) or first <= days[0] <= last for event in self.events):
            return True
        rules = [rule for event in self.events for rule in event.rules()]
        more = any(event.named("RDATE") for event in self.events)
        return more or any(rule.get("UNTIL", "9") >= first for rule in rules)

    def recurs_in_utc(self) -> bool:
        """Tell whether a rule makes an instant in UTC come again."""
        return any(
            event.named("RRULE") and any(line.endswith("Z") for line in event.named("DTSTART")) for event in self.events
        )

    def too_frequent(self) -> bool:
        """Tell whether it comes again so often, or by so odd a rule, that it is not to be followed."""
        return any(_too_frequent(rule) for event in self.events for rule in event.rules())

    def zones(self) -> set[str]:
        """Return the names of the time zones that it uses."""
        return {name for event in self.events for line in event.lines for name in _ZONE.findall(line)}


@dataclass(frozen=True)
class Scanned:
    """A calendar in parts: its own zone, the time zones it defines by their names, its series."""

    head: tuple[str, ...]
    zones: dict[str, tuple[str, ...]]
    series: tuple[Series, ...]

    def text(self, series: Series) -> str:
        """Return a calendar that holds one series alone."""
        zones = [line for name in sorted(series.zones() & self.zones.keys()) for line in self.zones[name]]
        events = [line for event in series.events for line in ("BEGIN:VEVENT", *event.lines, "END:VEVENT")]
        own = self.head if series.recurs_in_utc() else ()  # it tells by which clock those recur
        head = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:kwhen", *own)
        return "\r\n".join([*head, *zones, *events, "END:VCALENDAR", ""])


@dataclass
class _Parts:
    stack: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    zones: dict[str, tuple[str, ...]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    current: list[str] = field(default_factory=list)


def scan(content: bytes) -> Scanned:
    """Return the parts of a calendar.

    Raises:
        ValueError: it is no iCalendar text, or it is cut off.
    """
    parts = _Parts()
    ended = False
    for line in _lines(content):
        if not parts.stack and line.upper() != "BEGIN:VCALENDAR":
            raise ValueError("it is no iCalendar text")
        _take(parts, line)
        ended = not parts.stack
    if not ended:
        raise ValueError("it is cut off or broken" if parts.stack else "it is empty")
    return Scanned(head=tuple(parts.head), zones=parts.zones, series=tuple(_by_uid(parts.events)))


def _lines(content: bytes) -> Iterator[str]:
    """Yield the unfolded lines. A fold may part the bytes of one letter, so it is undone before they are read."""
    whole = _FOLD.sub(b"", content.removeprefix(b"\xef\xbb\xbf"))
    for raw in re.split(rb"[\r\n]+", whole):
        if line := raw.decode("utf-8", errors="replace").strip():
            yield line


def _take(parts: _Parts, line: str) -> None:
    name, stack = _name(line), parts.stack
    if name == "BEGIN":
        stack.append(_value(line))
        if len(stack) == 2:  # noqa: PLR2004 - a part of the calendar itself
            parts.current = []
        if stack[1:2] == ["VTIMEZONE"]:
            parts.current.append(line)
    elif name == "END":
        if stack.pop() != _value(line):
            raise ValueError("it is cut off or broken")
        if stack and stack[1:2] == ["VTIMEZONE"]:
            parts.current.append(line)
        elif len(stack) == 1:
            _close(parts, line)
    elif stack[1:2] == ["VTIMEZONE"] or (stack[1:] == ["VEVENT"] and name in KEPT):
        parts.current.append(line)
    elif len(stack) == 1 and name == "X-WR-TIMEZONE" and _is_zone(line.partition(":")[2].strip()):
        parts.head = [line]


def _is_zone(name: str) -> bool:
    try:
        zone_named(name)
    except ValueError:
        return False
    return True


def _close(parts: _Parts, line: str) -> None:
    match _value(line):
        case "VEVENT":
            parts.events.append(Event(tuple(parts.current)))
        case "VTIMEZONE":
            names = [one.partition(":")[2].strip() for one in parts.current if _name(one) == "TZID"]
            parts.zones.update(dict.fromkeys(names[:1], (*parts.current, line)))
        case _:
            pass


def _by_uid(events: Sequence[Event]) -> Iterator[Series]:
    """Yield the series in the order of the file; an event without a UID stands alone."""
    found: dict[str, list[Event]] = {}
    for number, event in enumerate(events):
        uid = event.named("UID")
        found.setdefault(uid[0].partition(":")[2] if uid else f"\0{number}", []).append(event)
    yield from (Series(tuple(one)) for one in found.values())


def _too_frequent(rule: dict[str, str]) -> bool:
    interval = rule.get("INTERVAL", "1")
    if rule.get("FREQ") in _FREQUENT or not (interval.isdigit() and int(interval) > 0):
        return True
    return prod(len(rule.get(part, "").split(",")) for part in ("BYHOUR", "BYMINUTE", "BYSECOND")) > MOST_A_DAY


def _name(line: str) -> str:
    found = _NAME.match(line)
    return found[0].upper() if found else ""


def _value(line: str) -> str:
    return line.partition(":")[2].strip().upper()
