"""A pair of formats with a model each, and what both sides' provider, dialect and wire make of a body."""

import importlib
from typing import Any, NamedTuple

from models.chat import ChatRequest
from models.dialects import anthropic_request, gemini_request, openai_chat_request, openai_responses_request
from models.providers import anthropic_messages, google_generate, openai_chat, openai_responses, translate
from models.providers.profiles import Profiles, WireProvider
from tests.translation.bodies.dice import Dice
from tests.translation.facts import MODELS, Format
from tests.translation.views.said import View

Json = dict[str, Any]

PROFILES = Profiles.load()
DECODE: dict[Format, Any] = {
    "openai_chat": openai_chat_request.decode,
    "openai_responses": openai_responses_request.decode,
    "anthropic": anthropic_request.decode,
    "gemini": gemini_request.decode,
}
WIRES: dict[Format, Any] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic": anthropic_messages,
    "gemini": google_generate,
}
PROVIDER: dict[Format, WireProvider] = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
}


class Pair(NamedTuple):
    source: Format
    target: Format
    source_model: str
    target_model: str


def pair_of(dice: Dice, source: Format, target: Format) -> Pair:
    model = dice.pick(MODELS[source])
    other = model if source == target else dice.pick(MODELS[target])
    return Pair(source, target, model, other)


def body_of(dice: Dice, format: Format, model: str) -> Json:
    made: Json = importlib.import_module(f"tests.translation.bodies.{format}").body(dice, model)
    return made


def refused(format: Format, body: Json, model: str) -> list[str]:
    return list(importlib.import_module(f"tests.translation.rules.{format}").problems(body, model))


def normal(format: Format, body: Json) -> Json:
    form: Json = importlib.import_module(f"tests.translation.views.{format}").normal(body)
    return form


def view(format: Format, body: Json) -> View:
    return View(importlib.import_module(f"tests.translation.views.{format}").events(body))


def translated(pair: Pair, body: Json) -> Json:
    return translate(pair.source, body, pair.target, pair.target_model, {})


def encoded(format: Format, request: ChatRequest, model: str) -> Json:
    profile = PROFILES.for_model(PROVIDER[format], model)
    body: Json = WIRES[format].encode(request, model=model, profile=profile)
    return body
