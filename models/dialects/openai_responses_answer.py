"""OpenAI's response as an answer, whole, and what a streamed one has in common with it.

Source: openai 3.54, types/responses/response.py and response_output_item.py. `usage.cost` is ours. Reasoning
of others comes as a summary, without anything encrypted.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from models.chat import (
    ChatResponse,
    Citation,
    FinishReason,
    Image,
    Native,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from models.dialects.ask import opened
from models.dialects.logprobs import told
from models.dialects.openai_responses_items import PROVIDER
from models.dialects.openai_responses_tools import Offered
from models.dialects.tiers import tier_told
from models.money import usd_text
from models.parts import artefact, json_value

Json = dict[str, Any]

NOTHING = Offered()

_json = msgspec.json.Encoder().encode


def encode(
    response: ChatResponse,
    *,
    id: str,
    model: str,
    created: int,
    echo: Json,
    cost_pico: int | None,
    offered: Offered = NOTHING,
) -> bytes:
    """`model` is the one that served it, by its catalogue id; `echo` repeats the request's fields."""
    output = output_items(response.parts, id=id, offered=offered, status=item_status(response.finish))
    texts = [p for item in output for p in item.get("content") or () if p.get("type") == "output_text"]
    if texts and (tokens := told(response.opaque)):
        texts[-1]["logprobs"] = tokens
    fields = end_fields(response.finish, refused=any(isinstance(p, Refusal) for p in response.parts))
    fields["usage"] = usage_fields(response.usage, cost_pico)
    if tier := tier_told(response.service_tier, plain="default"):
        fields["service_tier"] = tier
    return _json(envelope(id=id, model=model, created=created, echo=echo) | {"output": output} | fields)


def envelope(*, id: str, model: str, created: int, echo: Json) -> Json:
    """A response of which nothing is known yet."""
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        **echo,
        "model": model,
        "output": [],
        "usage": None,
    }


def end_fields(finish: FinishReason, *, refused: bool) -> Json:
    """A refusal that has words is an answer like any other."""
    if finish == "length":
        return {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    if finish == "content_filter" or (finish == "refusal" and not refused):
        return {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    return {"status": "completed"}


def item_status(finish: FinishReason) -> str:
    return "incomplete" if finish in ("length", "content_filter") else "completed"


def usage_fields(usage: Usage, cost_pico: int | None) -> Json:
    fields: Json = {
        "input_tokens": usage.total_input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read + usage.cache_read_audio,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "output_tokens": usage.total_output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_input + usage.total_output,
    }
    if cost_pico is not None:
        fields["cost"] = Raw(usd_text(cost_pico).encode())
    return fields


def item_id(prefix: str, id: str, at: int) -> str:
    """Of the item at that place of the response `id`."""
    return f"{prefix}_{id.removeprefix('resp_')}_{at}"


def output_items(
    parts: Sequence[Part], *, id: str, offered: Offered = NOTHING, status: str = "completed"
) -> list[Json]:
    """Texts and refusals that follow each other are one message; `status` is the last item's."""
    items: list[Json] = []
    for part in parts:
        at = len(items)
        if isinstance(part, Text | Refusal):
            if not items or items[-1]["type"] != "message" or "content" not in items[-1]:
                items.append(message_item(item_id("msg", id, at), [], "completed"))
            items[-1]["content"].append(content_part(part))
        else:
            items += _items(part, id=id, at=at, offered=offered)
    if items and "status" in items[-1]:
        items[-1]["status"] = status
    return items


def message_item(id: str, content: list[Json], status: str) -> Json:
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def content_part(part: Text | Refusal) -> Json:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    annotations = [annotation(cited, len(part.text)) for cited in part.citations]
    return text_part(part.text, [one for one in annotations if one])


def text_part(text: str, annotations: Sequence[Json] = (), logprobs: Sequence[Json] = ()) -> Json:
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs}


def annotation(cited: Citation, length: int) -> Json:
    """Of a source that is known by its address, all of the text is said to come from it."""
    if cited.opaque is not None and cited.opaque.provider == PROVIDER:
        return opened(cited.opaque.value)
    if not cited.url:
        return {}
    places = {"start_index": 0, "end_index": length}
    return {"type": "url_citation", "url": cited.url, "title": cited.title, **places}


def reasoning_item(id: str, summary: Sequence[Json]) -> Json:
    return {"id": id, "type": "reasoning", "summary": summary}


def summary_text(text: str) -> Json:
    return {"type": "summary_text", "text": text}


def call_item(id: str, call: ToolCall, *, offered: Offered, status: str = "completed") -> Json:
    """`id` is `item_id`'s, with a prefix that says which kind it is."""
    named = offered.named(call)
    if call.freeform:
        said = {"input": freeform_input(call.arguments)}
        return {"id": id, "type": "custom_tool_call", "status": status, **named, **said}
    return {"id": id, "type": "function_call", "status": status, **named, "arguments": call.arguments}


def freeform_input(written: str) -> str:
    """The one text that a tool was called with; what was written, where that is something else."""
    try:
        value = json_value(written)
    except (ValueError, RecursionError):
        return written
    said = value.get("input") if isinstance(value, dict) else None
    return said if isinstance(said, str) else written


def _items(part: Part, *, id: str, at: int, offered: Offered) -> Iterator[Json]:
    match part:
        case Thinking(text=text):
            if (own := artefact(part.opaque, PROVIDER, "reasoning")) is not None:
                yield opened(own)
            elif text:
                yield reasoning_item(item_id("rs", id, at), [summary_text(text)])
        case ToolCall(name=name):
            call = replace(part, freeform=part.freeform or name in offered.freeform)
            yield call_item(item_id("ctc" if call.freeform else "fc", id, at), call, offered=offered)
        case Image(data=data):
            drawn = {"status": "completed", "result": data}
            yield {"id": item_id("ig", id, at), "type": "image_generation_call", **drawn}
        case Native(opaque=opaque) if opaque.provider == PROVIDER:
            yield opened(opaque.value)
        case _:
            pass
