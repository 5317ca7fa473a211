import subprocess
import sys

import pytest
import typer

from scheduler.cli import application, main
from scheduler.cli.ending import CONFIGURATION, DATABASE, FAULT, NOT_SO, USAGE
from scheduler.core.errors import ConfigError, ProviderUnauthorized, StoreError, StoreLocked, StoreNewer


@pytest.mark.parametrize("arguments", [["--help"], ["override", "--help"], ["journal", "check", "-h"], ["--version"]])
def test_help_and_version_are_good(arguments, capsys):
    assert main(arguments) == 0
    assert "kwhen" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["nonsense"],
        ["override", "ready-by", "Polly"],
        ["actions", "-n", "0"],
        ["demo", "--days", "x"],
        ["release"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_and_ends_with_2(arguments, capsys):
    assert main(arguments) == USAGE
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (ConfigError(["home.a.mode: unknown", "home.b.id: missing"]), CONFIGURATION, "home.b.id: missing"),
        (StoreNewer("schema 9 is newer than 3"), DATABASE, "nothing was changed"),
        (StoreLocked("in use by process 7"), NOT_SO, "process 7"),
        (StoreError("no such place"), NOT_SO, "no such place"),
        (ProviderUnauthorized("wrong client"), NOT_SO, "wrong client"),
        (KeyError("boo"), FAULT, "KWHEN_TRACEBACK"),
    ],
)
def test_each_error_ends_in_its_own_way_without_a_trace(monkeypatch, capsys, error, status, told):
    broken = typer.Typer()

    @broken.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(application, "app", broken)
    assert main([]) == status
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err


def test_asking_for_help_loads_nothing_heavy():
    heavy = ("aiohttp", "pydantic", "sqlalchemy", "numpy", "rich", "msgspec", "structlog", "apscheduler")
    code = (
        "import sys\nfrom scheduler.cli import main\nassert main(['--help']) == 0\n"
        f"sys.exit(' '.join(m for m in {heavy!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
