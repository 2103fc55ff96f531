"""Webhooks: what is posted, how it is signed, and posting it."""

import hmac
import json
import time
from collections.abc import Callable

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.abc import AbstractResolver

from models.alerts.sending import Undelivered
from models.alerts.wording import headline
from models.errors import InvalidRequest
from models.events import Event
from models.net import Egress, check_url, guarded_connector

SIGNATURE = "x-polyvox-signature"
EVENT_ID = "x-polyvox-event-id"


def webhook_secret(channel_id: str, *, pepper: bytes) -> str:
    """The channel's own, in text. Whoever knows the pepper finds it again."""
    return "whsec_" + hmac.digest(pepper, f"webhook:{channel_id}".encode(), "sha256").hex()


def signature(body: bytes, *, secret: str, at: int) -> str:
    """`t=<unix>,v1=<hex>`: HMAC-SHA256 of the time, a dot and the body; its key is the secret's text."""
    digest = hmac.digest(secret.encode(), b"%d.%b" % (at, body), "sha256")
    return f"t={at},v1={digest.hex()}"


def body_of(event: Event) -> bytes:
    """The same each time."""
    return json.dumps(
        {
            "id": event.id,
            "kind": event.kind,
            "severity": event.severity,
            "at": event.at.isoformat(),
            "tenant_id": event.tenant_id,
            "subject": event.subject,
            "payload": event.payload,
            "text": headline(event),
        }
    ).encode()


class WebhookSender:
    """One connection for each delivery; of the answer nothing but the status is read."""

    def __init__(
        self,
        pepper: bytes,
        *,
        egress: Egress,
        connect_timeout_s: float = 5.0,
        total_timeout_s: float = 10.0,
        resolver: AbstractResolver | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._pepper = pepper
        self._egress = egress
        self._timeout = ClientTimeout(total=total_timeout_s, sock_connect=connect_timeout_s)
        self._resolver = resolver
        self._now = now

    async def send(self, target: str, event: Event, *, channel_id: str) -> None:
        body = body_of(event)
        secret = webhook_secret(channel_id, pepper=self._pepper)
        headers = {
            "content-type": "application/json",
            "user-agent": "polyvox",
            EVENT_ID: event.id,
            SIGNATURE: signature(body, secret=secret, at=int(self._now())),
        }
        try:
            status = await self._post(target, body, headers)
        except TimeoutError:
            raise Undelivered("no answer in time") from None
        except InvalidRequest as error:
            raise Undelivered(error.message) from None
        except (ClientError, OSError) as error:
            raise Undelivered(type(error).__name__) from error
        if not 200 <= status < 300:
            raise Undelivered(f"answered with HTTP status {status}")

    async def _post(self, target: str, body: bytes, headers: dict[str, str]) -> int:
        url = check_url(target, self._egress)
        async with (
            ClientSession(
                connector=guarded_connector(self._egress, resolver=self._resolver),
                cookie_jar=DummyCookieJar(),
                timeout=self._timeout,
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status
