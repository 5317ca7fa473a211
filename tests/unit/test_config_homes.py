"""A home on its own: checked beside others, and written as the TOML that stands for it."""

import tomllib
from datetime import date, time

import pytest

from scheduler.config import checked_home, installed, load, table_of, toml_of
from scheduler.core.errors import HomeInvalid
from scheduler.core.model import Mode

ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": "secret"}
FILE = """
[enode]
environment = "sandbox"
client_id = "id"
[[prices]]
name = "market"
source = "file"
path = "prices.csv"
[[home]]
id = "oslo"
user_id = "user"
timezone = "Europe/Oslo"
location_id = "l-1"
charger_ids = ["c-1"]
latitude = 59.9
longitude = 10.7
min_dwell_min = 15
slack_min = 45
[[home.vehicle]]
id = "v-1"
name = "Blue \\"one\\""
capacity_kwh = 58
[[home.policy]]
name = "ready-by"
at = 07:30:00
days = ["mon-fri"]
departures = [{ at = 2030-01-02T03:04:05, soc_pct = 90 }]
"""


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "kwhen.toml"
    path.write_text(FILE)
    return load(path, ENVIRON)


def table(**changes):
    made = {"id": "cabin", "user_id": "user", "timezone": "Europe/Oslo", "location_id": "l-2", "charger_ids": ["c-2"],
            "vehicle": [{"id": "v-2"}], "policy": [{"name": "ready-by", "at": "07:30"}]}  # fmt: skip
    return made | changes


def made(settings, beside=None, **changes):
    return checked_home(table(**changes), settings=settings, beside=beside or {}, plugins=installed())


def test_a_table_becomes_a_home(settings):
    home = made(settings, mode="observe")
    assert (home.id, home.location_id, home.mode, home.charger_ids) == ("cabin", "l-2", Mode.OBSERVE, ("c-2",))
    assert [one.id for one in home.vehicles] == ["v-2"]
    assert home.policies[0].settings == {"at": "07:30"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"id": "oslo"}, "id: home 'oslo' stands at home oslo", id="an-id-of-the-files"),
        pytest.param({"vehicle": [{"id": "v-1"}]}, r"vehicle\[0\].id", id="a-car-of-another-home"),
        pytest.param({"charger_ids": ["c-1"]}, "charger_ids", id="a-charger-of-another-home"),
        pytest.param({"timezone": "Nowhere/Land"}, "timezone", id="no-zone"),
        pytest.param({"colour": "red"}, "colour: is unknown", id="an-unknown-key"),
        pytest.param({"vehicle": [{"id": "v", "capacity": 5}]}, "capacity_kwh", id="a-key-nearly-right"),
        pytest.param({"policy": [{"name": "horoscope"}]}, "horoscope", id="no-such-policy"),
        pytest.param({"policy": [{"name": "spot", "source": "nobody"}]}, "market", id="no-such-prices"),
        pytest.param({"latitude": 0, "longitude": 0}, "Gulf of Guinea", id="nowhere"),
        pytest.param({"location_id": None}, "location_id", id="no-place"),
        pytest.param({"vehicle": "v"}, "vehicle", id="a-word-for-a-list"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(settings, changes, named):
    with pytest.raises(HomeInvalid, match=named):
        made(settings, **changes)


def test_another_home_made_at_run_time_counts_too(settings):
    with pytest.raises(HomeInvalid, match="stands at home cabin"):
        made(settings, beside={"cabin": made(settings)}, id="barn", charger_ids=["c-3"])


def test_a_home_of_the_file_is_written_as_it_stands_there(settings):
    [home] = settings.homes
    lines = toml_of(table_of(home))
    [back] = tomllib.loads(lines)["home"]
    assert back["vehicle"] == [{"id": "v-1", "name": 'Blue "one"', "capacity_kwh": 58.0}]
    assert (back["min_dwell_min"], back["slack_min"], back["charger_ids"]) == (15.0, 45.0, ["c-1"])
    other = load_again(settings, lines)
    assert other.homes == settings.homes


def load_again(settings, lines):
    assert settings.path is not None
    head, _, _ = FILE.partition("[[home]]")
    settings.path.write_text(head + lines)
    return load(settings.path, ENVIRON)


def test_every_kind_of_value_is_written_as_toml():
    values = {"a": True, "b": 1, "c": 1.5, "d": "x\x7f\n", "e": [1, "two"], "f": {"g h": "i"}, "t": time(7, 30),
              "y": date(2030, 1, 2), "n": None}  # fmt: skip
    read = tomllib.loads(toml_of({"id": "h", **values}))["home"][0]
    assert read == {"id": "h", **{key: value for key, value in values.items() if value is not None}}
