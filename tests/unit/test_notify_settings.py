"""The `[[notify]]` tables: what is loaded, what is refused, and where the secrets come from."""

import pytest

from scheduler.clock import SystemClock
from scheduler.config import load, posts_of
from scheduler.core.errors import ConfigError
from scheduler.notifiers.email import Email
from scheduler.notifiers.ntfy import Ntfy
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient

ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": "secret-of-no-account"}
SECRET = "tk_correct-horse-battery"
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
