"""What a model would be asked in vain: refused where that makes another answer, else told to the client.

Of turns before the last answer nothing is refused: what was shown to another model then is told of in words.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from models.chat import ChatRequest, File, Image, Message, Opaque, Part, Reasoning, ToolResult
from models.errors import UnsupportedParameter
from models.providers import media, parameters
from models.providers.clients import Protocol
from models.providers.fetching import is_fetched
from models.providers.private import opened
from models.providers.profiles import Profile, Profiles, WireProvider
from models.providers.tiers import tier_word
from models.providers.wire import PROFILE_FAMILY, wire_for

_PROTOCOLS: dict[WireProvider, Protocol] = {family: protocol for protocol, family in PROFILE_FAMILY.items()}
_NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""Wishes for what is done without them."""
_SAMPLING = (*_NEUTRAL, "top_k", "seed")
_PROBABILITIES = ("logprobs", "top_logprobs")
_SAID_ELSEWHERE = (*_PROBABILITIES, "responseLogprobs", "generationConfig")
"""Options that are refused where they are not taken, or that hold others."""
_MAX_NAMES = 32
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


@cache
def _profiles() -> Profiles:
    return Profiles.load()


def profile_of(provider: WireProvider, model: str, *, reasoning: Reasoning | None = None) -> Profile:
    profile = _profiles().for_model(provider, model)
    return profile.at(parameters.effort(reasoning, profile.efforts) if reasoning else None)


def refuse_unheeded(
    request: ChatRequest, provider: WireProvider, model: str, *, logprobs: str = "logprobs"
) -> None:
    """Raises UnsupportedParameter for what `model`, which the request names, does not have. `logprobs` is the
    field that asks for log probabilities."""
    profile = profile_of(provider, model, reasoning=request.reasoning)
    if request.seed is not None and "seed" not in profile.sampling:
        raise _none(model, "seed", param="seed")
    if tier_word(request.service_tier, profile) is None:
        raise _none(model, f"service tier `{request.service_tier}`", param="service_tier")
    asked = request.provider_options.get(provider, {})
    probable = any(asked.get(name) for name in _PROBABILITIES)
    if probable and (not profile.first_party or not profile.options_refused.isdisjoint(_PROBABILITIES)):
        raise _none(model, "log probabilities, or none beside its thoughts", param=logprobs)
    for part in _shown_now(request.messages):
        if not _is_seen(part, profile):
            raise UnsupportedParameter(f"{model} cannot be shown {_named(part)}", param="messages")
        if provider != "anthropic" and _asks_for_citations(part):
            raise _none(model, "citations of documents", param="messages")


def refuse_uncertain(request: ChatRequest) -> None:
    """Raises UnsupportedParameter for what some model would not be shown, where the model is left open."""
    for part in _shown_now(request.messages):
        if part.url or part.file_id:
            blind = [name for name in _PROTOCOLS if not _is_seen(part, _profiles().for_model(name, ""))]
            if blind:
                who = " and ".join(blind)
                said = f"models of {who} cannot be shown {_named(part)}: name another one"
                raise UnsupportedParameter(said, param="messages")


def left_out(
    request: ChatRequest, provider: WireProvider, model: str, *, dropped: Iterable[str] = ()
) -> tuple[str, ...]:
    """Names of wishes that `model` was not told of, and of those `dropped` before."""
    names = (_NO_NAME.sub("", name)[:64] for name in (*_left_out(request, provider, model), *dropped))
    return tuple(dict.fromkeys(filter(None, names)))[:_MAX_NAMES]


def _left_out(request: ChatRequest, provider: WireProvider, model: str) -> Iterator[str]:
    profile = profile_of(provider, model, reasoning=request.reasoning)
    taken = parameters.sampling(request, profile)
    for name in _SAMPLING:
        wished = getattr(request, name)
        if wished is not None and name not in taken and wished != _NEUTRAL.get(name):
            yield name
    if len(parameters.stops(request, profile)) < len(set(filter(None, request.stop))):
        yield "stop"
    if request.verbosity and not profile.verbosity:
        yield "verbosity"
    if request.parallel_tool_calls is False and request.tools and provider == "google":
        yield "parallel_tool_calls"
    if tier_word(request.service_tier, profile) is None:
        yield "service_tier"
    owner = request.dialect or "openai"
    options = request.provider_options.get(owner, {})
    if isinstance(config := options.get("generationConfig"), dict):
        options = {**options, **config}
    for name in sorted(options.keys() & profile.options_refused if owner == provider else options):
        if options[name] is not None and name not in _SAID_ELSEWHERE:
            yield name


def _none(model: str, what: str, *, param: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"{model} has no {what}", param=param)


def _shown_now(messages: Sequence[Message]) -> Iterator[Image | File]:
    """Pictures and files."""
    for message in media.since_last_answer(messages):
        for part in message.parts:
            yield from _media(part)


def _media(part: Part) -> Iterator[Image | File]:
    if isinstance(part, Image | File):
        yield part
    elif isinstance(part, ToolResult):
        yield from (inner for inner in part.parts if isinstance(inner, Image | File))


def _is_seen(part: Image | File, profile: Profile) -> bool:
    """Whether it is sent as what it is, rather than noted."""
    if is_fetched(part, profile):
        return True
    alone = ChatRequest(model="", messages=(Message("user", (part,)),))
    wire = wire_for(_PROTOCOLS[profile.provider])
    return media.note(part).text not in _texts(
        wire.encode(alone, model="", profile=profile, max_output_tokens=1)
    )


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _texts(inner)


def _named(part: Image | File) -> str:
    what = "a picture" if isinstance(part, Image) else "a file"
    how = (
        "by its address" if part.url else "that lies at another provider" if part.file_id else "of this type"
    )
    return f"{what} {how}"


def _asks_for_citations(part: Image | File) -> bool:
    return any(_enables(opaque) for opaque in part.opaque if opaque.provider == "anthropic")


def _enables(opaque: Opaque) -> bool:
    asked = opened(opaque.value).get("citations")
    return isinstance(asked, dict) and bool(asked.get("enabled"))
