"""`CostLedger`: what came while the last transaction ran is the next one."""

from collections.abc import AsyncIterator

import msgspec

from deployments.lane_deployment import LaneDeployment
from deployments.settings import Args, Environment
from models.ledger import PostgresUsageStore, UsageRecord
from models.ledger.batcher import UsageBatcher
from models.store import Database

_record = msgspec.msgpack.Decoder(UsageRecord)


class LedgerCalls:
    def __init__(self, batcher: UsageBatcher) -> None:
        self._batcher = batcher

    async def record(self, payload: bytes) -> AsyncIterator[bytes]:
        """Answers once the record is durable."""
        await self._batcher.record(_record.decode(payload))
        yield b""


class CostLedgerDeployment(LaneDeployment):
    """Batches records into PostgreSQL, which alone holds the truth: any number of replicas may run."""

    def __init__(self, args: Args) -> None:
        database = Database(
            Environment().database_url.get_secret_value(), max_size=2, application_name="polyvox-ledger"
        )
        self._batcher = UsageBatcher(PostgresUsageStore(database))
        calls = LedgerCalls(self._batcher)
        super().__init__({"record": calls.record}, max_in_flight=args.max_in_flight.ledger)

    async def __del__(self) -> None:
        await super().__del__()
        await self._batcher.flush()
