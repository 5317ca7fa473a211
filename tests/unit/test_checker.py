"""The checker as a whole: its interface, its independence, its command."""

import io
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from scheduler.checker import Checker, Violation, check
from scheduler.checker.__main__ import main
from scheduler.checker.reading import RULES
from tests.unit.checker_journal import ready


@pytest.fixture
def whole():
    """A journal that breaks no rule, with every kind that the checker does not read."""
    journal = ready().add("LIFE", None, op="ready").add("PLAN", plan="p", slots=[], by="built-in").add("SIT", sit={})
    return journal.add("NEW_KIND", None).add("HTTP", None).at(1).start("a").result("a")


def written(tmp_path, journal):
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(json.dumps(event) for event in journal.events) + "\n\n", encoding="utf-8")
    return str(path)


def test_no_journal_is_a_good_journal():
    assert check([]) == []


def test_kinds_that_it_does_not_know_change_nothing(whole):
    assert whole.check() == []


def test_violations_are_there_as_soon_as_they_are_fed():
    checker = Checker()
    for event in ready().obs(plugged=False).events:
        checker.feed(event)
    assert checker.violations == []
    checker.feed(ready().obs(plugged=False).at(1).intent("a", "START").send("a").events[-1])
    assert {violation.rule for violation in checker.violations} == {"S2", "S5"}
    assert checker.finish() == checker.violations


def test_the_events_of_one_vehicle_say_nothing_of_another():
    journal = ready().at(1).start("a").obs("other", plugged=False, chg=None)
    assert journal.rules() == set()


def test_a_violation_is_a_value():
    violation = Violation(rule="S2", seq=1, vehicle=None, text="not plugged in")
    with pytest.raises(FrozenInstanceError):
        violation.seq = 2
    assert violation == Violation(**violation.as_json())


def test_every_rule_has_an_id_of_the_invariants():
    listed = {rule.code for rule in RULES}
    safety = {f"S{n}" for n in range(1, 27) if n != 20} | {"S1a"}
    assert listed == safety | {f"L{n}" for n in range(1, 13) if n != 3} | {"E2", "E3", "U1"}  # L3 is a part of L2


def test_it_loads_nothing_of_the_daemon():
    code = (
        "import sys; import scheduler.checker; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'scheduler', 'policies', 'storage', 'simulator'}"
        " and not m.startswith('scheduler.checker')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "['scheduler']"


class TestCommand:
    def test_it_is_silent_on_a_good_journal(self, tmp_path, whole, capsys):
        assert main([written(tmp_path, whole)]) == 0
        assert capsys.readouterr().out == ""

    def test_it_prints_each_violation_and_fails(self, tmp_path, capsys):
        path = written(tmp_path, ready().obs(plugged=False).at(1).start())
        assert main([path]) == 1
        assert capsys.readouterr().out == "S2 seq 8 vehicle car: not plugged in\n"
        assert main([path, "--json"]) == 1
        assert json.loads(capsys.readouterr().out) == {
            "rule": "S2",
            "seq": 8,
            "vehicle": "car",
            "text": "not plugged in",
        }

    def test_it_reads_standard_input(self, whole, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(json.dumps(event) for event in whole.events)))
        assert main(["-"]) == 0

    @pytest.mark.parametrize("line", ["{", "[]", "3", "{}", '{"k": "OBS"}'])
    def test_a_line_that_is_no_event_is_named(self, tmp_path, capsys, line):
        path = tmp_path / "journal.jsonl"
        path.write_text('{"k": "LIFE", "t": 1, "m": 1, "seq": 1, "op": "start"}\n' + line, encoding="utf-8")
        assert main([str(path)]) == 2
        assert "line 2 is not an event of the journal" in capsys.readouterr().err

    def test_a_file_that_is_missing_is_named(self, tmp_path, capsys):
        assert main([str(tmp_path / "none.jsonl")]) == 2
        assert "none.jsonl" in capsys.readouterr().err
