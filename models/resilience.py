"""How far to go for an answer: what a request allows beyond asking the model that it names."""

from msgspec import Struct


class Resilience(Struct, frozen=True, kw_only=True):
    fallback: tuple[str, ...] = ()
    """Who may answer instead of a model that is named, in this order: models, or the router (`auto`)."""
    hedges: bool = False
    """A second call may be made where the first content is late."""
    hedge_after_s: float | None = None
    """What is late; without it the model's own 95th percentile."""
    continues: bool = False
    """A stream that breaks off may be gone on with by another model."""


PLAIN = Resilience()
