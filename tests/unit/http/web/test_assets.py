import re
from hashlib import sha256
from importlib.resources import files

import pytest

STATIC = files("scheduler.http.web").joinpath("static")
TEMPLATES = files("scheduler.http.web").joinpath("templates")
ROWS = re.findall(
    r"^\| (\S+) \| (\S+) \| (\S+) \| `([^`]+)` \| `[^`]+` \| `([0-9a-f]{64})` \|$",
    STATIC.joinpath("VENDORED.md").read_text(),
    re.MULTILINE,
)


def test_every_foreign_file_is_written_down_with_its_licence():
    names = {row[3] for row in ROWS}
    here = {entry.name for entry in STATIC.iterdir()}
    assert names <= here
    assert {name for name in here if ".min." in name or name.endswith(".LICENSE")} <= names
    for package, *_ in ROWS:
        assert any(row[0] == package and row[3].endswith(".LICENSE") for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[3])
def test_foreign_files_are_as_they_were_taken(row):
    assert sha256(STATIC.joinpath(row[3]).read_bytes()).hexdigest() == row[4]


@pytest.mark.parametrize("template", sorted(entry.name for entry in TEMPLATES.iterdir()))
def test_no_template_has_a_script_or_a_style_in_it_or_fetches_from_elsewhere(template):
    text = TEMPLATES.joinpath(template).read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\| *safe\b|autoescape", text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


@pytest.mark.parametrize("name", sorted(e.name for e in STATIC.iterdir() if re.fullmatch(r"[^.]+\.js", e.name)))
def test_our_scripts_make_no_markup_and_no_code_of_text(name):
    text = STATIC.joinpath(name).read_text()
    assert not re.search(r"(?:inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write|eval\(|new Function", text)
