"""OpenAI's own SDK against the running product, every provider behind it."""

import json
import re
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.serve.stack import ROOT, Stack, wait_until

MODELS = ["gpt-5.4-mini", "claude-sonnet-5", "gemini-3.5-flash"]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_answer_and_its_cost(client: OpenAI, stack: Stack, model: str) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "system", "content": "Be brief."}, *user("How are you?")]
    )
    answer = raw.parse()
    assert answer.model == model == raw.headers["x-polyvox-model"]
    assert "How are you?" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    [billed] = [
        line for line in metered(stack, len(stack.meter())) if line["model"] == model and not line["stream"]
    ][-1:]
    assert answer.usage.completion_tokens == billed["output_tokens"]
    assert float(raw.headers["x-polyvox-cost-usd"]) > 0


def metered(stack: Stack, at_least: int) -> list[dict[str, Any]]:
    wait_until(lambda: len(stack.meter()) >= at_least, within_s=3)
    return stack.meter()


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_says_what_the_whole_answer_says_in_order(client: OpenAI, model: str) -> None:
    asked = user("Tell me a story [[sandbox: tokens=200]]")
    whole = client.chat.completions.create(model=model, messages=asked)
    chunks = list(
        client.chat.completions.create(
            model=model, messages=asked, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage or chunks[-1].usage is not None
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tool_calls_and_their_results(client: OpenAI, model: str, stream: bool) -> None:
    messages = user('[[tool:weather {"city": "Oslo"}]] [[tool:weather {"city": "Rome"}]]')
    message: Any
    if stream:
        with client.chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as events:
            message = events.get_final_completion().choices[0].message
    else:
        answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
        message = answer.choices[0].message
    calls: Any = message.tool_calls or []
    assert [json.loads(c.function.arguments) for c in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    results = [{"role": "tool", "tool_call_id": c.id, "content": f"{n} degrees"} for n, c in enumerate(calls)]
    history: Any = [*messages, message.model_dump(include={"role", "content", "tool_calls"}), *results]
    answer = client.chat.completions.create(model=model, messages=history, tools=[WEATHER])
    assert "degrees" in (answer.choices[0].message.content or "")


@pytest.mark.parametrize("model", MODELS)
def test_structured_output_follows_its_schema(client: OpenAI, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=model,
        messages=user("Who?"),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "who", "schema": schema, "strict": True},
        },
    )
    found = json.loads(answer.choices[0].message.content or "")
    assert set(found) == {"name", "age"}
    assert isinstance(found["age"], int)


@pytest.mark.parametrize("model", MODELS)
def test_images_and_a_longer_conversation(client: OpenAI, model: str) -> None:
    messages: Any = [
        *user([{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": PIXEL}}]),
        {"role": "assistant", "content": "I see."},
        *user("And now?"),
    ]
    answer = client.chat.completions.create(model=model, messages=messages, max_tokens=20, stop=["@@"])
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 20


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("fail=429 retry_after=7", openai.RateLimitError),
        ("fail=500", openai.InternalServerError),
        ("fail=400", openai.BadRequestError),
        ("fail=reset", openai.InternalServerError),
        ("garbage=1", openai.InternalServerError),
    ],
)
def test_a_failing_provider_is_a_typed_error(
    client: OpenAI, model: str, failure: str, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=model, messages=user(f"[[sandbox: {failure}]]"))
    assert "ray" not in caught.value.response.text.lower()
    assert "Traceback" not in caught.value.response.text
    if "retry_after" in failure:
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("failure", ["die_after=5", "error_after=5"])
def test_a_stream_that_dies_ends_in_a_typed_error(client: OpenAI, model: str, failure: str) -> None:
    read = 0
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(
            model=model, messages=user(f"[[sandbox: tokens=50 rate=200 {failure}]]"), stream=True
        ):
            read += 1
    assert read >= 3


@pytest.mark.parametrize(
    "name", ["auto", "auto:cheap", "auto:quality", "auto:fast", "gpt", "claude", "gemini"]
)
def test_aliases(client: OpenAI, name: str) -> None:
    assert client.chat.completions.create(model=name, messages=user("hi")).choices[0].message.content


def test_auto_passes_over_a_provider_that_fails(client: OpenAI) -> None:
    asked = user("[[sandbox: fail=500 fail_times=1 key=passed-over]]")
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=asked)
    assert raw.headers["x-polyvox-attempts"] == "2"


def test_the_models_are_listed(client: OpenAI) -> None:
    listed = {model.id for model in client.models.list()}
    assert {*MODELS, "auto"} <= listed


def test_a_wrong_key_is_refused(stack: Stack) -> None:
    with (
        OpenAI(base_url=f"{stack.url}/v1", api_key="pvx_wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()


def test_a_new_key_works_and_a_revoked_one_stops_within_5_seconds(stack: Stack) -> None:
    made = json.loads(stack.polyvox("keys", "create", "--user", "ada", "--json"))
    with OpenAI(base_url=f"{stack.url}/v1", api_key=made["key"], max_retries=0) as ada:
        ada.models.list()
        stack.polyvox("keys", "revoke", made["id"])

        def refused() -> bool:
            try:
                ada.models.list()
            except openai.AuthenticationError:
                return True
            return False

        wait_until(refused, within_s=6)


def test_the_readme_runs(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = code.replace("http://127.0.0.1:8000", stack.url)
    monkeypatch.chdir(stack.home)
    (Path(".polyvox")).mkdir(exist_ok=True)
    Path(".polyvox/admin.key").write_text(stack.key)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README
    assert "Why is the sky blue?" in capsys.readouterr().out
