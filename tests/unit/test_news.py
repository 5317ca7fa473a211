"""What an event says, and of which vehicles."""

from dataclasses import replace

import pytest

from scheduler.core.cycle import Lost
from scheduler.core.model import SHARDS, Home, VehicleSpec, shard_of
from scheduler.loop.news import Counters, NewsReader
from scheduler.loop.world import World
from scheduler.ports import Inbound, InboxRow, Notice
from tests.web_support import RECEIVED


class Told:
    """A provider whose events all say the same."""

    def __init__(self, notice: Notice) -> None:
        self.notice = notice

    def read_event(self, payload: bytes, received: object, *, digest: object) -> Notice:
        return self.notice


def home(home_id: str, user_id: str, *vehicles: str) -> Home:
    cars = tuple(VehicleSpec(id=one) for one in vehicles)
    return Home(id=home_id, user_id=user_id, timezone="Europe/Oslo", vehicles=cars)


WORLD = World(homes=(home("town", "me", "golf", "zoe"), home("cabin", "me", "id3"), home("berg", "they", "up")))
ROW = InboxRow(id=1, work=Inbound(kind="event", user_id="me", vehicle_id=None, payload=b"{}", received=RECEIVED))
VENDORS = {"golf": "VOLKSWAGEN", "zoe": "RENAULT", "id3": "VOLKSWAGEN", "up": "VOLKSWAGEN"}


@pytest.mark.parametrize(
    ("vendor", "known", "lost"),
    [
        pytest.param("VOLKSWAGEN", VENDORS, {"golf", "id3"}, id="in-every-home-of-the-user"),
        pytest.param("EASEE", VENDORS, set(), id="a-charger's"),
        pytest.param("EASEE", {"golf": "VOLKSWAGEN"}, {"zoe", "id3"}, id="not-known-yet"),
        pytest.param("", VENDORS, {"golf", "zoe", "id3"}, id="not-said"),
    ],
)
def test_only_cars_of_the_lost_account_are_lost(vendor, known, lost):
    reader = NewsReader(Told(Notice(what="credentials-invalid", user_id="me", detail=vendor)), Counters())
    reader.vendors.update(known)
    news = reader.read([ROW], world=WORLD, known={"golf", "zoe", "id3", "up"})
    assert set(news) == lost
    assert all(pieces == [Lost(at=RECEIVED.at)] for pieces in news.values())


@pytest.mark.parametrize("kind", ["reading", "action", "wish"])
def test_a_row_that_cannot_be_read_holds_up_no_other(kind):
    counters = Counters()
    reader = NewsReader(Told(Notice(what="credentials-invalid", user_id="they")), counters)
    rotten = InboxRow(id=2, work=replace(ROW.work, kind=kind, vehicle_id="golf", payload=b'{"source": "telepathy"}'))
    assert set(reader.read([rotten, ROW], world=WORLD, known={"golf", "up"})) == {"up"}
    assert counters.unreadable == 1


def test_a_shard_has_the_cars_of_its_users_in_all_their_homes():
    mine, theirs = shard_of("me"), shard_of("they")
    assert mine != theirs
    assert [(home.id, car.id) for home, car in WORLD.of_shard(mine)] == [
        ("town", "golf"),
        ("town", "zoe"),
        ("cabin", "id3"),
    ]
    assert [car.id for _, car in WORLD.of_shard(theirs)] == ["up"]
    assert sum(len(WORLD.of_shard(shard)) for shard in range(SHARDS)) == 4
    assert [WORLD.owner(one)[0].id for one in ("golf", "id3", "up")] == ["town", "cabin", "berg"]
    assert WORLD.owner("a stranger's") is None
