"""`kwhen prices --check` against the simulated price services, over HTTP: what came, or what to mend. No token is told."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.cli import main, source_check, terminal
from scheduler.cli.ending import CONFIGURATION, NOT_SO, USAGE
from simulator.api_entso_e import ENTSO_E, ENTSO_E_TOKEN
from simulator.api_prices import NORD_POOL, OCTOPUS, TIBBER, TIBBER_TOKEN
from simulator.clock import ManualClock
from simulator.market import Zone, delivery_day
from simulator.market_made import made
from simulator.server import serve
from simulator.world import World
from tests.web_support import StepClock

AFTERNOON = datetime(2026, 1, 13, 13, 0, tzinfo=UTC)  # 14:00 in Brussels: tomorrow is awaited, and not late
EVENING, MORNING = AFTERNOON + timedelta(hours=5), AFTERNOON - timedelta(hours=6)
DAY = timedelta(days=1)
TARIFF = "E-1R-AGILE-18-02-21-J"
CANARY = "a-canary-that-nobody-may-hear-of"
SECRET = "KWHEN_PRICES_SECRET__MARKET"


class Stage:
    """A simulated market and a configuration that asks it."""

    def __init__(self, path, world, url) -> None:
        self.path, self.world, self.url = path, world, url

    @property
    def zone(self) -> Zone:
        return next(iter(self.world.market.zones.values()))

    def write(self, *tables: str, home: str = 'currency = "NOK"', policy: str = "") -> None:
        """Write the configuration: tables of prices, and one home."""
        prices = "".join(f"[[prices]]\n{table}\n" for table in tables)
        self.path.write_text(
            '[enode]\nenvironment = "sandbox"\nclient_id = "me"\n'
            f"{prices}"
            f'[[home]]\nid = "h"\nuser_id = "u"\ntimezone = "Europe/Oslo"\nlocation_id = "l"\n{home}\n{policy}\n'
        )

    def nord_pool(self, name: str = "market", zone: str = "NO1", currency: str = "NOK", more: str = "") -> str:
        settings = f'zone = "{zone}"\ncurrency = "{currency}"\nurl = "{self.url}{NORD_POOL}"\n{more}'
        return f'name = "{name}"\nsource = "nord-pool"\n{settings}'


@contextmanager
def served(world: World, at: datetime) -> Iterator[str]:
    """Serve a world from a thread of its own while the command runs in this one."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), []

    async def start() -> None:
        found.append(await serve(world, ManualClock(at)))
        ready.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(found[0].stop())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0].url
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@pytest.fixture
def now():
    return AFTERNOON


@pytest.fixture
def stage(tmp_path, monkeypatch, now):
    monkeypatch.setattr(source_check, "SystemClock", lambda: StepClock(now))
    monkeypatch.setenv("KWHEN_ENODE__CLIENT_SECRET", "the-secret-of-no-account")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal.colourful.cache_clear()
    world = World(seed=1, start_at=now)
    world.market.add(Zone(name="NO1", currency="NOK", prices=made(seed=1)))
    with served(world, now) as url:
        yield Stage(tmp_path / "kwhen.toml", world, url)


@pytest.fixture
def check(stage, capsys, monkeypatch):
    """Run the command twice, for a person and as JSON; the token, whatever comes of it, is in neither."""

    def run(*, token: str = "", status: int = 0):
        if token:
            monkeypatch.setenv(SECRET, token)
        seen = []
        for more in ([], ["--json"]):
            assert main(["prices", "--check", "-c", str(stage.path), *more]) == status
            captured = capsys.readouterr()
            assert not token or token not in captured.out + captured.err
            seen.append(captured)
        return seen[0].out, json.loads(seen[1].out) if seen[1].out else seen[0].err

    return run


def test_a_source_that_tells_its_prices_is_good(stage, check):
    stage.write(stage.nord_pool(), policy='[[home.policy]]\nname = "spot"\nsource = "market"')
    out, told = check()
    assert out.splitlines() == [
        "ok    market (nord-pool): zone NO1, NOK, 48 slots of 60 min, 2026-01-12 23:00 … 2026-01-14 23:00 UTC"
    ]
    assert told["ok"] is True
    assert told["sources"] == [
        {
            "name": "market", "source": "nord-pool", "ok": True, "zone": "NO1", "currency": "NOK", "slots": 48, "steps_min": [60.0],
            "start": "2026-01-12T23:00:00Z", "end": "2026-01-14T23:00:00Z", "notes": [], "faults": [],
        }
    ]  # fmt: skip


def test_each_source_is_asked_once_and_for_no_more_than_it_should_know(stage, check, monkeypatch):
    stage.write(stage.nord_pool())
    check()
    calls = [call for _, call in stage.world.market.requests]
    assert len(calls) == 2 * 2, "today and tomorrow, for each of two runs"


def test_not_published_yet_is_fine_before_it_is_late(stage, check):
    stage.zone.late[delivery_day(AFTERNOON) + DAY] = None
    stage.write(stage.nord_pool())
    out, told = check()
    assert "ok    market (nord-pool): zone NO1, NOK, 24 slots" in out
    assert "tomorrow is not published yet. Usually it is there from 12:45 on, and late from 14:30 on" in out
    assert len(told["sources"][0]["notes"]) == 1


@pytest.mark.parametrize("now", [EVENING])
def test_not_published_is_a_fault_once_it_is_late(stage, check):
    stage.zone.late[delivery_day(AFTERNOON) + DAY] = None
    stage.write(stage.nord_pool())
    out, told = check(status=NOT_SO)
    assert out.startswith("fail  market (nord-pool): zone NO1, NOK, 24 slots")
    assert "its prices are late: none from 2026-01-13 23:00 UTC on" in out
    assert "from 12:45 on" in told["sources"][0]["faults"][0]["remedy"]


@pytest.mark.parametrize("now", [MORNING])
def test_in_the_morning_tomorrow_is_not_asked_for(stage, check):
    stage.write(stage.nord_pool())
    out, _ = check()
    assert "24 slots" in out
    assert "tomorrow is not asked for yet" in out
    assert len(stage.world.market.requests) == 2


def test_nothing_published_at_all_is_a_fault(stage, check):
    stage.zone.late.update({delivery_day(AFTERNOON) + n * DAY: None for n in range(2)})
    stage.write(stage.nord_pool())
    out, _ = check(status=NOT_SO)
    assert "fail  market (nord-pool)\n      its prices are late: none from 2026-01-12 23:00 UTC on" in out


TOKENED = {
    "tibber": lambda url: f'source = "tibber"\nurl = "{url}{TIBBER}"',
    "entso-e": lambda url: f'source = "entso-e"\nzone = "NO1"\ncurrency = "NOK"\nurl = "{url}{ENTSO_E}"',
}
GOOD_TOKENS = {"tibber": TIBBER_TOKEN, "entso-e": ENTSO_E_TOKEN}


@pytest.mark.parametrize("kind", TOKENED)
def test_a_token_that_is_taken_is_never_told(stage, check, kind):
    stage.write(f'name = "market"\n{TOKENED[kind](stage.url)}')
    out, _ = check(token=GOOD_TOKENS[kind])
    assert out.startswith(f"ok    market ({kind})")


@pytest.mark.parametrize("kind", TOKENED)
def test_a_token_that_is_refused_says_where_to_put_another_and_is_never_told(stage, check, kind):
    stage.write(f'name = "market"\n{TOKENED[kind](stage.url)}')
    out, told = check(token=CANARY, status=NOT_SO)
    remedy = f"Put a token that {kind} takes into {SECRET}, or into a file prices_secret_market"
    assert remedy in out
    assert told["sources"][0]["faults"][0]["remedy"].startswith(remedy)


@pytest.mark.parametrize("kind", TOKENED)
def test_a_token_that_is_missing_says_where_to_put_it(stage, check, kind):
    stage.write(f'name = "market"\n{TOKENED[kind](stage.url)}')
    out, err = check(status=CONFIGURATION)
    assert out == ""
    assert f"set {SECRET} or write it to a file prices_secret_market" in err


def test_a_zone_that_nobody_knows_names_those_that_there_are(stage, check):
    stage.write(stage.nord_pool(zone="NO9"))
    out, err = check(status=CONFIGURATION)
    assert out == ""
    assert "zone must be one of AT, BE" in err


def test_a_zone_that_the_service_does_not_know_is_a_matter_of_settings(stage, check):
    stage.write(stage.nord_pool(zone="SE3"))
    out, _ = check(status=NOT_SO)
    assert "answered 400" in out
    assert "→ Look at the settings of [[prices]] market (zone = 'SE3', currency = 'NOK')" in out


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "drop"}, {"kind": "html"}])
def test_a_service_in_trouble_is_told_from_settings_that_are_wrong(stage, check, fault):
    stage.world.faults.add(path="/prices/*", **fault)
    stage.write(stage.nord_pool())
    out, told = check(status=NOT_SO)
    assert "→ See whether this machine reaches 127.0.0.1. If it does, try again later, or name a stand_in." in out
    assert len(told["sources"][0]["faults"]) == 1


def test_without_a_network_it_says_what_cannot_be_reached(stage, check):
    stage.write(stage.nord_pool().replace(stage.url, "http://127.0.0.1:9"))
    out, _ = check(status=NOT_SO)
    assert "no connection" in out
    assert "reaches 127.0.0.1" in out


def test_a_file_that_is_not_there_is_a_matter_of_settings(stage, check):
    stage.write('name = "market"\nsource = "file"\npath = "/nowhere/prices.csv"')
    out, _ = check(status=NOT_SO)
    assert "→ Look at the settings of [[prices]] market." in out


@pytest.mark.parametrize(
    "policy", ['name = "spot"\nsource = "market"', 'name = "carbon"\nsource = "market"\nper_tonne = 50']
)
def test_prices_of_another_currency_than_their_reader_wants_are_a_fault(stage, check, policy):
    stage.write(stage.nord_pool(), home='currency = "EUR"', policy=f"[[home.policy]]\n{policy}")
    wanted = "EUR" if "spot" in policy else "gCO2"
    out, _ = check(status=NOT_SO)
    assert f"of home h wants {wanted} per kWh, these are in NOK" in out
    stage.write(stage.nord_pool(), home='currency = "EUR"')
    check()


def test_a_stand_in_that_cannot_stand_in_is_a_fault(stage, check):
    backup = 'name = "backup"\nsource = "fixed"\nprice = 1.0\ncurrency = "{}"'
    stage.write(stage.nord_pool(more='stand_in = "backup"'), backup.format("EUR"))
    out, told = check(status=NOT_SO)
    assert "backup cannot stand in for market: prices of no zone in EUR are not prices of NO1 in NOK" in out
    assert [one["ok"] for one in told["sources"]] == [False, True]
    stage.write(stage.nord_pool(more='stand_in = "backup"'), backup.format("NOK"))
    check()


def test_a_stand_in_that_brings_nothing_is_noted(stage, check):
    stage.write(stage.nord_pool(more='stand_in = "backup"'), 'name = "backup"\nsource = "file"\npath = "/nowhere.csv"')
    out, _ = check(status=NOT_SO)
    assert "ok    market" in out
    assert "its stand-in backup brought nothing" in out
    assert "fail  backup (file)" in out


def test_half_hours_are_told_as_such(stage, check):
    stage.world.market.add(Zone(name=TARIFF, currency="GBP", prices=made(seed=1, step=timedelta(minutes=30))))
    stage.write(f'name = "agile"\nsource = "octopus"\ntariff = "{TARIFF}"\nurl = "{stage.url}{OCTOPUS}"')
    out, told = check()
    assert "slots of 30 min" in out
    assert told["sources"][0]["steps_min"] == [30.0]


def test_no_source_at_all_is_fine(stage, check):
    stage.write()
    out, told = check()
    assert out == "No price source is configured.\n"
    assert told == {"ok": True, "sources": []}


@pytest.mark.parametrize("more", [["--home", "h"], ["--day", "today"]])
def test_it_asks_all_or_nothing(stage, more, capsys):
    stage.write()
    assert main(["prices", "--check", "-c", str(stage.path), *more]) == USAGE
    assert "Leave out" in capsys.readouterr().err


def test_doctor_asks_them_when_it_may_go_online(stage, capsys, monkeypatch):
    monkeypatch.setenv(SECRET, CANARY)
    stage.write(stage.nord_pool("good"), f'name = "market"\n{TOKENED["tibber"](stage.url)}')
    enode = f'url = "{stage.url}"\ntoken_url = "{stage.url}/oauth2/token"'
    stage.path.write_text(stage.path.read_text().replace('environment = "sandbox"', enode))
    for more in ([], ["--online"]):
        main(["doctor", "-c", str(stage.path), "--json", *more])
        out = capsys.readouterr().out
        assert CANARY not in out
        found = {one["name"]: one for one in json.loads(out)["findings"]}
        assert ("prices good" in found) == bool(more)
    assert found["prices good"]["level"] == "ok"
    assert "48 slots of 60 min" in found["prices good"]["text"]
    assert found["prices market"]["level"] == "fail"
    assert SECRET in found["prices market"]["remedy"]
