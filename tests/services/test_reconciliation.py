"""The ledger against the providers' reports, which the sandbox serves from its meter (M-10)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from deployments.api.management.app import create_management
from deployments.api.management.reconciliation import router
from models.errors import Overloaded
from models.events import InMemoryEventLog
from models.identity import ADMIN, Principal
from models.money import usd_text
from models.reconcile import (
    Filter,
    Outcome,
    Reconciler,
    ReconciliationStore,
    Recorded,
    ReportAccess,
    RunReport,
    Timing,
    Tokens,
    UsageReportSource,
    Width,
    connect_sources,
)
from models.reconcile.record import LedgerSide
from models.reconcile.report import SPAN
from models.reconcile.trial_balance import verify
from models.store import Database
from tests.asgi import Client
from tests.contract_sandbox.conftest import Sandbox, start
from tests.services.calls import CATALOG, Call, bill, book
from tests.unit.api.management import As

GPT, CLAUDE, GEMINI = "gpt-6.1-sol", "claude-sonnet-5-5", "gemini-3.8-flash"
MODELS = {"openai": GPT, "anthropic": CLAUDE, "google": GEMINI}
MIXED = (
    (1_000, 200, 0, 0, 300),
    (7, 0, 5_000, 900, 1),
    (300_000, 1, 0, 0, 12_345),
    (0, 31, 0, 0, 0),
)
"""One of them is beyond the size from which long inputs cost more."""


class Desk:
    """A reconciler, the sandbox that it asks, and what both wrote down."""

    def __init__(self, database: Database, sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
        self.database = database
        self.sandbox = sandbox
        self.events = InMemoryEventLog()
        self.store = ReconciliationStore(database)
        self.sources = connect_sources(access(sandbox))
        self._http = http

    async def reconnect(self, access: ReportAccess) -> None:
        await self.close()
        self.sources = connect_sources(access)

    async def close(self) -> None:
        for source in self.sources.values():
            if source is not None:
                await source.close()

    def reconciler(self, width: Width = "hour", **timing: object) -> Reconciler:
        span = SPAN[width]
        chosen = {"settle_lag": timedelta(0), "patience": 24 * span, "lookback": 12 * span} | timing
        return Reconciler(
            self.store,
            lambda: self.sources,
            catalog=lambda: CATALOG,
            events=self.events,
            timing=Timing(width=width, **chosen),  # type: ignore[arg-type]
        )

    async def distort(self, **directives: str) -> None:
        answer = await self._http.put(f"{self.sandbox.url}/sandbox/reports", json=directives)
        answer.raise_for_status()

    async def break_provider(self, **directives: str) -> None:
        answer = await self._http.put(f"{self.sandbox.url}/sandbox/state", json=directives)
        answer.raise_for_status()

    async def book(self, *calls: Call) -> None:
        """On both sides."""
        bill(self.sandbox.meter, *calls)
        await book(self.database, *calls)

    async def outcomes(self, **asked: object) -> list[Recorded]:
        """Oldest first."""
        return (await self.store.listing(Filter(**asked)))[::-1]  # type: ignore[arg-type]

    async def moved_pico(self, provider: str) -> int:
        """What the reconciliation has moved on the provider's account."""
        return await self._number(
            "SELECT coalesce(sum(credit_pico - debit_pico), 0) FROM entries AS e JOIN transfers AS t"
            " ON t.id = e.transfer_id WHERE t.op_key LIKE 'reconcile/%%' AND account = %(account)s",
            {"account": f"provider:{provider}"},
        )

    async def transfers(self) -> int:
        return await self._number("SELECT count(*) FROM transfers", {})

    async def _number(self, query: str, values: dict[str, object]) -> int:
        async def fetch(connection: psycopg.AsyncConnection) -> int:
            row = await (await connection.execute(query.encode(), values)).fetchone()
            assert row is not None
            return int(row[0])

        return await self.database.run(fetch)


def access(sandbox: Sandbox) -> ReportAccess:
    return ReportAccess(
        openai_admin_key=SecretStr("sk-admin-test"),
        openai_base_url=f"{sandbox.url}/openai/v1",
        anthropic_admin_key=SecretStr("sk-ant-admin-test"),
        anthropic_base_url=f"{sandbox.url}/anthropic",
        google_billing_url=f"{sandbox.url}/sandbox/google/billing_export",
    )


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    running = start(tmp_path)
    yield running
    assert running.stop() == 0


@pytest.fixture
async def desk(database: Database, sandbox: Sandbox) -> AsyncIterator[Desk]:
    async with httpx2.AsyncClient(verify=False) as http:
        opened = Desk(database, sandbox, http)
        yield opened
        await opened.close()


@pytest.fixture
def hour() -> datetime:
    """The beginning of an hour that is over."""
    return bucket("hour", 3)


def bucket(width: Width, ago: int) -> datetime:
    now = datetime.now(UTC)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((now - epoch) // SPAN[width] - ago) * SPAN[width]


def at(begin: datetime, minutes: float = 10) -> datetime:
    return begin + timedelta(minutes=minutes)


def run_of(report: RunReport, provider: str) -> dict[str, object]:
    (run,) = [run for run in report.providers if run.provider == provider]
    return {"state": run.state, "error": run.error, "buckets": run.buckets, "recorded": run.recorded}


@pytest.mark.parametrize("width", ["minute", "hour", "day"])
async def test_m10_what_providers_report_equals_the_ledger_to_the_pico(desk: Desk, width: Width) -> None:
    begin = bucket(width, 3)
    calls = [
        Call(model_id=model, began=begin + n * SPAN[width] + SPAN[width] / 3, tokens=tokens)
        for model in MODELS.values()
        for n in range(2)
        for tokens in MIXED
    ]
    await desk.book(*calls)
    report = await desk.reconciler(width).run()
    for provider, model in MODELS.items():
        spent = sum(call.list_pico for call in calls if call.model_id == model)
        (run,) = [run for run in report.providers if run.provider == provider]
        assert (run.buckets, run.ledger_pico, run.provider_pico) == ({"matched": 2}, spent, spent)
    assert desk.events.events == []
    assert [each.adjustment_pico for each in await desk.outcomes()] == [0] * 6


async def test_m10_discounts_are_between_the_customer_and_us(desk: Desk, hour: datetime) -> None:
    await desk.book(Call(model_id=GPT, began=at(hour), discount_pico=1_000_000))
    report = await desk.reconciler().run()
    assert run_of(report, "openai")["buckets"] == {"matched": 1}


async def test_m10_a_row_told_twice_counts_once(desk: Desk, hour: datetime) -> None:
    calls = [Call(model_id=model, began=at(hour)) for model in MODELS.values()]
    await desk.book(*calls)
    await desk.distort(openai="duplicate=1", anthropic="duplicate=1", google="duplicate=1")
    report = await desk.reconciler().run()
    assert [run.buckets for run in report.providers] == [{"matched": 1}] * 3
    assert all(run.duplicates for run in report.providers)


async def test_m10_rows_that_come_late_are_waited_for(desk: Desk, hour: datetime) -> None:
    await desk.book(Call(model_id=CLAUDE, began=at(hour)))
    await desk.distort(anthropic="late=864000")
    await desk.reconciler().run()
    await desk.distort(anthropic="")
    await desk.reconciler().run()
    found = await desk.outcomes(every_version=True)
    assert [(each.version, each.outcome.status, each.outcome.reason) for each in found] == [
        (1, "waiting", "no_row"),
        (2, "matched", ""),
    ]
    assert desk.events.events == []


async def test_m10_a_late_row_opens_its_bucket_again_and_nothing_is_edited(
    desk: Desk, hour: datetime
) -> None:
    first, second = (Call(model_id=GPT, began=at(hour, n)) for n in (10, 20))
    bill(desk.sandbox.meter, first)
    await book(desk.database, first, second)
    await desk.reconciler().run()
    bill(desk.sandbox.meter, second)
    await desk.reconciler().run()
    one, two = await desk.outcomes(every_version=True)
    assert (one.outcome.status, one.outcome.drift_pico) == ("drift", -second.list_pico)
    assert (two.outcome.status, two.outcome.drift_pico) == ("matched", 0)
    assert (one.adjustment_pico, two.adjustment_pico) == (-second.list_pico, second.list_pico)
    assert two.moved_pico == await desk.moved_pico("openai") == 0
    assert await verify(desk.database) == []


@pytest.mark.parametrize(
    ("percent", "status"),
    [("0.05", "adjusted"), ("-0.05", "adjusted"), ("0.11", "drift"), ("-0.1", "drift"), ("25", "drift")],
)
async def test_m10_drift_is_adjusted_and_alarmed_from_a_thousandth_on(
    desk: Desk, hour: datetime, percent: str, status: str
) -> None:
    call = Call(model_id=GPT, began=at(hour), tokens=(1_000_000, 100_000, 0, 0, 200_000))
    await desk.book(call)
    await desk.distort(openai=f"drift={percent}")
    await desk.reconciler().run()
    (found,) = await desk.outcomes()
    assert found.outcome.status == status
    assert found.outcome.provider_pico is not None
    assert found.adjustment_pico == found.outcome.provider_pico - call.list_pico != 0
    assert await desk.moved_pico("openai") == found.adjustment_pico
    told = [(event.kind, event.severity) for event in desk.events.events]
    assert told == ([("reconciliation.drift", "critical")] if status == "drift" else [])
    assert await verify(desk.database) == []


async def test_m10_a_wrong_price_shows_where_the_cost_is_reported(desk: Desk) -> None:
    """The tokens agree; only the daily bill is another."""
    begin = bucket("day", 2)
    call = Call(model_id=CLAUDE, began=at(begin))
    record = replace(call, name="cheaper", discount_pico=0)
    await desk.book(record)

    async def halve(connection: psycopg.AsyncConnection) -> None:
        await connection.execute("UPDATE model_usage SET cost_pico = cost_pico / 2")

    await desk.database.run(halve)
    await desk.reconciler("day").run()
    (found,) = await desk.outcomes()
    assert (found.outcome.status, found.outcome.provider_pico) == ("drift", call.list_pico)
    assert found.outcome.provider_tokens == found.outcome.ledger.tokens == Tokens(*call.tokens)


async def test_m10_estimates_are_told_apart(desk: Desk, hour: datetime) -> None:
    exact = Call(model_id=GPT, began=at(hour))
    truth = Call(model_id=GPT, began=at(hour), tokens=(100, 0, 0, 0, 100))
    guessed = replace(truth, tokens=(100, 0, 0, 0, 150), estimated=True, status="expired")
    bill(desk.sandbox.meter, exact, truth)
    await book(desk.database, exact, guessed)
    await desk.reconciler().run()
    (found,) = await desk.outcomes()
    assert found.outcome.ledger.estimated_pico == guessed.list_pico
    assert found.outcome.drift_pico == truth.list_pico - guessed.list_pico
    assert found.outcome.drift_without_estimates_pico == truth.list_pico
    assert [event.severity for event in desk.events.events] == ["warning"]


async def test_m10_what_only_the_provider_has_is_drift(desk: Desk, hour: datetime) -> None:
    call = Call(model_id=GEMINI, began=at(hour))
    bill(desk.sandbox.meter, call)
    await desk.reconciler().run()
    (found,) = await desk.outcomes()
    assert (found.outcome.status, found.adjustment_pico) == ("drift", call.list_pico)


async def test_m10_a_bucket_that_is_not_reported_waits_and_is_alarmed_once_it_is_overdue(
    desk: Desk, hour: datetime
) -> None:
    await desk.book(Call(model_id=GPT, began=at(hour)))
    await desk.distort(openai=f"missing={int(hour.timestamp())}")
    await desk.reconciler().run()
    assert [each.outcome.reason for each in await desk.outcomes()] == ["not_reported"]
    assert desk.events.events == []
    for _ in range(2):
        await desk.reconciler(patience=timedelta(0)).run()
    assert [each.outcome.reason for each in await desk.outcomes()] == ["overdue:not_reported"]
    assert [event.kind for event in desk.events.events] == ["reconciliation.overdue"]
    assert await desk.moved_pico("openai") == 0


async def test_m10_a_bucket_that_was_compared_stays_so_when_its_report_is_gone(
    desk: Desk, hour: datetime
) -> None:
    await desk.book(Call(model_id=GPT, began=at(hour)))
    await desk.reconciler().run()
    await desk.distort(openai=f"missing={int(hour.timestamp())}")
    report = await desk.reconciler().run()
    assert run_of(report, "openai")["recorded"] == 0
    assert [each.outcome.status for each in await desk.outcomes()] == ["matched"]


async def test_m10_a_call_across_the_edge_of_a_bucket_is_no_drift(desk: Desk, hour: datetime) -> None:
    """It began in one hour and was billed in the next, beside others; both hours match."""
    across = Call(
        model_id=GPT, began=hour - timedelta(seconds=30), took=timedelta(seconds=75), tokens=(9, 9, 0, 0, 900)
    )
    await desk.book(across, Call(model_id=GPT, began=at(hour, -20)), Call(model_id=GPT, began=at(hour, 20)))
    await desk.reconciler().run()
    before, after = (each.outcome for each in await desk.outcomes())
    assert (before.status, after.status) == ("matched", "matched")
    assert before.provider_pico is not None
    assert after.provider_pico is not None
    assert before.ledger.pico - before.provider_pico == across.list_pico
    assert after.provider_pico - after.ledger.pico == across.list_pico


async def test_m10_a_call_across_the_edge_that_never_comes_is_drift(desk: Desk, hour: datetime) -> None:
    across = Call(model_id=GPT, began=hour - timedelta(seconds=30), took=timedelta(seconds=75))
    other = Call(model_id=GPT, began=at(hour, 20))
    await book(desk.database, across, other)
    bill(desk.sandbox.meter, other)
    await desk.reconciler().run()
    before, after = (each.outcome for each in await desk.outcomes())
    assert (before.status, before.drift_pico) == ("matched", 0)
    assert (after.status, after.drift_pico) == ("drift", -across.list_pico)


async def test_m10_snapshots_of_a_model_are_one_model(desk: Desk, hour: datetime) -> None:
    calls = [Call(model_id="gpt-6-luna", began=at(hour)) for _ in range(2)]
    bill(desk.sandbox.meter, calls[0])
    dated = replace(calls[1].line(), model="gpt-6-luna-2026-08-07")
    with desk.sandbox.meter.open("ab") as file:
        file.write(msgspec.json.encode(dated) + b"\n")
    await book(desk.database, *calls)
    await desk.reconciler().run()
    (found,) = await desk.outcomes()
    assert (found.outcome.model_id, found.outcome.status) == ("gpt-6-luna", "matched")


async def test_m10_a_provider_that_does_not_answer_leaves_its_buckets_waiting(
    desk: Desk, hour: datetime
) -> None:
    await desk.book(*(Call(model_id=model, began=at(hour)) for model in MODELS.values()))
    await desk.break_provider(openai="fail=503", anthropic="fail=429")
    report = await desk.reconciler().run()
    assert run_of(report, "openai") == {
        "state": "failed",
        "error": "provider_unavailable",
        "buckets": {"waiting": 1},
        "recorded": 1,
    }
    assert run_of(report, "anthropic")["error"] == "provider_rate_limited"
    assert run_of(report, "google")["buckets"] == {"matched": 1}
    await desk.break_provider(openai="", anthropic="")
    report = await desk.reconciler().run()
    assert [run.buckets for run in report.providers] == [{"matched": 1}] * 3


async def test_m10_a_key_that_is_no_administrators_is_refused(desk: Desk, hour: datetime) -> None:
    del hour
    wrong = access(desk.sandbox)
    wrong.openai_admin_key = SecretStr("sk-proj-1")
    wrong.anthropic_admin_key = SecretStr("sk-ant-api03-1")
    await desk.reconnect(wrong)
    report = await desk.reconciler().run()
    assert [run.error for run in report.providers] == ["provider_auth_failed", "provider_auth_failed", ""]


async def test_m10_a_provider_without_a_key_is_left_out_and_said_once(
    desk: Desk, hour: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.book(Call(model_id=CLAUDE, began=at(hour)))
    keyless = access(desk.sandbox)
    keyless.openai_admin_key = None
    await desk.reconnect(keyless)
    reconciler = desk.reconciler()
    with caplog.at_level("INFO", logger="models.reconcile"):
        for _ in range(2):
            report = await reconciler.run()
    assert run_of(report, "openai")["state"] == "not_configured"
    assert run_of(report, "anthropic")["buckets"] == {"matched": 1}
    assert len([record for record in caplog.records if "not configured" in record.message]) == 1


async def test_m10_running_again_changes_nothing(desk: Desk, hour: datetime) -> None:
    await desk.book(*(Call(model_id=model, began=at(hour)) for model in MODELS.values()))
    await desk.distort(openai="drift=5")
    await desk.reconciler().run()
    before = await desk.transfers(), len(await desk.outcomes(every_version=True)), len(desk.events.events)
    report = await desk.reconciler().run()
    after = await desk.transfers(), len(await desk.outcomes(every_version=True)), len(desk.events.events)
    assert before == after
    assert [run.recorded for run in report.providers] == [0, 0, 0]


class SlowSource:
    """Tells of nothing until it is let go."""

    provider = "openai"
    usage_parts = ("completions",)

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def pages(self, *, start: datetime, end: datetime, width: Width) -> AsyncIterator[object]:
        del start, end, width
        self.asked.set()
        await self.let_go.wait()
        return
        yield

    async def close(self) -> None: ...


async def test_m10_only_one_reconciles_at_a_time(database: Database) -> None:
    slow = SlowSource()
    sources: dict[str, UsageReportSource | None] = {"openai": slow}  # type: ignore[dict-item]
    first, second = (
        Reconciler(
            ReconciliationStore(database),
            lambda: sources,
            catalog=lambda: CATALOG,
            events=InMemoryEventLog(),
        )
        for _ in range(2)
    )
    running = asyncio.create_task(first.run())
    await slow.asked.wait()
    assert (await second.run()).busy
    assert (await first.run()).busy
    slow.let_go.set()
    assert not (await running).busy
    assert not (await second.run()).busy


async def test_m10_a_provider_that_never_answers_is_given_up(database: Database, hour: datetime) -> None:
    await book(database, Call(model_id=GPT, began=at(hour)))
    sources: dict[str, UsageReportSource | None] = {"openai": SlowSource()}  # type: ignore[dict-item]
    timing = Timing(width="hour", settle_lag=timedelta(0), provider_timeout_s=3.0)
    store = ReconciliationStore(database)
    reconciler = Reconciler(
        store, lambda: sources, catalog=lambda: CATALOG, events=InMemoryEventLog(), timing=timing
    )
    report = await reconciler.run()
    assert run_of(report, "openai")["error"] == "provider_timeout"
    assert [each.outcome.reason for each in await store.listing(Filter())] == ["provider_timeout"]


async def test_m10_of_two_who_record_a_version_one_moves_money(database: Database) -> None:
    store = ReconciliationStore(database)
    begin = bucket("hour", 3)
    outcome = Outcome(
        provider="openai",
        model_id=GPT,
        start=begin,
        end=begin + timedelta(hours=1),
        status="drift",
        ledger=LedgerSide(10**12),
        provider_pico=10**12 + 7,
        provider_tokens=Tokens(),
        drift_pico=7,
    )
    done = await asyncio.gather(
        *(store.record(outcome, version=1, adjustment_pico=7) for _ in range(8)), return_exceptions=True
    )
    assert sorted(bool(each) for each in done if not isinstance(each, Overloaded)).count(True) == 1
    (found,) = await store.listing(Filter())
    assert found.moved_pico == 7
    assert await verify(database) == []


async def test_m10_buckets_of_another_width_are_not_adjusted_again(desk: Desk) -> None:
    begin = bucket("day", 2)
    await book(desk.database, Call(model_id=GPT, began=at(begin)))
    await desk.distort(openai="drift=-100")
    bill(desk.sandbox.meter, Call(model_id=GPT, began=at(begin)))
    await desk.reconciler("day", patience=timedelta(0)).run()
    moved = await desk.moved_pico("openai")
    await desk.reconciler("hour", lookback=timedelta(days=3), patience=timedelta(0)).run()
    assert await desk.moved_pico("openai") == moved != 0


@pytest.mark.parametrize(
    "change", ["UPDATE reconciliations SET status = 'matched'", "DELETE FROM reconciliations"]
)
async def test_m10_what_was_recorded_stays(desk: Desk, hour: datetime, change: str) -> None:
    await desk.book(Call(model_id=GPT, began=at(hour)))
    await desk.reconciler().run()

    async def attempt(connection: psycopg.AsyncConnection) -> None:
        await connection.execute(change.encode())

    with pytest.raises(psycopg.errors.RestrictViolation):
        await desk.database.run(attempt)


async def test_m10_reports_are_of_all_workers_of_the_sandbox(
    database: Database, tmp_path: Path, hour: datetime
) -> None:
    running = start(tmp_path, "--workers", "3")
    try:
        async with httpx2.AsyncClient(verify=False) as http:
            desk = Desk(database, running, http)
            await desk.book(*(Call(model_id=GPT, began=at(hour)) for _ in range(5)))
            await desk.distort(openai="duplicate=1")
            for _ in range(6):
                report = await desk.reconciler().run()
                assert run_of(report, "openai")["buckets"] == {"matched": 1}
                assert report.providers[0].duplicates
            await desk.close()
    finally:
        assert running.stop() == 0


@pytest.fixture
async def ours(database: Database) -> Principal:
    """An administrator of the tenant that runs the installation."""
    tenant = str(uuid4())

    async def insert(connection: psycopg.AsyncConnection) -> None:
        await connection.execute("INSERT INTO tenants (id, name) VALUES (%s, 'default')", [tenant])

    await database.run(insert)
    return Principal("key", str(uuid4()), tenant, roles=frozenset({ADMIN}))


def client(desk: Desk, principal: Principal | None, *, run_s: float = 60.0) -> Client:
    routes = router(desk.store, desk.reconciler(), run_s=run_s)
    return Client(As(create_management([routes]), principal))


async def test_m10_those_who_run_the_installation_see_outcomes_and_may_run_it_now(
    desk: Desk, hour: datetime, ours: Principal
) -> None:
    call = Call(model_id=GPT, began=at(hour))
    await desk.book(call, Call(model_id=CLAUDE, began=at(hour)))
    await desk.distort(openai="drift=100")
    ran = (await client(desk, ours).request("POST", "/v1/reconciliations/run")).json()
    assert [(run["provider"], run["state"], run["buckets"]) for run in ran["providers"]] == [
        ("openai", "done", {"drift": 1}),
        ("anthropic", "done", {"matched": 1}),
        ("google", "done", {}),
    ]
    page = (await client(desk, ours).request("GET", "/v1/reconciliations?status=drift")).json()
    (found,) = page["data"]
    usd = usd_text(call.list_pico)
    assert (found["model"], found["status"], found["version"]) == (GPT, "drift", 1)
    assert (found["ledger_usd"], found["drift_usd"], found["adjustment_usd"]) == (usd, usd, usd)
    assert found["ledger_tokens"] == {
        "input": 1_000,
        "cache_read": 200,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "output": 300,
    }
    assert found["adjustment"].startswith(f"reconcile/openai/{GPT}/")
    first = (await client(desk, ours).request("GET", "/v1/reconciliations?limit=1")).json()
    rest = (
        await client(desk, ours).request("GET", f"/v1/reconciliations?after={first['data'][0]['id']}")
    ).json()
    assert (first["has_more"], len(rest["data"]), rest["has_more"]) == (True, 1, False)


@pytest.mark.parametrize("route", [("GET", "/v1/reconciliations"), ("POST", "/v1/reconciliations/run")])
async def test_m10_nobody_else_sees_what_providers_bill(
    desk: Desk, ours: Principal, route: tuple[str, str]
) -> None:
    stranger = replace(ours, tenant_id=str(uuid4()))
    user = replace(ours, roles=frozenset())
    statuses = [(await client(desk, who).request(*route)).status for who in (None, user, stranger, ours)]
    assert statuses == [401, 403, 403, 200]


async def test_m10_a_caller_does_not_wait_for_a_long_run(desk: Desk, hour: datetime, ours: Principal) -> None:
    del hour
    await desk.break_provider(openai="delay=5")
    answer = await client(desk, ours, run_s=0.2).request("POST", "/v1/reconciliations/run")
    assert (answer.status, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
    await desk.break_provider(openai="")
    assert not (await desk.reconciler().run()).busy


async def test_m10_a_query_that_cannot_be_is_refused(desk: Desk, ours: Principal) -> None:
    for query in ("status=odd", "limit=0", "colour=red", "start=yesterday"):
        answer = await client(desk, ours).request("GET", f"/v1/reconciliations?{query}")
        assert answer.status == 400
