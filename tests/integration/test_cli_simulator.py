"""The commands that need an account, and those that need a database: on the simulator and on a real file."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.cli import main, terminal
from scheduler.cli.ending import CONFIGURATION, DATABASE, NOT_RUNNING, NOT_SO, USAGE
from scheduler.clock import SystemClock
from scheduler.core.decide import decide
from scheduler.ports import Batch, DecisionRecord
from storage import open_store
from storage.mapping import encode_decision, encode_situation
from tests.fakes_daemon import NOW, POLLY, make_home, make_situation, seen

SECRET = "KWHEN_ENODE__CLIENT_SECRET"


@pytest.fixture(scope="module")
def account():
    """The first line that `kwhen simulator` prints."""
    command = [sys.executable, "-m", "scheduler.cli", "simulator", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture
def kwhen(monkeypatch, capsys, tmp_path):
    for variable in [name for name in os.environ if name.startswith("KWHEN_")]:
        monkeypatch.delenv(variable)
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal.colourful.cache_clear()

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write a configuration of one home; returns its path."""

    def write(account=None, *, more=""):
        url = account["url"] if account else "http://127.0.0.1:9"
        monkeypatch.setenv(SECRET, account["client_secret"] if account else "secret")
        path = tmp_path / "kwhen.toml"
        path.write_text(
            f"""
            socket = "{tmp_path}/none.sock"
            [enode]
            url = "{url}"
            token_url = "{url}/oauth2/token"
            client_id = "{account["client_id"] if account else "id"}"
            [storage]
            url = "sqlite:///{tmp_path}/kwhen.db"
            [[home]]
            id = "home"
            user_id = "user-oslo"
            timezone = "Europe/Oslo"
            location_id = "the-house"
            {more}
            """
        )
        return path

    return write


def test_discover_prints_what_there_is_and_a_block_that_is_a_good_configuration(kwhen, account, monkeypatch, config):
    monkeypatch.setenv(SECRET, account["client_secret"])
    given = [
        "--url",
        account["url"],
        "--token-url",
        f"{account['url']}/oauth2/token",
        "--client-id",
        account["client_id"],
    ]
    status, out, err = kwhen("home", "discover", "--user", "user-oslo", *given)
    assert (status, err) == (0, "")
    assert "Charging at home" in out
    block = out[out.index("[[home]]") :]
    [home] = tomllib.loads(block)["home"]
    assert len(home["charger_ids"]) == 2
    path = config(account)
    path.write_text(path.read_text().partition("[[home]]")[0].replace("            ", "") + block)
    assert kwhen("check", "-c", path)[0] == 0


def test_discover_takes_the_configured_account_and_every_user(kwhen, account, config):
    status, out, _ = kwhen("home", "discover", "-c", config(account), "--json")
    assert status == 0
    users = json.loads(out)["users"]
    assert sorted(one["user_id"] for one in users) == ["user-berlin", "user-groningen", "user-oslo"]
    assert account["client_secret"] not in out


def test_half_an_account_is_wrong_usage(kwhen):
    assert kwhen("home", "discover", "--url", "http://127.0.0.1:9")[0] == USAGE


def test_a_refused_account_is_told_without_its_secret(kwhen, account, config):
    path = config(account | {"client_secret": "a-wrong-secret-indeed"})
    status, out, err = kwhen("home", "discover", "-c", path)
    assert (status, out) == (NOT_SO, "")
    assert "a-wrong-secret" not in err


def test_doctor_finds_the_account_good_and_the_daemon_missing(kwhen, account, config):
    status, out, _ = kwhen("doctor", "--online", "-c", config(account), "--json")
    assert status == NOT_SO
    levels = {one["name"]: one["level"] for one in json.loads(out)["findings"]}
    assert (levels["provider"], levels["database"], levels["packages"], levels["daemon"]) == ("ok", "ok", "ok", "fail")


def test_doctor_tells_a_dead_provider_and_every_problem_of_the_file(kwhen, config):
    findings = json.loads(kwhen("doctor", "--online", "-c", config(), "--json")[1])["findings"]
    assert {"provider", "daemon"} == {one["name"] for one in findings if one["level"] == "fail"}
    broken = config(more='nonsense = 1\nmode = "maybe"')
    found = [
        one
        for one in json.loads(kwhen("doctor", "-c", broken, "--json")[1])["findings"]
        if one["name"] == "configuration"
    ]
    assert len(found) == 2
    assert found[-1]["remedy"]


def test_check_names_every_problem_with_its_key(kwhen, config):
    path = config(more='nonsense = 1\nmode = "maybe"')
    status, out, err = kwhen("check", "-c", path)
    assert (status, out) == (CONFIGURATION, "")
    assert "nonsense" in err
    assert "mode" in err
    assert "Traceback" not in err
    assert len(json.loads(kwhen("check", "-c", path, "--json")[1])["problems"]) == 2


def test_check_warns_of_what_a_good_file_leaves_open(kwhen, config):
    status, out, _ = kwhen("check", "-c", config(), "--json")
    assert status == 0
    assert json.loads(out)["warnings"]


class TestDatabase:
    @pytest.fixture
    async def url(self, tmp_path):
        """A database with forty events, a decision that would be the same today, and one that would not."""
        url = f"sqlite:///{tmp_path}/kwhen.db"
        store = open_store(url, clock=SystemClock())
        run = await store.open(node="test")
        start = 1_795_000_000_000_000_000
        events = [
            {"seq": i, "t": start + i * 10**9, "m": i * 10**9, "run": run, "node": "test", "k": "TICK", "n": i}
            for i in range(1, 41)
        ]
        home = make_home()
        situation = make_situation(home, home.vehicles[0], seen())
        stored, blobs = encode_situation(situation)
        decision = decide(situation)
        record = DecisionRecord(
            vehicle_id=POLLY, home_id=home.id, at=NOW, key="a", situation=stored,
            decision=encode_decision(decision), summary="",
        )  # fmt: skip
        other = replace(
            record, at=NOW + timedelta(minutes=1), key="b", decision=encode_decision(replace(decision, soc_pct=99.0))
        )
        await store.commit(Batch(events=events, decisions=[record, other], blobs=blobs))
        await store.close()
        return url

    def test_the_journal_can_be_read_without_a_daemon(self, kwhen, url, tmp_path):
        assert len(kwhen("journal", "tail", "-n", "3", "--database", url)[1].splitlines()) == 3
        assert kwhen("journal", "check", "--database", url)[:2] == (0, "no violation in 40 events\n")
        file = tmp_path / "out.jsonl"
        kwhen("journal", "export", file, "--database", url)
        assert [json.loads(line)["n"] for line in file.read_text().splitlines()] == list(range(1, 41))

    def test_the_configured_database_is_read_when_no_daemon_runs(self, kwhen, url, config):
        assert kwhen("journal", "tail", "-n", "1", "-c", config())[1].strip().endswith("n=40")

    def test_without_a_configuration_the_missing_daemon_is_told(self, kwhen, tmp_path):
        assert kwhen("journal", "tail", "-c", tmp_path / "none.toml")[0] == NOT_RUNNING

    def test_replay_finds_the_decision_that_would_be_another(self, kwhen, url):
        status, out, _ = kwhen("journal", "replay", "--database", url, "--json")
        answer = json.loads(out)
        assert (status, answer["decisions"], answer["same"]) == (NOT_SO, 2, 1)
        assert answer["differing"][0]["differences"][0]["member"] == "soc_pct"

    def test_version_backup_and_upgrade(self, kwhen, url, tmp_path):
        assert "up to date" in kwhen("db", "version", "--database", url)[1]
        copy = tmp_path / "copy.db"
        assert kwhen("db", "backup", copy, "--database", url)[0] == 0
        assert kwhen("journal", "check", "--database", f"sqlite:///{copy}")[0] == 0
        assert kwhen("db", "backup", copy, "--database", url)[0] == NOT_SO
        new = f"sqlite:///{tmp_path}/new.db"
        assert kwhen("db", "version", "--database", new)[0] == NOT_SO
        assert json.loads(kwhen("db", "upgrade", "--database", new, "--json")[1])["current"] is True

    def test_what_is_no_database_ends_with_65_and_is_left_alone(self, kwhen, tmp_path):
        file = tmp_path / "kwhen.db"
        file.write_bytes(b"no database at all, but long enough to look at" * 100)
        before = file.read_bytes()
        assert kwhen("db", "upgrade", "--database", f"sqlite:///{file}")[0] == DATABASE
        assert file.read_bytes() == before
