"""Mail: what is written, that nothing can be smuggled into it, and handing it over to a real server."""

import ssl
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from models.alerts import MailSender, MailServer, Undelivered
from models.alerts.mail import Security, check_email, message_of
from models.errors import InvalidRequest
from models.events import Event
from tests.smtp import MailDrop
from tests.unit.alerts.events import EVENT

CERTIFICATE = Path(__file__).with_name("tls.pem")
"""Made for these tests: 127.0.0.1's own authority."""
ANN = "ann@example.com"


def _server(drop: MailDrop, **settings: Any) -> MailServer:
    return MailServer(host="127.0.0.1", port=drop.port, sender="polyvox@example.com", **settings)


def _server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def _send(server: MailServer, *, event: Event = EVENT, to: str = ANN) -> None:
    sender = MailSender(server, tls=ssl.create_default_context(cafile=str(CERTIFICATE)))
    try:
        await sender.send(to, event, channel_id="c")
    finally:
        sender.close()


def test_a_message_says_what_happened_in_plain_text() -> None:
    message = message_of(EVENT, sender="polyvox@example.com", recipient=ANN)
    assert message["Subject"] == "[Polyvox] Budget research has reached 80 % of 10 USD"
    assert message["Message-ID"] == f"<{EVENT.id}@example.com>"
    assert message["Date"] == "Wed, 25 Nov 2026 12:30:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == [
        "Budget research has reached 80 % of 10 USD.",
        "",
        "event: budget.threshold_80",
        "severity: warning",
        "at: 2026-11-25T12:30:00+00:00",
        "budget_id: b",
        "scope: user",
        "owner: u",
        "budget_name: research",
        "limit_usd: 10",
        "spent_usd: 8.5",
        "threshold: 80",
        f"event_id: {EVENT.id}",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "x" * 500,
        "é" * 300,
        "a\r\nBcc: evil@example.com\r\n\r\nbody",
        "a\nBcc: evil@example.com",
        "\0\x1b\u2028\u202e",
        "=?utf-8?q?=0ABcc:_evil=40example.com?=",
        "==??utf-8?q?=0ABcc:_evil=40example.com?=",
        f"{'x' * 40}=?utf-8?q?=0D=0ABcc:_evil=40example.com?=",
        "é =?utf-8?b?CkJjYzogZXZpbEBleGFtcGxlLmNvbQ==?=",
        "half \ud83d",
        "😀" * 60,
    ],
)
def test_i1_no_name_breaks_a_message(name: str) -> None:
    event = replace(EVENT, payload={"budget_name": name, "threshold": 80, "limit_usd": "10"})
    raw = message_of(event, sender="polyvox@example.com", recipient=ANN).as_bytes()
    head, _, _ = raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    parsed = message_from_bytes(raw, policy=default)
    assert parsed.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    ]
    assert len(parsed["Subject"]) <= 78
    assert parsed["To"] == ANN


@pytest.mark.parametrize("address", [ANN, "a.b+c@sub.example.co.uk", "x@localhost", "o'neil@example.com"])
def test_addresses_that_are_written_to(address: str) -> None:
    assert check_email(address) == address


REFUSED = """
ann @example.com ann@ ann@@example.com <a@b.c> a@example.com,b@example.com a..b@example.com .a@example.com
a@-example.com a@example..com a@[127.0.0.1] é@example.com a@exämple.com a@example.com>
"""


@pytest.mark.parametrize(
    "address",
    [
        *REFUSED.split(),
        "",
        "a b@example.com",
        "ann@exam ple.com",
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com\n",
        "Ann <ann@example.com>",
        '"a b"@example.com',
        "a" * 65 + "@b.c",
        "a@" + "b" * 260,
    ],
)
def test_i1_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(InvalidRequest):
        check_email(address)


@pytest.mark.parametrize(("security", "implicit"), [("none", False), ("starttls", False), ("tls", True)])
async def test_mail_is_handed_over(security: Security, implicit: bool) -> None:
    tls = None if security == "none" else _server_tls()
    password = None if security == "none" else "hunter2"
    async with MailDrop(tls=tls, implicit=implicit, password=password) as drop:
        login = {} if password is None else {"username": "pvx", "password": password}
        await _send(_server(drop, security=security, **login))
    [(sender, recipients, message)] = drop.mails
    assert (sender, recipients) == ("polyvox@example.com", [ANN])
    assert "limit_usd: 10" in message.get_content()
    assert drop.logins == ([] if password is None else ["pvx"])


async def test_lines_that_begin_with_a_dot_arrive_whole() -> None:
    async with MailDrop() as drop:
        event = replace(EVENT, payload={"a": "x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n"})
        await _send(_server(drop, security="none"), event=event)
    assert len(drop.mails) == 1


@pytest.mark.parametrize(
    ("drop", "security", "reason"),
    [
        ({"refuse": {"MAIL": "451 later"}}, "none", "the mail server answered 451"),
        ({"refuse": {"RCPT": "550 nobody"}}, "none", "SMTPRecipientsRefused"),
        ({"refuse": {"DATA": "554 no"}}, "none", "the mail server answered 554"),
        ({}, "starttls", "SMTPNotSupportedError"),
        ({"password": "other", "tls": True}, "starttls", "the mail server answered 535"),
    ],
)
async def test_what_the_server_refuses_is_not_delivered(
    drop: dict[str, Any], security: Security, reason: str
) -> None:
    if "tls" in drop:
        drop = {**drop, "tls": _server_tls()}
    async with MailDrop(**drop) as running:
        login = {"username": "pvx", "password": "hunter2"} if "password" in drop else {}
        with pytest.raises(Undelivered, match=reason):
            await _send(_server(running, security=security, **login))
    assert running.mails == []


async def test_a_certificate_of_somebody_else_is_refused_before_the_password_is_sent() -> None:
    async with MailDrop(tls=_server_tls(), password="hunter2") as drop:
        server = _server(drop, username="pvx", password="hunter2")
        sender = MailSender(server)
        with pytest.raises(Undelivered, match="SSLCertVerificationError"):
            await sender.send(ANN, EVENT, channel_id="c")
        sender.close()
    assert drop.logins == []


async def test_a_server_that_is_mute_is_left_in_time() -> None:
    async with MailDrop(mute=True) as drop:
        with pytest.raises(Undelivered, match="SMTPServerDisconnected"):
            await _send(_server(drop, security="none", timeout_s=0.1))


async def test_a_server_that_is_away_is_reported() -> None:
    server = MailServer(host="127.0.0.1", port=1, sender="polyvox@example.com", security="none")
    with pytest.raises(Undelivered, match="ConnectionRefusedError"):
        await _send(server)


def test_a_password_is_not_shown() -> None:
    server = MailServer(host="h", sender="a@b.c", username="u", password="hunter2")
    assert "hunter2" not in repr(server)
