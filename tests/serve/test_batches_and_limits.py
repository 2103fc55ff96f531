"""Large jobs and limits on the real stack, as OpenAI's SDK meets them."""

import json

import httpx2
import pytest
from openai import OpenAI, RateLimitError

from tests.serve.stack import Stack, wait_until


def test_a_batch_is_answered_line_by_line_and_paid_for(client: OpenAI) -> None:
    models = ("gpt-6-luna", "claude-haiku-4-5", "gemini-3.5-flash")
    lines = [
        {
            "custom_id": f"line {number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": models[number % 3], "messages": [{"role": "user", "content": f"Say {number}"}]},
        }
        for number in range(12)
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    wait_until(lambda: client.batches.retrieve(batch.id).status == "completed", within_s=60, every_s=0.5)
    done = client.batches.retrieve(batch.id)
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed) == (12, 12)
    assert done.output_file_id is not None
    answers = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert [answer["custom_id"] for answer in answers] == [line["custom_id"] for line in lines]
    assert all(answer["response"]["body"]["usage"]["cost"] > 0 for answer in answers)


def test_a_limit_holds_from_the_next_request_on_and_is_lifted_again(stack: Stack) -> None:
    admin = httpx2.Client(base_url=stack.url, headers={"authorization": f"Bearer {stack.key}"})
    made = admin.post("/v1/keys", json={"user": "hasty"}).raise_for_status().json()
    limit = {"scope": "user", "owner": "hasty", "measure": "requests", "amount": 3}
    set_ = admin.put("/v1/limits", json=limit).raise_for_status().json()
    with OpenAI(base_url=f"{stack.url}/v1", api_key=made["key"], max_retries=0) as hasty:

        def ask() -> str:
            answer = hasty.chat.completions.with_raw_response.create(
                model="gpt-6-luna", messages=[{"role": "user", "content": "hi"}]
            )
            return answer.headers["x-ratelimit-remaining-requests"]

        assert [ask() for _ in range(3)] == ["2", "1", "0"]
        with pytest.raises(RateLimitError) as refused:
            ask()
        assert 10 <= int(refused.value.response.headers["retry-after"]) <= 20
        admin.delete(f"/v1/limits/{set_['id']}").raise_for_status()
        again = hasty.chat.completions.with_raw_response.create(
            model="gpt-6-luna", messages=[{"role": "user", "content": "hi"}]
        )
        assert "x-ratelimit-remaining-requests" not in again.headers
    admin.close()
