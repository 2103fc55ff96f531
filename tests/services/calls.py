"""Calls as the ledger and the sandbox's meter know them, made up for tests that compare the two."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from deployments.sandbox.exchange import Provider
from deployments.sandbox.meter import Line
from models.catalog import load_catalog
from models.chat import Usage
from models.ledger import UsageRecord
from models.ledger.holds import Ask
from models.ledger.pricing import cost
from models.ledger.store import PostgresLedgerStore
from models.ledger.usage import Status
from models.store import Database

CATALOG = load_catalog()
TENANT = str(uuid4())
HOSTS: dict[str, Provider] = {"openai": "openai", "anthropic": "anthropic", "google": "google"}


class Call(Struct, frozen=True, kw_only=True):
    """One attempt at a provider. Tokens: input, cache read, cache write of 5 minutes, of 1 hour, output."""

    model_id: str
    began: datetime
    took: timedelta = timedelta(seconds=1)
    tokens: tuple[int, int, int, int, int] = (1_000, 200, 0, 0, 300)
    status: Status = "completed"
    estimated: bool = False
    discount_pico: int = 0
    counted_pico: int | None = None
    name: str = msgspec.field(default_factory=lambda: uuid4().hex)

    @property
    def provider(self) -> str:
        return CATALOG.models[self.model_id].host

    @property
    def list_pico(self) -> int:
        fresh, read, short, long, output = self.tokens
        usage = Usage(input=fresh, cache_read=read, cache_write_5m=short, cache_write_1h=long, output=output)
        return cost(usage, CATALOG.models[self.model_id].prices[-1]).total

    def record(self) -> UsageRecord:
        fresh, read, short, long, output = self.tokens
        return UsageRecord(
            request_id=self.name,
            attempt=0,
            tenant_id=TENANT,
            user_id=TENANT,
            key_id="key",
            model_id=self.model_id,
            requested_model=self.model_id,
            provider=self.provider,
            endpoint="/v1/chat/completions",
            stream=False,
            status=self.status,
            input_tokens=fresh,
            cache_read_tokens=read,
            cache_write_5m_tokens=short,
            cache_write_1h_tokens=long,
            output_tokens=output,
            reasoning_tokens=0,
            service_tier="",
            cost_pico=self.list_pico - self.discount_pico,
            counted_pico=self.counted_pico,
            discount_pico=self.discount_pico,
            saved_pico=0,
            price_snapshot=CATALOG.snapshot,
            estimated=self.estimated,
            response_time_ms=round(self.took.total_seconds() * 1_000),
            created_at=self.began,
        )

    def line(self) -> Line:
        """Providers bill when the answer is complete."""
        fresh, read, short, long, output = self.tokens
        return Line(
            ts=(self.began + self.took).timestamp(),
            provider=HOSTS[self.provider],
            model=CATALOG.models[self.model_id].wire_name,
            endpoint="chat",
            request_id=self.name,
            stream=False,
            status=200,
            input_tokens=fresh,
            cache_read_tokens=read,
            cache_write_tokens=short + long,
            cache_write_1h_tokens=long,
            output_tokens=output,
            reasoning_tokens=0,
            completed=True,
            aborted=False,
            client_request_id=f"{self.name}/0",
            idempotency="",
        )


async def reserve(database: Database, calls: Sequence[Call], *, lease_s: float = 30.0) -> None:
    asks = [
        Ask(
            op_key=f"{call.name}/0",
            tenant_id=TENANT,
            user_id=TENANT,
            key_id="key",
            least_pico=call.list_pico,
            usual_pico=call.list_pico,
            most_pico=2 * call.list_pico,
            record=replace(call.record(), status="expired", estimated=True),
        )
        for call in calls
    ]
    await PostgresLedgerStore(database, lease_s=lease_s).apply([], asks)


async def settle(database: Database, calls: Sequence[Call]) -> None:
    await PostgresLedgerStore(database).apply([call.record() for call in calls], [])


async def book(database: Database, *calls: Call) -> None:
    """As the ledger keeps a call: held, then settled."""
    await reserve(database, calls)
    await settle(database, calls)


def bill(meter: Path, *calls: Call) -> None:
    """As the provider's meter keeps it."""
    with meter.open("ab") as file:
        file.write(msgspec.json.Encoder().encode_lines([call.line() for call in calls]))
