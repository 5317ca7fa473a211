"""The table of faults is kept true: every fault stands in it once, and every test that it names exists."""

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")

OPEN = 0
"""How many faults no test injects yet. Lower it when one is closed; it never grows."""

HOW_MANY = {"N": 11, "P": 32, "W": 13, "T": 10, "D": 12, "B": 12, "X": 9, "C": 8, "G": 5, "Z": 10}
NAMED = re.compile(r"`(tests/[\w./-]+\.py)::(\w+)(?:\[[^`]*\])?`")


class Row(NamedTuple):
    """One fault of the table."""

    id: str
    fault: str
    by: str

    @property
    def tests(self) -> list[tuple[str, str]]:
        return NAMED.findall(self.by)

    @property
    def open(self) -> bool:
        return self.by.startswith("not yet: ")


def rows_of(page: str) -> list[Row]:
    found = re.findall(r"^\| ([A-Z]\d\d) \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    return [Row(*cells) for cells in found]


ROWS = rows_of(PAGE)


@cache
def functions(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def missing(row: Row) -> list[str]:
    return [f"{path}::{name}" for path, name in row.tests if name not in functions(path)]


def test_every_fault_of_the_catalogue_stands_there_once(reference_dir):
    text = (reference_dir / "invariants.md").read_text(encoding="utf-8")
    assert [row.id for row in ROWS] == re.findall(r"^\| ([A-Z]\d\d) \|", text, re.MULTILINE)


def test_the_page_numbers_its_faults_without_a_gap():
    """Where the catalogue does not lie beside the checkout."""
    assert [row.id for row in ROWS] == [f"{kind}{n:02}" for kind, last in HOW_MANY.items() for n in range(1, last + 1)]
    assert f"survive {len(ROWS)} faults" in PAGE
    assert len(re.findall(r"^\| [A-Z]\d+", PAGE, re.MULTILINE)) == len(ROWS), "a row that cannot be read"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_each_names_a_test_that_exists_or_says_not_yet(row):
    assert missing(row) == []
    assert row.open or row.tests
    assert "not yet: " not in row.by[1:]


def test_no_more_faults_are_without_a_test_than_before():
    assert len([row for row in ROWS if row.open]) == OPEN


@pytest.mark.parametrize(
    "name", ["tests/e2e/nowhere.py::test_x", "tests/unit/test_fault_table.py::test_of_nothing_at_all[a b]"]
)
def test_a_test_that_is_not_there_is_seen(name):
    (row,) = rows_of(f"| N01 | a fault | `{name}` |")
    assert missing(row) == [name.partition("[")[0]]


def test_the_kinds_stand_in_order():
    titles = re.findall(r"^## ([A-Z]) · ", PAGE, re.MULTILINE)
    assert titles == list(HOW_MANY)
    assert all(a.id[0] == b.id[0] or titles.index(a.id[0]) + 1 == titles.index(b.id[0]) for a, b in pairwise(ROWS))
