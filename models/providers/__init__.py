"""How each provider is spoken to: what its models accept, and the translation to and from its wire."""

from collections.abc import Mapping
from typing import Any, Literal

Format = Literal["openai_chat", "openai_responses", "anthropic", "gemini"]
"""How a request's body is written."""


def translate(
    source_format: Format,
    source_body: dict[str, Any],
    target_format: Format,
    target_model: str,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One provider's request as another's: see `models.translation`."""
    from models import translation

    return translation.translate(source_format, source_body, target_format, target_model, options)
