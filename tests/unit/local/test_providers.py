"""A provider with neither key nor address is simulated; the others are left alone."""

import pytest

from deployments.local.providers import sandbox_environment, simulated_providers

SANDBOX = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("environ", "simulated"),
    [
        ({}, ("openai", "anthropic", "google")),
        ({"OPENAI_API_KEY": "k"}, ("anthropic", "google")),
        ({"OPENAI_API_KEY": ""}, ("openai", "anthropic", "google")),
        ({"GEMINI_API_KEY": "k"}, ("openai", "anthropic")),
        ({"GOOGLE_API_KEY": "k"}, ("openai", "anthropic")),
        ({"ANTHROPIC_BASE_URL": "http://other"}, ("openai", "google")),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}, ()),
    ],
)
def test_who_is_simulated(environ: dict[str, str], simulated: tuple[str, ...]) -> None:
    assert simulated_providers(environ) == simulated


@pytest.mark.parametrize(
    ("provider", "environment"),
    [
        (
            "openai",
            {
                "OPENAI_API_KEY": "sandbox",
                "OPENAI_BASE_URL": f"{SANDBOX}/openai/v1",
                "OPENAI_ADMIN_KEY": "sk-admin-sandbox",
            },
        ),
        (
            "anthropic",
            {
                "ANTHROPIC_API_KEY": "sandbox",
                "ANTHROPIC_BASE_URL": f"{SANDBOX}/anthropic",
                "ANTHROPIC_ADMIN_KEY": "sk-ant-admin-sandbox",
            },
        ),
        (
            "google",
            {
                "GEMINI_API_KEY": "sandbox",
                "GOOGLE_GEMINI_BASE_URL": f"{SANDBOX}/google",
                "GOOGLE_BILLING_EXPORT_URL": f"{SANDBOX}/sandbox/google/billing_export",
            },
        ),
    ],
)
def test_the_sdk_of_a_simulated_provider_talks_to_the_sandbox(
    provider: str, environment: dict[str, str]
) -> None:
    assert sandbox_environment((provider,), SANDBOX) == {**environment, "POLYVOX_SANDBOXED": provider}
