"""A host, a model and its prices, as the rest of the product sees them. Rates are pico-USD per token."""

from datetime import date
from typing import Literal

from msgspec import Struct

from models.chat import ServerTool

Kind = Literal["chat", "embedding"]
Protocol = Literal["openai", "anthropic", "google"]
Tier = Literal["flagship", "mid", "small"]
Service = Literal["standard", "batch", "flex", "priority", "ultrafast", "fast"]
Capability = Literal[
    "tools",
    "parallel_tools",
    "vision",
    "pdf",
    "audio",
    "video",
    "structured_output",
    "reasoning",
    "streaming",
    "prompt_cache",
]


class Host(Struct, frozen=True, kw_only=True):
    """Somebody who answers over HTTP in one of the protocols that the project speaks."""

    id: str
    label: str
    protocol: Protocol
    base_url: str
    """The official one; the variable named by `base_url_env` overrides it."""
    base_url_env: str
    key_env: tuple[str, ...]
    """Names of variables that may hold the key, the first that is set wins."""
    key_required: bool
    bills_after_cancel: bool = False
    """Whether a stream that is hung up on is billed to its end all the same."""


class Rates(Struct, frozen=True, kw_only=True):
    """What a token costs in one service tier, once the whole input exceeds `above` tokens."""

    service: Service
    above: int
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    audio_input: int
    image_input: int
    cache_read_audio: int
    audio_output: int
    image_output: int


class ToolPrice(Struct, frozen=True, kw_only=True):
    """What a tool costs that the provider runs itself."""

    tool: ServerTool
    pico: int
    per: Literal["use", "call"]
    """`call`: once, however often the tool was used for one answer."""


class Price(Struct, frozen=True, kw_only=True):
    """What a model costs from a day on."""

    model_id: str
    start: date
    source: str
    rates: tuple[Rates, ...]
    tools: tuple[ToolPrice, ...] = ()

    def rates_for(self, service: str, *, total_input: int) -> Rates | None:
        """The rates of a call; None if the table has none for this service tier and this size of input.

        A service tier that lists no rates for a size at which the standard ones change is unknown there:
        the smaller size's rates would be too low.
        """
        above = 0
        for rates in self.rates:
            if rates.service == "standard" and above < rates.above < total_input:
                above = rates.above
        for rates in self.rates:
            if rates.above == above and rates.service == service:
                return rates
        return None


class Model(Struct, frozen=True, kw_only=True):
    """A model at its host."""

    id: str
    kind: Kind
    host: str
    protocol: Protocol
    wire_name: str
    """What the host is sent as the model's name."""
    tier: Tier
    auto: bool
    """Whether the router may choose it unasked."""
    window: int
    """Tokens of input and output together."""
    max_input: int
    max_output: int
    """0 for an embedding model."""
    capabilities: frozenset[Capability]
    retires: date | None
    """From this day on the host does not answer for it."""
    prices: tuple[Price, ...]
    """Oldest first."""
