"""What people and other programs write: price files, calendars, the configuration, journals, questions; stored rows."""

import asyncio
import atexit
import contextlib
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from scheduler.calendars.ics import read_calendar
from scheduler.cli import journal
from scheduler.cli.ending import Ending
from scheduler.cli.solve_line import answered
from scheduler.config import installed, load, policy_sets
from scheduler.core.command import ActionReport, Outcome
from scheduler.core.errors import CalendarUnread, ConfigError, PriceError, StoreError
from scheduler.core.model import Hand, Override, Will
from scheduler.core.observation import Reading, Source
from scheduler.prices.file import FileSource
from storage import mapping
from tests.fakes_daemon import NOW, a_command, make_home, make_state, seen, waiting
from tests.fuzz.enode_targets import driven, storable
from tests.fuzz.price_targets import AT, SOON, judge
from tests.fuzz.seeds import CHECKOUT, dumped, headed
from tests.fuzz.target import Target
from tests.unit.calendars.writing import event, ics, span
from tests.unit.checker_journal import ready
from tests.web_support import NOON, RECEIVED

NO_WEB: Any = None


@cache
def _directory() -> Path:
    """Return a directory of this process alone."""
    kept = tempfile.TemporaryDirectory(prefix="kwhen-fuzz-")
    atexit.register(kept.cleanup)
    return Path(kept.name)


def file_of(name: str, content: bytes) -> Path:
    path = _directory() / name
    path.write_bytes(content)
    return path


# --- price files ------------------------------------------------------------------------------------------------------


async def _here(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do at once what would be done in a thread."""
    return work(*arguments)


def _price_file(data: bytes) -> None:
    """First byte: the kind of file and the settings; then the file."""
    how = data[0] if data else 0
    name = ("p.csv", "p.json", "p.csv.gz", "p.json.gz")[how % 4]
    content = data[1:]
    if name.endswith(".gz") and how < 192:
        content = gzip.compress(content, 1)
    settings = {} if how & 4 else {"currency": "EUR", "unit": "MWh", "zone": "NO1"}
    source = FileSource(path=str(file_of(name, content)), **settings)
    with mock.patch.object(asyncio, "to_thread", _here):
        judge(driven(source.fetch(SOON, at=AT, web=NO_WEB)), SOON)


def _price_files() -> list[bytes]:
    rows = [f"2026-01-05T{n:02}:00:00Z,2026-01-05T{n + 1:02}:00:00Z,{n}.5" for n in range(5)]
    table = "\n".join(["# currency: EUR", "# unit: EUR/MWh", "# zone: NO1", "start_utc,end_utc,price", *rows, ""])
    slots = [dict(zip(("start", "end", "price"), row.split(","), strict=True)) for row in rows]
    texts = headed([table.encode()], b"\x00", b"\x04", b"\x02", b"\xc2")
    return texts + headed(
        dumped(slots, {"currency": "EUR", "unit": "ct/kWh", "slots": slots}), b"\x01", b"\x05", b"\x03"
    )


# --- calendars --------------------------------------------------------------------------------------------------------

CALENDAR_SPAN = span("2026-03-01T00:00", "2026-04-05T00:00")
_ICS = (
    b"BEGIN:VEVENT", b"END:VEVENT", b"BEGIN:VTIMEZONE", b"END:VTIMEZONE", b"END:VCALENDAR", b"DTSTART", b";VALUE=DATE:20260310", b";TZID=",
    b"TZID:Nowhere", b"RRULE:FREQ=DAILY", b"FREQ=YEARLY", b"FREQ=SECONDLY", b";INTERVAL=", b";COUNT=", b";UNTIL=", b";BYDAY=MO,-5FR", b";BYSETPOS=",
    b";BYHOUR=1,2,3", b";BYMONTHDAY=31", b";BYWEEKNO=53", b";BYYEARDAY=366", b"RDATE", b"EXDATE", b"RECURRENCE-ID", b"DURATION:-P1W",
    b"DTEND:", b"20260310T073000Z", b"20260310T073000", b"00010101T000000", b"99991231T235959Z", b"SUMMARY:80 %", b"\r\n ", b"\n\t", b"\\n", b"=", b":", b";",
    b"X-WR-TIMEZONE:Europe/Oslo", b"STATUS:CANCELLED", b"VALUE=PERIOD", b"P1D", b"WKST=SU", b"TZOFFSETTO:+9999", b"EXRULE:FREQ=DAILY", b"RSCALE=HEBREW",
)  # fmt: skip


def _calendar(data: bytes) -> None:
    read = read_calendar(data, calendar="family", span=CALENDAR_SPAN, timezones=("Europe/Oslo", "America/New_York"))
    for departures in read.departures.values():
        assert all(CALENDAR_SPAN.start <= one.at < CALENDAR_SPAN.end for one in departures), (
            "a departure outside the span"
        )
        storable(departures)


def _calendars() -> list[bytes]:
    zone = """BEGIN:VTIMEZONE
TZID:Home
BEGIN:STANDARD
DTSTART:20251026T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""
    weekly = event(
        "DTSTART;TZID=Europe/Oslo:20260105T073000",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;UNTIL=20270101T000000Z",
        "EXDATE;TZID=Europe/Oslo:20260309T073000",
        "SUMMARY:Work 80 %",
    )
    moved = event(
        "DTSTART;TZID=Europe/Oslo:20260311T093000",
        "RECURRENCE-ID;TZID=Europe/Oslo:20260311T073000",
        "SUMMARY:Work late",
    )
    return [
        ics(event("DTSTART:20260310T073000Z", "SUMMARY:Dentist", "DESCRIPTION:bring\\n12 kWh")),
        ics(weekly, moved),
        ics(zone, event("DTSTART;TZID=Home:20260310T073000", "RRULE:FREQ=DAILY;COUNT=40", uid="2")),
        ics(event("DTSTART;VALUE=DATE:20260310", "RDATE;VALUE=DATE:20260312,20260313", "SUMMARY:Trip"), head="X-WR-TIMEZONE:Europe/Oslo\r\n"),
        ics(event("DTSTART:20260301T000000Z", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=5,6", "STATUS:CANCELLED", uid="3")),
    ]  # fmt: skip


# --- the configuration ------------------------------------------------------------------------------------------------

ENVIRON = {
    "KWHEN_ENODE__CLIENT_SECRET": "s3cr3t-of-nobody",
    "KWHEN_WEBHOOK__SECRET": "0123456789abcdef",
    "HOME": "/nonexistent",
}
_TOML = (
    b"[[home]]", b"[[home.vehicle]]", b"[[home.policy]]", b"[[prices]]", b"[[calendar]]", b"[[notify]]", b"[enode]", b"[control]", b"[home]", b"[http]",
    b"true", b"nan", b"-inf", b'""', b"''", b'"""', b"[]", b"{}", b"[[]]", b"{a=1}", b"1979-05-27", b"07:32:00", b"1979-05-27T07:32:00-07:00", b"0x7F",
    b"policy", b"name", b"url", b"source", b"at", b"id", b"timezone", b"listen", b"secret", b"stand_in", b'"spot"', b'"carbon"', b'"ready-by"', b'"url"',
    b'"127.0.0.1:99999"', b'"Europe/../Oslo"', b'"/etc/passwd"', b'"\\u0000"', b'"\\ud800"', b'"http://[::1"', b'"http://a:b@c:99999/"', b"=", b"\n", b'"Etc/GMT+99"',
    b'"postgresql://u:p@h:x/d"', b"[" * 2000, b"{a=" * 500, b"a." * 2000,
)  # fmt: skip


@cache
def plugins() -> Any:
    return installed()


def _configuration(data: bytes) -> None:
    settings = load(file_of("kwhen.toml", data), ENVIRON, plugins=plugins())
    policy_sets(settings, plugins())
    for home in settings.homes:
        mapping.decode_home(mapping.encode_home(home))
    storable([(one.key, one.value) for one in settings.shown])


CONFIGURED = """
[enode]
environment = "sandbox"
client_id = "me"
[[home]]
id = "oslo"
user_id = "u"
timezone = "Europe/Oslo"
location_id = "l"
[[home.vehicle]]
id = "v"
capacity_kwh = 60
[[home.policy]]
name = "flat"
per_kwh = 0.3
[[prices]]
name = "market"
source = "nord-pool"
zone = "NO1"
"""
MORE = """
stand_in = "other"
[[prices]]
name = "other"
source = "url"
url = "https://x.test/{date}"
rows = "@"
start = "a"
price = "b"
unit = "EUR/MWh"
currency = "EUR"
[[home.policy]]
name = "ready-by"
at = "07:30"
soc_pct = 80
days = ["mon", "fri"]
[[home.policy]]
name = "off-peak"
windows = [{start = "22:00", end = "06:00"}]
[[home.policy]]
name = "spot"
source = "market"
vat_pct = 25
[[notify]]
name = "phone"
by = "ntfy"
topic = "abc"
[[calendar]]
name = "family"
url = "https://x.test/a.ics"
"""


def _configurations() -> list[bytes]:
    example = (CHECKOUT / "config.example.toml").read_text()
    lines = [line for line in example.splitlines() if line.strip() and not line.startswith("#")]
    return [text.encode() for text in (CONFIGURED, CONFIGURED + MORE, "\n".join(lines))]


# --- journals and questions -------------------------------------------------------------------------------------------


def _journal(data: bytes) -> None:
    path = file_of("journal.jsonl", data)
    with contextlib.redirect_stdout(io.StringIO()):
        journal.check(file=path)


def _journals() -> list[bytes]:
    night = (
        ready()
        .start("a")
        .result("a")
        .at(30)
        .obs(charging=True)
        .plan((0, 60))
        .stop("b")
        .ovr()
        .alert("NO_PAUSE")
        .truth(50.0)
    )
    small = ready().ticks(3.0, charging=False)
    return [b"\n".join(map(_line, one.events)) for one in (night, small)] + [_line(one) for one in night.events]


def _line(event_: dict[str, Any]) -> bytes:
    return json.dumps(event_).encode()


_JOURNAL = (
    b'"k"', b'"OBS"', b'"SEND"', b'"INTENT"', b'"RESULT"', b'"CONF"', b'"NEED"', b'"PLAN"', b'"PRICE"', b'"TICK"', b'"OVR"', b'"LEASE"', b'"ALERT"', b"null",
    b"true", b"[]", b"{}", b'""', b'"ts"', b'"v"', b'"t"', b'"m"', b'"run"', b'"cmd"', b'"act"', b'"homes"', b'"params"', b"NaN", b"Infinity", b"[" * 2000, b'"CHARGER"', b'"TRUTH"',
)  # fmt: skip


def _question(data: bytes) -> None:
    answer = json.loads(answered(data))
    if "internal fault" in answer.get("error", ""):
        raise AssertionError(answer["error"])


def _questions() -> list[bytes]:
    rates = [
        {"start": f"2026-01-05T{n:02}:00:00Z", "end": f"2026-01-05T{n + 1:02}:00:00Z", "value": v}
        for n, v in enumerate((3.0, 1.5, -2.0, 4.0, 0.5))
    ]
    line = {
        "now": "2026-01-05T00:00:00Z",
        "target": "2026-01-05T05:00:00Z",
        "duration_s": 5400,
        "rates": rates,
        "power_kw": 11.0,
    }
    curve = {
        **line,
        "power_kw": None,
        "curve": [[0, 0], [3600, 11], [7200, 15]],
        "start_cost": 0.2,
        "precondition_s": 600,
    }
    return dumped(line, curve, {**line, "continuous": True})


# --- stored rows ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stored:
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    values: Callable[[], list[Any]]


STORED = (
    _Stored(mapping.decode_state, mapping.encode_state, lambda: [make_state("v", make_home(), seen())]),
    _Stored(mapping.decode_reading, mapping.encode_reading, lambda: [Reading(vehicle_id="v", user_id="u", source=Source.POLL, received=RECEIVED)]),
    _Stored(mapping.decode_report, mapping.encode_report, lambda: [ActionReport(outcome=Outcome.PENDING, received_at=NOON, action_id="a")]),
    _Stored(mapping.decode_override, mapping.encode_override, lambda: [Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW)]),
    _Stored(mapping.decode_command, mapping.encode_command, lambda: [a_command()]),
    _Stored(mapping.decode_decision, mapping.encode_decision, lambda: [waiting()]),
    _Stored(mapping.decode_home, mapping.encode_home, lambda: [make_home()]),
)  # fmt: skip


def _row(data: bytes) -> None:
    """First byte: what kind of row; then the row."""
    kind = STORED[data[0] % len(STORED)] if data else STORED[0]
    value = kind.decode(data[1:])
    assert kind.decode(kind.encode(value)) == value, "a row does not come back"


def _rows() -> list[bytes]:
    rows = [bytes([n]) + kind.encode(value) for n, kind in enumerate(STORED) for value in kind.values()]
    return [*rows, *(bytes([n]) + b"{}" for n in range(len(STORED)))]


TARGETS = (
    Target(name="prices-file", run=_price_file, seeds=_price_files, expected=(PriceError,), head=1, form="text", words=(b"# unit: EUR/kWh", b"start_utc", b"end", b'"', b",", b"nan", b"\n", b"#"), cost=4.0),
    Target(name="calendar", run=_calendar, seeds=_calendars, expected=(CalendarUnread,), form="text", words=_ICS, cost=40.0),
    Target(name="configuration", run=_configuration, seeds=_configurations, expected=(ConfigError,), form="text", words=_TOML, cost=25.0),
    Target(name="journal", run=_journal, seeds=_journals, expected=(Ending, typer.Exit), form="text", words=_JOURNAL, cost=8.0),
    Target(name="solve", run=_question, seeds=_questions, expected=(), cost=3.0),
    Target(name="stored-row", run=_row, seeds=_rows, expected=(StoreError,), head=1, cost=1.0),
)  # fmt: skip
