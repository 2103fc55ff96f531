"""`/v1/cache`: who may say what is not given again, of what, and who sees what the semantic cache counts."""

from typing import Any

import pytest

from deployments.api.management import cache
from deployments.api.management.app import create_management
from models.caching import CacheInvalidation, InMemorySimilar, Invalidation, SimilarAnswers
from models.catalog import Auto
from models.errors import InvalidRequest, Overloaded
from tests.asgi import Client
from tests.unit.api.management import Management
from tests.unit.caching.stage import CATALOG, GPT, embed

PATH = "/v1/cache/invalidate"


class Cached(Management):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[Invalidation] = []
        self.away = False
        invalidation = CacheInvalidation([self._hear])
        self.similar = SimilarAnswers(InMemorySimilar(), embed, secret=b"s", mode="shadow")
        self.app = create_management(
            [cache.router(invalidation, self.keys, similar=self.similar, model_id=model_id)]
        )

    async def _hear(self, what: Invalidation) -> None:
        if self.away:
            raise Overloaded("away", retry_after_s=1.0)
        self.told.append(what)


def model_id(name: str) -> str:
    named = CATALOG.resolve(name)
    if isinstance(named, Auto):
        raise InvalidRequest("`auto` is no model", param="model")
    return named.id


@pytest.fixture
def management() -> Cached:
    return Cached()


async def ask(client: Client, **body: Any) -> Any:
    return await client.request("POST", PATH, body)


async def test_an_administrator_names_a_model_a_user_or_everything(management: Cached) -> None:
    admin, ann = await management.admin(), await management.principal("ann")
    answers = [
        await ask(admin, model="gpt-5.4-mini"),
        await ask(admin, model="openai/gpt-5.4-mini"),
        await ask(admin, user="ann"),
        await ask(admin, user=ann.user_id),
        await ask(admin, all=True),
    ]
    assert [answer.status for answer in answers] == [200] * 5
    tenant = ann.tenant_id
    of_model, of_ann = Invalidation(tenant, model_id=GPT), Invalidation(tenant, user_id=ann.user_id)
    assert management.told == [of_model, of_model, of_ann, of_ann, Invalidation(tenant)]
    assert [
        (told["object"], told["model"], told["user"], told["all"])
        for told in (answer.json() for answer in answers[1::2] + answers[-1:])
    ] == [
        ("cache.invalidation", GPT, None, False),
        ("cache.invalidation", None, ann.user_id, False),
        ("cache.invalidation", None, None, True),
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"all": False}, 400),
        ({"all": 1}, 400),
        ({"model": GPT, "all": True}, 400),
        ({"model": GPT, "user": "ann"}, 400),
        ({"model": "auto"}, 400),
        ({"model": "no such model"}, 404),
        ({"user": "nobody"}, 404),
        ({"tenant": "other", "all": True}, 400),
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_refused(management: Cached, body: dict[str, Any], status: int) -> None:
    await management.principal("ann")
    admin = await management.admin()
    assert ((await ask(admin, **body)).status, management.told) == (status, [])


async def test_others_may_not_and_anothers_user_is_not_known(management: Cached) -> None:
    ann, elsewhere = await management.client("ann"), await management.admin(tenant="other")
    assert (await ask(ann, all=True)).status == 403
    assert (await ask(elsewhere, user="ann")).status == 404
    assert management.told == []


async def test_what_cannot_be_made_so_is_said(management: Cached) -> None:
    management.away = True
    answer = await ask(await management.admin(), all=True)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_administrators_see_what_the_semantic_cache_counts(management: Cached) -> None:
    management.similar.counts.found = 3
    told = await (await management.admin()).request("GET", "/v1/cache/semantic")
    assert told.json() == {
        "object": "cache.semantic",
        "mode": "shadow",
        "looked": 0,
        "found": 3,
        "guarded": 0,
        "agreed": 0,
        "disagreed": 0,
    }
    assert (await (await management.client("ann")).request("GET", "/v1/cache/semantic")).status == 403
