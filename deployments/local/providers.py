"""Which provider is real and which is simulated on this machine, said in the SDKs' own environment names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SIMULATED_KEY = "sandbox"


@dataclass(frozen=True)
class _Provider:
    name: str
    key_names: tuple[str, ...]
    base_url_name: str
    sandbox_path: str
    reports: tuple[str, str]
    """What gives access to its usage reports, and what that is in the sandbox: a path begins with `/`."""


_PROVIDERS = (
    _Provider(
        "openai",
        ("OPENAI_API_KEY",),
        "OPENAI_BASE_URL",
        "/openai/v1",
        reports=("OPENAI_ADMIN_KEY", "sk-admin-sandbox"),
    ),
    _Provider(
        "anthropic",
        ("ANTHROPIC_API_KEY",),
        "ANTHROPIC_BASE_URL",
        "/anthropic",
        reports=("ANTHROPIC_ADMIN_KEY", "sk-ant-admin-sandbox"),
    ),
    _Provider(
        "google",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "GOOGLE_GEMINI_BASE_URL",
        "/google",
        reports=("GOOGLE_BILLING_EXPORT_URL", "/sandbox/google/billing_export"),
    ),
)


def simulated_providers(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The providers that have neither a key nor an address of their own."""
    return tuple(
        provider.name
        for provider in _PROVIDERS
        if not any(environ.get(name) for name in (*provider.key_names, provider.base_url_name))
    )


def sandbox_environment(simulated: tuple[str, ...], sandbox_url: str) -> dict[str, str]:
    """What makes the official SDKs of the simulated providers talk to the sandbox."""
    environment = {"POLYVOX_SANDBOXED": ",".join(simulated)}
    for provider in _PROVIDERS:
        if provider.name in simulated:
            environment[provider.key_names[0]] = SIMULATED_KEY
            environment[provider.base_url_name] = f"{sandbox_url}{provider.sandbox_path}"
            name, access = provider.reports
            environment[name] = f"{sandbox_url}{access}" if access.startswith("/") else access
    return environment
