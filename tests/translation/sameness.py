"""Whether two views of a conversation are of the same one, as far as both providers can carry it."""

from collections.abc import Iterator
from typing import Any

from tests.translation.bodies.dice import TOKEN
from tests.translation.facts import GEMINI, Format
from tests.translation.pairs import Pair
from tests.translation.views.said import Result, Said, Shown, View


def not_same(pair: Pair, before: View, after: View) -> Iterator[str]:
    system = {token for token, role, _ in before.tokens() if role == "system"}
    order = [(token, role) for token, role, _ in before.tokens() if token not in system]
    order_after = [(token, role) for token, role, _ in after.tokens() if token not in system]
    if order != order_after:
        yield f"texts: {first_difference(order, order_after)}"
    if missing := system - {token for token, _, _ in after.tokens()}:
        yield f"instructions lost: {missing}"
    yield from _calls_not_same(pair, before, after)
    kept = [one for one in _media(before) if _carries(pair, one)]
    if sorted(kept) != sorted(_media(after)):
        yield f"media: {first_difference(sorted(kept), sorted(_media(after)))}"


def _calls_not_same(pair: Pair, before: View, after: View) -> Iterator[str]:
    if before.loose or after.loose or len(before.calls) != len(after.calls):
        yield f"calls: {len(before.calls)} and {len(after.calls)}, loose {after.loose}"
        return
    names: dict[str, str] = {}
    for (call, result), (later, later_result) in zip(before.calls, after.calls, strict=True):
        if names.setdefault(call.name, later.name) != later.name:
            yield f"names: {call.name} is {names[call.name]} and {later.name}"
        if call.arguments != later.arguments:
            yield f"arguments: {call.arguments} and {later.arguments}"
        if (result is None) != (later_result is None):
            yield f"result: {result} and {later_result}"
        if result and later_result:
            yield from _results_not_same(pair, result, later_result)
    if len(set(names.values())) != len(names):
        yield f"names: {names}"


def _results_not_same(pair: Pair, before: Result, after: Result) -> Iterator[str]:
    if _words(before) != _words(after):
        yield f"result: {_words(before)} and {_words(after)}"
    if before.is_error != after.is_error:
        yield f"is_error: {before.is_error} and {after.is_error}"
    if pair.target == "gemini" and not GEMINI[pair.target_model].media_in_results:
        return
    kept = [one for one in before.inner if isinstance(one, Shown) and _carries(pair, one, in_result=True)]
    if kept != [one for one in after.inner if isinstance(one, Shown)]:
        yield f"media of a result: {kept} and {after.inner}"


def _words(result: Result) -> list[str]:
    return TOKEN.findall("".join(one.text for one in result.inner if isinstance(one, Said)))


def _media(seen: View) -> list[Shown]:
    inner = [one for _, result in seen.calls if result for one in result.inner]
    return [one for one in [*seen.shown, *inner] if isinstance(one, Shown)]


_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_CARRIED = {
    "openai_chat": (*_IMAGES, "application/pdf", "audio/wav", "audio/mpeg"),
    "openai_responses": (*_IMAGES, "application/pdf"),
    "anthropic": (*_IMAGES, "application/pdf"),
}


def _carries(pair: Pair, one: Shown, *, in_result: bool = False) -> bool:
    """Whether both providers can be shown it. What an assistant drew only its own can."""
    if one.role == "assistant":
        return False
    for format, model in ((pair.target, pair.target_model), (pair.source, pair.source_model)):
        if format == "gemini":
            if in_result and one.media_type and one.media_type not in GEMINI[model].media_in_results:
                return False
            if in_result and not one.media_type:
                return False
        elif (one.media_type and one.media_type not in _CARRIED[format]) or (
            not one.media_type and not _takes_url(format, one.payload)
        ):
            return False
    return True


def _takes_url(format: Format, url: str) -> bool:
    if url.endswith("png"):
        return True
    return url.endswith("pdf") and format != "openai_chat"


def first_difference(one: Any, other: Any, at: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            if one.get(key, "∅") != other.get(key, "∅"):
                return first_difference(one.get(key, "∅"), other.get(key, "∅"), f"{at}.{key}")
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for place, (left, right) in enumerate(zip(one, other, strict=False)):
            if left != right:
                return first_difference(left, right, f"{at}[{place}]")
        return f"{at}: {len(one)} and {len(other)}: {one[len(other) :][:2]!r} {other[len(one) :][:2]!r}"
    return f"{at}: {one!r} and {other!r}"[:400]
