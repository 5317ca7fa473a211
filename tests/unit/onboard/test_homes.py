import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.config import installed, load
from scheduler.core.errors import HomeInvalid, NotThere, ReadOnlyHome
from scheduler.core.model import Home, Mode, VehicleSpec
from scheduler.onboard.homes import HOMES, PAUSES, Homes, abandoned
from storage.memory import MemoryStore

FILE = """[enode]
environment = "sandbox"
client_id = "id"

[[home]]
id = "oslo"
user_id = "user"
timezone = "Europe/Oslo"
location_id = "l-1"
latitude = 59.9
longitude = 10.7
[[home.vehicle]]
id = "v-1"
[[home.policy]]
name = "ready-by"
at = "07:30"
"""
CABIN = {"id": "cabin", "user_id": "user", "timezone": "Europe/Oslo", "location_id": "l-2", "vehicle": [{"id": "v-2"}]}


class HandClock:
    def __init__(self):
        self.at = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)

    def now(self):
        return self.at


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
async def homes(tmp_path, clock):
    path = tmp_path / "kwhen.toml"
    path.write_text(FILE)
    settings = load(path, {"KWHEN_ENODE__CLIENT_SECRET": "secret"})
    store = MemoryStore(clock)
    await store.open(node="here")
    made = Homes(store=store, clock=clock, settings=lambda: settings, plugins=installed())
    made.file, made.kept_in = settings, store
    return made


async def test_with_nothing_stored_the_configuration_is_what_it_is(homes):
    await homes.load()
    assert homes.within(homes.file) is homes.file


async def test_stored_homes_stand_behind_the_files_and_change_the_hash(homes):
    await homes.keep("cabin", CABIN | {"latitude": 60.0, "longitude": 11.0})
    whole = homes.within(homes.file)
    assert [one.id for one in whole.homes] == ["oslo", "cabin"]
    assert whole.coordinates == {"oslo": (59.9, 10.7), "cabin": (60.0, 11.0)}
    assert whole.digest != homes.file.digest
    assert homes.within(homes.file).digest == whole.digest


async def test_they_come_back_and_one_that_the_file_now_has_is_set_aside(homes):
    await homes.kept_in.keep(HOMES, "cabin", json.dumps(CABIN).encode())
    await homes.kept_in.keep(HOMES, "double", json.dumps(CABIN | {"id": "double", "vehicle": [{"id": "v-1"}]}).encode())
    await homes.kept_in.keep(HOMES, "broken", b"{not json")
    await homes.load()
    assert [one.id for one in homes.all()] == ["oslo", "cabin"]


async def test_a_pause_watches_only_and_ends_by_itself(homes, clock):
    await homes.pause("oslo", clock.at + timedelta(hours=1))
    assert homes.within(homes.file).homes[0].mode is Mode.OBSERVE
    clock.at += timedelta(hours=2)
    assert homes.pauses() == ()
    assert homes.within(homes.file) is homes.file


async def test_a_pause_of_a_car_leaves_the_others_and_is_read_back(homes, clock):
    await homes.keep("cabin", CABIN)
    await homes.pause("v-2", clock.at + timedelta(hours=1))
    assert await homes.kept_in.kept(PAUSES, "v-2") is not None
    homes._pauses.clear()
    await homes.load()
    oslo, cabin = homes.within(homes.file).homes
    assert (oslo.vehicles[0].mode, cabin.mode, cabin.vehicles[0].mode) == (Mode.CONTROL, Mode.CONTROL, Mode.OBSERVE)


async def test_a_car_that_is_barred_is_only_watched_until_it_no_longer_is(homes):
    await homes.bar(frozenset({"v-1"}))
    assert homes.within(homes.file).homes[0].vehicles[0].mode is Mode.OBSERVE
    homes.barred = frozenset()
    await homes.load()
    assert homes.barred == {"v-1"}
    await homes.bar(frozenset())
    assert homes.within(homes.file) is homes.file


async def test_a_home_of_the_file_tells_where_it_stands_and_what_to_paste(homes):
    text = homes.text("oslo")
    assert (text.stored, text.line) == (False, 5)
    assert "latitude = 59.9" in text.lines
    with pytest.raises(ReadOnlyHome) as caught:
        homes.writable("oslo", {"user_id": "user", "timezone": "Europe/Berlin", "location_id": "l-1"})
    assert (caught.value.key, 'timezone = "Europe/Berlin"' in caught.value.lines) == ("home[0]", True)
    assert "kwhen.toml:5" in caught.value.remedy
    with pytest.raises(ReadOnlyHome):
        homes.writable("oslo")


@pytest.mark.parametrize(
    "more", [{}, {"location_id": "l-1", "policy": [["spot"]]}, {"location_id": "l-1", "vehicle": 1}]
)
async def test_no_lines_are_handed_out_that_could_not_be_loaded(homes, more):
    with pytest.raises(HomeInvalid):
        homes.writable("oslo", {"user_id": "user", "timezone": "Europe/Berlin", **more})


async def test_what_is_dropped_is_gone_with_its_pause(homes, clock):
    await homes.keep("cabin", CABIN)
    await homes.pause("cabin", clock.at + timedelta(hours=1))
    await homes.drop("cabin")
    await homes.load()
    assert [one.id for one in homes.all()] == ["oslo"]
    assert homes.pauses() == ()


async def test_a_home_or_a_car_is_found_by_its_id(homes):
    assert [one.id for one in homes.find("oslo")[1]] == ["v-1"]
    assert homes.find("v-1")[0].id == "oslo"
    for unknown in (homes.find, homes.text, homes.writable):
        with pytest.raises(NotThere):
            unknown("nobody")


BEFORE = Home(
    id="oslo", user_id="user", timezone="Europe/Oslo", location_id="l-1", charger_ids=("c-1",), trust_charger=True,
    vehicles=(VehicleSpec(id="v-1"), VehicleSpec(id="v-2")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "moved", "left"),
    [
        ({"timezone": "Europe/Berlin", "charger_ids": ("c-2", "c-1"), "policies": ()}, False, ()),
        ({"vehicles": (VehicleSpec(id="v-2"), VehicleSpec(id="v-3"))}, False, ("v-1",)),
        ({"vehicles": (VehicleSpec(id="v-1"), VehicleSpec(id="v-2", mode=Mode.OBSERVE))}, False, ("v-2",)),
        ({"mode": Mode.OBSERVE}, False, ("v-1", "v-2")),
        ({"location_id": "l-2"}, False, ("v-1", "v-2")),
        ({"user_id": "other"}, False, ("v-1", "v-2")),
        ({"charger_ids": ()}, False, ("v-1", "v-2")),
        ({"trust_charger": False}, False, ("v-1", "v-2")),
        ({}, True, ("v-1", "v-2")),
    ],
)
def test_who_would_be_started_by_nobody_after_a_change(change, moved, left):
    assert abandoned(BEFORE, replace(BEFORE, **change), moved=moved) == left
