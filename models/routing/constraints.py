"""What must hold whatever a model is worth: who may be asked, where, for how much, and the data."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, TypeVar

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from models.catalog import Capability, Model
from models.routing.plan import DropReason

Region = Literal["us", "eu", "global", "local"]
T = TypeVar("T")


class HostFacts(BaseModel):
    """What a host does with what it is sent, by its published terms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: Region
    trains_on_data: bool
    retention_days: Annotated[int, Field(ge=0)]
    source: Annotated[str, Field(min_length=1)]


UNKNOWN_HOST = HostFacts(
    region="global", trains_on_data=True, retention_days=3_650, source="nothing is known"
)
"""The worst, so that a policy never holds by accident."""


class Constraints(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """None: anything goes."""

    models: frozenset[str] | None = None
    hosts: frozenset[str] | None = None
    denied_models: frozenset[str] = frozenset()
    max_cost_pico: int | None = None
    """Of what the call is expected to cost."""
    regions: frozenset[Region] | None = None
    capabilities: frozenset[Capability] = frozenset()
    """Besides what the request itself needs."""
    no_training: bool = False
    max_retention_days: int | None = None

    def and_also(self, other: "Constraints") -> "Constraints":
        """Both hold: of a tenant, a key and a request, nobody loosens what another has set."""
        return Constraints(
            models=_both(self.models, other.models),
            hosts=_both(self.hosts, other.hosts),
            denied_models=self.denied_models | other.denied_models,
            max_cost_pico=_least(self.max_cost_pico, other.max_cost_pico),
            regions=_both(self.regions, other.regions),
            capabilities=self.capabilities | other.capabilities,
            no_training=self.no_training or other.no_training,
            max_retention_days=_least(self.max_retention_days, other.max_retention_days),
        )

    def forbid(self, model: Model, facts: HostFacts) -> DropReason | None:
        """Why the model must not be asked, whatever it would cost."""
        if self.models is not None and model.id not in self.models:
            return "not_allowed"
        if model.id in self.denied_models or (self.hosts is not None and model.host not in self.hosts):
            return "not_allowed"
        if self.regions is not None and facts.region not in self.regions:
            return "region"
        if self.no_training and facts.trains_on_data:
            return "data_policy"
        if self.max_retention_days is not None and facts.retention_days > self.max_retention_days:
            return "data_policy"
        return None


def _both(one: frozenset[T] | None, other: frozenset[T] | None) -> frozenset[T] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _least(one: int | None, other: int | None) -> int | None:
    return min((amount for amount in (one, other) if amount is not None), default=None)


@cache
def bundled_hosts() -> Mapping[str, HostFacts]:
    """Raises ValidationError for a file that does not fit."""
    text = files(__package__).joinpath("hosts.toml").read_text("utf-8")
    return TypeAdapter(dict[str, HostFacts]).validate_python(tomllib.loads(text))
