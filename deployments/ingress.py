"""`Gateway`: the product behind HTTP."""

from deployments.api.app import Api
from deployments.process import CpuMeter, collect_garbage_rarely
from deployments.product import Handle, Product
from deployments.settings import Args


class GatewayDeployment:
    """Authenticates, decodes, has the request answered, encodes; holds caches and lanes, no state."""

    def __init__(
        self,
        args: Args,
        *,
        providers: dict[str, Handle],
        router: Handle,
        context: Handle,
        ledger: Handle,
        batches: Handle,
    ) -> None:
        """`batches` runs beside: nobody waits for it, and it is a part of the application all the same."""
        del batches
        collect_garbage_rarely()
        self._cpu = CpuMeter()
        self._product = Product(args, providers=providers, router=router, context=context, ledger=ledger)

    def __serve_build_asgi_app__(self) -> Api:
        self._api = self._product.api()
        return self._api

    def record_autoscaling_stats(self) -> dict[str, float]:
        return {"in_flight": float(self._api.in_flight), "cpu": self._cpu.share()}

    async def __del__(self) -> None:
        """Serve has ended the HTTP requests by now."""
        await self._product.close()
