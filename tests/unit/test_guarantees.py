"""The list of guarantees is whole: each rule has a row, each row its proof, each rule of the checker its counterexample."""

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from scheduler.checker import check
from scheduler.checker.alerts import Repeated
from scheduler.checker.commands import Quota
from scheduler.checker.liveness import Recovery
from scheduler.checker.plans import Steady
from scheduler.checker.reading import RULES
from scheduler.checker.restraint import LeftAsleep
from scheduler.checker.rule import Rule
from tests.unit.checker_journal import Journal, ready

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-it-decides.md"

CONTRACT = frozenset(
    {f"S{n}" for n in range(1, 27)}
    | {f"L{n}" for n in range(1, 13)}
    | {f"E{n}" for n in range(1, 5)}
    | {"S1a", "S1b", "L1b", "U1", "U2"}
)
"""Every rule of the invariants."""

CODES = {rule.code for rule in RULES}


class Row(NamedTuple):
    """A row of the list: its rules, whether the checker judges them, and the tests that prove what it cannot."""

    rules: tuple[str, ...]
    checked: bool
    tests: tuple[str, ...]


def rows() -> list[Row]:
    """Read the list; `::name` alone goes on in the file named before it."""
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("## Guarantees") : text.index("## When the daemon dies")]
    found = []
    for ids, _, mark, proof in re.findall(
        r"^\| (\w+(?:, \w+)*) \| (.*?) \| ?(.*?) \| ?(.*?) ?\|$", section, re.MULTILINE
    ):
        if ids != "Rule":
            found.append(Row(tuple(ids.split(", ")), mark in {"✓", "(✓)"}, tuple(proofs_in(proof))))
    return found


def proofs_in(proof: str) -> Iterator[str]:
    file = ""
    for name in re.findall(r"`((?:tests/[\w/.]+)?(?:::\w+)?)`", proof):
        path, _, test = name.partition("::")
        file = path or file
        yield f"{file}::{test}" if test else file


ROWS = rows()


def exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    return file.is_file() and re.search(rf"def {name or 'test_'}", file.read_text(encoding="utf-8")) is not None


def test_every_rule_of_the_contract_has_one_row():
    named = [rule for row in ROWS for rule in row.rules]
    assert sorted(named) == sorted(CONTRACT)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row.rules))
def test_a_row_has_its_proof(row):
    assert row.checked == bool(CODES & set(row.rules))
    assert row.checked or row.tests, "neither the checker nor a test proves it"
    assert [test for test in row.tests if not exists(test)] == []


def test_what_the_checker_judges_is_in_the_list():
    assert {rule for row in ROWS if row.checked for rule in row.rules} >= CODES


def test_a_test_that_does_not_exist_is_seen():
    assert not exists("tests/unit/test_guarantees.py::test_nothing_of_the_kind")
    assert not exists("tests/unit/test_nowhere.py")
    assert exists("tests/unit/test_guarantees.py")
    both = proofs_in("a: `tests/a.py::test_a`, `::test_b`; b: `bench/c`, `tests/d.py`")
    assert list(both) == ["tests/a.py::test_a", "tests/a.py::test_b", "tests/d.py"]


# a journal that breaks it, for each rule of the checker


def repeated() -> Journal:
    journal = ready().at(1).alert("STARTED_NO_POWER").at(2).alert("STARTED_NO_POWER", "cleared")
    return journal.at(3).alert("STARTED_NO_POWER")


def too_many() -> Journal:
    journal = ready().need(lst=None)
    for number in range(7):
        journal.at(1 + number).obs().start(f"c{number}").result(f"c{number}")
    return journal


OTHERS: dict[type[Rule], Callable[[], Journal]] = {
    Quota: too_many,
    Steady: lambda: ready().obs(charging=False).plan((30, 90)).at(1).plan((40, 100)),
    Repeated: repeated,
    Recovery: lambda: ready().at(1).alert("DEADLINE_AT_RISK").at(2).restart().at(3).alert("DEADLINE_AT_RISK"),
    LeftAsleep: lambda: ready().at(1).obs(state="PLUGGED_IN:COMPLETE").sit("hold").add("REFRESH").at(2).obs(),
}
"""Journals of rules that no table of the tests breaks."""


def counterexamples() -> Iterator[Journal]:
    """Yield the journals of the tests' tables: where they are made from a good one, made so."""
    for path in sorted((ROOT / "tests" / "unit").glob("test_checker_*.py")):
        module = importlib.import_module(f"tests.unit.{path.stem}")
        marks = [mark for test in vars(module).values() for mark in getattr(test, "pytestmark", ())]
        for mark in marks:
            if mark.name != "parametrize" or "broken" not in mark.args[0]:
                continue
            for case in mark.args[1]:
                broken = dict(zip(mark.args[0], getattr(case, "values", case), strict=False)).get("broken")
                if isinstance(broken, Journal):
                    yield broken
                elif callable(broken):
                    yield broken(ready())


@pytest.fixture(scope="module")
def told() -> set[tuple[type[Rule], str]]:
    """The rules with the codes under which they are broken by any of the journals."""
    return {
        (rule, violation.rule)
        for journal in counterexamples()
        for rule in RULES
        for violation in check(journal.events, rules=[rule])
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_journal_breaks_it(rule, told):
    own = {violation.rule for violation in check(OTHERS[rule]().events, rules=[rule])} if rule in OTHERS else set()
    assert rule.code in {code for of, code in told if of is rule} | own


def test_no_counterexample_is_kept_in_vain(told):
    assert OTHERS.keys() & {rule for rule, _ in told} == set()
