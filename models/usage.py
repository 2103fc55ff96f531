"""From a provider's counts to the normal form of usage.

Providers differ in what a count includes, and leaving that open bills twice or too little: each reader of an
answer has to say it. Counts that cannot be are no counts: the usage is then unknown, never free.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from models.chat import ServerTool, Usage

CachedTokens = Literal["included", "excluded"]
"""Whether the count of input tokens includes those that caches served and stored."""

T = TypeVar("T")

UNKNOWN = Usage(estimated=True)


def read_counts(counted: object, kind: type[T]) -> T | None:
    """The provider's usage object as `kind`; None where it is absent or not of that form."""
    if counted is None:
        return None
    try:
        return msgspec.convert(counted, kind)
    except msgspec.ValidationError:
        return None


def normal_usage(
    cached_tokens: CachedTokens,
    *,
    input: int,
    output: int,
    reasoning: int = 0,
    cache_read: int = 0,
    cache_write_5m: int = 0,
    cache_write_1h: int = 0,
    audio_input: int = 0,
    image_input: int = 0,
    cache_read_audio: int = 0,
    cache_read_image: int = 0,
    audio_output: int = 0,
    image_output: int = 0,
    tool_uses: Mapping[ServerTool, int] | None = None,
) -> Usage:
    """`output` includes reasoning, sound and pictures; sound and pictures of the input include cached ones.

    Where a provider does not say which tokens its cache served, as many as can be are the sound and pictures
    that it did not, these being the dearer. UNKNOWN where the counts contradict each other, or where there is
    no input: no call is without.
    """
    used = {tool: uses for tool, uses in (tool_uses or {}).items() if uses}
    served, stored = cache_read, cache_write_5m + cache_write_1h
    fresh = input - served - stored if cached_tokens == "included" else input
    counts = (fresh, served, cache_write_5m, cache_write_1h, output, reasoning, audio_input, image_input)
    parts = (cache_read_audio, cache_read_image, audio_output, image_output, *used.values())
    if min(counts) < 0 or min(parts) < 0 or reasoning > output or not fresh + served + stored:
        return UNKNOWN
    cached_audio = min(cache_read_audio, served)
    audio = min(max(audio_input - cached_audio, 0), fresh)
    image = min(max(image_input - cache_read_image, 0), fresh - audio)
    spoken = min(audio_output, output - reasoning)
    drawn = min(image_output, output - reasoning - spoken)
    return Usage(
        input=fresh - audio - image,
        cache_read=served - cached_audio,
        cache_write_5m=cache_write_5m,
        cache_write_1h=cache_write_1h,
        output=output - spoken - drawn,
        reasoning=reasoning,
        audio_input=audio,
        image_input=image,
        cache_read_audio=cached_audio,
        audio_output=spoken,
        image_output=drawn,
        tool_uses=tuple(used.items()),
    )
