"""The answer to a prompt: made up, labelled so, and the same for the same request."""

import array
import base64
import hashlib
import math

import orjson

from deployments.sandbox import tokens
from deployments.sandbox.behaviour import Behaviour, tools_asked, without_directives
from deployments.sandbox.exchange import Answer, Call, Finish, Ids, Prompt, Rejected, Tool
from deployments.sandbox.schema import instance
from models.chat import Usage

QUOTE_MAX = 40
RESULT_QUOTE_MAX = 120
THOUGHTS_TOKENS = 24
WIDTH_MAX = 4096

_SENTENCES = (
    "Nothing here was thought by a model.",
    "The text only serves to try things out.",
    "Set a provider key to hear from a real one.",
    "The same request always gets the same words.",
    "No token of this costs anything.",
)
_THOUGHTS = "Simulated thought: the request is read, a plan is made, and the answer is put into words. "


def compose(prompt: Prompt, behaviour: Behaviour, ids: Ids) -> Answer:
    thoughts = _thoughts_tokens(prompt, behaviour)
    room = None if prompt.max_tokens is None else max(0, prompt.max_tokens - thoughts)
    calls = _calls(prompt, behaviour, ids)
    called = sum(tokens.count(call.arguments) + tokens.count(call.name) for call in calls)
    text, stopped = "", ""
    finish: Finish = "tool_calls" if calls else "stop"
    if calls and room is not None and called > room:
        calls, called, finish = (), 0, "length"
    elif not calls:
        text, finish, stopped = _cut(_text(prompt, behaviour, ids), prompt.stop, room)
    output = thoughts + called + tokens.count(text)
    usage = _usage(prompt, behaviour, output=output, reasoning=thoughts)
    thinking = tokens.fill(_THOUGHTS * (thoughts * 4 // len(_THOUGHTS) + 1), thoughts) if thoughts else ""
    return Answer(
        text=text, thinking=thinking, calls=calls, finish=finish, stop_sequence=stopped, usage=usage
    )


def _thoughts_tokens(prompt: Prompt, behaviour: Behaviour) -> int:
    wanted = behaviour.reasoning
    if wanted is None:
        wanted = THOUGHTS_TOKENS if prompt.thinking else 0
    return wanted if prompt.max_tokens is None else min(wanted, prompt.max_tokens)


def _usage(prompt: Prompt, behaviour: Behaviour, *, output: int, reasoning: int) -> Usage:
    rest = prompt.input_tokens
    read = min(behaviour.cached, rest)
    short = min(behaviour.cache_write, rest - read)
    long = min(behaviour.cache_write_1h, rest - read - short)
    return Usage(
        input=rest - read - short - long,
        cache_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        output=output,
        reasoning=reasoning,
    )


def _calls(prompt: Prompt, behaviour: Behaviour, ids: Ids) -> tuple[Call, ...]:
    """The tools that the user's text, the directive or the request's choice demand; each at its own id."""
    if not prompt.tools or not prompt.may_call:
        return ()
    offered = {tool.name: tool for tool in prompt.tools}
    allowed = [name for name in prompt.must_call or offered if name in offered]
    wanted: list[tuple[str, str]] = []
    if not prompt.results:
        asked = tools_asked(prompt.user_text) + ([(behaviour.tool, "")] if behaviour.tool else [])
        wanted = [(name, arguments) for name, arguments in asked if name in allowed]
    if not wanted and prompt.must_call is not None and allowed:
        wanted = [(allowed[0], "")]
    if not prompt.parallel:
        wanted = wanted[:1]
    return tuple(
        Call(id=f"{ids.seed:020d}{i:02d}", name=name, arguments=arguments or _made_up(offered[name]))
        for i, (name, arguments) in enumerate(wanted)
    )


def _made_up(tool: Tool) -> str:
    made = instance({"type": "object", **tool.schema})
    return orjson.dumps(made).decode()


def _text(prompt: Prompt, behaviour: Behaviour, ids: Ids) -> str:
    if prompt.schema is not None:
        return orjson.dumps(instance(prompt.schema)).decode()
    said = f"Simulated answer of the Polyvox sandbox ({prompt.model}). "
    if prompt.results:
        said += " ".join(
            f'The tool {name} returned: "{_quote(result, RESULT_QUOTE_MAX)}".'
            for name, result in prompt.results
        )
        said += " "
    elif quote := _quote(without_directives(prompt.user_text), QUOTE_MAX):
        said += f'You wrote: "{quote}". '
    if behaviour.tokens is None:
        return said + _SENTENCES[ids.seed % len(_SENTENCES)]
    while tokens.size(said) < behaviour.tokens * tokens.BYTES_PER_TOKEN:
        said += " ".join(_SENTENCES[(ids.seed + i) % len(_SENTENCES)] for i in range(len(_SENTENCES))) + " "
    return tokens.fill(said, behaviour.tokens)


def _quote(text: str, longest: int) -> str:
    text = " ".join(text[: 4 * longest].split())
    return text if len(text) <= longest else text[: longest - 3].rstrip() + "..."


def _cut(text: str, stop: tuple[str, ...], room: int | None) -> tuple[str, Finish, str]:
    """The text up to the first stop sequence or the end of the room, whichever comes first."""
    finish: Finish = "stop"
    stopped = ""
    found = [(at, each) for each in stop if each and (at := text.find(each)) >= 0]
    if found:
        at, stopped = min(found)
        text, finish = text[:at], "stop_sequence"
    if room is not None and tokens.count(text) > room:
        return tokens.cut(text, room), "length", ""
    return text, finish, stopped


def embedding(text: str, width: int, *, encoded: bool = False) -> list[float] | str:
    """A made-up unit vector, the same for the same text; base64 of little-endian float32 when `encoded`."""
    if not 0 < width <= WIDTH_MAX:
        raise Rejected(f"An embedding has 1 to {WIDTH_MAX} dimensions.")
    raw = hashlib.shake_128(text.encode()).digest(width)
    values = [byte - 127.5 for byte in raw]
    norm = math.sqrt(sum(value * value for value in values))
    vector = array.array("f", (value / norm for value in values))
    return base64.b64encode(vector.tobytes()).decode() if encoded else vector.tolist()
