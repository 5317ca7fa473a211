import io
import sys

import pytest

from scheduler.cli import terminal
from scheduler.cli.terminal import Styled, ascii_only, clean, complain, never_mind_letters, show, show_json, show_table


@pytest.fixture(autouse=True)
def _afresh(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal.colourful.cache_clear()
    terminal._console.cache_clear()
    yield
    terminal.colourful.cache_clear()
    terminal._console.cache_clear()


ROWS = [[Styled("Polly", "bold"), "7.0 kWh"], ["Rover", "11.0 kWh"]]


def test_a_table_in_a_pipe_is_plain_aligned_columns(capsys):
    show_table(("CAR", "ENERGY"), ROWS, right=("ENERGY",))
    assert capsys.readouterr().out.splitlines() == ["CAR      ENERGY", "Polly   7.0 kWh", "Rover  11.0 kWh"]


def test_a_table_for_a_person_has_colours(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    show_table(("CAR", "ENERGY"), ROWS)
    out = capsys.readouterr().out
    assert "\x1b[1mPolly" in out
    assert len(out.splitlines()) == 3


def test_columns_without_names_get_no_heading(capsys):
    show_table(("", ""), ROWS)
    assert capsys.readouterr().out.splitlines()[0].startswith("Polly")


def test_nothing_is_printed_of_an_empty_table(capsys):
    show_table(("CAR",), [])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("colour", ["", "1"])
def test_a_name_cannot_steer_the_terminal(capsys, monkeypatch, colour):
    monkeypatch.setenv("FORCE_COLOR", colour)
    nasty = "Rover\x1b[2J\x07\u202e[bold]"
    show((Styled(nasty, ""), "!"))
    show_table(("CAR",), [[nasty]])
    out = capsys.readouterr().out
    assert "\x1b[2J" not in out
    assert "\x07" not in out
    assert "\u202e" not in out
    assert out.count("Rover[2J[bold]") == 2


def test_line_breaks_become_blanks():
    assert clean("a\nb\tc") == "a b c"


def test_complaints_go_to_standard_error_with_the_remedy_last(capsys):
    complain("it broke", ["first", "second"], "mend it")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["error: it broke", "  first", "  second", "  → mend it"]


def test_json_keeps_letters_as_they_are(capsys):
    show_json({"name": "Blåbær"}, indent=None)
    assert capsys.readouterr().out == '{"name": "Blåbær"}\n'


def test_a_name_that_the_output_cannot_hold_does_not_end_the_command(monkeypatch):
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding="ascii"))
    assert ascii_only()
    never_mind_letters()
    show("Blåbær → 80 %")
    sys.stdout.flush()
    assert kept.getvalue() == b"Bl?b?r ? 80 %\n"


@pytest.mark.parametrize(("term", "expected"), [("xterm-256color", False), ("dumb", True), ("linux", True)])
def test_terminals_of_few_letters_are_known(monkeypatch, term, expected):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert ascii_only() is expected
