"""The notifiers over real sockets: an ntfy server and an SMTP server of the test's own."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_string, policy

import pytest
from aiohttp import web

from scheduler.core.errors import NotTold
from scheduler.notifiers.email import Email, MailServer
from scheduler.notifiers.ntfy import Ntfy
from scheduler.ports import Message
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient, WebLimits
from tests.web_support import StepClock, app_of, serving

TOKEN = "tk_correct-horse-battery"
MESSAGE = Message(
    key="phone|GONE|car|raised",
    title="Blå: gone",
    text="Enode no longer knows the car.\nSince 13:00.",
    severity="critical",
    at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
)


# --- ntfy -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def client():
    async with WebClient(StepClock(), redact=Redactor([TOKEN]), limits=WebLimits(call_s=2, connect_s=1)) as made:
        yield made


@pytest.mark.parametrize(("over", "priority", "tag"), [(False, 5, "warning"), (True, 2, "white_check_mark")])
async def test_ntfy_gets_title_text_and_priority(client, over, priority, tag):
    seen = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers.get("Authorization"), await request.json()))
        return web.json_response({"id": "m"})

    message = Message(**{name: getattr(MESSAGE, name) for name in MESSAGE.__slots__} | {"over": over})
    async with serving(app_of(take)) as address:
        await Ntfy(client, url=f"{address}/", topic="my-topic", token=TOKEN).send(message)
    ((path, authorization, body),) = seen
    assert (path, authorization) == ("/", f"Bearer {TOKEN}")
    assert body == {
        "topic": "my-topic", "title": MESSAGE.title, "message": MESSAGE.text, "priority": priority, "tags": [tag],
    }  # fmt: skip


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 302])
async def test_ntfy_that_refuses_is_told_without_the_token(client, status):
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status, text=str(request.headers))

    async with serving(app_of(refuse)) as address:
        with pytest.raises(NotTold) as caught:
            await Ntfy(client, url=f"{address}/", topic="my-topic", token=TOKEN).send(MESSAGE)
    assert str(status) in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert "my-topic" not in str(caught.value)


async def test_ntfy_that_is_not_there_is_told(client):
    async def never(_: web.Request) -> web.Response:
        raise AssertionError("it is closed")

    async with serving(app_of(never)) as address:
        pass
    with pytest.raises(NotTold, match="no connection"):
        await Ntfy(client, url=f"{address}/", topic="my-topic").send(MESSAGE)


# --- e-mail ---------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class MailBox:
    """An SMTP server as small as can be. `refuses` maps the beginning of a command to the answer that refuses it."""

    refuses: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = {"EHLO": "250-here\r\n250 AUTH PLAIN", "DATA": "354 go on", "AUTH": "235 welcome", "QUIT": "221 bye"}
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            self.said.append(line)
            word = line.split(" ")[0].upper()
            refusal = next((answer for start, answer in self.refuses.items() if line.startswith(start)), None)
            writer.write(f"{refusal or answers.get(word, '250 ok')}\r\n".encode())
            if word == "DATA" and refusal is None:
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 kept\r\n")
            if word == "QUIT":
                break
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(box: MailBox) -> AsyncIterator[MailBox]:
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


def mailer(port: int, security: str = "none", password: str = "") -> Email:
    user = "me" if password else ""
    server = MailServer(host="127.0.0.1", port=port, security=security, user=user, password=password)
    return Email(server, sender="kwhen@example.org", to=("a@example.org", "b@example.org"))


async def test_a_mail_reaches_every_recipient():
    async with listening(MailBox()) as box:
        await mailer(box.port).send(MESSAGE)
    (raw,) = box.mails
    mail = message_from_string(raw.removesuffix(".\r\n"), policy=policy.default)
    assert (mail["Subject"], mail["From"], mail["Auto-Submitted"]) == (
        "[kwhen] Blå: gone",
        "kwhen@example.org",
        "auto-generated",
    )
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Date"].datetime == MESSAGE.at
    assert mail.get_content().splitlines() == MESSAGE.text.splitlines()
    assert [line for line in box.said if line.startswith("rcpt")] == [
        "rcpt TO:<a@example.org>",
        "rcpt TO:<b@example.org>",
    ]


async def test_the_same_message_has_the_same_id():
    async with listening(MailBox()) as box:
        for _ in range(2):
            await mailer(box.port).send(MESSAGE)
    first, second = (message_from_string(raw)["Message-ID"] for raw in box.mails)
    assert first == second


async def test_the_password_is_handed_over_and_never_told():
    async with listening(MailBox(refuses={"AUTH": f"535 wrong password {TOKEN}"})) as box:
        with pytest.raises(NotTold) as caught:
            await mailer(box.port, password=TOKEN).send(MESSAGE)
    offered = next(line for line in box.said if line.startswith("AUTH PLAIN"))
    assert base64.b64decode(offered.split(" ")[2]) == f"\0me\0{TOKEN}".encode()
    assert str(caught.value) == f"the mail server 127.0.0.1:{box.port} answered 535"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("refuses", "why"),
    [
        ({"rcpt": "550 nobody"}, "refused every recipient"),
        ({"mail": "451 later"}, "answered 451"),
        ({"data": "554 no"}, "answered 554"),
        ({"ehlo": "502 no", "helo": "502 no"}, "answered 502"),
    ],
)
async def test_a_server_that_refuses_is_told(refuses, why):
    async with listening(MailBox(refuses=refuses)) as box:
        with pytest.raises(NotTold, match=why):
            await mailer(box.port).send(MESSAGE)


async def test_nothing_is_sent_in_the_clear_when_the_server_offers_no_tls():
    async with listening(MailBox()) as box:
        with pytest.raises(NotTold, match="SMTPNotSupportedError"):
            await mailer(box.port, security="starttls", password=TOKEN).send(MESSAGE)
    assert not any(line.startswith(("AUTH", "mail", "data")) for line in box.said)


async def test_a_server_that_is_not_there_is_told():
    async with listening(MailBox()) as box:
        pass
    with pytest.raises(NotTold, match="ConnectionRefusedError"):
        await mailer(box.port).send(MESSAGE)


async def test_the_loop_goes_on_while_a_server_is_slow():
    gate = asyncio.Event()

    class Slow(MailBox):
        async def serve(self, reader, writer):
            await gate.wait()
            await super().serve(reader, writer)

    async with listening(Slow()) as box:
        sending = asyncio.create_task(mailer(box.port).send(MESSAGE))
        done, _ = await asyncio.wait({sending}, timeout=0.05)
        assert not done
        gate.set()
        await sending
    assert len(box.mails) == 1
