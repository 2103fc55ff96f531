"""The life of a request for embeddings, top to bottom.

embed → the model (the catalogue) → price → hold → call → settle → reply
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from models.caller import Caller
from models.catalog import Catalog, Model
from models.chat import Usage
from models.embedding import EmbeddingCall, EmbeddingRequest, EmbeddingResponse
from models.embedding_attempt import EmbeddingAttempt
from models.errors import (
    DeadlineExceeded,
    Internal,
    PolyvoxError,
    ProviderAuthFailed,
    ReplicaLost,
    UnsupportedParameter,
)
from models.ledger.estimates import Estimator
from models.ledger.usage import Status
from models.open_calls import OpenCalls
from models.timeouts import Timeouts

_MAX_INPUTS = {"google": 100}
"""What one call takes, where that is less than a caller may ask for, by protocol. Google's error for more is
"at most 100 requests can be in one batch"."""


class EmbeddingProviders(Protocol):
    async def embed(self, call: EmbeddingCall) -> EmbeddingResponse:
        """One vector for each input. Raises ProviderError and its kin."""
        ...


class Embedded(Struct, frozen=True, kw_only=True):
    """All that was asked for, paid for and recorded."""

    model: Model
    vectors: tuple[bytes, ...]
    usage: Usage
    cost_pico: int
    attempts: int


class Embedder:
    """`available` holds the ids of the models that may be called now."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        available: frozenset[str],
        providers: EmbeddingProviders,
        calls: OpenCalls,
        timeouts: Timeouts,
        check_access: Callable[[Model, Caller], Awaitable[None]] | None = None,
    ) -> None:
        """`check_access` raises PermissionDenied where a policy rules a model out."""
        self.catalog = catalog
        self.available = available
        self._providers = providers
        self._calls = calls
        self._timeouts = timeouts
        self._check_access = check_access
        self._estimator = Estimator()

    async def embed(self, request: EmbeddingRequest, caller: Caller) -> Embedded:
        """More inputs than a call takes are several calls, one after another, each held and paid for by
        itself. Raises whatever kept one of them from being answered; those before it have been paid for.
        """
        model = self._model(request)
        if self._check_access is not None:
            await self._check_access(model, caller)
        numbers, answered = count(), []
        deadline = time.monotonic() + self._timeouts.total_s
        attempt = partial(
            EmbeddingAttempt, model=model, caller=caller, catalog=self.catalog, estimator=self._estimator
        )
        for part in _parts(request, model):
            try:
                made = await self._made(attempt(next(numbers), request=part), deadline=deadline)
            except ReplicaLost:  # once more, at another one
                made = await self._made(attempt(next(numbers), request=part), deadline=deadline)
            answered.append(made)
        return Embedded(
            model=model,
            vectors=tuple(vector for each in answered for vector in each.vectors),
            usage=Usage(
                input=sum(each.usage.total_input for each in answered),
                estimated=any(each.usage.estimated for each in answered),
            ),
            cost_pico=sum(each.cost_pico for each in answered),
            attempts=next(numbers),
        )

    def _model(self, request: EmbeddingRequest) -> Model:
        model = self.catalog.resolve_embedding(request.model)
        if model.id not in self.available:
            raise ProviderAuthFailed(
                f"there are no credentials for {model.host}", provider=model.host, sent=False
            )
        if request.has_token_ids and model.protocol != "openai":
            raise UnsupportedParameter(
                f"{model.id} takes texts: token ids are those of OpenAI's models",
                param="input",
                model=model.id,
            )
        return model

    async def _made(self, attempt: EmbeddingAttempt, *, deadline: float) -> EmbeddingAttempt:
        """Hold what it may cost, and have it made and settled, whatever becomes of whoever waits for it."""
        if time.monotonic() >= deadline:
            raise DeadlineExceeded("the request's time is up", sent=False)
        await self._calls.reserve(attempt, wait_s=self._timeouts.held_budget_s)
        seen_out = self._calls.keep(self._see_out(attempt, left_s=deadline - time.monotonic()))
        try:
            failure = await asyncio.shield(seen_out)
        except asyncio.CancelledError:
            # Hanging up would save nothing: a provider charges for the input, which it has.
            attempt.left = True
            raise
        if failure is not None:
            raise failure
        return attempt

    async def _see_out(self, attempt: EmbeddingAttempt, *, left_s: float) -> PolyvoxError | None:
        """Returns what went wrong. Either way what it cost is durable by then."""
        failure: PolyvoxError | None = Internal("the call has no outcome")
        try:
            attempt.called = True
            attempt.answered(await self._providers.embed(self._call(attempt, left_s=left_s)))
            failure = None
        except PolyvoxError as error:
            failure = error
        finally:
            status: Status = "cancelled" if attempt.left else "failed" if failure else "completed"
            await self._calls.settle(attempt.record(status, failure))
        return failure

    def _call(self, attempt: EmbeddingAttempt, *, left_s: float) -> EmbeddingCall:
        model, limits = attempt.model, self._timeouts
        return EmbeddingCall(
            request=attempt.request,
            host=model.host,
            model=model.wire_name,
            request_id=attempt.op_key,
            connect_timeout_s=limits.connect_s,
            first_byte_timeout_s=limits.first_byte_s,
            idle_timeout_s=limits.idle_s,
            total_timeout_s=left_s,
        )


def _parts(request: EmbeddingRequest, model: Model) -> Iterator[EmbeddingRequest]:
    inputs = request.inputs
    size = _MAX_INPUTS.get(model.protocol, len(inputs))
    for start in range(0, len(inputs), size):
        yield replace(request, inputs=inputs[start : start + size])
