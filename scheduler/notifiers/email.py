"""Messages by e-mail through an SMTP server; the library blocks, so each is sent in a worker thread."""

import asyncio
import hashlib
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime

from scheduler.core.errors import NotTold
from scheduler.ports import Message

PATIENCE_S = 15.0
"""For each answer of the server."""

PERMANENT, NEEDS_LOGIN = 500, 530
"""From where on a repetition changes nothing; the refusal of a sender who has not logged in (RFC 4954)."""


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where mail is handed in. `security`: starttls, tls (from the first byte) or none; certificates are verified."""

    host: str
    port: int
    security: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)


class Email:
    """Sends plain-text mail to fixed recipients. `secret_at` says where the password comes from."""

    def __init__(
        self,
        server: MailServer,
        *,
        sender: str,
        to: Sequence[str],
        context: ssl.SSLContext | None = None,
        secret_at: str = "",
    ) -> None:
        self._server = server
        self._sender = sender
        self._to = tuple(to)
        self._context = context
        self._secret_at = secret_at

    async def send(self, message: Message) -> None:
        """Hand a message to the server. Raises NotTold."""
        mail = self._mail(message)
        try:
            await asyncio.to_thread(self._hand_in, mail)
        except smtplib.SMTPResponseException as error:  # the server's own words may hold what we sent
            raise NotTold(f"{self._where} answered {error.smtp_code}", remedy=self._remedy(error)) from None
        except smtplib.SMTPRecipientsRefused:
            raise NotTold(f"{self._where} refused every recipient", remedy="Look at `to`.") from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotTold(
                f"{self._where} cannot be used ({type(error).__name__})", remedy=self._remedy(error)
            ) from None

    def _remedy(self, error: Exception) -> str:
        if isinstance(error, smtplib.SMTPResponseException):
            return self._remedy_of_answer(error)
        match error:
            case smtplib.SMTPNotSupportedError() if self._server.security == "starttls":
                return 'The server offers no STARTTLS, or no login: look at `port` and `security` ("tls" on port 465).'
            case ssl.SSLCertVerificationError():
                return "The server's certificate is not trusted: `host` must be the name in the certificate."
            case ssl.SSLError():
                return 'The server speaks no TLS there: look at `port` and `security` ("starttls" on port 587).'
            case socket.gaierror():
                return "There is no such server: look at `host`, and at this machine's name service."
            case _:
                return "Look at `host`, `port` and `security`, and whether this machine is let through to it."

    def _remedy_of_answer(self, error: smtplib.SMTPResponseException) -> str:
        match error:
            case _ if error.smtp_code == NEEDS_LOGIN:
                return f"The server wants a login: set `user` and its password ({self._secret_at})."
            case smtplib.SMTPAuthenticationError():
                return f"Look at `user` and its password ({self._secret_at}); many servers want an app password."
            case _ if error.smtp_code < PERMANENT:
                return "The server is in trouble: try again later."
            case smtplib.SMTPSenderRefused():
                return "Look at `sender`: the server must let this user send from there."
            case _:
                return "Look at `sender` and `to`; the log of the mail server says more."

    @property
    def _where(self) -> str:
        return f"the mail server {self._server.host}:{self._server.port}"

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._to)
        mail["Subject"] = f"[kwhen] {' '.join(message.title.split())}"
        mail["Date"] = format_datetime(message.at)
        # the same message has the same id, so that one that was sent twice shows once
        mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@kwhen>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail

    def _hand_in(self, mail: EmailMessage) -> None:
        server = self._server
        context = self._context or ssl.create_default_context()
        with self._connected(context) as smtp:
            if server.security == "starttls":
                smtp.starttls(context=context)
            if server.user:
                smtp.login(server.user, server.password)
            smtp.send_message(mail)

    def _connected(self, context: ssl.SSLContext) -> smtplib.SMTP:
        server = self._server
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=PATIENCE_S, context=context)
        return smtplib.SMTP(server.host, server.port, timeout=PATIENCE_S)
