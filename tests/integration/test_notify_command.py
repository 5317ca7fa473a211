"""`kwhen notify test` as it is used: the command, the daemon's socket, an ntfy server and a mail server."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from scheduler.cli import main, terminal
from scheduler.cli.ending import GOOD, NOT_RUNNING, NOT_SO
from scheduler.config import NotifySpec, Secret, posts_of
from scheduler.http.api import api_app
from scheduler.http.serving import serve_socket
from scheduler.http.trying_out import add_trial
from scheduler.loop.herald import Herald
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient, WebLimits
from storage.memory import MemoryStore
from tests.fakes_daemon import make_daemon
from tests.integration.test_notifiers import TOKEN, MailBox, listening
from tests.web_support import StepClock, app_of, serving


class Phone:
    """An ntfy server that answers with a status, and with all that it was told."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.shown: list[dict[str, object]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.shown.append(await request.json())
        return web.json_response(dict(request.headers), status=self.status)


def phone(url: str, *, token: str = TOKEN) -> NotifySpec:
    return NotifySpec(
        name="phone", by="ntfy", least="critical", ends=True, secret=Secret(token), url=f"{url}/", topic="my-topic"
    )


def mail(port: int, *, security: str = "none", host: str = "127.0.0.1", user: str = "me") -> NotifySpec:
    return NotifySpec(
        name="mail", by="email", least="warning", ends=True, secret=Secret(TOKEN), host=host, port=port,
        security=security, user=user, sender="kwhen@example.org", to=("a@example.org",),
    )  # fmt: skip


@pytest.fixture
def kwhen(tmp_path, monkeypatch, capsys):
    """Run a command against a daemon with these notifiers; answers with exit status and all that was printed."""
    path = tmp_path / "kwhen.sock"
    monkeypatch.setenv("KWHEN_SOCKET", str(path))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal.colourful.cache_clear()

    async def run(*specs: NotifySpec, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
        clock = StepClock()
        limits = WebLimits(call_s=2, connect_s=1)
        async with WebClient(clock, redact=Redactor([TOKEN]), limits=limits) as client:
            herald = Herald(store=MemoryStore(clock), clock=clock, called=lambda _: ("Blue", "UTC"))
            herald.replace(posts_of(SimpleNamespace(notify=specs), client))
            api = api_app(make_daemon())
            add_trial(api, herald.try_out)
            runner = await serve_socket(api, path)
            try:
                with capture_logs():
                    status = await asyncio.to_thread(main, ["notify", "test", *arguments])
            finally:
                await runner.cleanup()
        captured = capsys.readouterr()
        assert TOKEN not in captured.out + captured.err
        return status, captured.out + captured.err

    return run


async def test_a_message_goes_through_every_notifier_whatever_it_is_to_tell_else(kwhen):
    server = Phone()
    async with serving(app_of(server.take)) as url, listening(MailBox()) as box:
        status, out = await kwhen(phone(url), mail(box.port))
    assert status == GOOD
    [shown] = server.shown
    assert (shown["topic"], shown["title"], shown["priority"]) == ("my-topic", "Test", 3)
    [sent] = box.mails
    assert "Subject: [kwhen] Test" in sent
    assert "kwhen reaches you here." in sent
    assert [line.split() for line in out.splitlines() if line.strip()] == [["sent", "phone"], ["sent", "mail"]]


async def test_one_that_fails_is_named_with_its_remedy_and_the_others_are_served(kwhen):
    server = Phone(status=403)
    async with serving(app_of(server.take)) as url, listening(MailBox()) as box:
        status, out = await kwhen(phone(url), mail(box.port))
        assert status == NOT_SO
        assert len(box.mails) == 1
        told = " ".join(out.split())
        assert "failed phone" in told
        assert "answered 403 → Look at the token (KWHEN_NOTIFY_SECRET__PHONE, or the file notify_secret_phone)" in told
        assert "sent mail" in told
        assert "my-topic" not in out
        status, out = await kwhen(phone(url), mail(box.port), arguments=("--json",))
    found = json.loads(out)
    assert (status, found["ok"]) == (NOT_SO, False)
    assert [(one["name"], one["taken"], bool(one["remedy"])) for one in found["notifiers"]] == [
        ("phone", False, True),
        ("mail", True, False),
    ]


async def test_without_a_notifier_it_says_so_and_fails(kwhen):
    status, out = await kwhen()
    assert status == NOT_SO
    assert "no notifier is configured" in out
    assert "[[notify]]" in out


async def test_without_a_daemon_it_says_so(tmp_path, capsys):
    assert await asyncio.to_thread(main, ["notify", "test", "--socket", str(tmp_path / "none.sock")]) == NOT_RUNNING
    assert "kwhen is not running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "token", "remedy"),
    [
        (401, TOKEN, "Look at the token (KWHEN_NOTIFY_SECRET__PHONE"),
        (403, "", "The topic wants a token: set it (KWHEN_NOTIFY_SECRET__PHONE"),
        (404, TOKEN, "Look at `url`: it must be the root"),
        (429, TOKEN, "use a server of your own"),
        (503, TOKEN, "try again later"),
    ],
)
async def test_what_ntfy_refuses_has_its_remedy(kwhen, status, token, remedy):
    async with serving(app_of(Phone(status).take)) as url:
        ended, out = await kwhen(phone(url, token=token))
    assert ended == NOT_SO
    assert remedy in " ".join(out.split())


async def test_an_ntfy_server_that_is_not_there_has_its_remedy(kwhen):
    async with serving(app_of(Phone().take)) as url:
        pass
    status, out = await kwhen(phone(url))
    assert status == NOT_SO
    assert "whether this machine reaches it" in " ".join(out.split())


@pytest.mark.parametrize(
    ("refuses", "remedy"),
    [
        ({"AUTH": f"535 wrong {TOKEN}"}, "Look at `user` and its password (KWHEN_NOTIFY_SECRET__MAIL, or the file"),
        ({"mail": "530 log in first"}, "The server wants a login: set `user`"),
        ({"mail": "553 not yours"}, "Look at `sender`: the server"),
        ({"mail": "451 later"}, "try again later"),
        ({"rcpt": "550 nobody"}, "Look at `to`."),
        ({"data": "554 no"}, "Look at `sender` and `to`"),
    ],
)
async def test_what_a_mail_server_refuses_has_its_remedy(kwhen, refuses, remedy):
    async with listening(MailBox(refuses=refuses)) as box:
        status, out = await kwhen(mail(box.port))
    assert (status, box.mails) == (NOT_SO, [])
    assert remedy in " ".join(out.split())


@pytest.mark.parametrize(
    ("security", "remedy"),
    [("starttls", "offers no STARTTLS"), ("tls", "speaks no TLS there")],
)
async def test_a_mail_server_that_speaks_otherwise_has_its_remedy(kwhen, security, remedy):
    async with listening(MailBox()) as box:
        status, out = await kwhen(mail(box.port, security=security))
    assert (status, box.mails) == (NOT_SO, [])
    assert remedy in " ".join(out.split())


async def test_a_mail_server_that_is_not_there_has_its_remedy(kwhen):
    async with listening(MailBox()) as box:
        pass
    status, out = await kwhen(mail(box.port))
    assert status == NOT_SO
    assert "Look at `host`, `port` and `security`" in " ".join(out.split())
