"""The router on Ray: decisions can be explained, what users say moves it, and it outlives its replicas."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.serve.stack import Stack, wait_until

QUESTION = "Write a Python function that parses an ISO 8601 date without a library, with tests."


class Person:
    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def ask(self, model: str = "auto", **headers: str) -> httpx2.Response:
        body = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
        return self.http.post("/v1/chat/completions", json=body, headers=headers).raise_for_status()

    def first(self) -> str:
        answer = self.http.get("/api/chat/model-recommendations", params={"query": QUESTION})
        model: str = answer.raise_for_status().json()["recommendations"][0]["modelId"]
        return model

    def trail(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/v1/requests/{request_id}").raise_for_status().json()
        return found


@pytest.fixture
def ann(stack: Stack) -> Iterator[Person]:
    headers = {"authorization": f"Bearer {stack.key}"}
    with httpx2.Client(base_url=stack.url, headers=headers, timeout=30) as http:
        yield Person(http)


def test_a_decision_is_explained_by_its_request(ann: Person) -> None:
    answer = ann.ask()
    headers = answer.headers
    wait_until(lambda: ann.trail(headers["x-polyvox-request-id"])["decision"] is not None, within_s=10)
    trail = ann.trail(headers["x-polyvox-request-id"])
    decision = trail["decision"]
    assert (decision["id"], decision["task"]) == (headers["x-polyvox-decision-id"], "code")
    assert trail["task"] == "code"
    assert decision["candidates"][0]["model"] == headers["x-polyvox-model"]
    assert set(decision["counterfactual_usd"]) == {one["model"] for one in decision["candidates"][1:]}
    assert ann.ask("gpt-6-luna").headers.get("x-polyvox-decision-id") is None


def test_what_a_request_insists_on_holds(ann: Person) -> None:
    answer = ann.ask(**{"x-polyvox-routing": '{"constraints": {"providers": ["google"]}}'})
    assert answer.headers["x-polyvox-provider"] == "google"


def test_what_users_say_is_learned_and_outlives_the_router(stack: Stack, ann: Person) -> None:
    best = ann.first()
    asked = [ann.ask() for _ in range(40)]
    assert sum(answer.headers["x-polyvox-model"] == best for answer in asked) >= 20
    wait_until(
        lambda: ann.trail(asked[-1].headers["x-polyvox-request-id"])["decision"] is not None, within_s=10
    )
    for answer in asked:
        said = {"request_id": answer.headers["x-polyvox-request-id"], "thumbs": "down"}
        ann.http.post("/v1/feedback", json=said).raise_for_status()
    wait_until(lambda: ann.first() != best, within_s=5)
    lost = stack.replicas("Router")
    for replica in lost:
        stack.kill(replica)
    wait_until(lambda: set(stack.replicas("Router")) - set(lost), within_s=60)
    stack.wait_until_ready(within_s=60)
    assert ann.first() != best
