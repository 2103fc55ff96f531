"""What holds of every translation, as lists of what does not."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from models.chat import ChatRequest, Message, Part, Text, Thinking, ToolCall
from models.providers.assembly import Assembly
from models.providers.stand_ins import OPENING
from tests.translation import answers, torn
from tests.translation.bodies.dice import PRIVATE, TOKEN, Dice
from tests.translation.facts import Format
from tests.translation.pairs import DECODE, PROVIDER, WIRES, Pair, encoded, normal, refused, translated, view
from tests.translation.sameness import first_difference, not_same
from tests.translation.views.said import Said, View

Json = dict[str, Any]


def problems(pair: Pair, body: Json) -> Iterator[str]:
    """Of one conversation that the source's provider accepts, sent to the target and back."""
    there = translated(pair, body)
    yield from (f"refused: {said}" for said in refused(pair.target, there, pair.target_model))
    json.dumps(there)
    if pair.source == pair.target:
        before, after = normal(pair.source, body), normal(pair.source, there)
        if before != after:
            yield f"changed at home: {first_difference(before, after)}"
        return
    is_stranger = PROVIDER[pair.source] != PROVIDER[pair.target]
    if is_stranger and PRIVATE in json.dumps(there, ensure_ascii=False):
        yield f"told a stranger: {_around(json.dumps(there, ensure_ascii=False))}"
    yield from _not_told(pair, body, there)
    back = translated(Pair(pair.target, pair.source, pair.target_model, pair.source_model), there)
    yield from (f"refused on the way back: {said}" for said in refused(pair.source, back, pair.source_model))
    yield from not_same(pair, view(pair.source, body), view(pair.source, back))
    yield from _not_restored(pair, body)


def _not_restored(pair: Pair, body: Json) -> Iterator[str]:
    """What is stored gives each provider its own, wherever the conversation has been meanwhile."""
    request = DECODE[pair.source](body)
    stored = msgspec.json.decode(msgspec.json.encode(request), type=ChatRequest)
    if stored != request:
        yield "the stored form differs"
    encoded(pair.target, stored, pair.target_model)
    home = encoded(pair.source, stored, pair.source_model)
    if normal(pair.source, body) != normal(pair.source, home):
        yield f"not restored: {first_difference(normal(pair.source, body), normal(pair.source, home))}"


def _not_told(pair: Pair, body: Json, there: Json) -> Iterator[str]:
    """Each text that the source's model reads, the target's reads as a whole."""
    before, after = view(pair.source, body), view(pair.target, there)
    told = {token: text for token, _, text in _all_texts(after)}
    for token, _, text in _all_texts(before):
        if text.strip() not in told.get(token, ""):
            yield f"not told: {text!r} but {told.get(token)!r}"


def _all_texts(seen: View) -> list[tuple[str, str, str]]:
    inner = [one for _, result in seen.calls if result for one in result.inner if isinstance(one, Said)]
    return seen.tokens() + [
        (token, said.role, said.text) for said in inner for token in TOKEN.findall(said.text)
    ]


def _around(text: str) -> str:
    at = text.index(PRIVATE)
    return text[max(at - 60, 0) : at + 30]


def torn_problems(pair: Pair, body: Json) -> Iterator[str]:
    """Of a conversation that nobody would accept: it is mended, and nothing that was said is lost."""
    there = translated(pair, body)
    yield from (f"refused: {said}" for said in refused(pair.target, there, pair.target_model))
    json.dumps(there)
    if lost := torn.tokens(body) - torn.tokens(there):
        yield f"lost: {sorted(lost)}"


def prefix_problems(pair: Pair, body: Json) -> Iterator[str]:
    """A conversation that went on begins as it was sent before: providers cache what came first."""
    request = replace(DECODE[pair.source](body), response_format=None)
    said = request.messages
    ends = [at for at in range(1, len(said)) if (said[at - 1].role, said[at].role) == ("user", "assistant")]
    whole = _row(pair, encoded(pair.target, request, pair.target_model))
    for at in ends:
        earlier = replace(request, messages=said[:at])
        begun = _row(pair, encoded(pair.target, earlier, pair.target_model))
        if begun != whole[: len(begun)] and OPENING.text not in str(begun):
            yield f"prefix of {at}: {first_difference(begun, whole[: len(begun)])}"


def _row(pair: Pair, body: Json) -> list[Any]:
    """Every block with its turn's role: a turn goes on where what came between is nothing to the target."""
    form = normal(pair.target, body)
    row: list[Any] = []
    for turn in _unmarked(form.get("messages") or form.get("contents") or form["input"]):
        held = [turn.pop(name) for name in ("content", "parts") if isinstance(turn.get(name), list)]
        inner: list[Any] = held[0] if held else []
        row += [(turn, block) for block in inner] or [turn]
    return row


def _unmarked(node: Any) -> Any:
    if isinstance(node, list):
        return [_unmarked(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {k: _unmarked(v) for k, v in node.items() if k not in ("cache_control", "prompt_cache_breakpoint")}


def answer_problems(dice: Dice, format: Format, model: str, body: Json) -> Iterator[str]:
    """An answer has the same parts however it came, and as history it is what the provider sent."""
    for content in answers.said(format, body):
        whole = WIRES[format].decode(answers.whole(format, content)).parts
        decoder, assembly = WIRES[format].StreamDecoder(), Assembly()
        for event in answers.streamed(dice, format, content):
            assembly.add(decoder.feed("", event))
        assembly.add(decoder.finish())
        if (one := _joined(format, whole)) != (other := _joined(format, assembly.parts)):
            yield f"streamed: {first_difference(one, other)}"
        for parts in (whole, assembly.parts):
            history = (
                Message("user", (Text("hi"),)),
                Message("assistant", parts),
                Message("user", (Text("so"),)),
            )
            home = encoded(format, ChatRequest(model="", messages=history), model)
            sent = _answer(format, content)
            if sent and sent != (back := _answer(format, _said_back(format, home))):
                yield f"replayed: {first_difference(sent, back)}"


def _said_back(format: Format, body: Json) -> Any:
    row = body["contents" if format == "gemini" else "messages"]
    turn = row[1]
    return turn if format == "openai_chat" else turn["parts" if format == "gemini" else "content"]


def _answer(format: Format, content: Any) -> Any:
    """As history: without thoughts that nobody signed, and with texts that came in pieces as one."""
    if format == "openai_chat":
        return normal(format, {"messages": [content]})["messages"]
    if format == "anthropic":
        return normal(format, {"messages": [{"role": "assistant", "content": content}]})["messages"]
    kept = [part for part in content if not part.get("thought") or "thoughtSignature" in part]
    joined: list[Json] = []
    for part in kept:
        if joined and part.keys() - {"thoughtSignature"} == joined[-1].keys() == {"text"}:
            joined[-1] = part | {"text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


def _joined(format: Format, parts: Iterable[Part]) -> list[Part]:
    """Gemini's texts come in pieces that nothing tells apart up to a signature; JSON is written anyhow."""
    out: list[Part] = []
    for part in parts:
        match out[-1] if out and format == "gemini" else None, part:
            case (Text(text=before, opaque=()), Text(text=text)) | (
                Thinking(text=before, opaque=()),
                Thinking(text=text),
            ) if text:
                out[-1] = replace(part, text=before + text)
            case _, ToolCall(arguments=written):
                out.append(replace(part, arguments=json.dumps(json.loads(written))))
            case _:
                out.append(part)
    return out
