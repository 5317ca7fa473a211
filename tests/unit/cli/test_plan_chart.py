"""The chart is read by eye: each expectation is drawn as it is printed."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.cli.bar_chart import ASCII, MARGIN
from scheduler.cli.plan_chart import draw
from scheduler.cli.terminal import GOOD

NOW = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)


def instant(hours):
    return (NOW + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def priced(start_h, end_h, per_kwh, *, published=True):
    return {"start": instant(start_h), "end": instant(end_h), "price_per_kwh": per_kwh, "published": published}


def slot(start_h, end_h, *, soc=None):
    return priced(start_h, end_h, 1.0) | {"soc_pct": soc}


def view(*, prices, slots=(), needs=(), **more):
    whole = {"now": instant(0), "timezone": "Europe/Oslo", "currency": "NOK"}
    return whole | {"prices": list(prices), "slots": list(slots), "needs": list(needs)} | more


def need(by_h, *, soc_pct=80.0):
    return {"by": instant(by_h), "soc_pct": soc_pct, "energy_kwh": 7.0}


def text(lines):
    return ["".join(getattr(cell, "text", cell) for cell in line).rstrip() for line in lines]


NIGHT = view(
    prices=[priced(-0.5, 3.5, 2.0), priced(3.5, 6.5, 1.0), priced(6.5, 9.5, 3.0, published=False)],
    slots=[slot(3.5, 4.5, soc=60.0), slot(4.5, 5, soc=65.0), slot(5.5, 6, soc=70.0)],
    needs=[need(8)],
)


def test_prices_charging_expected_soc_and_departure_are_drawn():
    assert text(draw(NIGHT, width=80)) == [
        "  3.00 ┤                          ░░░░░░░░░░░░",
        "       │                          ░░░░░░░░░░░░",
        "       │▁▁▁▁▁▁▁▁▁▁▁▁▁▁            ░░░░░░░░░░░░",
        "       │██████████████            ░░░░░░░░░░░░",
        "       │██████████████            ░░░░░░░░░░░░",
        "  1.00 ┤██████████████▁▁▁▁▁▁▁▁▁▁▁▁░░░░░░░░░░░░",
        "       └──────────────━━━━━━──━━──────────────",
        "                        65 %   70 %",
        "          00:00   02:00   04:00   06:00   08:00",
        "        ▲ now            80 % by 07:30 ▲",
        "        NOK/kWh   ━━ charging   ░░ expected price",
    ]


def test_plain_letters_suffice():
    lines = text(draw(NIGHT, width=80, marks=ASCII))
    assert all(line.isascii() for line in lines)
    assert lines[6] == "       +--------------######--##--------------"
    assert lines[2] == "       |..............            ::::::::::::"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width):
    prices = [priced(i - 1, i, 1 + i % 7 / 10) for i in range(40)]
    wide = view(prices=prices, slots=[slot(20, 23, soc=80.0)], needs=[need(30)])
    lines = text(draw(wide, width=width))
    assert max(map(len, lines)) <= width
    assert "━" in lines[6]
    assert lines[-2].count("▲") == 2
    assert width == 40 or "80 % by" in lines[-2]


@pytest.mark.parametrize("width", [80, 120])
def test_a_wider_terminal_shows_finer_columns_of_the_same_time(width):
    lines = text(draw(view(prices=[priced(0, 24, 1.0)], needs=[need(24)]), width=width))
    hours = (len(lines[6]) - MARGIN) / (2 if width == 80 else 4)
    assert hours == pytest.approx(24, abs=1)


def test_what_is_chosen_is_green():
    lines = draw(NIGHT, width=80)
    assert [cell.text for cell in lines[6] if cell.style == GOOD] == ["━━━━━━", "━━"]
    assert [cell.text for cell in lines[5] if cell.style == GOOD] == ["▁▁▁▁▁▁", "▁▁"]


def test_a_gap_is_marked_not_drawn_as_free():
    lines = text(draw(view(prices=[priced(0, 2, 1.0), priced(4, 6, 2.0)]), width=80))
    assert lines[5] == "  1.00 ┤▁▁▁▁▁▁▁▁········████████"
    assert "· price not known" in lines[-1]


def test_negative_prices_have_a_zero_line():
    lines = text(draw(view(prices=[priced(0, 2, -1.0), priced(2, 4, 1.0)]), width=80))
    assert [line[:MARGIN] for line in lines[:6]] == [
        "  1.00 ┤",
        "       │",
        "  0.00 ┤",
        "       │",
        "       │",
        " -1.00 ┤",
    ]


def test_prices_that_are_all_alike_fill_half():
    lines = text(draw(view(prices=[priced(0, 4, 0.3)]), width=80))
    assert [line[MARGIN:] for line in lines[:6]] == ["", "", ""] + ["█" * 16] * 3


def test_nothing_is_drawn_without_a_known_price():
    assert draw(view(prices=[], slots=[slot(0, 1, soc=50.0)]), width=80) == []
