"""The trial balance: silent on a ledger in order, and each kind of damage is named with its row."""

import asyncio
import json
from datetime import UTC, datetime

import psycopg
import pytest
from msgspec.structs import replace

from deployments.local.ledger_command import findings_text
from models.reconcile.trial_balance import RULES, Finding, verify
from models.store import Database
from tests.services.calls import TENANT, Call, book, reserve, settle

NOW = datetime.now(UTC)
MODEL = "gpt-6.1-sol"
USUAL = Call(model_id=MODEL, began=NOW, name="usual")
DISCOUNTED = Call(model_id=MODEL, began=NOW, name="discounted", discount_pico=10_000)
OPEN = Call(model_id=MODEL, began=NOW, name="open")
RELEASED = Call(model_id=MODEL, began=NOW, name="released", tokens=(0, 0, 0, 0, 0), status="failed")
EXPIRED = Call(model_id=MODEL, began=NOW, name="expired", status="expired", estimated=True)
EXPIRED = replace(EXPIRED, counted_pico=EXPIRED.list_pico + 5_000)
CORRECTED = replace(EXPIRED, name="corrected")
DEARER = Call(model_id=MODEL, began=NOW, name="dearer")


async def run(database: Database, *statements: str) -> None:
    """`%(tenant)s` in a statement is the tenant that all calls are of."""

    async def execute(connection: psycopg.AsyncConnection) -> None:
        for statement in statements:
            await connection.execute(statement.encode(), {"tenant": TENANT})

    await database.run(execute)


@pytest.fixture
async def books(database: Database) -> Database:
    """A ledger that has seen everything: budgets, discounts, overruns, releases, expiries and late news."""
    await run(
        database,
        "INSERT INTO tenants (id, name) VALUES (%(tenant)s, 'ours')",
        "INSERT INTO budgets (tenant_id, scope, owner, period, limit_pico, hard) VALUES"
        " (%(tenant)s, 'key', 'key', 'day', 10 ^ 15, true),"
        " (%(tenant)s, 'tenant', %(tenant)s, 'total', 1, false)",
    )
    await book(database, USUAL, DISCOUNTED)
    await reserve(database, [replace(RELEASED, tokens=(9, 0, 0, 0, 9)), EXPIRED, CORRECTED, DEARER])
    # What was held for it is a tenth of what it comes to.
    dearer = replace(DEARER, tokens=tuple(20 * n for n in DEARER.tokens))
    await settle(database, [RELEASED, EXPIRED, CORRECTED, dearer])
    told = replace(CORRECTED, status="completed", estimated=False, counted_pico=None, tokens=(5, 0, 0, 0, 5))
    await settle(database, [told])
    await reserve(database, [OPEN])
    return database


async def test_g_m4_a_ledger_that_has_seen_everything_balances(books: Database) -> None:
    assert await verify(books) == []


async def test_g_m4_it_balances_at_every_moment_while_calls_go_on(books: Database) -> None:
    async def spend(n: int) -> None:
        for m in range(5):
            await book(books, Call(model_id=MODEL, began=NOW, name=f"busy {n} {m}"))

    spending = asyncio.gather(*(spend(n) for n in range(3)))
    while not spending.done():
        assert await verify(books) == []
    await spending
    assert await verify(books) == []


DAMAGE = {
    "an entry changed": (
        "UPDATE entries SET debit_pico = debit_pico + 1 WHERE debit_pico > 0 AND transfer_id = "
        "(SELECT id FROM transfers WHERE op_key = 'usual/0:end')",
        {
            "unbalanced_in_all": "all entries",
            "unbalanced": "transfer ",
            "amounts": "usual/0:end",
            "charges": "usual/0",
            "counted": "usual/0",
        },
    ),
    "a transfer lost": (
        "DELETE FROM transfers WHERE op_key = 'usual/0:end'",
        {
            "entries_of_nothing": "key:key",
            "posted": "account ",
            "resolutions": "usual/0",
            "charges": "usual/0",
        },
    ),
    "both sides of a transfer lost": (
        "DELETE FROM entries WHERE transfer_id = (SELECT id FROM transfers WHERE op_key = 'usual/0:end')",
        {"amounts": "usual/0:end", "charges": "usual/0", "counted": "usual/0"},
    ),
    "what a call counts changed": (
        "UPDATE transfers SET posted_pico = posted_pico + 1 WHERE op_key = 'usual/0:end'",
        {"posted": "account ", "counted": "usual/0"},
    ),
    "a record that does not say what counts": (
        "UPDATE model_usage SET counted_pico = NULL WHERE request_id = 'expired'",
        {"counted": "expired/0"},
    ),
    "an amount changed": (
        "UPDATE transfers SET amount_pico = amount_pico - 1 WHERE op_key = 'usual/0:end'",
        {"amounts": "usual/0:end"},
    ),
    "a reservation that moves money": (
        "INSERT INTO entries SELECT id, 'key:key', 5, 0 FROM transfers WHERE op_key = 'open/0' "
        "UNION ALL SELECT id, 'provider:openai', 0, 5 FROM transfers WHERE op_key = 'open/0'",
        {"amounts": "open/0", "charges": "open/0"},
    ),
    "pending changed": ("UPDATE accounts SET pending_pico = pending_pico + 1", {"pending": "account "}),
    "a hold lost": ("DELETE FROM holds", {"pending": "account ", "resolutions": "open/0"}),
    "a hold of another amount": (
        "UPDATE holds SET amount_pico = amount_pico + 1",
        {"pending": "account ", "holds_of_nothing": "open/0"},
    ),
    "a hold of no reservation": (
        "INSERT INTO holds SELECT tenant_id, 'stray/0', 999999, 0, '{}', lease_until, record FROM holds",
        {"holds_of_nothing": "stray/0"},
    ),
    "posted changed": ("UPDATE accounts SET posted_pico = posted_pico - 1", {"posted": "account "}),
    "an opening changed": ("UPDATE accounts SET opening_pico = 1", {"posted": "account "}),
    "an account lost": ("DELETE FROM accounts", {"pending": "account ", "posted": "account "}),
    "a call resolved twice": (
        "DROP INDEX transfers_one_resolution; "
        "INSERT INTO transfers (tenant_id, op_key, kind, pending_id, amount_pico) "
        "SELECT tenant_id, 'twice', 'release', pending_id, 0 FROM transfers WHERE op_key = 'usual/0:end'",
        {"resolutions": "usual/0"},
    ),
    "a resolution of nothing": (
        "UPDATE transfers SET pending_id = 888888 WHERE op_key = 'usual/0:end'",
        {"resolutions": "usual/0", "resolutions_of_nothing": "usual/0:end"},
    ),
    "a record changed": (
        "UPDATE model_usage SET cost_pico = cost_pico + 1 WHERE request_id = 'expired'",
        {"charges": "expired/0"},
    ),
    "a discount changed": (
        "UPDATE model_usage SET discount_pico = 0 WHERE request_id = 'discounted'",
        {"charges": "discounted/0"},
    ),
    "a record lost": ("DELETE FROM model_usage WHERE request_id = 'corrected'", {"charges": "corrected/0"}),
    "a record without a charge": (
        "UPDATE model_usage SET attempt = 7, created_at = now() WHERE request_id = 'usual'",
        {"charges": "usual/"},
    ),
    "a hold that nobody resolves": (
        "UPDATE holds SET lease_until = now() - interval '61 seconds'",
        {"stale_holds": "open/0"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_g_m4_damage_is_named_with_its_row(books: Database, damage: str) -> None:
    statement, expected = DAMAGE[damage]
    await run(books, *statement.split("; "))
    found = await verify(books)
    assert {finding.rule for finding in found} == set(expected)
    for rule, row in expected.items():
        assert any(row in finding.row for finding in found if finding.rule == rule), found


def test_every_rule_has_a_damage_that_breaks_it() -> None:
    assert {rule for _, expected in DAMAGE.values() for rule in expected} == set(RULES)


async def test_a_hold_whose_lease_lapsed_just_now_is_left_to_the_sweeper(books: Database) -> None:
    await run(books, "UPDATE holds SET lease_until = now() - interval '50 seconds'")
    assert await verify(books) == []


async def test_records_from_before_the_journal_are_not_missed(books: Database) -> None:
    await run(
        books,
        "INSERT INTO model_usage (request_id, attempt, tenant_id, model_id, provider, endpoint, stream,"
        " status, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,"
        " output_tokens, reasoning_tokens, service_tier, cost_pico, price_snapshot, estimated,"
        " response_time_ms, created_at)"
        " VALUES ('old', 0, %(tenant)s, 'm', 'p', '/', false, 'completed', 1, 0, 0, 0, 1, 0, '', 5, '',"
        " false, 1, now() - interval '1 day')",
    )
    assert await verify(books) == []


async def test_only_so_many_rows_are_named(books: Database) -> None:
    await run(books, "UPDATE transfers SET amount_pico = amount_pico + 1")
    assert len([f for f in await verify(books, limit=2) if f.rule == "amounts"]) == 2


@pytest.mark.parametrize(
    "found", [[], [Finding("pending", "account 7", "pending is 1, its open holds are 0")]]
)
def test_findings_are_told_to_people_and_programs(found: list[Finding]) -> None:
    told = json.loads(findings_text(found, as_json=True))
    assert told == [{"rule": f.rule, "row": f.row, "detail": f.detail} for f in found]
    plain = findings_text(found, as_json=False)
    assert plain == ("the ledger is in order" if not found else str(found[0]))
