"""The figures as tables: first what has a bound, then what the nights cost, then how times grow."""

from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """A figure and the bound it must keep."""

    what: str
    value: float
    form: str
    most: float | None = None
    least: float | None = None

    @property
    def good(self) -> bool:
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def cells(self) -> tuple[str, str, str]:
        bound = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"
        return self.what, self.form.format(self.value), bound if self.good else f"{bound} MISSED"


def table(bounded: list[Line], figures: Figures) -> str:
    """Return all tables, as Markdown that reads well in a terminal."""
    nights, single = figures["nights"], figures["single"]
    parts = [
        _table(("bounded", "measured", "bound"), [line.cells for line in bounded]),
        _table((f"{nights['nights']} nights", "ours", "other"), _nights(nights)),
        _table(("ms", "median", "95 %", "most"), _times(nights, single)),
        _table(("horizon", "states", "ms a plan", "times"), [_horizon(row) for row in figures["horizons"]]),
        _table(("cars", "keys", "s", "keys alone, times"), [_size(row) for row in figures["fleet"]["sizes"]]),
    ]
    return "\n\n".join(parts)


def _nights(nights: Figures) -> list[tuple[str, ...]]:
    return [
        ("starts a night, ours and the cheapest slots'", f"{nights['starts a night']:.2f}",
         f"{nights['starts a night, cheapest slots']:.2f}"),
        ("cost, of that of charging at once", f"{nights['cost over that of charging at once']:.3f}", "1"),
        ("cost of the cheapest slots, in sum", "1", f"{1 + nights['cheapest slots over ours, in sum']:.3f}"),
        ("the same, 95 % of nights", "1", f"{1 + nights['cheapest slots over ours, 95 %']:.3f}"),
        ("dearest over what HiGHS proved, where solved", f"{nights['most over its bound, where solved']:.1e}", ""),
        ("nights at which the other's plan is dearer by 1e-6", f"{nights['cheaper than HiGHS']}",
         f"{nights['most under HiGHS']:.1e} at most"),
        ("nights that HiGHS did not solve", "", str(len(nights["unsolved by HiGHS"]))),
    ]  # fmt: skip


def _times(nights: Figures, single: Figures) -> list[tuple[str, ...]]:
    rows = {
        "a night, ours": nights["ms a plan"],
        "a night, HiGHS": nights["ms HiGHS"],
        f"48 h of slots, ours ({single['plans']})": single["ms a plan"],
        f"48 h of slots, HiGHS ({single['compared']}, {single['unsolved by HiGHS']} unsolved)": single["ms HiGHS"],
    }
    return [(what, *(f"{times[column]:.1f}" for column in ("median", "95 %", "most"))) for what, times in rows.items()]


def _horizon(row: Figures) -> tuple[str, ...]:
    return f"{row['hours']:g} h", f"{row['amounts']:.0f}", f"{row['ms a plan']:.1f}", f"{row['times']:.2f}"


def _size(row: Figures) -> tuple[str, ...]:
    return f"{row['cars']:,}", str(row["keys"]), f"{row['s']:.3f}", f"{row['times keys']:.2f}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in (head, *rows)]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def page(text: str, figures: Figures, command: str) -> str:
    """Return the page that keeps a run: what was measured how, and the tables."""
    setting, nights, rounding = figures["setting"], figures["nights"], figures["fleet"]["rounding"]
    unsolved = [
        f"* {one['night']}: ours {one['ours over its best']:+.1e} over the best that HiGHS found, "
        f"{one['ours over its bound']:+.1e} over what it proved"
        for one in nights["unsolved by HiGHS"]
    ]
    program = f"Python {setting['python']}, numpy {setting['numpy']}, HiGHS {setting['highspy']}"
    intro = (
        f"# The planner measured\n\n`{command}` on one of {setting['cores']} cores, {setting['took s']} s: {program}\n"
        f"(one thread, gap {setting['gap']:g}, {setting['limit s']:g} s a night).\n\n"
        f"{nights['nights']} real sessions at real quarter-hour prices, {nights['tapering']} with a tapering car, at "
        f"{setting['start cost']:g} EUR a start.\n{nights['left out']} sessions drawn beside them were left out: "
        "over 48 h, or their energy does not fit at the predicted power.\n\n"
        f"A fleet's powers fall into classes that differ by a factor of {figures['fleet']['class']:g}; its needs are "
        "rounded up to minutes, and back.\nAgainst plans of each car alone "
        f"that costs {rounding['total']:.1e} in sum, and {rounding['worst']:.1e} for one car at worst."
    )
    ending = ["Nights that HiGHS did not solve in time:", "\n".join(unsolved)] if unsolved else []
    return "\n\n".join([intro, text, *ending]) + "\n"
