"""`POST /v1/responses/compact`: a conversation made shorter, to be gone on from with any model.

The user's messages stay as they are; for all others stands one item, whose content is what the context engine
keeps of them. No model is asked, so it costs nothing.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from deployments.api.exchange import JSON, Exchange
from deployments.api.stored_responses import StoredResponses
from models.catalog import Auto, Catalog
from models.chat import Message, Usage
from models.context import compress, counter, family_of, message_tokens, turns_of
from models.conversations import Owner
from models.dialects import openai_responses
from models.dialects.openai_responses_answer import usage_fields
from models.dialects.openai_responses_compaction import compaction_item
from models.errors import InvalidRequest
from models.translation import write_history

LEAST_TOKENS = 512
_SHARE = 4
"""What is kept of the others' messages is at most one part in so many."""


async def compact(
    exchange: Exchange, catalog: Catalog, owner: Owner, body: bytes, kept: StoredResponses | None
) -> None:
    ask = openai_responses.decode_compact(body)
    said: tuple[Message, ...] = ()
    if ask.previous_id:
        if kept is None:
            raise InvalidRequest("responses are not kept here", param="previous_response_id")
        said = await kept.said(owner, ask.previous_id)
    messages = (*said, *ask.request.messages)
    if not messages:
        raise InvalidRequest("`input` is empty", param="input")
    model = catalog.resolve(ask.request.model)
    host = "" if isinstance(model, Auto) else model.host
    answer = await asyncio.to_thread(_compacted, messages, host, exchange.request_id)
    await exchange.respond(200, answer, (JSON, (b"x-request-id", exchange.request_id.encode())))


def _compacted(messages: Sequence[Message], host: str, request_id: str) -> bytes:
    users = [message for message in messages if message.role == "user"]
    others = [message for message in messages if message.role != "user"]
    count = counter(family_of(host))
    tokens = sum(message_tokens(message, count, reader=host) for message in others)
    turns = turns_of(others)
    texts = compress(turns, max(LEAST_TOKENS, tokens // _SHARE)) if turns else []
    summary = "\n\n".join(filter(None, texts))
    output = write_history("openai_responses", users)["input"] if users else []
    all_tokens = tokens + sum(message_tokens(message, count, reader=host) for message in users)
    usage = Usage(input=all_tokens, output=count(summary))
    return msgspec.json.encode(
        {
            "id": f"resp_{request_id.removeprefix('req_')}",
            "object": "response.compaction",
            "created_at": int(time.time()),
            "output": [*map(_item, output), compaction_item(f"cmp_{request_id}", summary)],
            "usage": usage_fields(usage, 0),
        }
    )


def _item(item: dict[str, Any]) -> dict[str, Any]:
    """A user's message, its content in parts as clients expect it of what they are answered."""
    content = item["content"]
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    return {**item, "type": "message", "content": parts}
