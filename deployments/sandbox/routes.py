"""Which path is which endpoint of which provider."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from deployments.sandbox import anthropic, anthropic_reports, google, openai, openai_reports, responses
from deployments.sandbox.exchange import Dialect, Json, Provider, Request, Wire
from deployments.sandbox.line import Endpoint
from deployments.sandbox.reports import Reports

WIRES: dict[Provider, Wire] = {"openai": openai, "anthropic": anthropic, "google": google}


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint of a provider: exactly one of the four functions is set."""

    provider: Provider
    endpoint: Endpoint
    generate: Dialect | None = None
    embed: Callable[[Json, str], tuple[Json, str, list[str]]] | None = None
    tell: Callable[[Json, str], Json] | None = None
    report: Callable[[str, Reports], Json] | None = None
    """Takes the query; only for an administrator's key."""
    streams: bool = False
    """Streams whatever the body says."""


_ROUTES = {
    ("POST", "/v1/chat/completions"): Route("openai", "chat", generate=openai),
    ("POST", "/v1/responses"): Route("openai", "responses", generate=responses),
    ("POST", "/v1/embeddings"): Route("openai", "embeddings", embed=openai.embeddings),
    ("POST", "/v1/messages"): Route("anthropic", "messages", generate=anthropic),
    ("POST", "/v1/messages/count_tokens"): Route("anthropic", "count_tokens", tell=anthropic.count_tokens),
    ("GET", "/v1/organization/usage/completions"): Route(
        "openai", "reports", report=openai_reports.completions
    ),
    ("GET", "/v1/organization/usage/embeddings"): Route(
        "openai", "reports", report=openai_reports.embeddings
    ),
    ("GET", "/v1/organization/costs"): Route("openai", "reports", report=openai_reports.costs),
    ("GET", "/v1/organizations/usage_report/messages"): Route(
        "anthropic", "reports", report=anthropic_reports.usage
    ),
    ("GET", "/v1/organizations/cost_report"): Route("anthropic", "reports", report=anthropic_reports.costs),
}
_METHODS = {
    "generateContent": Route("google", "generate", generate=google),
    "streamGenerateContent": Route("google", "generate", generate=google, streams=True),
    "countTokens": Route("google", "count_tokens", tell=google.count_tokens),
    "embedContent": Route("google", "embeddings", embed=google.embed),
    "batchEmbedContents": Route("google", "embeddings", embed=google.embed_batch),
}
_LISTS: dict[Provider, Route] = {
    "openai": Route("openai", "models", tell=openai.models),
    "anthropic": Route("anthropic", "models", tell=anthropic.models),
    "google": Route("google", "models", tell=google.models),
}


def resolve(request: Request) -> tuple[Route, str] | None:
    """The route and the model that the path names. The provider's name may stand before any path."""
    hint: Provider = "openai"
    if b"x-goog-api-key" in request.headers:
        hint = "google"
    elif b"anthropic-version" in request.headers:
        hint = "anthropic"
    return _resolve(request.method, request.path, hint)


@functools.lru_cache(maxsize=1024)
def _resolve(method: str, path: str, hint: Provider) -> tuple[Route, str] | None:
    prefix: Provider | None = next((name for name in WIRES if path.startswith(f"/{name}/")), None)
    if prefix is not None:
        path = path[len(prefix) + 1 :]
    route = _ROUTES.get((method, path))
    if route is None and path.startswith(("/v1/models", "/v1beta/models", "/v1alpha/models")):
        return _model_route(method, path, prefix, hint)
    if route is None or prefix not in (None, route.provider):
        return None
    return route, ""


def _model_route(method: str, path: str, prefix: Provider | None, hint: Provider) -> tuple[Route, str] | None:
    model, _, verb = path.partition("/models")[2].removeprefix("/").partition(":")
    if verb:
        route = _METHODS.get(verb) if method == "POST" and prefix in (None, "google") else None
        return None if route is None else (route, model)
    if method != "GET" or model:
        return None
    if prefix is None:
        prefix = hint if path.startswith("/v1/") else "google"
    return _LISTS[prefix], ""
