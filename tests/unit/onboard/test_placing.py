import pytest

from scheduler.core.garage import LocationCard, Position
from scheduler.onboard.placing import doubts, near

OSLO = Position(latitude=59.9165, longitude=10.7582)
M = 1 / 111_195  # degrees of latitude in a metre


def place(metres, number=1):
    spot = Position(latitude=OSLO.latitude + metres * M, longitude=OSLO.longitude)
    return LocationCard(id=f"l-{number}", name=f"Place {number}", timezone="Europe/Oslo", position=spot)


@pytest.mark.parametrize(("metres", "found"), [(0, 1), (199, 1), (201, 0), (15_000, 0)])
def test_a_place_within_200_metres_is_the_same_place(metres, found):
    assert len(near(OSLO, [place(metres)])) == found


def test_the_nearest_place_comes_first_and_one_without_a_position_never():
    blank = LocationCard(id="l-0", name="?", timezone="UTC")
    assert [one.id for one in near(OSLO, [place(150, 1), blank, place(-20, 2)])] == ["l-2", "l-1"]


@pytest.mark.parametrize(("latitude", "longitude", "exchanged"), [(0, 0, False), (120, 59, True), (91, 181, False)])
def test_no_home_is_nowhere_or_off_the_map(latitude, longitude, exchanged):
    spot = Position(latitude=latitude, longitude=longitude)
    [told] = doubts(spot, timezone="Europe/Oslo", places=[], homes_at={})
    assert (told.barred, told.exchanged) == (True, exchanged)


@pytest.mark.parametrize(
    ("latitude", "longitude", "exchanged"), [(10.7582, 59.9165, True), (-33.9, 18.4, False), (35.6, 139.7, False)]
)
def test_exchanged_coordinates_are_told_by_the_city_of_the_zone(latitude, longitude, exchanged):
    spot = Position(latitude=latitude, longitude=longitude)
    [told] = doubts(spot, timezone="Europe/Oslo", places=[], homes_at={})
    assert (told.barred, told.exchanged, "exchanged" in told.text) == (False, exchanged, exchanged)


def test_two_homes_that_cannot_be_told_apart_are_told():
    told = doubts(OSLO, timezone="Europe/Oslo", places=[place(50, 1), place(120, 2)], homes_at={"l-1": "cabin"})
    assert "Home cabin is within 200 m" in told[0].text
    assert "Place 1, Place 2" in told[1].text
    assert not any(one.barred or one.exchanged for one in told)


def test_a_plain_place_raises_no_doubt():
    assert doubts(OSLO, timezone="Europe/Oslo", places=[place(900)], homes_at={"l-1": "cabin"}) == ()


def test_a_position_is_in_no_text_of_a_value():
    assert "59.9" not in repr(place(0))
