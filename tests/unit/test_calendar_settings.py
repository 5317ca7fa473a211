"""The `[[calendar]]` tables: what is loaded, what is refused, and where a private address comes from."""

import sys
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.clock import SystemClock
from scheduler.config import calendar_sources, checked_home, installed, load, warnings
from scheduler.core.errors import ConfigError, HomeInvalid
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient

ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": "secret-of-no-account"}
PRIVATE = "https://calendar.example.org/ical/me/private-0a1b2c3d4e5f/basic.ics?key=canary-of-the-query"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FAMILY = '[[calendar]]\nname = "family"\n'
WEB = FAMILY + 'url = "https://calendar.example.org/family.ics"\n'
HOME = """[[home]]
id = "h"
user_id = "u"
timezone = "Europe/Oslo"
location_id = "l"
mode = "observe"
[[home.vehicle]]
id = "v"
[[home.policy]]
name = "flat"
per_kwh = 0.2
[[home.policy]]
name = "ready-by"
"""
READING = HOME + 'calendar = "family"\n'


@pytest.fixture
def loaded(tmp_path):
    def loaded(text: str, **environ: str):
        path = tmp_path / "kwhen.toml"
        path.write_text(f'secrets_dir = "{tmp_path}"\n[enode]\nenvironment = "sandbox"\nclient_id = "me"\n{text}')
        return load(path, ENVIRON | {"HOME": str(tmp_path)} | environ)

    return loaded


def problem(loaded, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(text, **environ)
    (told,) = caught.value.problems
    return told


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://c.example.org/a.ics", "https://c.example.org/a.ics"),
        ("webcal://c.example.org/a.ics", "https://c.example.org/a.ics"),
        ("WEBCAL://c.example.org/a.ics", "https://c.example.org/a.ics"),
        ("http://127.0.0.1:8080/a.ics", "http://127.0.0.1:8080/a.ics"),
        ("http://localhost/a.ics", "http://localhost/a.ics"),
    ],
)
def test_an_address_may_stand_in_the_file(loaded, url, asked):
    (one,) = loaded(f'{FAMILY}url = "{url}"\n').calendars
    assert (one.name, one.address.reveal(), one.path) == ("family", asked, "")


def test_a_private_address_comes_from_a_variable_and_is_nowhere_shown(loaded):
    settings = loaded(FAMILY, KWHEN_CALENDAR_SECRET__FAMILY=PRIVATE)
    assert settings.calendars[0].address.reveal() == PRIVATE
    shown = {one.key: (one.value, one.origin) for one in settings.shown}
    assert shown["calendar[0].secret"] == ("[hidden]", "KWHEN_CALENDAR_SECRET__FAMILY")
    for text in (repr(settings), str(settings.shown), settings.calendars[0].product):
        assert "private-0a1b" not in text
        assert "canary" not in text
    assert settings.notes == ()
    assert settings.digest == loaded(FAMILY, KWHEN_CALENDAR_SECRET__FAMILY="https://other.example.org/").digest


def test_no_part_of_a_private_address_passes_the_redactor(loaded):
    redact = Redactor(loaded(FAMILY, KWHEN_CALENDAR_SECRET__FAMILY=PRIVATE).secrets())
    for text in (PRIVATE, PRIVATE.partition("?")[0], PRIVATE.partition(".org")[2], "key=canary-of-the-query"):
        assert "private-0a1b" not in redact(f"GET {text} failed")
        assert "canary" not in redact(f"GET {text} failed")


def test_a_password_in_a_private_address_is_a_secret_too(loaded):
    settings = loaded(FAMILY, KWHEN_CALENDAR_SECRET__FAMILY="https://me:correct%20horse@c.example.org/a.ics")
    assert Redactor(settings.secrets())("correct horse") == "[hidden]"


def test_a_private_address_comes_from_a_file(loaded, tmp_path):
    path = tmp_path / "calendar_secret_family"
    path.write_text(f"{PRIVATE}\n")
    path.chmod(0o600)
    assert loaded(FAMILY).calendars[0].address.reveal() == PRIVATE


def test_of_an_address_in_the_file_only_the_host_is_shown(loaded):
    (url,) = [one.value for one in loaded(WEB).shown if one.key == "calendar[0].url"]
    assert url == "https://calendar.example.org/…"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FAMILY, "calendar[0]: says nowhere to read it; give url or path"),
        (FAMILY, "set KWHEN_CALENDAR_SECRET__FAMILY or write it to a file calendar_secret_family"),
        (WEB + 'path = "/a.ics"\n', "url and path exclude one another"),
        (WEB + WEB, "'family' stands at calendar[0] already"),
        (FAMILY + 'url = "http://c.example.org/a.ics"\n', "calendar[0].url: must begin with https:// or webcal://"),
        (FAMILY + 'url = "ftp://c.example.org/a.ics"\n', "must begin with https://"),
        (FAMILY + 'url = "https:///a.ics"\n', "must name a host"),
        (FAMILY + 'url = "https://[/a.ics"\n', "is no address"),
        (FAMILY + 'url = "https://me:pw@c.example.org/"\n', "a password must not stand in this file"),
        (FAMILY + 'path = ""\n', "calendar[0].path"),
        (FAMILY + 'secret = "x"\n', "it must not stand in this file"),
        (FAMILY + 'pth = "/a.ics"\npath = "/a.ics"\n', "did you mean 'path'"),
        (WEB.replace("family", "Our family", 1), "calendar[0].name"),
    ],
)
def test_what_cannot_be_meant_is_refused(loaded, text, told):
    assert told in problem(loaded, text)


@pytest.mark.parametrize("key", ['url = "https://c.example.org/a.ics"', 'path = "/a.ics"'])
def test_a_private_address_stands_alone(loaded, key):
    told = problem(loaded, f"{FAMILY}{key}\n", KWHEN_CALENDAR_SECRET__FAMILY=PRIVATE)
    assert "and KWHEN_CALENDAR_SECRET__FAMILY exclude one another" in told


@pytest.mark.parametrize("address", ["http://c.example.org/canary", "canary", "https://c.example.org/can ary"])
def test_a_private_address_that_cannot_be_asked_is_refused_and_not_told(loaded, address):
    told = problem(loaded, FAMILY, KWHEN_CALENDAR_SECRET__FAMILY=address)
    assert "the address in KWHEN_CALENDAR_SECRET__FAMILY must" in told
    assert address not in told
    assert "canary" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WEB + HOME + 'calendar = "famliy"\n', "no [[calendar]] is named 'famliy'; did you mean 'family'?"),
        (READING, "no [[calendar]] is named 'family'; none is configured"),
        (WEB + HOME + 'match = "x"\nat = "07:00"\n', "name one with calendar"),
    ],
)
def test_a_policy_reads_a_calendar_that_there_is(loaded, text, told):
    assert told in problem(loaded, text)


def test_a_home_made_at_run_time_names_one_of_them_too(loaded):
    table = {"id": "n", "user_id": "n", "timezone": "Europe/Oslo", "mode": "observe"}
    settings = loaded(WEB)
    for name in ("family", "work"):
        policy = {"policy": [{"name": "ready-by", "calendar": name}]}
        if name == "family":
            home = checked_home(table | policy, settings=settings, beside={}, plugins=installed())
            assert home.calendars == {"family"}
        else:
            with pytest.raises(HomeInvalid, match="no \\[\\[calendar\\]\\] is named 'work'"):
                checked_home(table | policy, settings=settings, beside={}, plugins=installed())


def test_what_is_as_it_should_be_raises_no_doubt(loaded):
    assert warnings(loaded(WEB + READING), at=NOW) == ()


def test_a_calendar_that_nobody_reads_is_doubted(loaded):
    assert "calendar family: no policy reads it" in warnings(loaded(WEB), at=NOW)


def test_a_file_that_is_not_there_is_doubted(loaded, tmp_path):
    (told,) = warnings(loaded(f'{FAMILY}path = "{tmp_path}/none.ics"\n{READING}'), at=NOW)
    assert told == f"calendar family: {tmp_path}/none.ics cannot be read: No such file or directory; it is tried again"


def test_without_the_packages_it_says_what_to_install(loaded, monkeypatch):
    monkeypatch.setitem(sys.modules, "scheduler.calendars.ics", None)
    (told,) = warnings(loaded(WEB + READING), at=NOW)
    assert told.startswith("calendar family is set aside: ")
    assert "pip install icalendar recurring-ical-events" in told


async def test_each_table_becomes_a_source(loaded, tmp_path):
    text = f'{WEB}[[calendar]]\nname = "work"\npath = "{tmp_path}/work.ics"\n'
    async with WebClient(SystemClock()) as web:
        sources = calendar_sources(loaded(text), web)
        again = calendar_sources(loaded(text.replace("family.ics", "other.ics")), web)
    assert {name: one.every for name, one in sources.items()} == {
        "family": timedelta(minutes=15),
        "work": timedelta(minutes=1),
    }
    assert sources["family"].product != again["family"].product
    assert sources["work"].product == again["work"].product
