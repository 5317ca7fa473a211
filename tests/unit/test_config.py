import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from scheduler.clock import SystemClock
from scheduler.config import Secret, load, policy_sets, price_feeds, warnings
from scheduler.config import installed as find_installed
from scheduler.config.checks import Installed
from scheduler.config.control import ControlTable
from scheduler.config.tables import File
from scheduler.core.errors import ConfigError
from scheduler.core.model import HoldMode, Limits, Mode
from scheduler.plugins import POLICIES, PRICE_SOURCES, Registry
from scheduler.web_client import WebClient
from storage.memory import MemoryStore
from tests.fakes_daemon import StillClock
from tests.plugins.installing import installed

CLIENT_SECRET = "s3cr3t-of-the-client"
WEBHOOK_SECRET = "0123456789abcdef0123456789abcdef"
ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": CLIENT_SECRET, "HOME": "/home/ada"}
NOW = datetime(2026, 11, 1, tzinfo=UTC)

ENODE = '[enode]\nenvironment = "sandbox"\nclient_id = "me"\n'
HOME = """
[[home]]
id = "oslo"
user_id = "u1"
timezone = "Europe/Oslo"
location_id = "l1"
"""
CAR = '[[home.vehicle]]\nid = "v1"\n'
READY = '[[home.policy]]\nname = "ready-by"\nat = "07:30"\n'
FLAT = '[[home.policy]]\nname = "flat"\nper_kwh = 0.3\n'
GRID = (
    '[[home.policy]]\nname = "carbon"\nsource = "grid"\nper_tonne = {}\n'
    '[[prices]]\nname = "grid"\nsource = "file"\npath = "p"\n'
)


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "kwhen.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def refused(write):
    """Load what has to be refused and return the problems, the file's name cut off."""

    def refused(text: str, **environ: str) -> list[str]:
        path = write(text)
        with pytest.raises(ConfigError) as caught:
            load(path, ENVIRON | environ)
        return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]

    return refused


# --- what is loaded ---------------------------------------------------------------------------------------------------


def test_a_small_file_has_defaults_for_everything_else(write):
    settings = load(write(ENODE + HOME + CAR + READY + FLAT), ENVIRON)
    assert settings.enode.api_url == "https://enode-api.sandbox.enode.io"
    assert settings.enode.token_url == "https://oauth.sandbox.enode.io/oauth2/token"
    assert settings.limits == Limits()
    assert not settings.webhook.enabled
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8790)
    assert settings.storage_url == "sqlite:////home/ada/.local/state/kwhen/kwhen.db"
    assert str(settings.socket) == "/home/ada/.local/state/kwhen/kwhen.sock"
    (home,) = settings.homes
    assert (home.id, home.mode, home.hold_mode, home.min_dwell) == (
        "oslo",
        Mode.CONTROL,
        HoldMode.STOP,
        timedelta(minutes=10),
    )
    assert [(spec.name, spec.settings) for spec in home.policies] == [
        ("ready-by", {"at": "07:30"}),
        ("flat", {"per_kwh": 0.3}),
    ]
    assert warnings(settings, at=NOW) == ()


@pytest.mark.parametrize(
    ("line", "slack"), [("", None), ("slack_min = 45", timedelta(minutes=45)), ("slack_min = 0", timedelta(0))]
)
def test_a_home_may_have_a_slack_of_its_own(write, line, slack):
    [home] = load(write(ENODE + HOME + line + "\n"), ENVIRON).homes
    assert home.slack == slack


def test_systemds_directories_are_the_defaults_under_systemd(write):
    settings = load(
        write(ENODE), ENVIRON | {"STATE_DIRECTORY": "/var/lib/kwhen", "RUNTIME_DIRECTORY": "/run/kwhen:/run/x"}
    )
    assert settings.storage_url == "sqlite:////var/lib/kwhen/kwhen.db"
    assert str(settings.socket) == "/run/kwhen/kwhen.sock"


def test_units_in_names_become_durations(write):
    control = "[control]\nx_src_min = 20\nt_probe_s = 30\nx_parked_h = 2\nhorizon_days = 3\nn_hour = 4\n"
    limits = load(write(ENODE + control), ENVIRON).limits
    assert (limits.x_src, limits.t_probe, limits.x_parked, limits.horizon, limits.n_hour) == (
        timedelta(minutes=20),
        timedelta(seconds=30),
        timedelta(hours=2),
        timedelta(days=3),
        4,
    )


def test_every_parameter_of_the_rules_can_be_set():
    assert len(ControlTable.model_fields) == len(Limits.__dataclass_fields__)


def test_variables_override_the_file_and_their_origin_is_known(write):
    path = write(ENODE + '[log]\nlevel = "debug"\n')
    settings = load(path, ENVIRON | {"KWHEN_LOG__LEVEL": "error", "KWHEN_HTTP__LISTEN": "127.0.0.1:1234"})
    assert settings.log.level == "error"
    assert settings.http.port == 1234
    assert settings.origins["log.level"] == "KWHEN_LOG__LEVEL"
    assert settings.origins["enode.client_id"] == str(path)
    assert settings.origins["enode.client_secret"] == "KWHEN_ENODE__CLIENT_SECRET"


def test_a_configuration_may_come_from_variables_alone():
    variables = {"KWHEN_ENODE__ENVIRONMENT": "production", "KWHEN_ENODE__CLIENT_ID": "me"}
    assert load(None, ENVIRON | variables).enode.environment == "production"


def test_a_variable_that_merely_begins_as_ours_is_only_noted(write):
    settings = load(write(ENODE), ENVIRON | {"KWHEN_PORT": "tcp://10.0.0.1:80", "KWHEN_CONFIG": "x"})
    (note,) = (one for one in warnings(settings, at=NOW) if "KWHEN_" in one)
    assert note.startswith("the variable KWHEN_PORT is no setting")


def test_dates_in_settings_of_policies_can_be_kept_as_json(write):
    text = ENODE + HOME + READY + "departures = [{ at = 2030-01-02T03:04:05 }]\n"
    assert load(write(text), ENVIRON).homes[0].policies[0].settings["departures"] == [{"at": "2030-01-02T03:04:05"}]


async def test_what_is_named_is_built(write, tmp_path):
    prices = f'[[prices]]\nname = "m"\nsource = "file"\npath = "{tmp_path}/p.csv"\n'
    settings = load(write(ENODE + prices + HOME + READY), ENVIRON)
    plugins = find_installed()
    assert price_feeds(settings, plugins, WebClient(StillClock(NOW)))["m"].source.path == f"{tmp_path}/p.csv"
    assert [one.label for one in policy_sets(settings, plugins)["oslo"].speakers] == ["ready-by"]


async def test_what_retention_names_can_be_pruned(write):
    settings = load(write(ENODE), ENVIRON)
    store = MemoryStore(SystemClock())
    await store.open(node="here")
    assert await store.prune(before=settings.retained_since(NOW)) == 0


# --- S21: the hash ----------------------------------------------------------------------------------------------------


def test_the_hash_tells_configurations_apart_and_knows_no_secret(write):
    one = load(write(ENODE + HOME), ENVIRON)
    same = load(write(HOME.replace("\n", "\n\n") + ENODE), ENVIRON | {"KWHEN_ENODE__CLIENT_SECRET": "another-one"})
    other = load(write(ENODE + HOME + CAR), ENVIRON)
    assert one.digest == same.digest
    assert one.digest != other.digest
    assert re.fullmatch("[0-9a-f]{64}", one.digest)


def test_a_password_in_the_address_of_the_store_is_not_hashed(write):
    digests = {
        load(write(ENODE), ENVIRON | {"KWHEN_STORAGE__URL": f"postgresql://me:{word}@db/kwhen"}).digest
        for word in ("one", "two")
    }
    assert len(digests) == 1


# --- S19, C04: secrets ------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """A directory of secrets, as their owner alone may read them."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    for name, text in (
        ("enode_client_id", "id-of-file"),
        ("enode_client_secret", "of-the-file"),
        ("webhook_secret", WEBHOOK_SECRET),
    ):
        (directory / name).write_text(text + "\n")
        (directory / name).chmod(0o600)
    return directory


@pytest.mark.parametrize("by", ["CREDENTIALS_DIRECTORY", "KWHEN_SECRETS_DIR"])
def test_secrets_come_from_files(write, kept, by):
    settings = load(write('[enode]\nenvironment = "sandbox"\n'), {by: str(kept), "HOME": "/home/ada"})
    assert settings.enode.client_id == "id-of-file"
    assert settings.enode.client_secret.reveal() == "of-the-file"
    assert settings.origins["webhook.secret"] == str(kept / "webhook_secret")
    assert set(settings.secrets()) == {"of-the-file", WEBHOOK_SECRET}


def test_a_variable_goes_before_a_file(write, kept):
    settings = load(write(ENODE), ENVIRON | {"CREDENTIALS_DIRECTORY": str(kept)})
    assert settings.enode.client_secret == Secret(CLIENT_SECRET)


def test_no_secret_is_shown(write):
    environ = ENVIRON | {
        "KWHEN_WEBHOOK__SECRET": WEBHOOK_SECRET,
        "KWHEN_STORAGE__URL": "postgresql://me:pass%20word@db/kwhen",
    }
    settings = load(write(ENODE), environ)
    shown = f"{settings!r} {settings.enode.client_secret} {settings.webhook}"
    assert list(settings.secrets()) == [CLIENT_SECRET, WEBHOOK_SECRET, "pass word"]
    assert not any(secret in shown for secret in (CLIENT_SECRET, WEBHOOK_SECRET, "pass%20word"))


def test_each_setting_is_shown_with_its_origin_and_no_secret_or_position(write):
    environ = ENVIRON | {
        "KWHEN_HTTP__TOKEN": "a token of sixteen",
        "KWHEN_STORAGE__URL": "postgresql://me:pass%20word@db/kwhen",
    }
    home = '[[home]]\nid = "h"\nuser_id = "u"\ntimezone = "Europe/Oslo"\nmode = "observe"\nlatitude = 59.91387\nlongitude = 10.75225\n'
    path = write(ENODE + '[http]\nlisten = "192.0.2.7:80"\n' + home)
    settings = load(path, environ)
    shown = {one.key: one for one in settings.shown}
    assert settings.http.page == "dashboard"
    assert (shown["http.listen"].value, shown["http.listen"].origin) == ("192.0.2.7:80", str(path))
    assert (shown["http.token"].value, shown["http.token"].origin) == ("[hidden]", "KWHEN_HTTP__TOKEN")
    assert (shown["storage.url"].value, shown["storage.url"].origin) == ("postgresql://db/kwhen", "KWHEN_STORAGE__URL")
    assert shown["log.level"].origin == "default"
    assert shown["home[0].latitude"].value == "about 59.9"
    told = " ".join(f"{one.key} {one.value}" for one in settings.shown)
    assert not any(hidden in told for hidden in ("sixteen", "word", CLIENT_SECRET, "59.91387", "10.75225"))


def test_a_short_token_is_refused(refused):
    assert any("http.token: must have 16 to 256 bytes" in one for one in refused(ENODE, KWHEN_HTTP__TOKEN="short"))


def test_a_file_that_everybody_may_read_is_refused(refused, kept):
    (kept / "enode_client_secret").chmod(0o644)
    problems = refused(ENODE.replace("[enode]", f'secrets_dir = "{kept}"\n[enode]'), KWHEN_ENODE__CLIENT_SECRET="")
    path = kept / "enode_client_secret"
    assert problems == [f"enode.client_secret: {path} may be read by everybody on this machine; run: chmod 600 {path}"]


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "is empty"), (b"\xff\xfe", "cannot be read"), (b"x" * 99_999, "large")]
)
def test_a_file_that_holds_no_secret_is_refused(refused, kept, content, why):
    (kept / "enode_client_secret").write_bytes(content)
    (problem,) = refused(ENODE, KWHEN_ENODE__CLIENT_SECRET="", CREDENTIALS_DIRECTORY=str(kept))
    assert why in problem


def test_secrets_that_are_missing_are_named_with_every_way_to_give_them(refused):
    problems = refused(
        '[enode]\nenvironment = "sandbox"\n[webhook]\npublic_url = "https://h/x"\n', KWHEN_ENODE__CLIENT_SECRET=""
    )
    assert [problem.split(":")[0] for problem in problems] == [
        "enode.client_secret",
        "enode.client_id",
        "webhook.secret",
    ]
    assert "KWHEN_ENODE__CLIENT_SECRET or write it to a file enode_client_secret" in problems[0]


def test_a_secret_in_the_file_is_refused_and_not_repeated(refused):
    problems = refused(
        ENODE + f'client_secret = "{CLIENT_SECRET}"\n[storage]\nurl = "postgresql://me:{CLIENT_SECRET}@db/k"\n'
    )
    assert ["must not stand in this file" in problem for problem in problems] == [True, True]
    assert CLIENT_SECRET not in "".join(problems)


@pytest.mark.parametrize("secret", ["fifteen-bytes-x", "x" * 257])
def test_a_webhook_secret_too_short_or_long_is_refused(refused, secret):
    """S15."""
    (problem,) = refused(ENODE, KWHEN_WEBHOOK__SECRET=secret)
    assert "16 to 256 bytes" in problem
    assert secret not in problem


@pytest.mark.parametrize("secret", ["fifteen-bytes-x", "x" * 257, WEBHOOK_SECRET])
def test_a_previous_webhook_secret_must_be_another_good_one(refused, secret):
    (problem,) = refused(ENODE, KWHEN_WEBHOOK__SECRET=WEBHOOK_SECRET, KWHEN_WEBHOOK__PREVIOUS_SECRET=secret)
    assert problem.startswith("webhook.previous_secret: ")
    assert secret not in problem


def test_a_previous_webhook_secret_is_of_no_use_alone(refused):
    (problem,) = refused(ENODE, KWHEN_WEBHOOK__PREVIOUS_SECRET=WEBHOOK_SECRET)
    assert problem == "webhook.previous_secret: is there, but webhook.secret is not; it is the one before that"


# --- C01: what is refused, with file, line, key and remedy ------------------------------------------------------------


def test_no_toml_is_refused_with_its_line(refused):
    (problem,) = refused(ENODE + "[log\n")
    assert "line 4" in problem


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "none.toml", ENVIRON)


def test_every_problem_is_named_at_once_with_line_and_key(refused):
    text = (
        ENODE  # lines 1 to 3
        + "urrl = 1\n"
        + '[http]\nlisten = "everywhere"\n'
        + HOME  # 7 to 12
        + "min_dwel_min = 3\n"
        + CAR  # 14, 15
        + "capacity_kwh = 1000\n"
        + READY.replace("07:30", "7:30am")  # 17 to 19
        + HOME.replace('"Europe/Oslo"', '"Europe/Olso"')  # 20 to 25
    )
    assert refused(text) == [
        "4: enode.urrl: is unknown; did you mean 'url'?",
        "6: http.listen: must be an address and a port such as 127.0.0.1:8790, not 'everywhere'",
        "13: home[0].min_dwel_min: is unknown; did you mean 'min_dwell_min'?",
        "16: home[0].vehicle[0].capacity_kwh: should be less than or equal to 300",
        "19: home[0].policy[0].at: should be in a valid time format, invalid character in hour",
        "22: home[1].id: home 'oslo' stands at home[0].id already; remove one of the two",
        "24: home[1].timezone: no time zone is called 'Europe/Olso'; give a name of the IANA list such as Europe/Oslo",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param('[enode]\nclient_id = "x"\n', 'enode: no environment is chosen; set environment = "sandbox"', id="no-environment"),
        pytest.param(ENODE + 'url = "https://x"\n', "environment and url exclude", id="both"),
        pytest.param('[enode]\nclient_id = "x"\nurl = "http://enode.example"\ntoken_url = "https://x/t"\n', "url must begin with https", id="http"),
        pytest.param(ENODE.replace("sandbox", "test"), "environment: should be 'production' or 'sandbox'", id="environment"),
        pytest.param(ENODE + '[webhook]\npublic_url = "http://me.example/x"\n', "must begin with https", id="webhook-http"),
        pytest.param(ENODE + '[webhook]\npublic_url = "https://me.example"\n', "must have a path", id="webhook-path"),
        pytest.param(ENODE + '[webhook]\npublic_url = "https://me.example/x?y=1"\n', "query", id="webhook-query"),
        pytest.param(ENODE + '[http]\npage = "status"\nlisten = "0.0.0.0:8790"\n', "no login", id="page-outside"),
        pytest.param(ENODE + '[http]\nlisten = "127.0.0.1:99999"\n', "0 to 65535", id="port"),
        pytest.param(ENODE + '[storage]\nurl = "mysql://x"\n', "storage.url: must begin with one of sqlite", id="store"),
        pytest.param(ENODE + '[log]\nlevel = "loud"\n', "log.level: should be 'debug'", id="level"),
        pytest.param(ENODE + "[retention]\njournal_days = 0\n", "journal_days: should be greater", id="retention"),
        pytest.param(ENODE + "[control]\nx_src_min = 0\n", "control.x_src_min: should be greater", id="parameter"),
        pytest.param(ENODE + "[control]\nx_src = 30\n", "did you mean 'x_src_min'", id="parameter-without-unit"),
        pytest.param(ENODE + "[control]\nx_src_min = nan\n", "x_src_min: should be", id="parameter-nan"),
        pytest.param(ENODE + "[controls]\n", "controls: is unknown; did you mean 'control'", id="table"),
        pytest.param(ENODE + 'home = "here"\n[x]\n', "enode.home: is unknown", id="table-in-table"),
        pytest.param("home = 3\n" + ENODE, "home: should be a valid list", id="no-list-of-homes"),
        pytest.param(ENODE + HOME.replace('location_id = "l1"', ""), "home[0].location_id: is missing", id="C02-no-location"),
        pytest.param(ENODE + HOME + "latitude = 0\nlongitude = 0\n", "Gulf of Guinea", id="C02-zero"),
        pytest.param(ENODE + HOME + "latitude = 139.7\nlongitude = 35.7\n", "look exchanged", id="C02-exchanged"),
        pytest.param(ENODE + HOME + "latitude = 400\nlongitude = 35.7\n", "not on Earth", id="C02-off-the-map"),
        pytest.param(ENODE + HOME + "latitude = 59.9\n", "give both or none", id="C02-half"),
        pytest.param(ENODE + HOME + READY + "soc_pct = 0\n", "home[0].policy[0]: soc_pct must be above 0", id="C03-zero"),
        pytest.param(ENODE + HOME + READY + "soc_pct = 101\n", "at most 100", id="C03-101"),
        pytest.param(ENODE + HOME + READY.replace('at = "07:30"\n', ""), "no departure: give at", id="C03-no-deadline"),
        pytest.param(
            ENODE + HOME + READY + 'soc_pct = 40\n[[home.policy]]\nname = "minimum-soc"\nsoc_pct = 50\n',
            "home[0].policy[0].soc_pct: the target of 40 % lies below the minimum of 50 %",
            id="C03-below-minimum",
        ),
        pytest.param(ENODE + HOME + CAR + CAR, "vehicle 'v1' stands at home[0].vehicle[0].id already", id="C05-one-home"),
        pytest.param(
            ENODE + HOME + CAR + HOME.replace("oslo", "cabin") + CAR,
            "home[1].vehicle[0].id: vehicle 'v1' stands at home[0].vehicle[0].id already",
            id="C05-two-homes",
        ),
        pytest.param(ENODE + HOME + HOME, "home[1].id: home 'oslo' stands at", id="home-twice"),
        pytest.param(ENODE + HOME + 'charger_ids = ["c", "c"]\n', "charger 'c' stands at", id="charger-twice"),
        *(
            pytest.param(ENODE + HOME + CAR + f"{key} = {value}\n", f"vehicle[0].{key}: should be", id=f"C07-{key}-{value}")
            for key, value in [
                ("capacity_kwh", 0), ("capacity_kwh", 1000), ("capacity_kwh", -40), ("capacity_kwh", "inf"),
                ("charge_power_kw", 0), ("charge_power_kw", 401), ("charge_power_kw", -1), ("charge_power_kw", "nan"),
                ("energy_per_session_kwh", 0),
            ]
        ),
        *(
            pytest.param(ENODE + HOME + f"slack_min = {value}\n", "home[0].slack_min: should be", id=f"slack-{value}")
            for value in (-1, 481, "nan")
        ),
        pytest.param(ENODE + HOME + CAR + "capacity_kwh = true\n", "must be a number, not true", id="C07-bool"),
        pytest.param(ENODE + HOME + 'currency = "€"\n', "three capital letters", id="currency"),
        pytest.param(ENODE + HOME + '[[home.policy]]\nname = "redy-by"\n', "policy[0].name: 'redy-by' is not installed; did you mean 'ready-by'", id="policy"),
        pytest.param(ENODE + HOME + '[[home.policy]]\nnam = "flat"\n', "policy[0].name: is missing", id="policy-name"),
        pytest.param(ENODE + HOME + FLAT + "soc = 1\n", "policy[0].soc: is unknown", id="policy-key"),
        pytest.param(ENODE + HOME + '[[home.policy]]\nname = "spot"\nsource = "market"\n', "policy[0].source: no [[prices]] is named 'market'", id="policy-source"),
        pytest.param(ENODE + HOME + '[[home.policy]]\nname = "carbon"\nsource = "grid"\nper_tonne = 9\n', "policy[0].source: no [[prices]] is named 'grid'", id="carbon-source"),
        pytest.param(ENODE + HOME + '[[home.policy]]\nname = "carbon"\nsource = "grid"\nper_tonne = -9\n', "per_tonne must be 0 or more", id="carbon-worth"),
        pytest.param(ENODE + '[[prices]]\nname = "m"\nsource = "fil"\n', "prices[0].source: 'fil' is not installed; did you mean 'file'", id="source"),
        pytest.param(ENODE + '[[prices]]\nname = "m"\nsource = "file"\n', "prices[0].path: is missing", id="source-setting"),
        pytest.param(ENODE + '[[prices]]\nname = "m"\nsource = "file"\npath = "p"\n[[prices]]\nname = "m"\nsource = "file"\npath = "p"\n', "price source 'm' stands at", id="prices-twice"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_key_and_remedy(refused, text, problem):
    environ = {"KWHEN_WEBHOOK__SECRET": WEBHOOK_SECRET}
    problems = refused(text, **environ)
    assert any(problem in one for one in problems), problems
    assert len(problems) == 1 or "enode.home" in problem, problems


@pytest.mark.parametrize(
    "text",
    [
        *('_env_file = "x"', '"a.b" = 1', "home = [3]", "prices = {}", "enode = []", "webhook = 3", "control = 3"),
        *("secrets_dir = 3", 'secrets_dir = "/nowhere"', "[[storage]]", "[[home]]", "[[home]]\npolicy = [3]"),
        *(
            '[[home]]\nvehicle = "x"\ncharger_ids = [3, 3]',
            "[[prices]]\nsource = {}",
            "socket = nan",
            "storage.url = []",
        ),
    ],
)
def test_a_file_of_another_shape_is_refused_like_any_other(refused, text):
    assert any(re.search(r"\b(is unknown|should be|is missing)", problem) for problem in refused(text))


@pytest.mark.parametrize("line", range(12))
def test_any_value_in_any_place_is_loaded_or_refused(checkout, write, line):
    """Each line of the example in turn gets a value that makes no sense, another one in each round."""
    odd = ("[]", "{}", "-1", '"x"', '""', "nan", "true", "1979-05-27", "[1]", "[{}]", '[["x"]]', "99999999999999999999")
    text = (checkout / "config.example.toml").read_text().splitlines()
    settings = [index for index, one in enumerate(text) if re.match(r"\w+ = ", one)]
    for index in settings[line::12]:
        changed = [*text]
        changed[index] = f"{text[index].split(' = ')[0]} = {odd[(index + line) % len(odd)]}"
        try:
            settings_or_problems = load(write("\n".join(changed)), ENVIRON).digest
        except ConfigError as error:
            settings_or_problems = error.problems
        assert settings_or_problems


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("KWHEN_ENODE__URRL", "x", "KWHEN_ENODE__URRL: enode.urrl: is unknown; did you mean 'url'"),
        ("KWHEN_LOG__LEVEL", "loud", "KWHEN_LOG__LEVEL: log.level: should be"),
        ("KWHEN_HOME", "[", "a variable that holds a whole table must be JSON"),
    ],
)
def test_a_wrong_variable_is_named(refused, variable, value, problem):
    assert problem in refused(ENODE, **{variable: value})[0]


def test_a_rejected_configuration_leaves_the_old_value_as_it_was(write):
    """C01, S21: loading changes nothing; the holder of the old value keeps it."""
    old = load(write(ENODE + HOME + CAR), ENVIRON)
    before = repr(old)
    with pytest.raises(ConfigError):
        load(write(ENODE + HOME + CAR + "nonsense = 1\n"), ENVIRON)
    assert repr(old) == before


# --- what is only doubted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        pytest.param("", "no home is configured", id="no-home"),
        pytest.param(HOME + READY + FLAT, "home oslo: it has no vehicle", id="no-vehicle"),
        pytest.param(HOME + CAR + FLAT, "no policy gives a target", id="no-target"),
        pytest.param(HOME + CAR + READY, "no policy gives a price", id="no-price"),
        pytest.param(HOME + CAR + READY + GRID.format(0), "no policy gives a price", id="carbon-that-weighs-nothing"),
        pytest.param(HOME + CAR + GRID.format(90), "no policy gives a target", id="carbon-asks-for-nothing"),
        pytest.param(
            HOME + CAR + FLAT + '[[home.policy]]\nname = "ready-by"\ndepartures = [{ at = 2026-01-01T06:00:00 }]\n',
            "every departure of ready-by is over",
            id="departures-over",
        ),
        pytest.param(HOME + "trust_charger = true\n" + CAR + READY + FLAT, "trust_charger does nothing", id="trust"),
        pytest.param(HOME.replace('location_id = "l1"', 'mode = "observe"') + CAR + READY + FLAT, "no location_id", id="C02-observing"),
        pytest.param(HOME + "latitude = 10.75\nlongitude = 59.91\n" + CAR + READY + FLAT, "look exchanged", id="C02-exchanged"),
        pytest.param(HOME + "latitude = -33.9\nlongitude = 18.4\n" + CAR + READY + FLAT, "far from Europe/Oslo", id="C02-far"),
        pytest.param(HOME + CAR + READY + FLAT + '[[prices]]\nname = "m"\nsource = "file"\npath = "p"\n', "prices m: no policy reads", id="prices-unused"),
        pytest.param('[http]\nlisten = "192.0.2.7:8790"\n' + HOME + CAR + READY + FLAT, "proxy with TLS", id="page-in-the-clear"),
    ],
)  # fmt: skip
def test_what_is_probably_not_meant_is_said_and_loaded(write, text, doubt):
    found = warnings(load(write(ENODE + text), ENVIRON), at=NOW)
    assert [doubt in one for one in found] == [True], found


@pytest.mark.parametrize(
    ("home", "cars", "capacity_kw", "found"),
    [
        pytest.param("", [11.0], 5, ["v0 can charge with 11 kW, and above 5 kW"], id="car"),
        pytest.param("max_kw = 7.4\n", [11.0], 5, ["v0 can charge with 7.4 kW"], id="car-at-a-weaker-home"),
        pytest.param("max_kw = 7.4\n", [None], 5, ["v0 can charge with 7.4 kW"], id="home-alone"),
        pytest.param("", [3.7, 11.0], 5, ["v1 can charge with 11 kW"], id="one-of-two"),
        pytest.param("", [3.7, 3.7], 5, ["its cars together can charge with 7.4 kW"], id="together"),
        pytest.param("max_kw = 4.6\n", [3.7, 3.7], 5, [], id="together-at-a-weaker-home"),
        pytest.param("", [3.7], 5, [], id="below"),
        pytest.param("", [5.0], 5, [], id="at-the-step"),
        pytest.param("", [None], 5, [], id="nothing-known"),
        pytest.param("", [11.0], None, [], id="no-such-fee"),
    ],
)
def test_a_car_that_can_lift_the_monthly_fee_is_doubted(write, home, cars, capacity_kw, found):
    text = ENODE + HOME + home
    for index, power in enumerate(cars):
        text += f'[[home.vehicle]]\nid = "v{index}"\n' + (f"charge_power_kw = {power}\n" if power else "")
    text += READY + FLAT + (f"capacity_kw = {capacity_kw}\n" if capacity_kw else "")
    told = warnings(load(write(text), ENVIRON), at=NOW)
    assert len(told) == len(found)
    assert all(one.startswith(f"home oslo: {begin}") for one, begin in zip(told, found, strict=True))


@pytest.mark.parametrize(
    ("settings", "doubts"),
    [
        ('source = "nord-pool"\nzone = "NO1"\n', 1),  # in EUR if nothing is said
        ('source = "nord-pool"\nzone = "NO1"\ncurrency = "NOK"\n', 0),
        ('source = "file"\npath = "p"\n', 0),  # the file itself says it
    ],
)
def test_prices_in_another_currency_than_the_homes_are_doubted(write, settings, doubts):
    home = HOME + 'currency = "NOK"\n' + CAR + READY + '[[home.policy]]\nname = "spot"\nsource = "market"\n'
    told = warnings(load(write(ENODE + home + f'[[prices]]\nname = "market"\n{settings}'), ENVIRON), at=NOW)
    assert told == ("home oslo: its prices market are in EUR, it reckons in NOK: set the same currency",) * doubts


def test_a_source_that_stands_in_is_not_doubted(write):
    market = '[[prices]]\nname = "market"\nsource = "file"\npath = "p"\nstand_in = "backup"\n'
    backup = '[[prices]]\nname = "backup"\nsource = "file"\npath = "q"\n'
    spot = '[[home.policy]]\nname = "spot"\nsource = "market"\n'
    assert warnings(load(write(ENODE + HOME + CAR + READY + spot + market + backup), ENVIRON), at=NOW) == ()
    unread = load(write(ENODE + HOME + CAR + READY + FLAT + market + backup), ENVIRON)
    assert len(warnings(unread, at=NOW)) == 2


def test_the_lowest_step_of_several_tariffs_counts(write):
    car = CAR + "charge_power_kw = 11.0\n"
    clock = '[[home.policy]]\nname = "time-of-use"\nper_kwh = 0.1\ncapacity_kw = 10\n'
    (doubt,) = warnings(load(write(ENODE + HOME + car + READY + FLAT + "capacity_kw = 5\n" + clock), ENVIRON), at=NOW)
    assert "above 5 kW" in doubt
    (doubt,) = warnings(load(write(ENODE + HOME + car + READY + FLAT + clock), ENVIRON), at=NOW)
    assert "above 10 kW" in doubt


def test_a_car_that_is_left_out_lifts_no_fee(write):
    text = ENODE + HOME + CAR + 'mode = "off"\ncharge_power_kw = 11.0\n' + READY + FLAT + "capacity_kw = 5\n"
    assert warnings(load(write(text), ENVIRON), at=NOW) == ()


def test_a_policy_that_cannot_be_loaded_is_doubted_and_the_daemon_runs(write, tmp_path):
    """G05."""
    with installed("kwhen-broken", into=tmp_path):
        plugins = Installed(policies=Registry(POLICIES), price_sources=Registry(PRICE_SOURCES))
        text = ENODE + HOME + CAR + READY + FLAT + '[[home.policy]]\nname = "other-api"\nany = "thing"\n'
        settings = load(write(text), ENVIRON, plugins=plugins)
        (doubt,) = warnings(settings, at=NOW, plugins=plugins)
    assert doubt.startswith("other-api (from kwhen-broken) is set aside: it was written for version 2")


# --- the example ------------------------------------------------------------------------------------------------------


def test_the_example_loads_and_leaves_no_doubt(checkout):
    settings = load(checkout / "config.example.toml", ENVIRON)
    assert warnings(settings, at=NOW) == ()
    assert {spec.name for home in settings.homes for spec in home.policies} | {"flat"} == {
        plugin.name for plugin in Registry(POLICIES).all() if plugin.ours
    }


def test_the_example_shows_each_default_as_it_is(checkout):
    shown = load(checkout / "config.example.toml", ENVIRON)
    assert (shown.limits, shown.http, shown.log, shown.webhook) == _of_defaults(shown)


def _of_defaults(shown):
    bare = load(None, ENVIRON | {"KWHEN_ENODE__ENVIRONMENT": "sandbox", "KWHEN_ENODE__CLIENT_ID": "me"})
    assert bare.retention == shown.retention
    return (bare.limits, bare.http, bare.log, bare.webhook)


def test_the_example_shows_every_setting(checkout):
    text = (checkout / "config.example.toml").read_text()
    assert [
        key for key in _keys(File) if not re.search(rf"^#?{key} = |^\[+(\w+\.)?{key}\]+$", text, re.MULTILINE)
    ] == []


def _keys(table):
    for name, field in table.model_fields.items():
        yield name
        annotation = field.annotation
        for inner in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _keys(inner)
