"""What a start consists of, read once from the environment, the command line and `serve_config.yaml`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from deployments.local.home import REPOSITORY, Home
from deployments.local.ports import LOOPBACK, remembered_ports
from deployments.local.postgres import Postgres
from deployments.local.providers import sandbox_environment, simulated_providers
from deployments.local.ray_cluster import RayCluster
from deployments.local.ray_environment import PORT_NAMES
from deployments.local.sandbox import Sandbox
from deployments.local.service import Service
from deployments.local.unprivileged import Account
from deployments.local.valkey import Valkey

DEFAULT_CONFIG = REPOSITORY / "serve_config.yaml"
DEFAULT_PORT = 8000


@dataclass(frozen=True, kw_only=True)
class Plan:
    home: Home
    database_url: str
    services: tuple[Service, ...]
    """What has to serve before Ray starts: the stores that are embedded, and the sandbox."""
    ray: RayCluster
    simulated: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"http://{self.ray.host}:{self.ray.port}"

    @classmethod
    def make(
        cls,
        home: Home,
        *,
        config: Path | None = None,
        host: str = LOOPBACK,
        port: int | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Plan:
        config = (config or DEFAULT_CONFIG).absolute()
        ports = remembered_ports(home, ("postgres", "sandbox", *PORT_NAMES))
        account = Account.for_servers()
        services: list[Service] = []

        database_url = environ.get("POLYVOX_DATABASE_URL", "")
        if not database_url:
            postgres = Postgres(home, ports["postgres"], account)
            database_url = postgres.url
            services.append(postgres)
        redis_url = environ.get("POLYVOX_REDIS_URL", "")
        if not redis_url:
            valkey = Valkey(home, account)
            redis_url = valkey.url
            services.append(valkey)
        simulated = simulated_providers(environ)
        sandbox = Sandbox(home, ports["sandbox"])
        if simulated:
            services.append(sandbox)

        environment = {
            "POLYVOX_HOME": str(home.path),
            "POLYVOX_DATABASE_URL": database_url,
            "POLYVOX_REDIS_URL": redis_url,
            "POLYVOX_PEPPER_PATH": str(home.pepper),
            "POLYVOX_CATALOG_PATH": environ.get("POLYVOX_CATALOG_PATH") or str(home.path / "catalog.toml"),
            "POLYVOX_ARTEFACT_KEYS_PATH": environ.get("POLYVOX_ARTEFACT_KEYS_PATH")
            or str(home.artefact_keys),
            "POLYVOX_OUTBOX_PATH": str(home.path / "outbox"),
            **sandbox_environment(simulated, sandbox.url),
        }
        return cls(
            home=home,
            database_url=database_url,
            services=tuple(services),
            ray=RayCluster(
                home=home,
                config=config,
                host=host,
                port=port or configured_port(config),
                ports=ports,
                environment=environment,
            ),
            simulated=simulated,
        )


def configured_port(config: Path) -> int:
    options = yaml.safe_load(config.read_text()).get("http_options") or {}
    return int(options.get("port", DEFAULT_PORT))
