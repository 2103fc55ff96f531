"""An answer that has begun."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from models.catalog import Model
from models.chat import ChatResponse, Chunk, Completed
from models.context import ContextReport
from models.errors import ProviderGarbled
from models.limits import Rate
from models.routing import Plan


class Reply:
    """Read `chunks` to their end, or `aclose` them to stop the provider."""

    def __init__(
        self,
        *,
        request_id: str,
        model: Model,
        attempts: int,
        plan: Plan | None = None,
        clamped_max_tokens: int | None = None,
        context: ContextReport | None = None,
        rates: Sequence[Rate] = (),
        fallback_from: str | None = None,
    ) -> None:
        self.request_id = request_id
        self.model = model
        self.attempts = attempts
        """How many calls it took; none where it had been answered before."""
        self.plan = plan
        """The router's decision, where it was asked."""
        self.clamped_max_tokens = clamped_max_tokens
        """The longest answer that the budget affords, where that is less than what was asked for."""
        self.context = context
        """What was left out of the conversation so that it fits, if anything was."""
        self.rates = rates
        """How the limits stood that the call counts against, when it began."""
        self.fallback_from = fallback_from
        """The model that was to answer, where another did."""
        self.from_cache = False
        self.cost_pico: int | None = None
        """Known, and recorded, before the last chunk is handed out."""
        self.chunks: AsyncGenerator[list[Chunk], None]

    async def response(self) -> ChatResponse:
        """The whole of an answer that is not a stream."""
        async with aclosing(self.chunks) as chunks:
            async for batch in chunks:
                for chunk in batch:
                    if isinstance(chunk, Completed):
                        return chunk.response
        raise ProviderGarbled("the provider gave no answer", model=self.model.id)
