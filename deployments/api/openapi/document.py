"""One OpenAPI document: what FastAPI says of management, errors put right, and the hot path beside it."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args

from msgspec.json import schema_components

from deployments.api.openapi import answered
from deployments.api.openapi.operations import OPERATIONS, Operation, Parameter, Words
from deployments.api.routing_policy import PolicyFields
from models.dialects import openai_chat_fields, openai_embeddings

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")
_PREFIXES: Mapping[str, str] = {
    openai_chat_fields.__name__: "Chat",
    openai_embeddings.__name__: "Embeddings",
}
"""Of the names of a module's types, where they are plain ones."""
_FAILURES: Mapping[Words, Any] = {
    "openai": answered.OpenAIFailure,
    "anthropic": answered.AnthropicFailure,
    "google": answered.GoogleFailure,
    "any": answered.OpenAIFailure | answered.AnthropicFailure | answered.GoogleFailure,
}
_FAILED = {
    "4XX": "The request is wrong, not allowed, not affordable, or refused by its provider.",
    "5XX": "A provider, or a service behind the gateway, failed or is away.",
}
_VAST = 100_000
_KEYS: Json = {
    "API key": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "x-goog-api-key": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
    "key": {"type": "apiKey", "in": "query", "name": "key"},
}
_BETA = "[a-z0-9][a-z0-9._-]{0,63}"
_UUID = {"type": "string", "format": "uuid"}
_PARAMETERS: Mapping[Parameter, Json] = {
    "alt": {"name": "alt", "in": "query", "schema": {"enum": ["sse", "json"]}},
    "betas": {
        "name": "anthropic-beta",
        "in": "header",
        "description": "Told to Anthropic's models alone.",
        "schema": {
            "type": "string",
            "pattern": "^[a-z0-9][a-z0-9._-]{0,63}(,[a-z0-9][a-z0-9._-]{0,63}){0,31}$",
        },
    },
    "cache": {
        "name": "x-polyvox-cache",
        "in": "header",
        "description": "Whether an earlier answer to the same request will do.",
        "schema": {"enum": ["on", "off"]},
    },
    "conversation": {
        "name": "x-polyvox-conversation-id",
        "in": "header",
        "description": "The conversation that this is a turn of.",
        "schema": _UUID,
    },
    "dialect": {
        "name": "anthropic-version",
        "in": "header",
        "description": "Has it answered in Anthropic's shape, as `x-goog-api-key` has in Google's.",
        "schema": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    },
    "model": {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
    "response_id": {
        "name": "response_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    },
    "routing": {
        "name": "x-polyvox-routing",
        "in": "header",
        "description": "What `auto` is to go by.",
        "content": {"application/json": {"schema": {"$ref": f"{_SCHEMAS}PolicyFields"}}},
    },
}


def completed(document: Json) -> Json:
    """`document` with the routes that FastAPI does not know, and with errors as they are."""
    given = document.get("components", {}).get("schemas", {})
    schemas = {name: schema for name, schema in given.items() if name not in _OF_FASTAPI}
    schemas |= _policy()
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    for path, operations in document["paths"].items():
        for method, said in operations.items():
            paths.setdefault(path, {})[method] = _with_failures(said, schemas)
    components = {"schemas": schemas, "securitySchemes": _KEYS}
    return {**document, "paths": paths, "components": components}


def _with_failures(operation: Json, schemas: Json) -> Json:
    answers = {status: said for status, said in operation["responses"].items() if status != "422"}
    return {**operation, "responses": {**answers, **_failures("openai", schemas)}}


def _described(operation: Operation, schemas: Json) -> Json:
    said: Json = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": f"{operation.method} {operation.path}",
        "security": [{name: []} for name in _KEYS] if operation.needs_key else [],
        "parameters": [_PARAMETERS[name] for name in operation.parameters],
        "responses": {"200": _answer(operation, schemas)},
    }
    if operation.asks is not None:
        content = {operation.media_type: {"schema": _schema(operation.asks, schemas)}}
        said["requestBody"] = {"required": True, "content": content}
    if operation.needs_key:
        said["responses"] |= _failures(operation.words, schemas)
    elif operation.path == "/readyz":
        starting = {"description": "Not yet.", "content": _json(answered.Starting, schemas)}
        said["responses"]["503"] = starting
    return said


def _answer(operation: Operation, schemas: Json) -> Json:
    content = _json(operation.answers, schemas)
    if operation.streams:
        content["text/event-stream"] = {}
    return {"description": "The answer.", "content": content}


def _failures(words: Words, schemas: Json) -> Json:
    content = _json(_FAILURES[words], schemas)
    return {status: {"description": said, "content": content} for status, said in _FAILED.items()}


def _policy() -> Json:
    """What the header takes."""
    whole = PolicyFields.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    return {**whole.pop("$defs"), "PolicyFields": whole}


def _json(kind: Any, schemas: Json) -> Json:
    return {"application/json": {"schema": _schema(kind, schemas)}}


def _schema(kind: Any, schemas: Json) -> Json:
    """Adds what it names to `schemas`."""
    if isinstance(kind, UnionType):
        return {"anyOf": [_schema(one, schemas) for one in get_args(kind)]}
    prefix = _PREFIXES.get(kind.__module__, "")
    (schema,), found = schema_components([kind], ref_template=f"{_SCHEMAS}{prefix}{{name}}")
    schemas |= {prefix + name: _bounded(one) for name, one in found.items()}
    return schema


def _bounded(schema: Any) -> Any:
    """Without bounds that are no shorter than bodies may be: whoever makes samples would go up to them."""
    if isinstance(schema, list):
        return [_bounded(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _bounded(value)
        for name, value in schema.items()
        if not (name in ("maxLength", "maxItems") and value >= _VAST)
    }
