"""What tools answer, cut by its own structure: JSON by values, logs by lines, code by blocks.

Every piece is whole: a value, a line, a block. Nothing is ever cut inside one.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec

from models.context.sentences import sentences

Shape = Literal["prose", "json", "log", "code"]
_SMALL = 240
"""Characters up to which an answer stays in one piece, as it is."""
_LONG_VALUE = 400
_BLOCK_LINES = 12
_LOG_LINE = re.compile(
    r"^\W*(?:\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\w{3} +\d+ \d\d:)|\b(?:ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL)\b"
)
_CODE_LINE = re.compile(
    r"^\s*(?:def |class |import |from \w+ import|return\b|if .*:$|for .*:$|#include|func |fn |const |let "
    r"|var |public |private |\}|@\w|//|SELECT |CREATE |INSERT )|[{};]\s*$"
)
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|[0-9a-f]{8,}|\d+")
_FENCE = re.compile(r"```[^\n]*\n.*?(?:```|\Z)", re.DOTALL)


def cut(text: str) -> tuple[Shape, list[str]]:
    """The pieces of a tool's answer, in order."""
    shape = shape_of(text)
    if len(text) <= _SMALL and "\n" not in text:
        return shape, [text] if shape == "json" else sentences(text)
    match shape:
        case "json":
            return shape, list(_of_json(msgspec.json.decode(text)))
        case "log":
            return shape, _of_log(text)
        case "code":
            return shape, blocks(text)
        case "prose":
            return shape, sentences(text)


def shape_of(text: str) -> Shape:
    stripped = text.strip()
    if stripped[:1] in ("{", "[") and stripped[-1:] in ("}", "]") and _is_json(stripped):
        return "json"
    lines = [line for line in stripped.splitlines() if line.strip()]
    if len(lines) >= 3:
        if sum(bool(_LOG_LINE.search(line)) for line in lines) >= 0.6 * len(lines):
            return "log"
        if sum(bool(_CODE_LINE.search(line)) for line in lines) >= 0.4 * len(lines):
            return "code"
    return "prose"


def fenced(text: str) -> Iterator[tuple[bool, str]]:
    """A message as stretches of prose and of code, told apart by its fences."""
    end = 0
    for match in _FENCE.finditer(text):
        yield False, text[end : match.start()]
        yield True, match.group(0)
        end = match.end()
    yield False, text[end:]


def blocks(text: str) -> list[str]:
    """Code in blocks that blank lines part, long ones by lines."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.split("\n")
        if len(lines) <= _BLOCK_LINES:
            found.append(block)
        else:
            found.extend(line for line in lines if line.strip())
    return [block for block in found if block.strip()]


def brief(value: object) -> str:
    """A JSON value in few tokens: without the braces, quotes and commas that its names make needless."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {brief(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "[" + "; ".join(map(brief, value)) + "]"
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _of_json(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        yield from _of_object(value, path)
    elif isinstance(value, list):
        yield from _of_list(value, path)
    else:
        yield from _of_leaf(value, path)


def _of_object(value: dict[str, object], path: str) -> Iterator[str]:
    small = {key: item for key, item in value.items() if len(brief(item)) <= _SMALL}
    if small:
        yield f"{path}: {brief(small)}" if path else brief(small)
    for key, item in value.items():
        if key not in small:
            yield from _of_json(item, f"{path}.{key}" if path else key)


def _of_list(items: list[object], path: str) -> Iterator[str]:
    shared = _shared(items)
    counted = f"{len(items)} in {path}" if path else f"{len(items)} results"
    yield f"{counted}, all with {brief(shared)}" if shared else counted
    for item in items:
        if isinstance(item, dict):
            item = {key: part for key, part in item.items() if key not in shared}
        text = brief(item)
        if len(text) <= _LONG_VALUE:
            yield text
        else:
            yield from _of_json(item)


def _of_leaf(value: object, path: str) -> Iterator[str]:
    text = brief(value)
    parts = [text] if len(text) <= _LONG_VALUE else sentences(text)
    if parts:
        yield f"{path}: {parts[0]}" if path else parts[0]
        yield from parts[1:]


def _shared(items: list[object]) -> dict[str, object]:
    """The fields that all the records of a list agree in."""
    first = items[0] if items else None
    if len(items) < 3 or not isinstance(first, dict):
        return {}
    return {
        key: value
        for key, value in first.items()
        if all(isinstance(item, dict) and key in item and item[key] == value for item in items)
    }


def _of_log(text: str) -> list[str]:
    """The lines of a log; those that differ in numbers only, once, with how often they came."""
    lines = [line for line in text.splitlines() if line.strip()]
    often = Counter(_VARIABLE.sub("#", line) for line in lines)
    last = {_VARIABLE.sub("#", line): line for line in lines}
    found: list[str] = []
    for line in lines:
        template = _VARIABLE.sub("#", line)
        if often[template] <= 2:
            found.append(line)
        elif template in last:
            found.append(f"{line} [{often[template]} lines like this, to: {last.pop(template)}]")
    return found
