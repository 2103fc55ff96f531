"""Whose reports can be asked, by what the environment holds."""

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.reconcile.report import UsageReportSource


class ReportAccess(BaseSettings):
    """Keys for reports, and whose usage they are to be about. Lists are by commas."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    openai_admin_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_ADMIN_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    openai_projects: str = Field(default="", validation_alias="POLYVOX_OPENAI_PROJECTS")
    anthropic_admin_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("ANTHROPIC_ADMIN_KEY", "ANTHROPIC_ADMIN_API_KEY")
    )
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    anthropic_workspaces: str = Field(default="", validation_alias="POLYVOX_ANTHROPIC_WORKSPACES")
    google_billing_url: str | None = Field(default=None, validation_alias="GOOGLE_BILLING_EXPORT_URL")
    google_billing_key: SecretStr | None = Field(default=None, validation_alias="GOOGLE_BILLING_EXPORT_KEY")


def connect_sources(access: ReportAccess) -> dict[str, UsageReportSource | None]:
    """A source for each provider; None where there is no key for it. SDKs are imported where there is one."""
    return {
        "openai": _openai(access),
        "anthropic": _anthropic(access),
        "google": _google(access),
    }


def _openai(access: ReportAccess) -> UsageReportSource | None:
    if not access.openai_admin_key:
        return None
    from models.reconcile.openai import OpenAIReports

    return OpenAIReports(
        access.openai_admin_key,
        base_url=access.openai_base_url or None,
        project_ids=_names(access.openai_projects),
    )


def _anthropic(access: ReportAccess) -> UsageReportSource | None:
    if not access.anthropic_admin_key:
        return None
    from models.reconcile.anthropic import AnthropicReports

    return AnthropicReports(
        access.anthropic_admin_key,
        base_url=access.anthropic_base_url or None,
        workspace_ids=_names(access.anthropic_workspaces),
    )


def _google(access: ReportAccess) -> UsageReportSource | None:
    if not access.google_billing_url:
        return None
    from models.reconcile.google import GoogleBilling

    return GoogleBilling(access.google_billing_url, key=access.google_billing_key)


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]
