"""The routes of the hot path and of health, with what they take and answer."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from deployments.api import chat, embeddings, files, messages, responses
from deployments.api.conversing import SEND_WITH_MODEL, SWITCH_MODEL, SendWithModel, SwitchModel
from deployments.api.openapi import answered, anthropic_asked, google_asked, responses_asked
from deployments.api.paths import COUNT, GENERATE, STREAM, VERSIONS
from models.dialects import openai_chat_fields, openai_embeddings

Words = Literal["openai", "anthropic", "google", "any"]
Parameter = Literal["alt", "betas", "cache", "conversation", "dialect", "model", "response_id", "routing"]

_ASKED_OF: tuple[Parameter, ...] = ("conversation", "cache", "routing")
"""Headers of whatever asks a model."""


class Operation(Struct, frozen=True, kw_only=True):
    method: Literal["GET", "POST", "DELETE"]
    path: str
    tag: str
    summary: str
    answers: Any
    """The type of the answer at status 200."""
    asks: type[Struct] | None = None
    media_type: str = "application/json"
    """Of what it asks."""
    streams: bool = False
    """Whether it answers with server-sent events if asked to."""
    words: Words = "openai"
    """Whose its errors are."""
    parameters: tuple[Parameter, ...] = ()
    needs_key: bool = True


def _health() -> Iterator[Operation]:
    for path, summary, answer in (
        ("/healthz", "Whether the process serves.", answered.Healthy),
        ("/readyz", "Whether every service behind the gateway answers.", answered.Ready),
    ):
        yield Operation(
            method="GET", path=path, tag="health", summary=summary, answers=answer, needs_key=False
        )


def _openai() -> Iterator[Operation]:
    yield Operation(
        method="POST",
        path=chat.ENDPOINT,
        tag="chat",
        summary="OpenAI's chat completions, with any model.",
        asks=openai_chat_fields.Request,
        answers=answered.ChatCompletion,
        streams=True,
        parameters=_ASKED_OF,
    )
    yield Operation(
        method="POST",
        path=embeddings.ENDPOINT,
        tag="embeddings",
        summary="OpenAI's embeddings, with models of OpenAI and Google.",
        asks=openai_embeddings.Request,
        answers=answered.EmbeddingList,
    )
    yield Operation(
        method="POST",
        path=responses.ENDPOINT,
        tag="responses",
        summary="OpenAI's responses, with any model.",
        asks=responses_asked.CreateResponse,
        answers=answered.Response,
        streams=True,
        parameters=_ASKED_OF,
    )
    yield Operation(
        method="POST",
        path=responses.COUNT,
        tag="responses",
        summary="How many tokens a response would be asked with.",
        asks=responses_asked.CreateResponse,
        answers=answered.ResponseTokens,
    )
    yield Operation(
        method="POST",
        path=responses.COMPACT,
        tag="responses",
        summary="A conversation made shorter, to be gone on from with any model.",
        asks=responses_asked.CompactResponse,
        answers=answered.Compaction,
    )
    yield Operation(
        method="GET",
        path=responses.ONE,
        tag="responses",
        summary="A response that was kept.",
        answers=answered.Response,
        parameters=("response_id",),
    )
    yield Operation(
        method="DELETE",
        path=responses.ONE,
        tag="responses",
        summary="Forget a response that is alone in its conversation.",
        answers=answered.ResponseGone,
        parameters=("response_id",),
    )


def _anthropic() -> Iterator[Operation]:
    yield Operation(
        method="POST",
        path=messages.ENDPOINT,
        tag="messages",
        summary="Anthropic's messages, with any model.",
        asks=anthropic_asked.CreateMessage,
        answers=answered.MessageAnswer,
        streams=True,
        words="anthropic",
        parameters=("betas", *_ASKED_OF),
    )
    yield Operation(
        method="POST",
        path=messages.COUNT,
        tag="messages",
        summary="How many tokens a message would be asked with.",
        asks=anthropic_asked.CountMessages,
        answers=answered.InputTokens,
        words="anthropic",
    )


def _google() -> Iterator[Operation]:
    for version in VERSIONS:
        path = f"{version}/models/{{model}}:"
        yield Operation(
            method="POST",
            path=path + GENERATE,
            tag="gemini",
            summary="Gemini's generateContent, with any model.",
            asks=google_asked.GenerateContent,
            answers=answered.Generated,
            words="google",
            parameters=("model", *_ASKED_OF),
        )
        yield Operation(
            method="POST",
            path=path + STREAM,
            tag="gemini",
            summary="The same in pieces: events with `alt=sse`, else one JSON array.",
            asks=google_asked.GenerateContent,
            answers=list[answered.GeneratedPiece],
            streams=True,
            words="google",
            parameters=("model", "alt", *_ASKED_OF),
        )
        yield Operation(
            method="POST",
            path=path + COUNT,
            tag="gemini",
            summary="How many tokens contents are.",
            asks=google_asked.CountTokens,
            answers=answered.TotalTokens,
            words="google",
            parameters=("model",),
        )


def _models() -> Iterator[Operation]:
    for version in VERSIONS:
        is_googles = version != "/v1"
        yield Operation(
            method="GET",
            path=f"{version}/models",
            tag="models",
            summary="The models that can be called now, and the `auto` modes.",
            answers=answered.GoogleModels if is_googles else answered.MODELS,
            words="google" if is_googles else "any",
            parameters=() if is_googles else ("dialect",),
        )
        yield Operation(
            method="GET",
            path=f"{version}/models/{{model}}",
            tag="models",
            summary="One of them.",
            answers=answered.GoogleModel if is_googles else answered.MODEL,
            words="google" if is_googles else "any",
            parameters=("model",) if is_googles else ("model", "dialect"),
        )


class Upload(Struct):
    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    """JSON Lines, each a request."""
    purpose: Literal["batch"]


def _files() -> Iterator[Operation]:
    yield Operation(
        method="POST",
        path=files.ENDPOINT,
        tag="files",
        summary="Bring the requests of a batch.",
        asks=Upload,
        media_type="multipart/form-data",
        answers=answered.File,
    )


def _conversations() -> Iterator[Operation]:
    yield Operation(
        method="POST",
        path=SEND_WITH_MODEL,
        tag="conversations",
        summary="The next turn of a conversation, with any model.",
        asks=SendWithModel,
        answers=answered.Sent,
        streams=True,
        parameters=("routing",),
    )
    yield Operation(
        method="POST",
        path=SWITCH_MODEL,
        tag="conversations",
        summary="Whom a conversation goes on with, and what that keeps of it.",
        asks=SwitchModel,
        answers=answered.Switch,
    )


OPERATIONS = (*_openai(), *_anthropic(), *_google(), *_models(), *_conversations(), *_files(), *_health())
