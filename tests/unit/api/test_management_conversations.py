"""`/v1/conversations`: what the routes take and show, who may use them, and how versions and keys travel."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest

from deployments.api.management import conversations
from deployments.api.management.app import create_management
from deployments.api.management.conversation_forms import MAX_MESSAGE_BYTES, MessageIn, new_messages
from deployments.api.management.conversation_search import EmbedQuery
from deployments.api.management.conversation_views import MessagesOut
from models.chat import Message, Text
from models.conversations import InMemoryConversations, NewMessage, Owner, Producer, Vector
from models.conversations.search import DIMENSIONS
from models.conversations.transfer import Format
from models.errors import InvalidRequest, Overloaded, PayloadTooLarge
from models.identity import Principal
from tests.asgi import Client, Response
from tests.unit.api.management import As

ACME, OTHER = str(uuid4()), str(uuid4())
ANN = Principal("k1", str(uuid4()), ACME)
BOB = Principal("k2", str(uuid4()), ACME)
ROOT = Principal("k3", str(uuid4()), ACME, roles=frozenset({"admin"}))
EVE = Principal("k4", str(uuid4()), OTHER, roles=frozenset({"admin"}))

HELLO = {"role": "user", "content": "hello"}
HI = {"role": "assistant", "content": "hi", "model": "m", "provider": "p"}
BASE = "/v1/conversations"


def read_lines(document: Mapping[str, Any]) -> Sequence[Message]:
    if not isinstance(document.get("lines"), list):
        raise InvalidRequest("there are no lines", param="conversation.lines")
    return [Message("user", (Text(line),)) for line in document["lines"]]


def write_lines(messages: Sequence[Message]) -> Mapping[str, Any]:
    return {"lines": [part.text for one in messages for part in one.parts if isinstance(part, Text)]}


class Surface:
    def __init__(self, embed_query: EmbedQuery | None = None) -> None:
        self.store = InMemoryConversations()
        formats = {"lines": Format(read_lines, write_lines)}
        self.left_behind: list[tuple[Principal, str]] = []
        router = conversations.router(
            self.store,
            formats=formats,
            embed_query=embed_query,
            left_behind=lambda *left: self.left_behind.append(left),
        )
        self.app = create_management([router])

    def of(self, principal: Principal) -> Client:
        return Client(As(self.app, principal))


@pytest.fixture
def surface() -> Surface:
    return Surface()


@pytest.fixture
def ann(surface: Surface) -> Client:
    return surface.of(ANN)


async def made(client: Client, **body: Any) -> dict[str, Any]:
    response = await client.request("POST", BASE, body)
    assert response.status == 201, response.body
    conversation: dict[str, Any] = response.json()
    return conversation


async def appended(client: Client, path: str, *messages: dict[str, Any], **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("POST", f"{path}/messages", {"messages": list(messages)}, headers=named)


async def texts(client: Client, path: str, query: str = "") -> list[str]:
    page = (await client.request("GET", f"{path}/messages{query}")).json()
    return [part["text"] for one in page["data"] for part in one["parts"]]


async def test_a_conversation_is_made_and_shown(ann: Client) -> None:
    shown = await made(ann, title="Plans", messages=[HELLO, HI], expires_at="2030-01-02T03:04:05Z")
    assert shown.pop("id")
    assert shown.pop("created_at") == shown.pop("updated_at")
    assert shown == {
        "object": "conversation",
        "user_id": ANN.user_id,
        "title": "Plans",
        "version": 1,
        "branch": 1,
        "branches": 1,
        "messages": 2,
        "model_history": [
            {"model": "m", "provider": "p", "branch": 1, "first_seq": 2, "last_seq": 2, "answers": 1}
        ],
        "cost_tracking": {
            "total": {"answers": 1, "input_tokens": 0, "output_tokens": 0, "cost_usd": "0"},
            "models": {"m": {"answers": 1, "input_tokens": 0, "output_tokens": 0, "cost_usd": "0"}},
        },
        "expires_at": "2030-01-02T03:04:05Z",
    }


async def test_making_one_with_an_id_again_returns_the_one_that_there_is(
    surface: Surface, ann: Client
) -> None:
    own = str(uuid4())
    first = await made(ann, id=own, messages=[HELLO])
    assert (await made(ann, id=own)) == first
    assert (await surface.of(BOB).request("POST", BASE, {"id": own})).status == 409


async def test_the_version_is_the_etag(ann: Client) -> None:
    path = f"{BASE}/{(await made(ann))['id']}"
    written = await appended(ann, path, HELLO, HI, if_match='"1"')
    assert (written.status, written.headers["etag"], written.json()["version"]) == (201, '"2"', 2)
    stale = await appended(ann, path, HELLO, if_match='"1"')
    assert (stale.status, stale.json()["error"]["code"]) == (409, "conflict")
    assert stale.headers["x-should-retry"] == "false"
    for tag in ('W/"2"', "2", "*"):
        version = (await ann.request("GET", path)).json()["version"]
        tag = tag.replace("2", str(version))
        changed = await ann.request("PATCH", path, {"title": tag}, headers={"if-match": tag})
        assert (changed.status, changed.headers["etag"]) == (200, f'"{version + 1}"')
    for what, method, body in (("", "PATCH", {"title": "x"}), ("", "DELETE", {}), ("/fork", "POST", {})):
        response = await ann.request(method, f"{path}{what}", body, headers={"if-match": "new"})
        assert (response.status, response.json()["error"]["param"]) == (400, "If-Match")
    assert (await ann.request("DELETE", path, headers={"if-match": '"2"'})).status == 409


@pytest.mark.parametrize("end", ["", "/messages"])
async def test_who_has_the_version_is_told_so(ann: Client, end: str) -> None:
    path = f"{BASE}/{(await made(ann, messages=[HELLO]))['id']}{end}"
    first = await ann.request("GET", path)
    assert (first.status, first.headers["etag"]) == (200, '"1"')
    same = await ann.request("GET", path, headers={"if-none-match": 'W/"0", "1"'})
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", '"1"')
    assert (await ann.request("GET", path, headers={"if-none-match": '"2"'})).status == 200


async def test_a_key_writes_once_and_says_so(ann: Client) -> None:
    path = f"{BASE}/{(await made(ann))['id']}"
    first = await appended(ann, path, HELLO, idempotency_key="k")
    again = await appended(ann, path, HELLO, idempotency_key="k")
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (await appended(ann, path, HI, idempotency_key="k")).status == 409
    assert (await appended(ann, path, HI, idempotency_key="not a key")).status == 400
    assert await texts(ann, path) == ["hello"]


async def test_messages_are_shown_as_they_are(surface: Surface, ann: Client) -> None:
    made_ = await made(ann, messages=[HELLO])
    answer = NewMessage(
        Message("assistant", (Text("hi"),)),
        Producer(model="m", provider="p", api="a", input_tokens=3, output_tokens=2, cost_pico=1_500_000),
        7,
    )
    owner = Owner(ANN.tenant_id, ANN.user_id)
    await surface.store.append(owner, made_["id"], [answer])
    response = await ann.request("GET", f"{BASE}/{made_['id']}/messages")
    page = response.json()
    MessagesOut.model_validate(page)
    assert response.headers["content-type"] == "application/json"
    assert (page["conversation_id"], page["version"], page["branch"]) == (made_["id"], 2, 1)
    first, second = page["data"]
    assert (first["parent_id"], first["producer"], first["parts"]) == (
        None,
        None,
        [{"type": "text", "text": "hello"}],
    )
    assert (second["parent_id"], second["seq"], second["role"], second["tokens"]) == (
        first["id"],
        2,
        "assistant",
        7,
    )
    assert second["producer"] == {
        "model": "m",
        "provider": "p",
        "api": "a",
        "input_tokens": 3,
        "output_tokens": 2,
        "cost_usd": "0.0000015",
    }
    assert (await ann.request("GET", f"{BASE}/{made_['id']}")).json()["cost_tracking"]["total"] == {
        "answers": 1,
        "input_tokens": 3,
        "output_tokens": 2,
        "cost_usd": "0.0000015",
    }


async def test_messages_come_in_pages_from_either_end(ann: Client) -> None:
    many = [{"role": "user", "content": str(n)} for n in range(1, 8)]
    path = f"{BASE}/{(await made(ann, messages=many))['id']}"
    for query, shown, more in [
        ("?limit=3", ["1", "2", "3"], True),
        ("?limit=3&after=3", ["4", "5", "6"], True),
        ("?limit=3&after=6", ["7"], False),
        ("?limit=3&order=desc", ["5", "6", "7"], True),
        ("?limit=3&order=desc&before=3", ["1", "2"], False),
        ("?limit=7", [str(n) for n in range(1, 8)], False),
    ]:
        page = (await ann.request("GET", f"{path}/messages{query}")).json()
        assert ([part["text"] for one in page["data"] for part in one["parts"]], page["has_more"]) == (
            shown,
            more,
        )


async def test_a_page_ends_early_where_it_would_be_very_long(ann: Client) -> None:
    path = f"{BASE}/{(await made(ann))['id']}"
    for _ in range(12):
        await appended(ann, path, {"role": "user", "content": "x" * 900_000})
    page = (await ann.request("GET", f"{path}/messages")).json()
    assert (len(page["data"]), page["has_more"]) == (10, True)
    rest = (await ann.request("GET", f"{path}/messages?after=10")).json()
    assert (len(rest["data"]), rest["has_more"]) == (2, False)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user"}, "messages.0"),
        ({"role": "user", "content": "a", "parts": []}, "messages.0"),
        ({"role": "robot", "content": "a"}, "messages.0.role"),
        ({"role": "user", "content": "a", "cost_pico": 1}, "messages.0.cost_pico"),
        ({"role": "user", "content": "a", "model": "m"}, "messages.0"),
        ({"role": "user", "parts": [{"type": "poem"}]}, "messages.0"),
        ({"role": "user", "parts": [{"type": "text", "text": 5}]}, "messages.0"),
        ({"role": "user", "parts": [{"type": "text", "text": "a", "tex": "b"}]}, "messages.0"),
        (
            {
                "role": "tool",
                "parts": [
                    {"type": "tool_result", "call_id": "c", "parts": [{"type": "text", "text": "a", "x": 1}]}
                ],
            },
            "messages.0",
        ),
        ({"role": "user", "parts": [{"type": "tool_result", "call_id": "c"}]}, "messages"),
        ({"role": "user", "content": "a", "name": "a\nb"}, "messages.0.name"),
    ],
)
async def test_a_message_that_cannot_be_is_refused(ann: Client, message: dict[str, Any], param: str) -> None:
    path = f"{BASE}/{(await made(ann))['id']}"
    response = await appended(ann, path, message)
    assert (response.status, response.json()["error"]["param"]) == (400, param)
    assert await texts(ann, path) == []


async def test_what_is_too_long_is_refused(ann: Client) -> None:
    path = f"{BASE}/{(await made(ann))['id']}"
    assert (await appended(ann, path, *[HELLO] * 501)).status == 400
    assert (await appended(ann, path)).status == 400
    long = {"role": "user", "content": "x" * MAX_MESSAGE_BYTES}
    assert (await appended(ann, path, long)).status == 413
    with pytest.raises(PayloadTooLarge, match=r"messages\.1"):
        new_messages([MessageIn.model_validate(HELLO), MessageIn.model_validate(long)])


async def test_a_fork_is_an_edit_or_another_try(surface: Surface, ann: Client) -> None:
    shown = await made(ann, messages=[HELLO, HI])
    path = f"{BASE}/{shown['id']}"
    question, answer = (await ann.request("GET", f"{path}/messages")).json()["data"]
    retry = await ann.request(
        "POST", f"{path}/fork", {"instead_of": answer["id"]}, headers={"if-match": '"1"'}
    )
    assert (retry.status, retry.headers["etag"]) == (201, '"2"')
    assert retry.json() == {"object": "conversation.written", "version": 2, "branch": 2, "message_ids": []}
    await appended(ann, path, {**HI, "content": "hey"})
    edit = {"instead_of": question["id"], "messages": [{**HELLO, "content": "Hello!"}], "select": False}
    assert (await ann.request("POST", f"{path}/fork", edit)).json()["branch"] == 3
    assert surface.left_behind == [(ANN, answer["id"]), (ANN, question["id"])]
    assert await texts(ann, path) == ["hello", "hey"]
    assert await texts(ann, path, "?branch=1") == ["hello", "hi"]
    assert await texts(ann, path, "?branch=3") == ["Hello!"]
    tree = (await ann.request("GET", path)).json()["tree"]
    assert [(b["branch"], b["parent"], b["fork_seq"]) for b in tree] == [
        (1, None, 0),
        (2, 1, 1),
        (3, None, 0),
    ]
    for body, status in [
        ({}, 400),
        ({"after": answer["id"], "instead_of": answer["id"]}, 400),
        ({"after": "x"}, 400),
        ({"after": str(uuid4())}, 404),
    ]:
        assert (await ann.request("POST", f"{path}/fork", body)).status == status
    selected = await ann.request("PATCH", path, {"branch": 3})
    assert selected.json()["branch"] == 3
    assert (await ann.request("PATCH", path, {"branch": 4})).status == 404


async def test_a_change_leaves_what_it_does_not_name(ann: Client) -> None:
    path = f"{BASE}/{(await made(ann, title='Plans'))['id']}"
    expiring = (await ann.request("PATCH", path, {"expires_at": "2030-01-01T00:00:00Z"})).json()
    assert (expiring["title"], expiring["expires_at"]) == ("Plans", "2030-01-01T00:00:00Z")
    renamed = (await ann.request("PATCH", path, {"title": ""})).json()
    assert (renamed["title"], renamed["expires_at"]) == ("", "2030-01-01T00:00:00Z")
    assert (await ann.request("PATCH", path, {"expires_at": None})).json()["expires_at"] is None
    for body in (
        {},
        {"title": "a\x00"},
        {"version": 9},
        {"user_id": BOB.user_id},
        {"expires_at": "2030-01-01"},
    ):
        assert (await ann.request("PATCH", path, body)).status == 400


async def test_what_is_deleted_is_gone(ann: Client) -> None:
    shown = await made(ann)
    path = f"{BASE}/{shown['id']}"
    gone = await ann.request("DELETE", path, headers={"if-match": '"1"'})
    assert gone.json() == {"object": "conversation.deleted", "id": shown["id"], "deleted": True}
    for method, end in (("GET", ""), ("DELETE", ""), ("GET", "/messages"), ("GET", "/export")):
        assert (await ann.request(method, f"{path}{end}")).status == 404


async def test_conversations_come_in_pages(ann: Client) -> None:
    order = [(await made(ann, messages=[HELLO, HI]))["id"] for _ in range(5)][::-1]
    first = (await ann.request("GET", f"{BASE}?limit=3")).json()
    rest = (await ann.request("GET", f"{BASE}?limit=3&after={first['next']}")).json()
    assert [c["id"] for c in (*first["data"], *rest["data"])] == order
    assert (first["has_more"], rest["has_more"], rest["next"]) == (True, False, None)
    assert len((await ann.request("GET", f"{BASE}?model=m")).json()["data"]) == 5
    assert (await ann.request("GET", f"{BASE}?model=n")).json()["data"] == []
    for query in ("after=x", "after=eA==", "after=MjAyNS0wMS0wMS94", "limit=501", "limit=0", "user=x"):
        assert (await ann.request("GET", f"{BASE}?{query}")).status == 400


async def test_who_sees_and_writes_what(surface: Surface) -> None:
    ann, root = surface.of(ANN), surface.of(ROOT)
    shown = await made(ann, messages=[HELLO, HI])
    path = f"{BASE}/{shown['id']}"
    message = (await ann.request("GET", f"{path}/messages")).json()["data"][0]["id"]
    routes: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", path, {}),
        ("GET", f"{path}/messages", {}),
        ("GET", f"{path}/export", {}),
        ("POST", f"{path}/messages", {"messages": [HELLO]}),
        ("POST", f"{path}/fork", {"after": message}),
        ("PATCH", path, {"title": "x"}),
        ("DELETE", path, {}),
    ]
    for stranger in (BOB, EVE):
        for method, route, body in routes:
            assert (await surface.of(stranger).request(method, route, body)).status == 404
    # An administrator looks, names and deletes, and speaks for nobody.
    statuses = [(await root.request(method, route, body)).status for method, route, body in routes]
    assert statuses == [200, 200, 200, 404, 404, 200, 200]
    for query in ("", "/search?q=hello"):
        assert (await root.request("GET", f"{BASE}{query}")).json()["data"] == []
        more = "&" if "?" in query else "?"
        assert (await ann.request("GET", f"{BASE}{query}{more}users=all")).status == 403
    other = await made(ann, messages=[HELLO])
    listed = (await root.request("GET", f"{BASE}?users=all")).json()["data"]
    found = (await root.request("GET", f"{BASE}/search?q=hello&users=all")).json()["data"]
    assert [c["id"] for c in listed] == [hit["conversation_id"] for hit in found] == [other["id"]]
    assert (await surface.of(EVE).request("GET", f"{BASE}?users=all")).json()["data"] == []


async def test_a_key_for_other_uses_administers_nothing(surface: Surface) -> None:
    shown = await made(surface.of(ANN))
    confined = Principal("k", ROOT.user_id, ACME, roles=ROOT.roles, scopes=frozenset({"chat"}))
    assert (await surface.of(confined).request("GET", f"{BASE}/{shown['id']}")).status == 404
    assert (await surface.of(confined).request("PUT", f"{BASE}/retention", {})).status == 403


async def test_the_tenants_policy_is_its_administrators_to_set(surface: Surface) -> None:
    root, ann = surface.of(ROOT), surface.of(ANN)
    policy = {"retention_days": 90, "grace_days": 0}
    assert (await ann.request("PUT", f"{BASE}/retention", policy)).status == 403
    shown = (await root.request("PUT", f"{BASE}/retention", policy)).json()
    assert shown == {"object": "conversation_policy", **policy}
    assert (await ann.request("GET", f"{BASE}/retention")).json() == shown
    for wrong in ({"retention_days": 0}, {"grace_days": -1}, {"days": 1}):
        assert (await root.request("PUT", f"{BASE}/retention", wrong)).status == 400


async def test_what_is_exported_can_be_imported_again(ann: Client) -> None:
    path = f"{BASE}/{(await made(ann, title='Plans', messages=[HELLO, HI]))['id']}"
    answer = (await ann.request("GET", f"{path}/messages")).json()["data"][1]
    fork = {"instead_of": answer["id"], "messages": [{**HI, "content": "hey \x00"}]}
    await ann.request("POST", f"{path}/fork", fork)
    response = await ann.request("GET", f"{path}/export")
    assert (response.status, response.headers["etag"]) == (200, '"2"')
    assert "attachment" in response.headers["content-disposition"]
    document = response.json()
    copy = await ann.request("POST", f"{BASE}/import", {"conversation": document})
    assert (copy.status, copy.json()["title"], copy.json()["branch"]) == (201, "Plans", 2)
    assert copy.json()["model_history"][0]["model"] == "m"
    again = (await ann.request("GET", f"{BASE}/{copy.json()['id']}/export")).json()
    assert again == document
    assert await texts(ann, f"{BASE}/{copy.json()['id']}") == ["hello", "hey \x00"]


async def test_other_formats_are_one_branch(ann: Client) -> None:
    body = {"format": "lines", "conversation": {"lines": ["a", "b"]}, "title": "Lines", "id": str(uuid4())}
    copy = await ann.request("POST", f"{BASE}/import", body)
    assert (copy.status, copy.json()["title"], copy.json()["id"]) == (201, "Lines", body["id"])
    path = f"{BASE}/{body['id']}"
    first = (await ann.request("GET", f"{path}/messages")).json()["data"][0]
    await ann.request(
        "POST", f"{path}/fork", {"after": first["id"], "messages": [{"role": "user", "content": "c"}]}
    )
    assert (await ann.request("GET", f"{path}/export?format=lines")).json() == {"lines": ["a", "c"]}
    assert (await ann.request("GET", f"{path}/export?format=lines&branch=1")).json() == {"lines": ["a", "b"]}
    assert (await ann.request("GET", f"{path}/export?format=tapes")).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"conversation": {}},
        {"conversation": {"branches": []}},
        {"conversation": {"format": "lines", "branches": [{}]}},
        {"conversation": {"branches": [{"parent": 1, "fork_seq": 1}]}},
        {"conversation": {"head": 2, "branches": [{}]}},
        {"conversation": {"title": "a\n", "branches": [{}]}},
        {"conversation": {"title": "\ud800", "branches": [{}]}},
        {
            "conversation": {
                "branches": [{"messages": [{"message": {"role": "user", "parts": [{"type": "?"}]}}]}]
            }
        },
        {
            "conversation": {
                "branches": [
                    {"messages": [{"message": {"role": "user", "parts": []}, "producer": {"model": "\0"}}]}
                ]
            }
        },
        {
            "conversation": {
                "branches": [
                    {
                        "messages": [
                            {"message": {"role": "user", "parts": []}, "created_at": "2025-01-01T00:00:00"}
                        ]
                    }
                ]
            }
        },
        {
            "conversation": {
                "branches": [
                    {
                        "messages": [
                            {"message": {"role": "user", "parts": [{"type": "text", "text": "\ud800"}]}}
                        ]
                    }
                ]
            }
        },
        {"format": "tapes", "conversation": {}},
        {"format": "lines", "conversation": {}},
    ],
)
async def test_what_is_no_document_is_refused(ann: Client, body: dict[str, Any]) -> None:
    assert (await ann.request("POST", f"{BASE}/import", body)).status == 400
    assert (await ann.request("GET", BASE)).json()["data"] == []


def along(axis: int) -> tuple[float, ...]:
    return tuple(float(n == axis) for n in range(DIMENSIONS))


async def sea(question: str) -> Vector:
    return Vector(along(0 if "sea" in question else 1), "e")


async def test_search_is_by_words_by_meaning_or_by_both() -> None:
    surface = Surface(sea)
    ann = surface.of(ANN)
    contents = ("waves and salt", "trains to the sea", "taxes")
    shown = await made(ann, title="Trips", messages=[{"role": "user", "content": c} for c in contents])
    page = (await ann.request("GET", f"{BASE}/{shown['id']}/messages")).json()["data"]
    for message, axis in zip(page, (0, 1, 2), strict=True):
        surface.store.embed(message["id"], [along(axis)], "e")

    async def found(query: str) -> list[int]:
        response = (await ann.request("GET", f"{BASE}/search?{query}")).json()
        return [hit["seq"] for hit in response["data"] if hit["score"] > 0]

    assert await found("q=sea") == [2]
    assert await found("q=sea&mode=semantic") == [1]
    assert sorted(await found("q=sea&mode=hybrid")) == [1, 2]
    assert await found(f"q=sea&conversation_id={uuid4()}") == []
    (hit,) = (await ann.request("GET", f"{BASE}/search?q=sea")).json()["data"]
    assert hit["snippet"] == [{"text": "trains to the ", "match": False}, {"text": "sea", "match": True}]
    assert (hit["title"], hit["conversation_id"], hit["role"]) == ("Trips", shown["id"], "user")
    for query in ("", "q=", "q=a&mode=magic", "q=a&limit=101", f"q={'x' * 1001}"):
        assert (await ann.request("GET", f"{BASE}/search?{query}")).status == 400


async def away(_: str) -> Vector:
    raise Overloaded("the encoder is away")


@pytest.mark.parametrize(("embed_query", "status"), [(None, 400), (away, 503)])
async def test_words_must_do_where_nobody_knows_what_they_mean(
    embed_query: EmbedQuery | None, status: int
) -> None:
    ann = Surface(embed_query).of(ANN)
    await made(ann, messages=[HELLO])
    hybrid = (await ann.request("GET", f"{BASE}/search?q=hello&mode=hybrid")).json()
    assert (hybrid["mode"], len(hybrid["data"])) == ("text", 1)
    assert (await ann.request("GET", f"{BASE}/search?q=hello&mode=semantic")).status == status
