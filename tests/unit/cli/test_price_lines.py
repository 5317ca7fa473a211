"""Prices as a person sees them: each expectation is drawn as it is printed."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.cli.bar_chart import ASCII, UNICODE
from scheduler.cli.price_lines import chart, source_lines, summary
from scheduler.cli.price_table import digits_for, tables

MIDNIGHT = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)  # of Saturday in Oslo
NOW = MIDNIGHT + timedelta(hours=10, minutes=20)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def text_of(at):
    return at.isoformat().replace("+00:00", "Z")


def paid(start, end, *amounts, state="final", names=("market", "grid-fee", "vat")):
    parts = [{"name": name, "per_kwh": amount} for name, amount in zip(names, amounts, strict=False)]
    span = {"start": text_of(start), "end": text_of(end)}
    return span | {"price_per_kwh": sum(amounts), "published": state != "forecast", "state": state, "parts": parts}


def hours(*amounts, start=MIDNIGHT, step=HOUR, **more):
    return [paid(start + n * step, start + (n + 1) * step, *one, **more) for n, one in enumerate(amounts)]


def view(slots, **more):
    names = list(dict.fromkeys(part["name"] for slot in slots for part in slot["parts"]))
    whole = {"home": "lindgren", "timezone": "Europe/Oslo", "currency": "NOK", "now": text_of(NOW), "parts": names}
    span = {"start": text_of(MIDNIGHT), "end": text_of(MIDNIGHT + 24 * HOUR)}
    return whole | span | {"slots": slots, "carbon": [], "sources": []} | more


def source(**more):
    known = {"name": "market", "source": "nord-pool", "zone": "NO1", "currency": "NOK", "late": False, "trouble": ""}
    at = {"fetched_at": NOW - 3 * MINUTE, "until": MIDNIGHT + 24 * HOUR, "next_fetch_at": NOW + 2 * HOUR}
    return known | {k: text_of(v) for k, v in at.items()} | {"stand_in": None, "stand_ins": []} | more


def plain(lines):
    return ["".join(getattr(cell, "text", cell) for cell in line).rstrip() for line in lines]


def table_of(shown, width=100, **more):
    (table,) = tables(shown, width=width, **more)
    return table


def rows_of(shown, width=100):
    return [[getattr(cell, "text", cell) for cell in row] for row in table_of(shown, width).rows]


DAY = [(0.1 + n / 100, 0.3 if 6 <= n < 22 else 0.1, 0.05) for n in range(24)]


def test_a_row_tells_time_parts_sum_and_state():
    shown = view(hours(*DAY))
    table = table_of(shown)
    assert plain([table.heading]) == ["Saturday 21 November, today"]
    assert table.names == ("TIME", "MARKET", "GRID FEE", "VAT", "NOK/kWh", "STATE")
    rows = rows_of(shown)
    assert rows[0] == ["00:00 – 01:00", "0.1000", "0.1000", "0.0500", "0.2500", "final"]
    assert rows[10] == ["10:00 – 11:00", "0.2000", "0.3000", "0.0500", "0.5500", "final, now"]
    assert rows[-1][0] == "23:00 – 24:00"
    assert len(rows) == 24


def test_quarters_of_an_hour_are_rows_of_their_own():
    rows = rows_of(view(hours(*[(0.1, 0.2)] * 96, step=15 * MINUTE)))
    assert [row[0] for row in rows[:3]] == ["00:00 – 00:15", "00:15 – 00:30", "00:30 – 00:45"]
    assert [row[0] for row in rows if row[-1].endswith("now")] == ["10:15 – 10:30"]
    assert len(rows) == 96


@pytest.mark.parametrize(
    ("midnight", "now_h", "length", "heading", "times"),
    [
        (
            datetime(2026, 10, 24, 22, 0, tzinfo=UTC), 5, 25, "Sunday 25 October, today, 25 hours: the clock changes",
            ["01:00 – 02:00", "02:00 – 03:00 (+02:00)", "02:00 – 03:00 (+01:00)", "03:00 – 04:00"],
        ),
        (
            datetime(2026, 3, 28, 23, 0, tzinfo=UTC), 5, 23, "Sunday 29 March, today, 23 hours: the clock changes",
            ["01:00 – 03:00", "03:00 – 04:00", "04:00 – 05:00", "05:00 – 06:00"],
        ),
    ],
)  # fmt: skip
def test_a_day_on_which_the_clock_changes_tells_its_length_and_the_doubled_hour(
    midnight, now_h, length, heading, times
):
    span = {"start": text_of(midnight), "end": text_of(midnight + length * HOUR)}
    now = text_of(midnight + now_h * HOUR)
    shown = view(hours(*[(0.1, 0.2)] * length, start=midnight), now=now, **span)
    table = table_of(shown)
    assert plain([table.heading]) == [heading]
    assert [row[0] for row in rows_of(shown)][1:5] == times
    assert len(table.rows) == length


def test_what_is_only_expected_or_preliminary_says_so():
    slots = [
        *hours((0.1, 0.2)),
        *hours((0.2, 0.2), start=MIDNIGHT + HOUR, state="preliminary"),
        *hours((0.3, 0.2), start=MIDNIGHT + 2 * HOUR, state="forecast"),
    ]
    assert [row[-1] for row in rows_of(view(slots))[:3]] == ["final", "preliminary", "expected"]


def test_what_is_not_known_is_a_row_too():
    rows = rows_of(view(hours((0.1, 0.2), start=MIDNIGHT + 3 * HOUR)))
    assert [(row[0], row[-2], row[-1]) for row in rows] == [
        ("00:00 – 03:00", "?", "not known"),
        ("03:00 – 04:00", "0.3000", "final"),
        ("04:00 – 24:00", "?", "not known"),
    ]


def test_parts_of_no_amount_are_left_out_and_so_is_a_part_that_is_all_of_it():
    assert "VAT" not in table_of(view(hours((0.1, 0.2, 0.0)))).names
    assert table_of(view(hours((0.1, 0.0, 0.0)))).names == ("TIME", "NOK/kWh", "STATE")


def test_negative_prices_stand_out():
    shown = view(hours((-0.5, 0.1), (0.2, 0.1)))
    first, second, _ = table_of(shown).rows
    assert (first[3].text, first[3].style) == ("-0.4000", "green")
    assert second[3].style != "green"
    assert rows_of(view(hours((-0.00001, 0.1, 0.1))))[0][1] == "0.0000"


@pytest.mark.parametrize(
    ("amounts", "digits"), [([0.2345, -0.05], 4), ([1.2, 0.3], 3), ([-38.5], 2), ([120.0], 1), ([], 4)]
)
def test_currencies_of_every_size_read_well(amounts, digits):
    assert digits_for(amounts) == digits


def test_where_another_source_speaks_the_rows_say_which():
    stand_in = {"name": "backup", "start": text_of(MIDNIGHT + HOUR), "end": text_of(MIDNIGHT + 2 * HOUR)}
    shown = view(hours(*[(0.1, 0.2)] * 3), sources=[source(stand_ins=[stand_in])])
    assert [row[-1] for row in rows_of(shown)[:3]] == ["final", "final, from backup", "final"]


def grid(*grams, per_tonne=100.0, step=HOUR / 2):
    slots = [
        {"start": text_of(MIDNIGHT + n * step), "end": text_of(MIDNIGHT + (n + 1) * step), "grams_per_kwh": one}
        for n, one in enumerate(grams)
    ]
    return [{"source": "grid", "per_tonne": per_tonne, "slots": slots}]


def test_grams_are_the_mean_over_the_billing_step_with_what_they_weigh():
    shown = view(hours((0.1, 0.2), (0.1, 0.2)), carbon=grid(300.0, 100.0, 50.0))
    assert table_of(shown).names == ("TIME", "MARKET", "GRID FEE", "NOK/kWh", "G CO2", "WEIGHT", "STATE")
    rows = rows_of(shown)
    assert [row[4:6] for row in rows[:2]] == [["200", "0.0200"], ["?", "?"]]
    weightless = table_of(view(hours((0.1, 0.2)), carbon=grid(300.0, per_tonne=0.0)))
    assert "WEIGHT" not in weightless.names


def test_one_price_all_day_is_cut_where_the_grams_change():
    flat = view([paid(MIDNIGHT, MIDNIGHT + 24 * HOUR, 0.3, names=("price",))], carbon=grid(*[300.0, 100.0] * 24))
    rows = rows_of(flat)
    assert [(row[0], row[1], row[2]) for row in rows[:2]] == [
        ("00:00 – 00:30", "0.3000", "300"),
        ("00:30 – 01:00", "0.3000", "100"),
    ]
    assert len(rows) == 48


@pytest.mark.parametrize("width", [120, 60, 55, 30])
def test_a_table_is_as_wide_as_the_terminal_allows(width):
    table = table_of(view(hours(*DAY)), width)
    cells = [table.names, *([getattr(cell, "text", cell) for cell in row] for row in table.rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(table.names))]
    assert sum(widths) + 2 * (len(widths) - 1) <= width
    assert ("VAT" in table.names) == (width >= 55)
    assert (" – " in cells[1][0]) == (width >= 60)


def test_plain_letters_suffice_for_tables():
    assert table_of(view(hours(*DAY)), plain=True).rows[0][0].text == "00:00 - 01:00"


def test_two_days_are_drawn_with_their_dates_and_the_present():
    slots = [*hours(*DAY), *hours(*DAY, start=MIDNIGHT + 24 * HOUR, state="forecast")]
    lines = plain(chart(view(slots, end=text_of(MIDNIGHT + 48 * HOUR)), width=80, marks=UNICODE))
    assert lines[0].startswith(" 0.660 ┤")
    assert lines[5].startswith(" 0.250 ┤▁")
    assert lines[7:] == [
        "        00:00       12:00       00:00       12:00",
        "        Sat 21 Nov              Sun 22 Nov",
        "                  ▲ now",
        "        NOK/kWh   ░░ expected",
    ]
    assert "░" in lines[3]


def test_plain_letters_suffice_for_the_chart():
    assert all(line.isascii() for line in plain(chart(view(hours(*DAY)), width=80, marks=ASCII)))


def test_prices_below_zero_have_their_zero_marked():
    lines = plain(chart(view(hours(*[(n / 10 - 1.0,) for n in range(24)])), width=80, marks=UNICODE))
    assert [line[:8] for line in lines if "┤" in line] == ["  1.30 ┤", "  0.00 ┤", " -1.00 ┤"]


@pytest.mark.parametrize("slots", [[], hours(*[(0.3,)] * 24)])
def test_where_nothing_differs_there_is_nothing_to_draw(slots):
    assert chart(view(slots), width=80, marks=UNICODE) == []


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_of_the_chart_is_wider_than_the_terminal(width):
    lines = plain(chart(view(hours(*DAY)), width=width, marks=UNICODE))
    assert max(map(len, lines)) <= width


def test_a_sentence_says_what_it_costs_now_and_when_it_is_cheapest():
    told = summary(view(hours(*DAY)))
    assert told == "now 0.5500 NOK/kWh, lowest 0.4700 at 22:00, highest 0.6600 at 21:00"
    assert summary(view(hours(*[(0.3,)] * 24))) == "now 0.3000 NOK/kWh"
    assert summary(view([])) == ""
    expected = view(hours(*[(1.0 + n,) for n in range(10)], *[(9.0 - n,) for n in range(8)], state="forecast"))
    assert "lowest 2.00 expected at 17:00" in summary(expected)


def test_a_source_says_what_it_is_and_how_old_its_prices_are():
    assert plain(source_lines(source(), timezone="Europe/Oslo", now=NOW)) == [
        "market  nord-pool · NO1 · NOK",
        "  fetched 3 min ago · known until 00:00 · asked next at 12:20",
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fetched_at": None, "until": None, "next_fetch_at": None}, "never fetched · to be asked now"),
        ({"fetched_at": text_of(NOW)}, "fetched just now"),
        ({"until": text_of(NOW - 2 * HOUR)}, "known only until 08:20"),
        ({"currency": "gCO2"}, "NO1 · g CO2/kWh"),
        ({"source": None, "next_fetch_at": None}, "configured no more"),
        ({"trouble": "answered 503"}, "trouble: answered 503"),
        ({"trouble": "answered 503", "late": True}, "late: answered 503"),
        ({"late": True}, "late: its prices are late: they should be known by now"),
        (
            {"stand_ins": [{"name": "backup", "start": text_of(NOW + HOUR), "end": text_of(NOW + 30 * HOUR)}]},
            "backup stands in from 11:20 until Sun 16:20",
        ),
    ],
)
def test_a_source_says_what_troubles_it_and_who_stands_in(changes, told):
    assert told in "\n".join(plain(source_lines(source(**changes), timezone="Europe/Oslo", now=NOW)))
