"""The gateway over doubles of its ports, and what it is asked."""

from collections.abc import Callable, Sequence

from models.caller import Caller
from models.catalog import load_catalog
from models.chat import (
    ChatRequest,
    ChatResponse,
    Chunk,
    Completed,
    Finished,
    Message,
    Started,
    Text,
    TextDelta,
    Usage,
)
from models.conditions import Conditions
from models.doubles import InMemoryLedger, Script, ScriptedProviders, in_memory_context
from models.errors import PolyvoxError
from models.gateway import Gateway, Reply, Timeouts
from models.identity import Principal
from models.ledger.memory import Budget
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.resilience import PLAIN, Resilience
from models.routing.router import RuleRouter

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
MODEL = "gpt-5.4-mini"
USAGE = Usage(input=100, cache_read=20, output=10, reasoning=4)
ANN = Principal("k", "u", "t")


def caller(resilience: Resilience = PLAIN, *, request_id: str = "req_1", conversation_id: str = "") -> Caller:
    return Caller(
        ANN,
        request_id=request_id,
        endpoint="/v1/chat/completions",
        conversation_id=conversation_id,
        resilience=resilience,
    )


CALLER = caller()


def ask(
    text: str = "hi", *, model: str = MODEL, stream: bool = True, max_tokens: int | None = None
) -> ChatRequest:
    message = Message("user", (Text(text),))
    return ChatRequest(model=model, messages=(message,), stream=stream, max_tokens=max_tokens)


def streamed() -> Script:
    yield [Started("id", "m"), TextDelta("Hel")]
    yield [TextDelta("lo")]
    yield [Finished("stop", USAGE)]


def whole() -> Script:
    yield [Completed(ChatResponse(id="i", model="m", parts=(Text("Hello"),), finish="stop", usage=USAGE))]


def failing_first(*errors: PolyvoxError) -> Callable[[ProviderCall], Script]:
    left = list(errors)

    def script(_: ProviderCall) -> Script:
        if left:
            yield left.pop(0)
        yield from streamed()

    return script


def said(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


class Stage:
    def __init__(
        self,
        script: Callable[[ProviderCall], Script],
        *,
        available: frozenset[str] = EVERY,
        budgets: Sequence[Budget] = (),
        conditions: Conditions | None = None,
    ) -> None:
        self.providers = ScriptedProviders(script)
        self.ledger = InMemoryLedger(budgets)
        self.calls = OpenCalls(self.ledger)
        self.conditions = conditions or Conditions()
        self.gateway = Gateway(
            catalog=CATALOG,
            available=available,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, available), conditions=self.conditions),
            context=in_memory_context(),
            calls=self.calls,
            timeouts=Timeouts(),
        )

    async def read(self, request: ChatRequest, by: Caller = CALLER) -> tuple[Reply, list[Chunk]]:
        reply = await self.gateway.chat(request, by)
        chunks = [chunk async for batch in reply.chunks for chunk in batch]
        return reply, chunks

    async def outcomes(self) -> list[tuple[str, str, int]]:
        """Of every attempt: model, status, cost."""
        await self.calls.settle_all()
        return [(r.model_id, r.status, r.cost_pico) for r in self.ledger.records]

    @property
    def asked(self) -> list[str]:
        """The models of all calls, by the names that their hosts know."""
        return [call.model for call in self.providers.calls]
