"""One provider call as the ledger knows it: who pays, at which price, and what is asked and told of it."""

import time
from datetime import UTC, datetime

from models.caller import Caller
from models.catalog import Catalog, Model
from models.chat import Usage
from models.errors import PolyvoxError
from models.ledger import Ask, UsageRecord, discounted, op_key, saved_by_caches, settled
from models.ledger.estimates import Quote
from models.ledger.usage import Status

_MAX_COUNT = 10**9
_MAX_NAME_CHARS = 64
_DETAILS = ("audio_input", "image_input", "cache_read_audio", "audio_output", "image_output")


class Charge:
    """The price in force when it is made is its price. Raises UnknownPrice where there is none."""

    def __init__(
        self,
        caller: Caller,
        number: int,
        model: Model,
        *,
        requested_model: str,
        stream: bool,
        catalog: Catalog,
        task: str | None = None,
    ) -> None:
        self.op_key = op_key(caller.request_id, number)
        self._caller = caller
        self._number = number
        self._model = model
        self._requested_model = requested_model[:_MAX_NAME_CHARS].replace("\0", "")
        self._stream = stream
        self._task = task
        self._snapshot = catalog.snapshot
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()
        self.price = catalog.price_at(model, self._began_at)

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began

    def ask(self, quote: Quote, *, wait_s: float, otherwise: UsageRecord) -> Ask:
        """What is to be held for it; `otherwise` is charged if nobody ever tells how it ended."""
        principal = self._caller.principal
        return Ask(
            op_key=self.op_key,
            tenant_id=principal.tenant_id,
            team_id=principal.team_id,
            user_id=principal.user_id,
            key_id=principal.key_id,
            conversation_id=self._caller.conversation_id or None,
            least_pico=quote.least_pico,
            usual_pico=quote.usual_pico,
            most_pico=quote.most_pico,
            wait_s=wait_s,
            record=otherwise,
        )

    def list_pico(self, usage: Usage, *, service_tier: str) -> int:
        """What so much costs, before any discount."""
        return settled(usage, self.price, service_tier=service_tier).total

    def record(
        self,
        status: Status,
        usage: Usage,
        *,
        at_worst_pico: int = 0,
        error: PolyvoxError | None = None,
        service_tier: str = "",
        first_token_ms: int | None = None,
    ) -> UsageRecord:
        """What the ledger keeps of it, if it has used so much.

        `at_worst_pico` is the list price of what it may have used, where nobody knows.
        """
        cost = settled(usage, self.price, service_tier=service_tier)
        principal = self._caller.principal
        charged, discount = discounted(cost.total, principal.discount_basis_points)
        at_worst, _ = discounted(at_worst_pico, principal.discount_basis_points)
        return UsageRecord(
            request_id=self._caller.request_id,
            attempt=self._number,
            tenant_id=principal.tenant_id,
            team_id=principal.team_id,
            user_id=principal.user_id,
            key_id=principal.key_id,
            conversation_id=self._caller.conversation_id or None,
            model_id=self._model.id,
            requested_model=self._requested_model,
            provider=self._model.host,
            endpoint=self._caller.endpoint,
            task=self._task,
            stream=self._stream,
            status=status,
            input_tokens=usage.input + usage.audio_input + usage.image_input,
            cache_read_tokens=usage.cache_read + usage.cache_read_audio,
            cache_write_5m_tokens=usage.cache_write_5m,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_tokens=usage.total_output,
            reasoning_tokens=usage.reasoning,
            service_tier=service_tier,
            cost_pico=charged,
            counted_pico=at_worst if at_worst > charged else None,
            discount_pico=discount,
            saved_pico=saved_by_caches(usage, self.price, service_tier=service_tier),
            price_snapshot=self._snapshot,
            estimated=cost.estimated,
            response_time_ms=round(self.age_s * 1000),
            first_token_ms=first_token_ms,
            error_code=error.code if error else None,
            usage_details=_details(usage),
            request_digest=self._caller.digest,
            created_at=self._began_at,
        )


def was_turned_down(error: PolyvoxError | None) -> bool:
    """Whether the provider did not get the call, or answered that it would not serve it: that is free."""
    return error is not None and (not error.sent or error.status is not None)


def is_plausible(usage: Usage) -> bool:
    """Whether a provider's word can be taken for what a call has used."""
    counts = usage.counts
    return not usage.estimated and min(counts) >= 0 and max(counts) <= _MAX_COUNT


def _details(usage: Usage) -> dict[str, int] | None:
    named = {name: getattr(usage, name) for name in _DETAILS} | dict(usage.tool_uses)
    return {name: count for name, count in named.items() if count} or None
