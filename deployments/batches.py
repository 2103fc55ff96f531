"""`BatchRunner`: the lines of batches, run apart from the requests that somebody waits for."""

import os
import socket
from secrets import token_hex

from deployments.api.lines import Lines
from deployments.housekeeping import Job
from deployments.lane_deployment import LaneDeployment
from deployments.product import Handle, Product
from deployments.settings import Args, Environment
from models.batches import BatchRunner, Caretaker, CaretakerStore, FileStore, LineStore, Payers
from models.identity import PostgresKeyStore
from models.store import Database

LOOK_EVERY_S = 1.0
RENEW_EVERY_S = 8.0
SWEEP_EVERY_S = 60.0


class BatchRunnerDeployment(LaneDeployment):
    """Reads the files of batches, has their lines answered as requests over HTTP are, and writes the results.

    It holds no state: what it had begun when it dies is done by another one. It scales on the lines that its
    replicas hold, which is as many as there are until the limits are reached.
    """

    def __init__(
        self,
        args: Args,
        *,
        providers: dict[str, Handle],
        router: Handle,
        context: Handle,
        ledger: Handle,
    ) -> None:
        settings = args.batches
        os.nice(settings.niceness)
        self._product = Product(args, providers=providers, router=router, context=context, ledger=ledger)
        url = Environment().database_url.get_secret_value()
        self._database = Database(
            url,
            max_size=4,
            acquire_timeout_s=10.0,
            statement_timeout_s=30.0,
            application_name="polyvox-batches",
        )
        payers = Payers(PostgresKeyStore(self._database), ttl_s=args.key_cache_s)
        self._runner = BatchRunner(
            LineStore(self._database),
            Lines(self._product.api().routes, payers),
            limits=settings.limits(),
        )
        holder = f"{socket.gethostname()} {os.getpid()} {token_hex(4)}"
        caretaker = Caretaker(CaretakerStore(self._database, holder=holder), FileStore(self._database))
        super().__init__(
            {},
            max_in_flight=1,
            jobs=[
                Job("the lines of batches", LOOK_EVERY_S, self._runner.run_once),
                Job("the renewal of lines", RENEW_EVERY_S, self._runner.renew),
                Job("the files of batches", LOOK_EVERY_S, caretaker.run_once),
                Job("the sweep of files", SWEEP_EVERY_S, caretaker.sweep),
            ],
        )

    def record_autoscaling_stats(self) -> dict[str, float]:
        return {"in_flight": float(self._runner.in_flight), "cpu": self._cpu.share()}

    async def check_health(self) -> None:
        self._product.start()
        await super().check_health()

    async def __del__(self) -> None:
        """Lines that are under way are finished: begun again elsewhere they would cost twice."""
        await self._runner.drain()
        await super().__del__()
        await self._product.close()
        await self._database.close()
