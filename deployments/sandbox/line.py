"""A billed call, as the meter records it."""

from typing import Literal

from msgspec import Struct

from deployments.sandbox.exchange import Provider

Endpoint = Literal[
    "chat", "responses", "messages", "generate", "embeddings", "count_tokens", "models", "reports"
]
"""The last three are free and never in a line."""


class Line(Struct, frozen=True, kw_only=True):
    ts: float
    provider: Provider
    model: str
    endpoint: Endpoint
    request_id: str
    stream: bool
    status: int
    """0 when no status was sent."""
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    completed: bool
    """The whole answer was sent."""
    aborted: bool
    """The connection ended before the answer did, by whichever side."""
    client_request_id: str
    idempotency: str

    def tokens(self) -> tuple[int, ...]:
        """By kind, in the order of `KINDS`."""
        short = self.cache_write_tokens - self.cache_write_1h_tokens
        return (
            self.input_tokens,
            self.cache_read_tokens,
            short,
            self.cache_write_1h_tokens,
            self.output_tokens,
        )
