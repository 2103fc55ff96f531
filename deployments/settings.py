"""What can be set: `Args` in `serve_config.yaml`, secrets and addresses in the environment of the replicas.

Nothing secret is in `Args`: Ray keeps those in the clear.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from deployments.alert_settings import AlertSettings
from deployments.batch_settings import BatchSettings
from models.caching import Mode
from models.catalog import Catalog, Host
from models.gateway import Timeouts
from models.routing.classifying import SHARE


class InFlight(BaseModel):
    """How many requests one replica of each deployment holds at once; more are turned away."""

    model_config = ConfigDict(extra="forbid")

    router: PositiveInt = 2_000
    context: PositiveInt = 2_000
    provider: PositiveInt = 10_000
    ledger: PositiveInt = 20_000


class SummarySettings(BaseModel):
    """Who writes summaries of long conversations, for their owners' money. Nobody: they are extracts."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    """A model of the catalogue or an alias; a cheap one will do."""
    max_tokens: PositiveInt = 800


class Args(BaseModel):
    """The application's arguments. Seconds are wall time from the start of the attempt."""

    model_config = ConfigDict(extra="forbid")

    catalog: Path | None = None
    """A file laid over the bundled catalogue, instead of the one in `POLYVOX_CATALOG_PATH`."""
    connect_timeout_s: PositiveFloat = 5.0
    first_byte_timeout_s: PositiveFloat = 120.0
    idle_timeout_s: PositiveFloat = 120.0
    total_timeout_s: PositiveFloat = 3_600.0
    ledger_timeout_s: PositiveFloat = 10.0
    ledger_patience_s: PositiveFloat = 2.0
    """How long an answer waits for the ledger before what it cost is kept on this machine's disk instead."""
    held_budget_s: NonNegativeFloat = 2.0
    """How long a request waits for money that calls under way hold."""
    key_cache_s: PositiveFloat = Field(5.0, le=5.0)
    """How long a revoked key may still work."""
    max_in_flight: InFlight = InFlight()
    alerts: AlertSettings = AlertSettings()
    encoder_share: NonNegativeFloat = Field(SHARE, le=1.0)
    """Of a core in each router: what is asked beyond it, the classifier's first look answers alone."""
    summaries: SummarySettings = SummarySettings()
    batches: BatchSettings = BatchSettings()
    response_cache_s: NonNegativeInt = 3_600
    """How long an answer is kept for those who ask for it again with `x-polyvox-cache: on`; 0 keeps none."""
    semantic_cache: Mode = "off"
    """Whether those who send `x-polyvox-cache: semantic` get the answers to questions that mean the same; in
    `shadow` nobody does, and what would have been is counted."""

    def timeouts(self) -> Timeouts:
        return Timeouts(
            connect_s=self.connect_timeout_s,
            first_byte_s=self.first_byte_timeout_s,
            idle_s=self.idle_timeout_s,
            total_s=self.total_timeout_s,
            held_budget_s=self.held_budget_s,
        )


class Environment(BaseSettings):
    """Read where it is needed, in a replica; never sent through Ray."""

    model_config = SettingsConfigDict(env_prefix="POLYVOX_", extra="ignore")

    pepper_path: Path = Path(".polyvox/secrets/pepper")
    """What API keys are hashed with; see `models.identity.keys`."""
    artefact_keys_path: Path = Path(".polyvox/artefact_keys")
    """Public keys, one a file: classifiers signed by their owners may serve, beside the bundled one."""
    outbox_path: Path = Path(".polyvox/outbox")
    """What calls cost while the ledger is away; on a disk that outlives the replica."""
    catalog_path: Path = Path(".polyvox/catalog.toml")
    """Laid over the bundled catalogue while it is there."""
    database_url: SecretStr = SecretStr("")
    redis_url: SecretStr | None = None
    sandboxed: str = ""
    """Hosts that the sandbox answers for, by commas."""

    @property
    def sandboxed_hosts(self) -> frozenset[str]:
        return frozenset(filter(None, self.sandboxed.split(",")))


def key_of(host: Host, environ: Mapping[str, str] = os.environ) -> str | None:
    """The host's key; the empty string where it needs none, None where it is missing."""
    found = next((environ[name] for name in host.key_env if environ.get(name)), None)
    return found if found or host.key_required else ""


def available_models(catalog: Catalog, environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Models of hosts that there are credentials for."""
    keyed = {host.id for host in catalog.hosts.values() if key_of(host, environ) is not None}
    return frozenset(model.id for model in catalog.models.values() if model.host in keyed)
