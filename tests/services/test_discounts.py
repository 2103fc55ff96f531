"""Volume discounts: what the month has earned reaches the key that spends."""

import psycopg
import pytest

from models.errors import NotFound
from models.identity import Authenticator, KeyRing, PostgresKeyStore
from models.ledger import PostgresLedgerStore
from models.ledger.discount_store import PostgresDiscounts
from models.ledger.discounts import VolumeTier
from models.store import Database
from tests.ledger_samples import ask, record

PEPPER = bytes(32)
TIERS = [VolumeTier(1_000, 500), VolumeTier(5_000, 1_000)]


@pytest.mark.parametrize(
    ("spent", "basis_points"), [(0, 0), (999, 0), (1_000, 500), (4_999, 500), (5_000, 1_000), (10**15, 1_000)]
)
@pytest.mark.parametrize("of_the_user", [True, False])
async def test_volume_earns_a_discount(
    database: Database, spent: int, basis_points: int, of_the_user: bool
) -> None:
    keys, discounts, ledger = (
        PostgresKeyStore(database),
        PostgresDiscounts(database),
        PostgresLedgerStore(database),
    )
    issued = await KeyRing(keys, PEPPER).create_key("ann")
    owner = {"tenant_id": issued.record.tenant_id, "user_id": issued.record.user_id}
    await ledger.apply([], [ask(**owner, record=record(**owner))])
    await ledger.apply([record(**owner, cost_pico=spent - spent // 10, discount_pico=spent // 10)], [])
    await discounts.set_tiers(owner["tenant_id"], "ann" if of_the_user else None, TIERS)
    principal = await Authenticator(keys, PEPPER).authenticate(issued.key)
    assert principal.discount_basis_points == basis_points
    [shown] = await discounts.of_tenant(owner["tenant_id"])
    assert (shown.volume_pico, shown.basis_points, shown.user_name) == (
        spent,
        basis_points,
        "ann" if of_the_user else None,
    )


async def test_last_months_discount_is_over(database: Database, url: str) -> None:
    keys, discounts = PostgresKeyStore(database), PostgresDiscounts(database)
    issued = await KeyRing(keys, PEPPER).create_key("ann")
    await discounts.set_tiers(issued.record.tenant_id, None, [VolumeTier(0, 700)])
    assert (await Authenticator(keys, PEPPER).authenticate(issued.key)).discount_basis_points == 700
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("UPDATE volume_discounts SET month = month - interval '1 month'")
    assert (await Authenticator(keys, PEPPER).authenticate(issued.key)).discount_basis_points == 0
    await discounts.run_once()
    assert (await Authenticator(keys, PEPPER).authenticate(issued.key)).discount_basis_points == 700


async def test_without_tiers_there_is_no_discount(database: Database) -> None:
    keys, discounts = PostgresKeyStore(database), PostgresDiscounts(database)
    issued = await KeyRing(keys, PEPPER).create_key("ann")
    await discounts.set_tiers(issued.record.tenant_id, "ann", [VolumeTier(0, 700)])
    await discounts.set_tiers(issued.record.tenant_id, "ann", [])
    assert (await Authenticator(keys, PEPPER).authenticate(issued.key)).discount_basis_points == 0
    assert await discounts.of_tenant(issued.record.tenant_id) == []


async def test_nobody_elses_user_gets_tiers(database: Database) -> None:
    issued = await KeyRing(PostgresKeyStore(database), PEPPER).create_key("ann")
    with pytest.raises(NotFound):
        await PostgresDiscounts(database).set_tiers(issued.record.tenant_id, "bob", TIERS)
