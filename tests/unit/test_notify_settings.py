"""The `[[notify]]` tables: what is loaded, what is refused, and where the secrets come from."""

from datetime import UTC, datetime

import pytest

from scheduler.clock import SystemClock
from scheduler.config import load, posts_of, warnings
from scheduler.core.errors import ConfigError
from scheduler.notifiers.email import Email
from scheduler.notifiers.ntfy import Ntfy
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient

ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": "secret-of-no-account"}
SECRET = "tk_correct-horse-battery"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PHONE = '[[notify]]\nname = "phone"\nby = "ntfy"\ntopic = "mine"\n'
MAIL = '[[notify]]\nname = "mail"\nby = "email"\nhost = "smtp.example.org"\nsender = "k@example.org"\nto = ["a@example.org"]\n'


@pytest.fixture
def loaded(tmp_path):
    def loaded(text: str, **environ: str):
        path = tmp_path / "kwhen.toml"
        path.write_text(f'secrets_dir = "{tmp_path}"\n[enode]\nenvironment = "sandbox"\nclient_id = "me"\n{text}')
        return load(path, ENVIRON | {"HOME": str(tmp_path)} | environ)

    return loaded


def test_a_short_table_has_defaults(loaded):
    (phone,) = loaded(PHONE).notify
    assert (phone.url, phone.topic, phone.least, phone.ends) == ("https://ntfy.sh/", "mine", "warning", True)
    assert phone.secret.reveal() == ""


@pytest.mark.parametrize(("line", "port"), [("", 587), ('security = "tls"\n', 465), ("port = 2525\n", 2525)])
def test_the_port_follows_the_security(loaded, line, port):
    (mail,) = loaded(MAIL + line).notify
    assert mail.port == port


def test_the_secret_comes_from_a_variable(loaded):
    settings = loaded(PHONE, KWHEN_NOTIFY_SECRET__PHONE=SECRET)
    assert settings.notify[0].secret.reveal() == SECRET
    assert SECRET in set(settings.secrets())
    assert Redactor(settings.secrets())(f"Bearer {SECRET}") == "Bearer [hidden]"
    assert settings.notes == ()


def test_the_secret_comes_from_a_file(loaded, tmp_path):
    path = tmp_path / "notify_secret_mail"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    settings = loaded(MAIL + 'user = "me"\n')
    assert settings.notify[0].secret.reveal() == SECRET


def test_neither_secret_nor_topic_is_shown(loaded):
    settings = loaded(PHONE.replace("mine", "nobody-guesses-this"), KWHEN_NOTIFY_SECRET__PHONE=SECRET)
    shown = {one.key: (one.value, one.origin) for one in settings.shown}
    assert shown["notify[0].secret"] == ("[hidden]", "KWHEN_NOTIFY_SECRET__PHONE")
    assert shown["notify[0].topic"][0] == "[hidden]"
    for text in (repr(settings), str(settings.shown)):
        assert SECRET not in text
        assert "nobody-guesses-this" not in text


def test_a_secret_changes_no_digest(loaded):
    assert loaded(PHONE).digest == loaded(PHONE, KWHEN_NOTIFY_SECRET__PHONE=SECRET).digest


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PHONE.replace("topic", "#topic"), "topic is missing"),
        (PHONE + 'host = "h"\n', "host has no meaning with by = 'ntfy'"),
        (MAIL + 'topic = "t"\n', "topic has no meaning with by = 'email'"),
        (MAIL.replace("sender", "#sender"), "sender is missing"),
        (MAIL.replace('["a@example.org"]', "[]"), "to is missing"),
        (MAIL.replace("a@example.org", "nobody"), "is no e-mail address"),
        (MAIL.replace("a@example.org", "a@example.org,b@example.org"), "is no e-mail address"),
        (MAIL + 'security = "none"\n', "for a mail server on this machine"),
        (MAIL + 'user = "me"\n', "has no password; set KWHEN_NOTIFY_SECRET__MAIL"),
        (PHONE + 'url = "http://ntfy.example.org"\n', "must begin with https://"),
        (PHONE + 'url = "https://ntfy.example.org/?auth=x"\n', "the server's address and no more"),
        (PHONE + PHONE, "'phone' stands at notify[0] already"),
        (PHONE + 'token = "x"\n', "a secret must not stand in this file"),
        (PHONE + 'lest = "info"\n', "did you mean 'least'"),
        (PHONE.replace('"phone"', '"../phone"'), "notify[0].name"),
    ],
)
def test_what_cannot_be_meant_is_refused(loaded, text, problem):
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


async def test_each_table_becomes_a_notifier_of_its_kind(loaded):
    settings = loaded(PHONE + MAIL + 'least = "critical"\nends = false\n')
    async with WebClient(SystemClock()) as web:
        phone, mail = posts_of(settings, web)
    assert (phone.name, type(phone.notifier), phone.least, phone.ends) == ("phone", Ntfy, "warning", True)
    assert (mail.name, type(mail.notifier), mail.least, mail.ends) == ("mail", Email, "critical", False)


# --- variables that belong to nobody ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("KWHEN_NOTIFY_SECRET__PHNOE", "belongs to no [[notify]]; did you mean 'KWHEN_NOTIFY_SECRET__PHONE'?"),
        ("KWHEN_NOTIFY_SECRET__phone", "belongs to no [[notify]]; did you mean 'KWHEN_NOTIFY_SECRET__PHONE'?"),
        ("KWHEN_NOTIFY_SECRET__CAT", "valid are: KWHEN_NOTIFY_SECRET__MAIL, KWHEN_NOTIFY_SECRET__PHONE"),
        ("KWHEN_NOTIFY_SECRET_PHONE", "is no setting; did you mean 'KWHEN_NOTIFY_SECRET__PHONE'?"),
        ("KWHEN_NOTIFY_SECERT__PHONE", "is no setting; did you mean 'KWHEN_NOTIFY_SECRET__PHONE'?"),
        ("KWHEN_WEBHOOK_SECRET", "is no setting; did you mean 'KWHEN_WEBHOOK__SECRET'?"),
        ("KWHEN_HTTP_TOKEN", "is no setting; did you mean 'KWHEN_HTTP__TOKEN'?"),
        ("KWHEN_PORT", "is no setting"),
    ],
)
def test_a_variable_that_nothing_reads_is_told_with_the_name_that_was_meant(loaded, variable, told):
    settings = loaded(PHONE + MAIL, **{variable: SECRET})
    [note] = [one for one in warnings(settings, at=NOW) if "the variable" in one]
    assert note.startswith(f"the variable {variable} ")
    assert note.endswith(told)
    assert SECRET not in note


def test_without_a_notifier_the_secret_of_one_is_told_too(loaded):
    settings = loaded("", KWHEN_NOTIFY_SECRET__PHONE=SECRET)
    assert settings.notes == (
        "the variable KWHEN_NOTIFY_SECRET__PHONE belongs to no [[notify]]; no [[notify]] is configured",
    )


def test_where_a_secret_is_missing_the_misspelt_one_is_named_beside_it(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded(MAIL + 'user = "me"\n', KWHEN_NOTIFY_SECRET__MIAL=SECRET, KWHEN_PORT="tcp://10.0.0.1:80")
    missing, misspelt = caught.value.problems
    assert "has no password" in missing
    assert misspelt == (
        "the variable KWHEN_NOTIFY_SECRET__MIAL belongs to no [[notify]]; did you mean 'KWHEN_NOTIFY_SECRET__MAIL'?"
    )


def test_a_misspelt_secret_of_a_table_is_refused_with_the_name_that_was_meant(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded(PHONE, KWHEN_ENODE__CLIENT_SECERT=SECRET)
    [problem] = caught.value.problems
    assert problem == ("KWHEN_ENODE__CLIENT_SECERT: enode.client_secert: is unknown; did you mean 'client_secret'?")


def test_variables_of_the_commands_are_no_strays(loaded):
    assert loaded(PHONE, KWHEN_CONFIG="x", KWHEN_SOCKET="/run/x.sock", KWHEN_TRACEBACK="1").notes == ()
