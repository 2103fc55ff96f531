"""What a webhook's receiver gets, and what its sender bears."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from models.alerts import Undelivered, WebhookSender, signature, webhook_secret
from models.alerts.delivery import MAX_ATTEMPTS, MAX_DELAY_S, retry_delay_s
from models.alerts.webhook import body_of
from models.net import Egress
from tests.unit.alerts.events import EVENT

PEPPER = bytes(range(32))
CHANNEL = "5a8d6a55-3c0e-4b5b-b0c5-6f6d7b1f7c01"


def test_the_signature_is_an_hmac_of_time_and_body() -> None:
    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_1
    assert signature(b'{"a":1}', secret="whsec_1", at=1_700_000_000) == (
        "t=1700000000,v1=2bacf7b77f8a947e36777d445799846ce8389284516e77b94f239ef893b8def7"
    )


def test_a_secret_is_a_channels_own() -> None:
    secret = webhook_secret(CHANNEL, pepper=PEPPER)
    assert secret == "whsec_" + hmac.digest(PEPPER, f"webhook:{CHANNEL}".encode(), "sha256").hex()
    others = {webhook_secret("other", pepper=PEPPER), webhook_secret(CHANNEL, pepper=bytes(32))}
    assert secret not in others


def test_the_body_holds_the_event_and_a_text() -> None:
    assert json.loads(body_of(EVENT)) == {
        "id": EVENT.id,
        "kind": "budget.threshold_80",
        "severity": "warning",
        "at": "2026-11-25T12:30:00+00:00",
        "tenant_id": EVENT.tenant_id,
        "subject": EVENT.subject,
        "payload": EVENT.payload,
        "text": "Budget research has reached 80 % of 10 USD",
    }


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        ("budget.threshold_50", {"threshold": 50, "limit_usd": "1"}, "Budget b has reached 50 % of 1 USD"),
        (
            "budget.projected_overage",
            {"budget_name": "x", "limit_usd": "1", "projected_overage_usd": "2"},
            "Budget x is on its way to 2 USD beyond its 1 USD",
        ),
        (
            "ledger.overrun",
            {"overrun_usd": "0.5"},
            "A call cost 0.5 USD more than was held for it",
        ),
        ("alert.undelivered", {"error": "gone"}, "An alert could not be delivered: gone"),
        ("alert.test", {}, "This is a test: alerts arrive here"),
        ("reconciliation.drift", {}, "warning: reconciliation.drift"),
        ("a\r\nb\u202e\0c", {}, "warning: a b c"),
    ],
)
def test_the_text_is_one_line(kind: str, payload: dict[str, str], text: str) -> None:
    assert json.loads(body_of(replace(EVENT, kind=kind, payload=payload)))["text"] == text


@pytest.mark.parametrize(("draw", "delays"), [(0.0, [0.0] * 7), (1.0, [30, 90, 270, 810, 2430, 7200, 7200])])
def test_the_pauses_grow_with_full_jitter_up_to_a_bound(draw: float, delays: list[float]) -> None:
    found = [retry_delay_s(attempts, draw=lambda: draw) for attempts in range(1, MAX_ATTEMPTS)]
    assert found == delays
    assert retry_delay_s(1_000, draw=lambda: 1.0) == MAX_DELAY_S


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Target:
    def __init__(self) -> None:
        self.answer: Answer = self._ok
        application = web.Application()
        application.router.add_post("/", self._any)
        self.server = TestServer(application)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/"

    async def _any(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(request)

    async def _ok(self, _: web.Request) -> web.StreamResponse:
        return web.Response()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    found = Target()
    async with found.server:
        yield found


def _sender(*, total_timeout_s: float = 10.0) -> WebhookSender:
    egress = Egress(allow_http=True, allow_private=True)
    return WebhookSender(PEPPER, egress=egress, total_timeout_s=total_timeout_s, now=lambda: 1_700_000_000.9)


async def test_the_request_is_signed_and_named(target: Target) -> None:
    headers: dict[str, str] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        headers.update(request.headers)
        return web.Response(status=204)

    target.answer = answer
    await _sender().send(target.url, EVENT, channel_id=CHANNEL)
    secret = webhook_secret(CHANNEL, pepper=PEPPER)
    assert headers["x-polyvox-signature"] == signature(body_of(EVENT), secret=secret, at=1_700_000_000)
    assert headers["x-polyvox-event-id"] == EVENT.id
    assert headers["Content-Type"] == "application/json"
    assert "Cookie" not in headers


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 429, 500, 503])
async def test_whatever_is_no_success_is_a_failure(target: Target, status: int) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"location": target.url}, text="a secret of the inside")

    target.answer = answer
    with pytest.raises(Undelivered, match=f"^answered with HTTP status {status}$"):
        await _sender().send(target.url, EVENT, channel_id=CHANNEL)


async def test_an_endless_answer_is_not_read(target: Target) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    target.answer = answer
    await _sender().send(target.url, EVENT, channel_id=CHANNEL)


async def test_who_does_not_answer_is_left_in_time(target: Target) -> None:
    never = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    target.answer = answer
    with pytest.raises(Undelivered, match="no answer in time"):
        await _sender(total_timeout_s=0.1).send(target.url, EVENT, channel_id=CHANNEL)
    never.set()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/", "ClientConnectorError"),
        ("http://nowhere.invalid/", "ClientConnectorDNSError"),
        ("http://169.254.169.254/", "the address is not a public one"),
        ("ftp://example.com/", "https"),
        ("http://127.0.0.1:1\r\nX: y/", "URL"),
    ],
)
async def test_who_cannot_be_reached_is_reported_without_addresses(url: str, reason: str) -> None:
    with pytest.raises(Undelivered, match=reason) as caught:
        await _sender().send(url, EVENT, channel_id=CHANNEL)
    assert "127.0.0.1" not in str(caught.value)
