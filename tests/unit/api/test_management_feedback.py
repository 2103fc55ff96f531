"""Feedback, decisions and recommendations over stores in memory."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deployments.api.management import decisions, feedback, model_recommendations
from deployments.api.management.app import create_management
from models.catalog import Mode, load_catalog
from models.chat import ChatRequest
from models.errors import NotFound
from models.identity import Principal
from models.routing import Plan
from models.routing.decisions import Decision, InMemoryDecisions
from models.routing.feedback import Answered, InMemoryFeedback
from models.routing.router import LearnedRouter, Setting
from tests.asgi import Client
from tests.unit.api.management import As

ANN = Principal("k1", "ann", "acme")
BOB = Principal("k2", "bob", "acme")
ROOT = Principal("k3", "root", "acme", frozenset({"admin"}))


class Surface:
    def __init__(self) -> None:
        self.feedback, self.decisions = InMemoryFeedback(), InMemoryDecisions()
        catalog = load_catalog()
        self.router = LearnedRouter(catalog, frozenset(catalog.models))
        self.conversations: list[str] = []
        self.app = create_management(
            [
                feedback.router(self.feedback),
                decisions.router(self.decisions),
                model_recommendations.router(self._recommend),
            ]
        )

    async def _recommend(
        self, request: ChatRequest, mode: Mode, caller: Principal, conversation_id: str
    ) -> Plan:
        if conversation_id == "nobody's":
            raise NotFound("there is no such conversation")
        self.conversations.append(conversation_id)
        return await self.router.plan(request, mode, Setting(exploration=0.0))

    def client(self, who: Principal | None = ANN) -> Client:
        return Client(As(self.app, who))


@pytest.fixture
def surface() -> Surface:
    made = Surface()
    made.feedback.requests["acme", "ann", "req_a"] = Answered(model_id="m", task="code", expected=0.8)
    return made


@pytest.mark.parametrize(
    ("said", "signal", "reward"),
    [
        ({"thumbs": "up"}, "thumbs", 1.0),
        ({"thumbs": "down", "comment": "wrong"}, "thumbs", 0.0),
        ({"rating": 4}, "rating", 0.75),
        ({"comparison": {"model": "gpt-6-luna", "this_is": "better"}}, "comparison", 1.0),
    ],
)
async def test_what_is_said_of_an_answer_is_kept(
    surface: Surface, said: dict[str, Any], signal: str, reward: float
) -> None:
    body = {"request_id": "req_a", **said}
    first = await surface.client().request("POST", "/v1/feedback", body)
    assert first.status == 201
    assert first.json() == {
        "object": "feedback",
        "request_id": "req_a",
        "model": "m",
        "task": "code",
        "recorded": [signal],
        "new": True,
    }
    kept = surface.feedback.said["ann", "req_a", signal]
    assert (kept.reward, kept.comment, kept.answered.expected) == (reward, said.get("comment"), 0.8)
    again = await surface.client().request("POST", "/v1/feedback", body)
    assert again.json()["new"] is False


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"request_id": "req_a"}, 400),
        ({"request_id": "req_a", "comment": "only this"}, 400),
        ({"request_id": "req_a", "rating": 6}, 400),
        ({"request_id": "req_a", "thumbs": "sideways"}, 400),
        ({"request_id": "req_a", "thumbs": "up", "user": "bob"}, 400),
        ({"request_id": "a request", "thumbs": "up"}, 400),
        ({"request_id": "req_b", "thumbs": "up"}, 404),
    ],
)
async def test_what_cannot_be_taken_is_refused(surface: Surface, body: dict[str, Any], status: int) -> None:
    assert (await surface.client().request("POST", "/v1/feedback", body)).status == status
    assert surface.feedback.said == {}


async def test_nobody_speaks_of_anothers_request(surface: Surface) -> None:
    body = {"request_id": "req_a", "thumbs": "down"}
    assert (await surface.client(BOB).request("POST", "/v1/feedback", body)).status == 404
    assert (await surface.client(None).request("POST", "/v1/feedback", body)).status == 401


async def test_recommendations_are_ranked_with_reasons_and_estimates(surface: Surface) -> None:
    answer = await surface.client().request(
        "GET", "/api/chat/model-recommendations?query=hello&mode=cheap&conversationId=c1&limit=3"
    )
    assert answer.status == 200
    body = answer.json()
    assert [one["rank"] for one in body["recommendations"]] == [1, 2, 3]
    scores = [one["score"] for one in body["recommendations"]]
    assert scores == sorted(scores, reverse=True)
    first = body["recommendations"][0]
    assert first["tier"] == "small"
    assert first["reasoning"]
    assert float(first["estimatedCostUsd"]) > 0
    assert first["estimatedLatencyMs"] > first["estimatedFirstTokenMs"] > 0
    assert first["evidence"]["outcomes"] > 0
    assert body["task"]["name"]
    assert surface.conversations == ["c1"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?query=", 400),
        ("?query=a&mode=dear", 400),
        ("?query=a&conversationId=x&conversation_id=y", 400),
        ("?query=a&other=1", 400),
        ("?query=a&conversation_id=nobody's", 400),
    ],
)
async def test_questions_that_make_no_sense_are_refused(surface: Surface, query: str, status: int) -> None:
    assert (await surface.client().request("GET", f"/api/chat/model-recommendations{query}")).status == status


async def test_a_decision_is_shown_to_whom_it_belongs(surface: Surface) -> None:
    request = ChatRequest(model="auto", messages=())
    plan = await surface.router.plan(request, "balanced", Setting(exploration=0.0))
    await surface.decisions.write(
        [
            Decision(
                tenant_id="acme", request_id="req_a", user_id="ann", plan=plan, created_at=datetime.now(UTC)
            )
        ]
    )
    shown = (await surface.client().request("GET", "/v1/requests/req_a/decision")).json()
    assert shown["id"] == plan.decision_id
    assert [c["model"] for c in shown["candidates"]] == [c.model_id for c in plan.candidates]
    assert len(shown["counterfactual_usd"]) == len(plan.candidates) - 1
    assert (await surface.client(ROOT).request("GET", "/v1/requests/req_a/decision")).status == 200
    assert (await surface.client(BOB).request("GET", "/v1/requests/req_a/decision")).status == 404
    assert (await surface.client().request("GET", "/v1/requests/req_b/decision")).status == 404
