"""A conversation made shorter through OpenAI's SDK, and gone on from with anybody's model."""

import json
from typing import Any

import openai
import pytest

from models.chat import Text
from tests.unit.api.ways_in import MODELS, Stage, says

PROSE = "Berlin has three million people and many lakes. " * 200
TALK: Any = [
    {"role": "user", "content": "My budget is 4200 euro."},
    {"role": "assistant", "content": f"Noted: 4200 euro. {PROSE}"},
    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":"Oslo"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "3 degrees"},
    {"role": "user", "content": [{"type": "input_text", "text": "And then?"}]},
]


@pytest.mark.parametrize("model", MODELS)
async def test_it_is_shorter_and_can_be_gone_on_from(model: str) -> None:
    stage = Stage(says(Text("a")))
    made = await stage.openai().responses.compact(model=model, input=TALK)
    assert made.object == "response.compaction"
    assert [item.type for item in made.output] == ["message", "message", "compaction"]
    assert stage.providers.calls == []
    assert stage.ledger.asks == []
    assert 0 < made.usage.output_tokens < made.usage.input_tokens / 2
    carried: Any = made.to_dict(warnings=False)["output"]
    await stage.openai().responses.create(model=model, input=[*carried, {"role": "user", "content": "so?"}])
    first, second, before, last = stage.asked.request.messages
    assert [first.parts[0], second.parts[0], last.parts[0]] == [
        Text("My budget is 4200 euro."),
        Text("And then?"),
        Text("so?"),
    ]
    assert isinstance(before.parts[0], Text)
    assert "4200 euro" in before.parts[0].text
    assert len(before.parts[0].text) < len(PROSE) / 2


async def test_a_previous_response_may_be_all_of_it() -> None:
    stage = Stage(says(Text(PROSE)))
    client = stage.openai()
    first = await client.responses.create(model="gpt-5.4-mini", input="Tell me of Berlin")
    made = await client.responses.compact(model="gpt-5.4-mini", previous_response_id=first.id)
    assert [item.type for item in made.output] == ["message", "compaction"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": "hi"}, 400, "model"),
        ({"model": "gpt-5.4-mini"}, 400, "input"),
        ({"model": "gpt-5.4-mini", "input": 7}, 400, "input"),
        ({"model": "gpt-9", "input": "hi"}, 404, None),
        ({"model": "gpt-5.4-mini", "previous_response_id": "resp_x"}, 404, "response_id"),
    ],
)
async def test_what_cannot_be_compacted(body: dict[str, Any], status: int, param: str | None) -> None:
    response = await Stage(says()).client.request("POST", "/v1/responses/compact", body)
    error = response.json()["error"]
    assert response.status == status
    assert param is None or error["param"] == param


async def test_an_item_of_openais_own_is_left_as_it_is() -> None:
    stage = Stage(says(Text("a")))
    own: Any = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
    await stage.openai().responses.create(model="gpt-5.4-mini", input=[own, *TALK[:1]])
    assert "gAAAA" in json.dumps([str(part) for m in stage.asked.request.messages for part in m.parts])
    with pytest.raises(openai.BadRequestError):
        await stage.openai().responses.compact(model="gpt-5.4-mini", input=[])
