"""What a request would rather have: good, cheap or fast answers."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from models.catalog import Mode

QUALITY_PER_USD = 4.0
"""Share of good answers that a dollar of a request of usual size is worth at cost weight 1."""
QUALITY_PER_SECOND = 0.002
"""The same of a second, at latency weight 1."""

Weight = Annotated[float, Meta(ge=0, le=1_000)]


class Weights(Struct, frozen=True, forbid_unknown_fields=True):
    """Multiples of what `balanced` gives to each."""

    quality: Weight = 1.0
    cost: Weight = 1.0
    latency: Weight = 1.0


WEIGHTS: Mapping[Mode, Weights] = {
    "cheap": Weights(cost=25.0, latency=0.5),
    "balanced": Weights(),
    "quality": Weights(cost=0.01, latency=0.1),
    "fast": Weights(cost=1.0, latency=30.0),
}
