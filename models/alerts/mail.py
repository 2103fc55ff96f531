"""E-mail: the message, and handing it to an SMTP server."""

import asyncio
import re
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

from msgspec import Struct

from models.alerts.sending import Undelivered
from models.alerts.wording import details, headline
from models.errors import InvalidRequest
from models.events import Event

Security = Literal["starttls", "tls", "none"]

MAX_SUBJECT_CHARS = 69
"""With `Subject: ` before it, 78: what a line should not exceed (RFC 5322, 2.1.1)."""

_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_THREADS = 2
"""A server that hangs holds up no more than the other mails."""


class MailServer(Struct, frozen=True, kw_only=True):
    host: str
    port: int = 587
    security: Security = "starttls"
    sender: str
    username: str | None = None
    password: str | None = None
    timeout_s: float = 10.0
    """For each answer of the server; a whole delivery takes three times as long at most."""

    def __repr__(self) -> str:
        return f"MailServer(host={self.host!r}, port={self.port})"


def check_email(text: str) -> str:
    """An address of the common form (RFC 5321's dot-string), which nothing can be smuggled in with."""
    if not _ADDRESS.fullmatch(text):
        raise InvalidRequest("that is not an e-mail address")
    return text


def message_of(event: Event, *, sender: str, recipient: str) -> EmailMessage:
    """Plain text. The same event has the same id each time, so that mailboxes can drop a repetition."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _subject(f"[Polyvox] {headline(event)}")
    message["Date"] = event.at
    message["Message-ID"] = f"<{event.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{headline(event)}.\n\n{details(event)}", cte="quoted-printable")
    return message


class MailSender:
    """`tls` is for tests that have a certificate authority of their own."""

    def __init__(self, server: MailServer, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._tls = tls
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mail")

    async def send(self, target: str, event: Event, *, channel_id: str) -> None:
        del channel_id
        loop = asyncio.get_running_loop()
        try:
            message = message_of(event, sender=self._server.sender, recipient=check_email(target))
            async with asyncio.timeout(3 * self._server.timeout_s):
                await loop.run_in_executor(self._threads, self._hand_over, message)
        except TimeoutError:
            raise Undelivered("the mail server did not answer in time") from None
        except InvalidRequest as error:
            raise Undelivered(error.message) from None
        except smtplib.SMTPResponseException as error:
            raise Undelivered(f"the mail server answered {error.smtp_code}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Undelivered(type(error).__name__) from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _hand_over(self, message: EmailMessage) -> None:
        connection = self._connect()
        try:
            if self._server.security == "starttls":
                connection.starttls(context=self._context())
            if self._server.username is not None:
                connection.login(self._server.username, self._server.password or "")
            connection.send_message(message)
            with suppress(smtplib.SMTPException, OSError):  # it has the message by now
                connection.quit()
        finally:
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        host, port, timeout_s = self._server.host, self._server.port, self._server.timeout_s
        # Not this machine's own name: to find that out can take as long as a name server does.
        name = self._server.sender.rpartition("@")[2]
        if self._server.security == "tls":
            return smtplib.SMTP_SSL(
                host, port, local_hostname=name, timeout=timeout_s, context=self._context()
            )
        return smtplib.SMTP(host, port, local_hostname=name, timeout=timeout_s)

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()


def _subject(text: str) -> str:
    # What looks like an encoded word would be decoded, line breaks in it and all, and written as it then is.
    text = text.replace("=?", "= ?")
    return text if len(text) <= MAX_SUBJECT_CHARS else text[: MAX_SUBJECT_CHARS - 1] + "…"
