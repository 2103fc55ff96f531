"""What the database sums up for recommendations and estimates, a row each."""

from datetime import datetime

from msgspec import Struct

from models.chat import Usage


class Simple(Struct, frozen=True, kw_only=True):
    """Which calls pass for simple: the rule that the recommendations state."""

    tasks: tuple[str, ...] = ("brainstorm_chat", "extract_classify", "rewrite_edit", "translation")
    told_input: int = 8_000
    told_output: int = 2_000
    """Bounds for a call whose task is known and one of these."""
    untold_input: int = 1_500
    untold_output: int = 400
    untold_reasoning: int = 200
    """Bounds for a call whose task is not known."""

    @property
    def text(self) -> str:
        tasks = ", ".join(self.tasks)
        return (
            "Simple is a call that its first attempt answered and that has one of the tasks"
            f" {tasks} with at most {self.told_input:,} input and {self.told_output:,} output tokens or,"
            f" where its task is not known, at most {self.untold_input:,} input and {self.untold_output:,}"
            f" output tokens, of which at most {self.untold_reasoning:,} are reasoning."
        )


SIMPLE = Simple()


class Shape(Struct, frozen=True, kw_only=True):
    """Completed calls that are priced alike, those without sound, pictures or tools of the provider."""

    model_id: str
    service_tier: str
    size: int
    """Class of the whole input."""
    simple: bool
    unattended: bool
    """Nobody seems to watch the answers come."""
    calls: int
    list_pico: int
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def tokens(self) -> Usage:
        return Usage(
            input=self.input_tokens,
            cache_read=self.cache_read_tokens,
            cache_write_5m=self.cache_write_5m_tokens,
            cache_write_1h=self.cache_write_1h_tokens,
            output=self.output_tokens,
            reasoning=self.reasoning_tokens,
        )


class Turns(Struct, frozen=True, kw_only=True):
    """Calls that follow one of the same conversation and model within minutes."""

    model_id: str
    service_tier: str
    size: int
    followups: int
    total_input: int
    read: int
    """Read from a cache."""
    missed: int
    """Sent again as new input although the turn before was as long."""
    unwritten: int
    """What a cache would have had to store to serve that."""


class Repeats(Struct, frozen=True, kw_only=True):
    """Requests that one user sent more than once within a day."""

    model_id: str
    prompts: int
    calls: int
    spend_pico: int
    avoidable_pico: int
    """The spend of all but the dearest call of each."""
    examples: tuple[str, ...]
    """Request ids."""


class Outcome(Struct, frozen=True, kw_only=True):
    status: str
    model_id: str
    error_code: str
    calls: int
    spend_pico: int
    estimated_pico: int


class CostRecord(Struct, frozen=True, kw_only=True):
    """What one attempt cost, as it was settled."""

    request_id: str
    attempt: int
    user_id: str | None
    conversation_id: str | None
    model_id: str
    tokens_used: int
    """Input and output, cached input included."""
    cost_pico: int
    estimated: bool
    timestamp: datetime


class OutputLengths(Struct, frozen=True, kw_only=True):
    """How long a model's answers were, in output tokens, reasoning included."""

    model_id: str
    calls: int
    p10: int
    mean: int
    p90: int
