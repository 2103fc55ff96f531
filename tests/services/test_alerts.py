"""Alerts over real PostgreSQL, HTTP and SMTP: each is raised once, and reaches whoever wants to hear it."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import psycopg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from psycopg import sql

from models.alerts import (
    AlertChannels,
    AlertDelivery,
    AlertScan,
    ChannelStore,
    InMemoryChannelStore,
    MailSender,
    MailServer,
    OpsChannel,
    Outbox,
    PostgresChannelStore,
    PostgresEventLog,
    WebhookSender,
    webhook_secret,
)
from models.alerts.channels import MAX_CHANNELS
from models.alerts.delivery import MAX_ATTEMPTS
from models.errors import InvalidRequest, NotFound
from models.events import SEVERITIES, Event, EventLog, EventPages, InMemoryEventLog
from models.net import Egress
from models.store import Database
from tests.smtp import MailDrop

PEPPER = bytes(range(32))
ONE_MACHINE = Egress(allow_http=True, allow_private=True)
USD = 10**12


@dataclass
class Books:
    """What the ledger and whoever makes budgets would have written."""

    connection: psycopg.AsyncConnection
    tenant: str = field(default_factory=lambda: str(uuid4()))

    async def run(self, query: str, *values: object) -> Sequence[Any]:
        cursor = await self.connection.execute(query.encode(), values)
        return await cursor.fetchall() if cursor.description else ()

    async def add_tenant(self, name: str) -> str:
        [(tenant,)] = await self.run("INSERT INTO tenants (name) VALUES (%s) RETURNING id::text", name)
        return str(tenant)

    async def add_budget(
        self, limit_usd: int = 10, *, period: str = "total", hours: int | None = None, hard: bool = True
    ) -> str:
        [(budget,)] = await self.run(
            "INSERT INTO budgets (tenant_id, scope, owner, period, rolling_hours, limit_pico, hard, name)"
            " VALUES (%s, 'user', 'ann', %s, %s, %s, %s, 'research') RETURNING id::text",
            self.tenant,
            period,
            hours,
            limit_usd * USD,
            hard,
        )
        return str(budget)

    async def move(
        self, budget: str, posted_usd: float = 0, *, held_usd: float = 0, start: datetime | None = None
    ) -> int:
        """Into the budget's window of now, or into the one that begins at `start`; the transfer's id."""
        amounts = (round(posted_usd * USD), round(held_usd * USD))
        [(account,)] = await self.run(
            "INSERT INTO accounts (budget_id, window_start, limit_pico, posted_pico, pending_pico)"
            " SELECT id, coalesce(%s, window_start(period, rolling_hours, now())),"
            "  CASE WHEN hard THEN limit_pico END, %s, %s FROM budgets WHERE id = %s"
            " ON CONFLICT (budget_id, window_start) DO UPDATE SET"
            "  posted_pico = accounts.posted_pico + excluded.posted_pico,"
            "  pending_pico = accounts.pending_pico + excluded.pending_pico"
            " RETURNING id",
            start,
            *amounts,
            budget,
        )
        [(transfer,)] = await self.run(
            "INSERT INTO transfers (tenant_id, op_key, kind, amount_pico, account_ids)"
            " VALUES (%s, %s, 'reserve', %s, ARRAY[%s]) RETURNING id",
            self.tenant,
            str(uuid4()),
            amounts[0],
            account,
        )
        return int(transfer)

    async def add_overrun(self, usd: int) -> int:
        [(transfer,)] = await self.run(
            "INSERT INTO transfers (tenant_id, op_key, kind, pending_id, amount_pico)"
            " VALUES (%s, %s, 'settle', %s, %s) RETURNING id",
            self.tenant,
            str(uuid4()),
            uuid4().int >> 66,
            5 * USD,
        )
        await self.run("INSERT INTO entries VALUES (%s, 'overrun', %s, 0)", transfer, usd * USD)
        return int(transfer)

    async def alerts(self, budget: str) -> list[str]:
        """What was told of it, as it was raised."""
        rows = await self.run(
            "SELECT kind FROM events WHERE subject ->> 'budget_id' = %s ORDER BY at", budget
        )
        return [kind.removeprefix("budget.") for (kind,) in rows]

    async def deliveries(self) -> list[tuple[int, bool, bool, str | None]]:
        """Attempts, delivered, given up, last error."""
        return list(
            await self.run(
                "SELECT attempts, delivered_at IS NOT NULL, given_up_at IS NOT NULL, last_error"
                " FROM deliveries ORDER BY id"
            )
        )

    async def make_due(self) -> None:
        await self.run("UPDATE deliveries SET next_at = now()")


@pytest.fixture
async def books(url: str) -> AsyncIterator[Books]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = Books(connection)
        found.tenant = await found.add_tenant("acme")
        yield found


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


class Receiver:
    """A webhook's receiver: keeps what is signed with the secret, and answers as `answers` say, then 200."""

    def __init__(self) -> None:
        self.secret = ""
        self.answers: list[int] = []
        self.events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.release: asyncio.Event | None = None
        """While it is not set, whoever posts waits."""
        self.reached = asyncio.Event()
        application = web.Application()
        application.router.add_post("/hook", self._hook)
        application.router.add_post("/moved", self._moved)
        self.server = TestServer(application)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/hook"

    async def _hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        told, given = request.headers["x-polyvox-signature"].split(",")
        signed = told.removeprefix("t=").encode() + b"." + body
        assert given == "v1=" + hmac.digest(self.secret.encode(), signed, "sha256").hex()
        self.ids.append(request.headers["x-polyvox-event-id"])
        self.events.append(json.loads(body))
        self.reached.set()
        if self.release is not None:
            await self.release.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def _moved(self, _: web.Request) -> web.Response:
        return web.Response(status=307, headers={"location": self.url})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    async with found.server:
        yield found


@pytest.fixture
def channels(database: Database) -> AlertChannels:
    return AlertChannels(PostgresChannelStore(database), pepper=PEPPER, egress=ONE_MACHINE, mail=True)


def _delivery(
    database: Database, *, patience_s: float = 10.0, ops: Sequence[OpsChannel] = ()
) -> AlertDelivery:
    webhooks = WebhookSender(PEPPER, egress=ONE_MACHINE)
    return AlertDelivery(Outbox(database, ops=ops), {"webhook": webhooks}, patience_s=patience_s)


async def _listen(channels: AlertChannels, books: Books, receiver: Receiver, **channel: Any) -> str:
    made = await channels.create(books.tenant, kind="webhook", target=receiver.url, **channel)
    receiver.secret = channels.secret_of(made) or ""
    return made.id


REACHED = [
    (4.999, 5, []),
    (5, 0, [50]),
    (7.99, 0, [50]),
    (8, 2, [50, 80, 100]),
    (9.6, 0.3, [50, 80, 95]),
    (10, 0, [50, 80, 95, 100]),
]
"""Of a limit of 10 USD: what is spent, what is held, and the thresholds that are told of."""


async def test_each_threshold_is_told_of_in_order(database: Database, books: Books) -> None:
    wanted = {}
    for posted_usd, held_usd, percents in REACHED:
        for hard in (True, False):
            budget = await books.add_budget(hard=hard)
            await books.move(budget, posted_usd, held_usd=held_usd)
            wanted[budget] = [f"threshold_{percent}" for percent in percents]
    raised = await AlertScan(database).send_budget_alerts()
    assert raised == sum(map(len, wanted.values()))
    assert {budget: await books.alerts(budget) for budget in wanted} == wanted


async def test_an_event_says_which_budget_and_how_it_stands(database: Database, books: Books) -> None:
    budget = await books.add_budget(20, hard=False)
    await books.move(budget, 10.5, held_usd=1)
    await AlertScan(database).run_once()
    [event] = await PostgresEventLog(database).page(books.tenant)
    assert event.kind == "budget.threshold_50"
    assert event.severity == "info"
    assert event.subject == {"budget_id": budget, "scope": "user", "owner": "ann"}
    assert event.payload == {
        "budget_name": "research",
        "period": "total",
        "hard": False,
        "limit_usd": "20",
        "spent_usd": "10.5",
        "held_usd": "1",
        "percentage_used": "52.50",
        "threshold": 50,
        "window_start": "1970-01-01 00:00:00+00",
    }


async def test_nothing_is_told_twice_of_a_window(database: Database, books: Books) -> None:
    scan, budget = AlertScan(database), await books.add_budget(period="day")
    monday = datetime(2026, 11, 2, tzinfo=UTC)
    await _set_clock(books, monday + timedelta(hours=23))
    for posted, raised in ((5, 1), (0.1, 0), (3, 1), (0, 0)):
        await books.move(budget, posted, start=monday)
        assert await scan.send_budget_alerts() == raised
    assert await AlertScan(database).send_budget_alerts() == 0
    await _set_clock(books, monday + timedelta(hours=47))
    assert await scan.send_budget_alerts() == 0
    await books.move(budget, 6, start=monday + timedelta(days=1))
    assert await scan.send_budget_alerts() == 1


async def test_a_raised_limit_is_told_of_anew(database: Database, books: Books) -> None:
    scan, budget = AlertScan(database), await books.add_budget(10, hard=False)
    await books.move(budget, 10)
    assert await scan.send_budget_alerts() == 4
    await books.run("UPDATE budgets SET limit_pico = %s", 20 * USD)
    assert await scan.send_budget_alerts() == 1
    await books.run("UPDATE budgets SET limit_pico = %s", 10 * USD)
    assert await scan.send_budget_alerts() == 0


async def test_budgets_that_ended_or_allow_nothing_are_not_told_of(database: Database, books: Books) -> None:
    await books.move(await books.add_budget(0), 0)
    ended = await books.add_budget()
    await books.move(ended, 10)
    await books.run("UPDATE budgets SET ended_at = now() WHERE id = %s", ended)
    assert await AlertScan(database).send_budget_alerts() == 0


async def test_a_rolling_budget_is_told_of_again_when_it_comes_back_from_well_below(
    database: Database, books: Books
) -> None:
    scan, budget = AlertScan(database), await books.add_budget(100, period="rolling", hours=24, hard=False)
    now = datetime.now(UTC)
    await books.move(budget, 30, start=now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=20))
    await books.move(budget, 30)
    assert await scan.send_budget_alerts() == 1
    for posted, raised in ((-13, 0), (8, 0), (-11, 0), (7, 1)):  # 47: hovers; 55; 44: forgotten; 51
        await books.move(budget, 0)
        await books.run("UPDATE accounts SET posted_pico = posted_pico + %s WHERE id = 2", posted * USD)
        assert await scan.send_budget_alerts() == raised, posted
    assert await books.alerts(budget) == ["threshold_50", "threshold_50"]


PACES = [(1, 4, None), (10, 3.4, "0.2"), (10, 3.3, None), (10, 4.9, "4.7"), (3, 1.5, "5"), (20, 6.6, None)]
"""Of a month of 30 days with a limit of 10 USD: days gone, spent by then, and what comes to too much."""


async def test_who_spends_faster_than_the_limit_allows_is_warned(database: Database, books: Books) -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)
    for days, posted_usd, overage_usd in PACES:
        budget = await books.add_budget(period="month", hard=False)
        await books.move(budget, posted_usd, start=first)
        await _set_clock(books, first + timedelta(days=days))
        await AlertScan(database).send_budget_alerts()
        told = await books.run(
            "SELECT severity::text, payload ->> 'projected_overage_usd' FROM events"
            " WHERE kind = 'budget.projected_overage' AND subject ->> 'budget_id' = %s",
            budget,
        )
        assert told == ([] if overage_usd is None else [("warning", overage_usd)]), (days, posted_usd)
        await books.run("UPDATE budgets SET ended_at = now()")


async def _set_clock(books: Books, at: datetime) -> None:
    """`now()` of sessions that begin after the first time is what was last set."""
    await books.run("CREATE SCHEMA IF NOT EXISTS clock")
    await books.run("CREATE TABLE IF NOT EXISTS clock.clock (at timestamptz)")
    await books.run("TRUNCATE clock.clock")
    await books.run("INSERT INTO clock.clock VALUES (%s)", at)
    await books.run(
        "CREATE OR REPLACE FUNCTION clock.now() RETURNS timestamptz STABLE"
        " RETURN (SELECT at FROM clock.clock)"
    )
    [(name,)] = await books.run("SELECT current_database()")
    await books.connection.execute(
        sql.SQL("ALTER DATABASE {} SET search_path = clock, pg_catalog, public").format(sql.Identifier(name))
    )


async def test_scanners_at_once_raise_one_alert(database: Database, books: Books) -> None:
    budgets = [await books.add_budget(hard=False) for _ in range(20)]
    for budget in budgets:
        await books.move(budget, 8.5)
    raised = await asyncio.gather(*(AlertScan(database).send_budget_alerts() for _ in range(8)))
    assert sum(raised) == 40
    for budget in budgets:
        assert await books.alerts(budget) == ["threshold_50", "threshold_80"]


async def test_a_refusal_close_to_the_limit_counts_as_used_up(database: Database, books: Books) -> None:
    scan, near, far = AlertScan(database), await books.add_budget(), await books.add_budget()
    await books.move(near, 9.7)
    await books.move(far, 3)
    await scan.run_once()
    scan.refused(near)
    scan.refused(far)
    assert await scan.send_budget_alerts() == 1
    assert (await books.alerts(near))[-1] == "threshold_100"
    scan.refused(near)
    assert await scan.send_budget_alerts() == 0


async def test_what_moves_is_noticed_at_once_however_many_budgets_there_are(
    database: Database, books: Books
) -> None:
    budgets = [await books.add_budget(hard=False) for _ in range(12)]
    scan = AlertScan(database, max_swept=2)
    await scan.send_budget_alerts()
    for budget in sorted(budgets)[-3:]:
        await books.move(budget, 6)
    assert await scan.send_budget_alerts() == 3
    await books.run("UPDATE budgets SET limit_pico = limit_pico / 2")
    raised = [await scan.send_budget_alerts() for _ in range(7)]
    assert sum(raised) == 12  # all four of each of the three, at the latest when their turn comes


async def test_what_commits_late_is_noticed(url: str, database: Database, books: Books) -> None:
    clock = Clock()
    scan = AlertScan(database, lookback_s=8, max_swept=0, clock=clock)
    early, late = await books.add_budget(hard=False), await books.add_budget(hard=False)
    async with await psycopg.AsyncConnection.connect(url) as other:
        await Books(other, books.tenant).move(late, 6)
        await books.move(early, 6)
        assert await scan.send_budget_alerts() == 1
        clock.seconds = 7.0
        assert await scan.send_budget_alerts() == 0
        await other.commit()
    assert await scan.send_budget_alerts() == 1


async def test_m5_an_overrun_is_told_of_once(database: Database, books: Books) -> None:
    clock = Clock()
    first = await books.add_overrun(2)
    scans = [AlertScan(database, clock=clock) for _ in range(3)]
    for clock.seconds in (0.0, 10.0, 20.0):
        await asyncio.gather(*(scan.run_once() for scan in scans))
    second = await books.add_overrun(3)
    await asyncio.gather(*(scan.run_once() for scan in scans))
    newest, oldest = await PostgresEventLog(database).page(books.tenant, kind="ledger.overrun")
    assert [e.subject["transfer_id"] for e in (oldest, newest)] == [first, second]
    assert newest.payload == {"overrun_usd": "3", "cost_usd": "5"}
    assert newest.severity == "warning"


async def test_more_overruns_than_fit_into_a_run_are_told_of_by_and_by(
    database: Database, books: Books
) -> None:
    for _ in range(250):
        await books.add_overrun(1)
    scan = AlertScan(database)
    for _ in range(2):
        await scan.run_once()
    [(count,)] = await books.run("SELECT count(*) FROM events")
    assert count == 250


async def test_a_crossing_reaches_its_webhook_signed(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    await _listen(channels, books, receiver)
    await books.move(await books.add_budget(), 8)
    await AlertScan(database).run_once()
    await _delivery(database).run_once()
    assert sorted(e["kind"] for e in receiver.events) == ["budget.threshold_50", "budget.threshold_80"]
    assert {e["text"] for e in receiver.events} == {
        "Budget research has reached 50 % of 10 USD",
        "Budget research has reached 80 % of 10 USD",
    }
    assert receiver.ids == [e["id"] for e in receiver.events]
    assert await books.deliveries() == [(1, True, False, None)] * 2


async def test_a_receiver_that_fails_is_tried_again_with_the_same_event(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    channel = await _listen(channels, books, receiver)
    event = await channels.send_test(books.tenant, channel)
    receiver.answers = [500, 302]
    delivery = _delivery(database)
    for error in ("answered with HTTP status 500", "answered with HTTP status 302"):
        await delivery.run_once()
        [(_, delivered, _, last_error)] = await books.deliveries()
        assert (delivered, last_error) == (False, error)
        await books.run("UPDATE deliveries SET next_at = now() + interval '1 hour'")
        await delivery.run_once()
        await books.make_due()
    await delivery.run_once()
    assert await books.deliveries() == [(3, True, False, None)]
    assert receiver.ids == [event] * 3
    assert receiver.events[0] == receiver.events[1] == receiver.events[2]


async def test_it_waits_longer_each_time_and_gives_up_with_an_event(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    channel = await _listen(channels, books, receiver)
    await channels.send_test(books.tenant, channel)
    receiver.answers = [503] * 100
    delivery = _delivery(database)
    for _ in range(2 * MAX_ATTEMPTS + 1):
        await books.make_due()
        await delivery.run_once()
    failed = "answered with HTTP status 503"
    # The second one tells of the first; nothing tells of that.
    assert await books.deliveries() == [(MAX_ATTEMPTS, False, True, failed)] * 2
    newest, oldest = await PostgresEventLog(database).page(books.tenant)
    assert (newest.kind, newest.severity, oldest.kind) == ("alert.undelivered", "warning", "alert.test")
    assert newest.subject == {"event_id": oldest.id, "channel_id": channel}
    assert newest.payload == {
        "event_kind": "alert.test",
        "channel_kind": "webhook",
        "attempts": MAX_ATTEMPTS,
        "error": failed,
    }


async def test_a_crash_between_delivery_and_its_record_repeats_the_same_event(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    channel = await _listen(channels, books, receiver)
    event = await channels.send_test(books.tenant, channel)
    receiver.release = asyncio.Event()
    dying = _delivery(database)
    run = asyncio.create_task(dying.run_once())
    await receiver.reached.wait()
    for task in [*dying._running, run]:
        task.cancel()
    await asyncio.gather(*dying._running, run, return_exceptions=True)
    receiver.release.set()
    survivor = _delivery(database)
    await survivor.run_once()
    assert receiver.ids == [event]  # the lease has not passed
    await books.make_due()
    await survivor.run_once()
    assert receiver.ids == [event, event]
    assert await books.deliveries() == [(2, True, False, None)]


async def test_deliverers_at_once_send_each_event_once(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    channel = await _listen(channels, books, receiver)
    events = [await channels.send_test(books.tenant, channel) for _ in range(30)]
    deliverers = [_delivery(database) for _ in range(4)]
    for _ in range(4):
        await asyncio.gather(*(d.run_once() for d in deliverers))
    assert sorted(receiver.ids) == sorted(events)


async def test_a_channel_that_hangs_delays_no_other(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    hanging = Receiver()
    hanging.release = asyncio.Event()
    async with hanging.server:
        held = await channels.create(books.tenant, kind="webhook", target=hanging.url)
        hanging.secret = channels.secret_of(held) or ""
        quick = await _listen(channels, books, receiver)
        for _ in range(20):
            await channels.send_test(books.tenant, held.id)
        delivery = _delivery(database, patience_s=0.05)
        await delivery.run_once()
        events = [await channels.send_test(books.tenant, quick) for _ in range(3)]
        await delivery.run_once()
        await asyncio.wait_for(receiver.reached.wait(), 5)
        await delivery.run_once()
        assert sorted(receiver.ids) == sorted(events)
        assert len(hanging.ids) == 8
        hanging.release.set()
        await delivery.close()
    assert [row[1] for row in await books.deliveries()].count(True) == 11


async def test_a_channel_that_is_far_behind_gets_no_more(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    channel = await _listen(channels, books, receiver)
    await books.run(
        "WITH e AS (INSERT INTO events SELECT gen_random_uuid(), NULL, 'x', 'info', '{}', '{}', NULL"
        " FROM generate_series(1, 1000) RETURNING id)"
        " INSERT INTO deliveries (event_id, channel_id, kind, target) SELECT id, %s, 'webhook', '' FROM e",
        channel,
    )
    log = PostgresEventLog(database)
    await log.append("one.too_many", severity="critical", tenant_id=books.tenant)
    assert len(await books.deliveries()) == 1000
    await books.run("UPDATE deliveries SET delivered_at = now() WHERE id <= 500")
    await log.append("another", severity="critical", tenant_id=books.tenant)
    assert len(await books.deliveries()) == 1001
    assert len(await log.page(books.tenant)) == 2


async def test_a_channel_hears_of_what_is_severe_enough(
    database: Database, books: Books, channels: AlertChannels
) -> None:
    for severity in SEVERITIES:
        target = f"{severity}@example.com"
        await channels.create(books.tenant, kind="email", target=target, min_severity=severity)
    log = PostgresEventLog(database)
    for tenant in (books.tenant, await books.add_tenant("other"), None):
        for severity in SEVERITIES:
            await log.append("x", severity=severity, tenant_id=tenant)
    told = await books.run(
        "SELECT target, array_agg(severity::text ORDER BY severity)"
        " FROM deliveries AS d JOIN events AS e ON e.id = event_id GROUP BY target"
    )
    assert dict(told) == {
        "info@example.com": ["info", "warning", "critical"],
        "warning@example.com": ["warning", "critical"],
        "critical@example.com": ["critical"],
    }


async def test_a_channel_of_one_budget_hears_of_that_alone(
    database: Database, books: Books, channels: AlertChannels
) -> None:
    one, other = await books.add_budget(), await books.add_budget()
    await channels.create(books.tenant, kind="email", target="ann@example.com", budget_id=one)
    for budget in (one, other):
        await books.move(budget, 5)
    await AlertScan(database).run_once()
    await PostgresEventLog(database).append("other", severity="critical", tenant_id=books.tenant)
    rows = await books.run("SELECT subject FROM events WHERE id IN (SELECT event_id FROM deliveries)")
    assert [subject["budget_id"] for (subject,) in rows] == [one]


async def test_ops_hear_of_every_tenant_and_of_the_installation(
    database: Database, books: Books, receiver: Receiver
) -> None:
    ops = [OpsChannel(kind="webhook", target=receiver.url)]
    receiver.secret = webhook_secret(ops[0].id, pepper=PEPPER)
    await books.move(await books.add_budget(), 9)
    await books.add_overrun(1)
    await AlertScan(database, ops=ops).run_once()
    await PostgresEventLog(database, ops=ops).append("catalogue.refused", severity="critical")
    await _delivery(database, ops=ops).run_once()
    assert sorted(event["kind"] for event in receiver.events) == [
        "budget.threshold_80",
        "catalogue.refused",
        "ledger.overrun",
    ]


async def test_a_redirect_is_not_followed(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    made = await channels.create(books.tenant, kind="webhook", target=receiver.url.replace("/hook", "/moved"))
    await channels.send_test(books.tenant, made.id)
    await _delivery(database).run_once()
    assert receiver.events == []
    assert await books.deliveries() == [(1, False, False, "answered with HTTP status 307")]


async def test_i2_an_address_that_has_become_forbidden_is_not_called(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    target = receiver.url.replace("127.0.0.1", "localhost")
    made = await channels.create(books.tenant, kind="webhook", target=target)
    await channels.send_test(books.tenant, made.id)
    strict = WebhookSender(PEPPER, egress=Egress(allow_http=True))
    await AlertDelivery(Outbox(database), {"webhook": strict}).run_once()
    assert receiver.events == []
    assert await books.deliveries() == [(1, False, False, "the address is not a public one")]


async def test_mail_reaches_its_server(database: Database, books: Books, channels: AlertChannels) -> None:
    async with MailDrop() as drop:
        await channels.create(books.tenant, kind="email", target="ann@example.com")
        await books.move(await books.add_budget(), 5)
        await AlertScan(database).run_once()
        server = MailServer(host="127.0.0.1", port=drop.port, security="none", sender="polyvox@example.com")
        mail = MailSender(server)
        await AlertDelivery(Outbox(database), {"email": mail}, patience_s=10.0).run_once()
        mail.close()
    assert await books.deliveries() == [(1, True, False, None)]
    [(_, recipients, message)] = drop.mails
    assert recipients == ["ann@example.com"]
    assert message["Subject"] == "[Polyvox] Budget research has reached 50 % of 10 USD"


async def test_ended_deliveries_are_forgotten_and_events_are_kept(
    database: Database, books: Books, channels: AlertChannels
) -> None:
    made = await channels.create(books.tenant, kind="email", target="ann@example.com")
    for _ in range(3):
        await channels.send_test(books.tenant, made.id)
    await books.run("UPDATE deliveries SET delivered_at = now() - interval '31 days' WHERE id = 1")
    await books.run("UPDATE deliveries SET given_up_at = now() - interval '29 days' WHERE id = 2")
    await _delivery(database).run_once()
    assert await books.run("SELECT id FROM deliveries ORDER BY id") == [(2,), (3,)]
    assert len(await PostgresEventLog(database).page(books.tenant)) == 3


class Log(EventLog, EventPages, Protocol):
    pass


@pytest.fixture(params=["postgres", "memory"])
def log(request: pytest.FixtureRequest) -> Log:
    if request.param == "memory":
        return InMemoryEventLog()
    return PostgresEventLog(request.getfixturevalue("database"))


async def test_what_is_logged_is_read_back(log: Log, books: Books) -> None:
    await log.append(
        "a.b",
        severity="warning",
        tenant_id=books.tenant,
        subject={"request_id": "r", "n": 2**70},
        payload={"nested": [{"x": 1.5, "y": None}], "nul": "a\0b", "half": "\ud83d", "inf": float("inf")},
    )
    [event] = await _page(log, books.tenant)
    assert (event.kind, event.severity, event.tenant_id) == ("a.b", "warning", books.tenant)
    assert event.subject == {"request_id": "r", "n": 2**70}
    assert event.payload == {"nested": [{"x": 1.5, "y": None}], "nul": "a\ufffdb", "half": "?", "inf": None}
    assert abs(event.at - datetime.now(UTC)) < timedelta(seconds=60)


async def test_an_occurrence_is_logged_once(log: Log, books: Books) -> None:
    for kind, once in (("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("c", None), ("c", None)):
        await log.append(kind, severity="info", tenant_id=books.tenant, once=once)
    assert [event.kind for event in await _page(log, books.tenant)] == ["c", "c", "b", "a", "a"]


async def test_what_is_too_long_is_left_out(log: Log, books: Books) -> None:
    await log.append("a", severity="info", tenant_id=books.tenant, payload={"x": "y" * 100_000})
    [event] = await _page(log, books.tenant)
    assert event.payload == {"left_out_bytes": 100_009}


async def test_events_are_paged_newest_first_and_filtered(log: Log, books: Books) -> None:
    for n in range(9):
        await log.append(f"k{n % 2}", severity=SEVERITIES[n % 3], tenant_id=books.tenant, payload={"n": n})
    await log.append("k0", severity="info", tenant_id=await books.add_tenant("other"))

    async def numbers(**wanted: Any) -> list[object]:
        return [event.payload["n"] for event in await _page(log, books.tenant, **wanted)]

    every = await _page(log, books.tenant)
    assert await numbers() == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert await numbers(limit=2) == [8, 7]
    assert await numbers(limit=2, after=every[1].id) == [6, 5]
    assert await numbers(after=str(uuid4())) == []
    assert await numbers(kind="k1") == [7, 5, 3, 1]
    assert await numbers(severity="critical", kind="k0") == [8, 2]
    assert await numbers(since=every[3].at) == [8, 7, 6, 5]


async def test_the_installations_events_are_shown_to_the_administrators_of_one_tenant(
    database: Database, books: Books
) -> None:
    log = PostgresEventLog(database, ops_tenant="acme")
    other = await books.add_tenant("other")
    await log.append("catalogue.refused", severity="critical")
    await log.append("mine", severity="info", tenant_id=books.tenant)
    assert [event.kind for event in await log.page(books.tenant)] == ["mine", "catalogue.refused"]
    assert await log.page(other) == []


async def _page(log: Log, tenant: str, **wanted: Any) -> Sequence[Event]:
    return await log.page(tenant, **wanted)


@pytest.fixture(params=["postgres", "memory"])
async def channel_store(
    request: pytest.FixtureRequest, database: Database, books: Books
) -> tuple[ChannelStore, str]:
    """And a budget of the tenant's."""
    budget = await books.add_budget()
    if request.param == "memory":
        return InMemoryChannelStore(budgets={budget: books.tenant}), budget
    return PostgresChannelStore(database), budget


async def test_channels_are_made_listed_and_deleted(
    channel_store: tuple[ChannelStore, str], books: Books
) -> None:
    store, budget = channel_store
    channels = AlertChannels(store, pepper=PEPPER, egress=Egress(), mail=True)
    hook = await channels.create(
        books.tenant,
        kind="webhook",
        target="https://a.example/x",
        min_severity="critical",
        budget_id=budget,
    )
    mail = await channels.create(books.tenant, kind="email", target="ann@example.com")
    assert await channels.list(books.tenant) == sorted([hook, mail], key=lambda channel: channel.id)
    assert await channels.secret(books.tenant, hook.id) == webhook_secret(hook.id, pepper=PEPPER)
    assert await channels.secret(books.tenant, mail.id) is None
    other = await books.add_tenant("other")
    assert await channels.list(other) == []
    for attempt in (channels.secret, channels.delete, channels.send_test):
        with pytest.raises(NotFound):
            await attempt(other, hook.id)
    await channels.delete(books.tenant, hook.id)
    assert await channels.list(books.tenant) == [mail]
    with pytest.raises(NotFound):
        await channels.delete(books.tenant, hook.id)


async def test_a_channel_for_a_budget_of_another_tenant_is_refused(
    channel_store: tuple[ChannelStore, str], books: Books
) -> None:
    store, budget = channel_store
    channels = AlertChannels(store, pepper=PEPPER, egress=Egress())
    for tenant, wanted in ((await books.add_tenant("other"), budget), (books.tenant, str(uuid4()))):
        with pytest.raises(NotFound, match="budget"):
            await channels.create(tenant, kind="webhook", target="https://a.example", budget_id=wanted)
        assert await channels.list(tenant) == []


async def test_channels_are_so_many_at_most(channel_store: tuple[ChannelStore, str], books: Books) -> None:
    channels = AlertChannels(channel_store[0], pepper=PEPPER, egress=Egress())
    for _ in range(MAX_CHANNELS):
        await channels.create(books.tenant, kind="webhook", target="https://a.example")
    with pytest.raises(InvalidRequest, match="channels already"):
        await channels.create(books.tenant, kind="webhook", target="https://a.example")


async def test_a_deleted_channel_hears_of_nothing_more(
    database: Database, books: Books, channels: AlertChannels, receiver: Receiver
) -> None:
    channel = await _listen(channels, books, receiver)
    await channels.send_test(books.tenant, channel)
    await channels.delete(books.tenant, channel)
    await _delivery(database).run_once()
    assert receiver.events == []
    assert await books.deliveries() == []
