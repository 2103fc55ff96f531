"""One attempt at embedding: what is held for it, and what it cost."""

from models.caller import Caller
from models.catalog import Catalog, Model
from models.charge import Charge, is_plausible, was_turned_down
from models.chat import Usage
from models.embedding import EmbeddingRequest, EmbeddingResponse
from models.errors import PolyvoxError
from models.ledger import Ask, UsageRecord, ceiling
from models.ledger.estimates import Estimator, Quote, Size
from models.ledger.pricing import InputKind
from models.ledger.usage import Status

_INPUT_KINDS: tuple[InputKind, ...] = ("input",)
_INPUT_TOKENS = 16
"""The most that a model puts around a text; beginning and end are usual."""


class EmbeddingAttempt:
    """Raises UnknownPrice where there is no price for it."""

    def __init__(
        self,
        number: int,
        *,
        model: Model,
        request: EmbeddingRequest,
        caller: Caller,
        catalog: Catalog,
        estimator: Estimator,
    ) -> None:
        self.model = model
        self.request = request
        self.called = False
        """Whether its provider may have been called."""
        self.left = False
        """Whether nobody waits for it any more."""
        self.vectors: tuple[bytes, ...] = ()
        self.cost_pico = 0
        """Known once it is recorded."""
        self._usage: Usage | None = None
        self._estimator = estimator
        self._charge = Charge(
            caller, number, model, requested_model=request.model, stream=False, catalog=catalog
        )
        self.op_key = self._charge.op_key
        self._size = Size(_text_bytes(request), _INPUT_TOKENS * len(request.inputs))
        self._token_ids = sum(len(each) for each in request.inputs if not isinstance(each, str))
        tokens = self._size.text_bytes + self._size.overhead + self._token_ids
        self._most_pico = ceiling(
            self._charge.price, input_tokens=tokens, max_tokens=0, input_kinds=_INPUT_KINDS
        )

    @property
    def age_s(self) -> float:
        return self._charge.age_s

    def ask(self, *, wait_s: float) -> Ask:
        """All that it can cost is held: there is no answer that could be shortened."""
        most = self._most_pico
        quote = Quote(least_pico=most, usual_pico=most, most_pico=most, input_pico=most, output_rate_pico=0)
        return self._charge.ask(quote, wait_s=wait_s, otherwise=self.progress())

    def answered(self, response: EmbeddingResponse) -> None:
        """Its usage is taken at its word, unless it gave none or one that cannot be."""
        self.vectors, told = response.vectors, response.usage
        self._usage = told if is_plausible(told) else self._estimate()
        if self._usage is told and not self._token_ids:
            self._estimator.learn(self.model.id, self._size, told, shown_chars=0, thoughts_shown=False)

    @property
    def usage(self) -> Usage:
        return self._usage or self._estimate()

    def progress(self) -> UsageRecord:
        return self._charge.record("expired", self.usage, at_worst_pico=self._at_worst())

    def record(self, status: Status, error: PolyvoxError | None = None) -> UsageRecord:
        """A call that may have reached its provider is never free."""
        is_free = not self.called or was_turned_down(error)
        if is_free:
            record = self._charge.record(status, Usage(), error=error)
        else:
            record = self._charge.record(status, self.usage, at_worst_pico=self._at_worst(), error=error)
        self.cost_pico = record.cost_pico
        return record

    def _at_worst(self) -> int:
        """All that is held, until the provider is known to have answered."""
        return 0 if self._usage else self._most_pico

    def _estimate(self) -> Usage:
        tokens = self._token_ids
        if self._size.text_bytes:
            tokens += self._estimator.input_tokens(self.model, self._size)
        return Usage(input=tokens, estimated=True)


def _text_bytes(request: EmbeddingRequest) -> int:
    """Tokenizers never make more tokens than there are bytes."""
    return sum(len(each.encode("utf-8", "surrogatepass")) for each in request.inputs if isinstance(each, str))
