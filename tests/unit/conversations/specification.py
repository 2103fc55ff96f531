"""What every store of conversations does: a table of behaviours, run against each of them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from models.chat import (
    File,
    Image,
    Message,
    Native,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.conversations import (
    Change,
    Conversation,
    ConversationStore,
    Fork,
    NewConversation,
    NewMessage,
    Owner,
    Place,
    Policy,
    Producer,
    Sought,
    StoredMessage,
    new_conversation,
)
from models.conversations.planting import Given, NewBranch
from models.conversations.store import MAX_METADATA_BYTES
from models.conversations.writing import MAX_MESSAGE_BYTES
from models.errors import Conflict, InvalidRequest, NotFound, PayloadTooLarge, PolyvoxError


def said(text: str, role: Role = "user", *, model: str = "", **took: Any) -> NewMessage:
    producer = Producer(model=model, provider="p", api="a", **took) if model else None
    return NewMessage(Message(role, (Text(text),)), producer)


def turn(text: str, *, model: str = "m") -> list[NewMessage]:
    return [said(text), said(f"re: {text}", "assistant", model=model)]


def texts(path: Sequence[StoredMessage]) -> list[str]:
    return [part.text for one in path for part in one.message.parts if isinstance(part, Text)]


class Case:
    """A store and the people of it; a subclass for each kind of store says how they are made."""

    @pytest.fixture
    async def store(self) -> ConversationStore:
        raise NotImplementedError

    @pytest.fixture
    async def people(self) -> dict[str, Owner]:
        """`ann` and `bob` of one tenant, `eve` of another, and `root`, who administers the first."""
        raise NotImplementedError

    @pytest.fixture
    def ann(self, people: dict[str, Owner]) -> Owner:
        return people["ann"]

    async def read(
        self, store: ConversationStore, owner: Owner, of: str, branch: int | None = None
    ) -> list[str]:
        return texts(await store.path(await store.get(owner, of), branch))


class Specification(Case):
    async def test_a_new_conversation_is_what_was_asked_for(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        made = await store.create(ann, new_conversation(title="Plans", expires_at=later))
        assert (made.title, made.expires_at, made.version, made.head) == ("Plans", later, 1, 1)
        assert (made.tenant_id, made.user_id, made.messages) == (ann.tenant_id, ann.user_id, 0)
        assert await store.get(ann, made.id) == made
        assert await store.path(made) == []

    async def test_making_one_again_changes_nothing(
        self, store: ConversationStore, people: dict[str, Owner]
    ) -> None:
        new = new_conversation(turn("hello"))
        made = await store.create(people["ann"], new)
        await store.append(people["ann"], made.id, turn("more"))
        again = await store.create(people["ann"], replace(new, title="Another"))
        assert (again.version, again.messages, again.title) == (2, 4, "hello")
        for other in ("bob", "eve"):
            with pytest.raises(Conflict):
                await store.create(people[other], new)

    async def test_what_is_appended_comes_in_order_and_whole(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation([said("be brief", "system")]))
        written = await store.append(ann, made.id, turn("hello"))
        assert (written.version, written.branch, written.replayed) == (2, 1, False)
        path = await store.path(await store.get(ann, made.id))
        assert texts(path) == ["be brief", "hello", "re: hello"]
        assert [one.seq for one in path] == [1, 2, 3]
        assert [one.parent_id for one in path] == [None, path[0].id, path[1].id]
        assert [one.version for one in path] == [1, 2, 2]
        assert tuple(one.id for one in path[1:]) == written.message_ids
        assert all(one.tokens > 0 and one.bytes > 0 for one in path)
        assert path[0].created_at <= path[1].created_at == path[2].created_at

    @pytest.mark.parametrize(
        "message",
        [
            Message(
                "user", (Text("nul \0, tab \t, line\u2028, \U0001f600, \u202ertl", cache="1h"),), name="ann"
            ),
            Message("user", ()),
            Message("user", (Image(data="aGk=", media_type="image/png"), File(url="https://x/y.pdf"))),
            Message(
                "assistant",
                (
                    Thinking("hm", opaque=(Opaque("anthropic", "signature", "c2ln\0"),)),
                    ToolCall("call_1", "look", '{"q": "\\u0000", "n": 1.00}'),
                    Native(Opaque("anthropic", "web_search", '{"a": [1, {"b": null}]}'), (Text("found"),)),
                    Refusal("no"),
                ),
                opaque=(Opaque("google", "rest", "{}"),),
            ),
            Message("tool", (ToolResult("call_1", (Text(""), Image(url="https://x")), is_error=True),)),
        ],
        ids=["text", "nothing", "media", "private", "result"],
    )
    async def test_a_message_comes_back_as_it_was(
        self, store: ConversationStore, ann: Owner, message: Message
    ) -> None:
        producer = Producer(model="m", provider="p", api="a", account="k", request_id="r", cost_pico=2**60)
        made = await store.create(ann, new_conversation())
        await store.append(ann, made.id, [NewMessage(message, producer, 17)])
        (one,) = await store.path(await store.get(ann, made.id))
        assert (one.message, one.producer, one.tokens) == (message, producer, 17)

    @pytest.mark.parametrize(
        ("message", "error"),
        [
            (Message("user", (ToolResult("c"),)), InvalidRequest),
            (Message("assistant", (ToolResult("c"),)), InvalidRequest),
            (Message("tool", (Text("t"),)), InvalidRequest),
            (Message("user", (Text("\ud800"),)), InvalidRequest),
            (Message("user", (Text("x" * MAX_MESSAGE_BYTES),)), PayloadTooLarge),
        ],
        ids=["result of a user", "result of a model", "text of a tool", "half a character", "too long"],
    )
    async def test_what_cannot_be_kept_is_refused(
        self, store: ConversationStore, ann: Owner, message: Message, error: type[PolyvoxError]
    ) -> None:
        made = await store.create(ann, new_conversation())
        with pytest.raises(error):
            await store.append(ann, made.id, [said("before"), NewMessage(message)])
        assert await store.get(ann, made.id) == made

    async def test_there_must_be_something_to_append(self, store: ConversationStore, ann: Owner) -> None:
        made = await store.create(ann, new_conversation())
        with pytest.raises(InvalidRequest):
            await store.append(ann, made.id, [])

    async def test_a_write_may_expect_a_version(self, store: ConversationStore, ann: Owner) -> None:
        made = await store.create(ann, new_conversation(turn("a")))
        await store.append(ann, made.id, turn("b"), expected_version=1)
        (first, *_) = await store.path(made)
        with pytest.raises(Conflict, match="version 2, not at 1"):
            await store.append(ann, made.id, turn("c"), expected_version=1)
        with pytest.raises(Conflict):
            await store.fork(ann, made.id, Fork(instead_of=first.id), expected_version=1)
        with pytest.raises(Conflict):
            await store.change(ann, made.id, Change(title="T"), expected_version=1)
        with pytest.raises(Conflict):
            await store.delete(ann, made.id, expected_version=1)
        assert await self.read(store, ann, made.id) == ["a", "re: a", "b", "re: b"]

    async def test_without_one_both_of_two_writers_are_kept(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation())
        await asyncio.gather(*(store.append(ann, made.id, turn(str(n))) for n in range(6)))
        path = await store.path(await store.get(ann, made.id))
        assert [one.seq for one in path] == list(range(1, 13))
        said_by_user = texts(path)[::2]
        assert sorted(said_by_user) == [str(n) for n in range(6)]
        assert texts(path)[1::2] == [f"re: {text}" for text in said_by_user]

    async def test_a_key_writes_once(self, store: ConversationStore, ann: Owner) -> None:
        made = await store.create(ann, new_conversation())
        first = await store.append(ann, made.id, turn("a"), key="k", expected_version=1)
        await store.append(ann, made.id, turn("b"))
        again = await store.append(ann, made.id, turn("a"), key="k", expected_version=1)
        assert again == replace(first, replayed=True)
        for messages, branch in ((turn("other"), None), (turn("a"), 1)):
            with pytest.raises(Conflict):
                await store.append(ann, made.id, messages, branch=branch, key="k")
        assert await self.read(store, ann, made.id) == ["a", "re: a", "b", "re: b"]
        other = await store.create(ann, new_conversation())
        assert not (await store.append(ann, other.id, turn("c"), key="k")).replayed

    async def test_a_key_forks_once(self, store: ConversationStore, ann: Owner) -> None:
        made = await store.create(ann, new_conversation(turn("a")))
        (question, answer) = await store.path(made)
        for at, messages in ((Fork(instead_of=answer.id), []), (Fork(instead_of=question.id), turn("A"))):
            first = await store.fork(ann, made.id, at, messages, key=f"k{len(messages)}")
            again = await store.fork(ann, made.id, at, messages, key=f"k{len(messages)}")
            assert again == replace(first, replayed=True)
            assert len(first.message_ids) == len(messages)
        assert (await store.get(ann, made.id)).branches == 3

    async def test_an_edit_is_a_branch_and_what_was_said_stays(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation([*turn("a"), *turn("b"), *turn("c")]))
        path = await store.path(made)
        edit = await store.fork(ann, made.id, Fork(instead_of=path[2].id), turn("B"))
        now = await store.get(ann, made.id)
        assert (edit.branch, now.head, now.version) == (2, 2, 2)
        assert texts(await store.path(now)) == ["a", "re: a", "B", "re: B"]
        assert texts(await store.path(now, 1)) == ["a", "re: a", "b", "re: b", "c", "re: c"]
        edited = await store.path(now)
        assert [one.seq for one in edited] == [1, 2, 3, 4]
        assert edited[2].parent_id == path[1].id
        # An edit of the very first message shares nothing with what there was.
        await store.fork(ann, made.id, Fork(instead_of=path[0].id), turn("A"))
        assert await self.read(store, ann, made.id) == ["A", "re: A"]

    async def test_another_answer_is_a_sibling_that_goes_on_by_itself(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation(turn("a")))
        answer = (await store.path(made))[1]
        retried = await store.fork(ann, made.id, Fork(instead_of=answer.id))
        assert await self.read(store, ann, made.id) == ["a"]
        await store.append(ann, made.id, [said("again", "assistant", model="n")])
        await store.append(ann, made.id, turn("b"))
        await store.append(ann, made.id, turn("other"), branch=1)
        assert await self.read(store, ann, made.id, retried.branch) == ["a", "again", "b", "re: b"]
        assert await self.read(store, ann, made.id, 1) == ["a", "re: a", "other", "re: other"]

    async def test_branches_of_branches_have_their_own_paths(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation([*turn("a"), *turn("b")]))
        first = await store.path(made)
        await store.fork(ann, made.id, Fork(after=first[1].id), turn("c"))
        second = await store.path(await store.get(ann, made.id))
        # At a message of the second branch, and at one that the second has from the first.
        await store.fork(ann, made.id, Fork(instead_of=second[3].id), [said("d", "assistant")])
        await store.fork(ann, made.id, Fork(after=second[0].id, select=False), turn("e"))
        now = await store.get(ann, made.id)
        assert now.head == 3
        assert [texts(await store.path(now, n)) for n in (1, 2, 3, 4)] == [
            ["a", "re: a", "b", "re: b"],
            ["a", "re: a", "c", "re: c"],
            ["a", "re: a", "c", "d"],
            ["a", "e", "re: e"],
        ]
        branches = await store.branches(now)
        assert [(one.branch, one.parent, one.fork_seq) for one in branches] == [
            (1, None, 0),
            (2, 1, 2),
            (3, 2, 3),
            (4, 1, 1),
        ]
        assert [(one.branch, one.seq) for one in await store.messages(now)] == [
            *((1, n) for n in (1, 2, 3, 4)),
            *((2, n) for n in (3, 4)),
            (3, 4),
            *((4, n) for n in (2, 3)),
        ]

    async def test_a_fork_is_at_a_message_of_the_conversation(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation(turn("a")))
        other = await store.create(ann, new_conversation(turn("b")))
        foreign = (await store.path(other))[0]
        for fork in (Fork(after=str(uuid4())), Fork(instead_of=foreign.id)):
            with pytest.raises(NotFound):
                await store.fork(ann, made.id, fork)
        for fork in (Fork(), Fork(after=foreign.id, instead_of=foreign.id)):
            with pytest.raises(InvalidRequest):
                await store.fork(ann, made.id, fork)
        for branch in (0, 2):
            with pytest.raises(NotFound):
                await store.append(ann, made.id, turn("c"), branch=branch)
            with pytest.raises(NotFound):
                await store.path(made, branch)
            with pytest.raises(NotFound):
                await store.change(ann, made.id, Change(head=branch))
        assert await store.get(ann, made.id) == made

    @pytest.mark.parametrize("name", ["", "my chat", "\0", "x" * 5_000, str(uuid4()).upper(), uuid4().hex])
    async def test_what_is_no_id_names_nothing(self, store: ConversationStore, ann: Owner, name: str) -> None:
        made = await store.create(ann, new_conversation(turn("a")))
        for nothing in (
            store.get(ann, name),
            store.append(ann, name, turn("b")),
            store.change(ann, name, Change(title="T")),
            store.note(ann, name, {}),
            store.delete(ann, name),
            store.fork(ann, made.id, Fork(after=name)),
        ):
            with pytest.raises(NotFound):
                await nothing
        with pytest.raises(InvalidRequest):
            await store.create(ann, NewConversation(id=name))
        assert await store.search(ann, Sought(words="a", conversation_id=name)) == []

    async def test_a_branch_can_be_selected_and_a_title_given(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation(turn("a")))
        first = (await store.path(made))[0]
        await store.fork(ann, made.id, Fork(instead_of=first.id), turn("A"))
        later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        changed = await store.change(ann, made.id, Change(head=1, title="Plans"))
        assert (changed.head, changed.title, changed.expires_at, changed.version) == (1, "Plans", None, 3)
        assert (await store.change(ann, made.id, Change(expires_at=later))).expires_at == later
        unset = await store.change(ann, made.id, Change(expires_at=None), expected_version=4)
        assert (unset.expires_at, unset.title, unset.version) == (None, "Plans", 5)
        assert await store.get(ann, made.id) == unset
        assert await self.read(store, ann, made.id) == ["a", "re: a"]

    async def test_a_conversation_without_a_title_takes_the_first_words_of_its_user(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation([said("be brief", "system")]))
        assert made.title == ""
        await store.append(ann, made.id, turn("  What is\n the \0 best " + "very " * 30 + "long question?"))
        title = (await store.get(ann, made.id)).title
        assert title.startswith("What is the best very very")
        assert title.endswith("…")
        assert len(title) <= 80

    async def test_a_page_of_a_history_is_bounded_in_number_and_bytes(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = await store.create(ann, new_conversation([said(str(n)) for n in range(1, 11)]))
        assert texts(await store.path(made, limit=3)) == ["1", "2", "3"]
        assert texts(await store.path(made, after=3, limit=2)) == ["4", "5"]
        assert texts(await store.path(made, newest_first=True, limit=3)) == ["8", "9", "10"]
        assert texts(await store.path(made, newest_first=True, before=8, limit=2)) == ["6", "7"]
        assert texts(await store.path(made, after=2, before=6)) == ["3", "4", "5"]
        size = (await store.path(made, limit=1))[0].bytes
        assert texts(await store.path(made, max_bytes=2 * size + 1)) == ["1", "2", "3"]
        assert texts(await store.path(made, newest_first=True, max_bytes=1)) == ["10"]

    async def test_a_path_is_of_the_version_that_it_is_asked_for(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        before = await store.create(ann, new_conversation(turn("a")))
        await store.append(ann, before.id, turn("b"))
        assert texts(await store.path(before)) == ["a", "re: a"]
        assert len(await store.messages(before)) == 2

    async def test_answers_are_accounted_for(self, store: ConversationStore, ann: Owner) -> None:
        made = await store.create(ann, new_conversation())
        big = 2**62
        for model, cost in (("m", big), ("m", big), ("n", 5)):
            answer = said("x", "assistant", model=model, input_tokens=10, output_tokens=2, cost_pico=cost)
            await store.append(ann, made.id, [said("?"), answer])
        now = await store.get(ann, made.id)
        runs = [
            (run.model, run.provider, run.first_seq, run.last_seq, run.answers) for run in now.model_history
        ]
        assert runs == [("m", "p", 2, 4, 2), ("n", "p", 6, 6, 1)]
        total, models = now.cost_tracking.total, now.cost_tracking.models
        assert (total.answers, total.input_tokens, total.output_tokens) == (3, 30, 6)
        assert total.cost_pico == str(2 * big + 5)
        assert {name: spent.cost_pico for name, spent in models.items()} == {"m": str(2 * big), "n": "5"}

    async def test_metadata_are_laid_over_each_other(self, store: ConversationStore, ann: Owner) -> None:
        made = await store.create(ann, new_conversation())
        await store.note(ann, made.id, {"summary": {"to": 3}, "kept": "nul \0"})
        await store.note(ann, made.id, {"summary": {"to": 4}})
        now = await store.get(ann, made.id)
        assert (now.context_metadata, now.version) == ({"summary": {"to": 4}, "kept": "nul \ufffd"}, 1)
        with pytest.raises(PayloadTooLarge):
            await store.note(ann, made.id, {"much": "x" * MAX_METADATA_BYTES})
        with pytest.raises(NotFound):
            await store.note(ann, str(uuid4()), {})
        assert await store.get(ann, made.id) == now

    async def test_who_sees_what(self, store: ConversationStore, people: dict[str, Owner]) -> None:
        made = await store.create(people["ann"], new_conversation(turn("secret plans")))
        first = (await store.path(made))[0]
        assert await store.get(people["root"], made.id) == made
        for name in ("bob", "eve"):
            other = people[name]
            for denied in (
                store.get(other, made.id),
                store.append(other, made.id, turn("x")),
                store.fork(other, made.id, Fork(after=first.id)),
                store.change(other, made.id, Change(title="x")),
                store.note(other, made.id, {"x": 1}),
                store.delete(other, made.id),
            ):
                with pytest.raises(NotFound):
                    await denied
            assert await store.page(other, limit=10) == []
            assert await store.search(other, Sought(words="secret")) == []
        assert await store.get(people["ann"], made.id) == made
        assert [c.id for c in await store.page(people["root"], limit=10)] == [made.id]
        assert len(await store.search(people["root"], Sought(words="secret"))) == 2

    async def test_pages_of_conversations_are_newest_first(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        made = [await store.create(ann, new_conversation(turn("x", model=f"m{n % 2}"))) for n in range(5)]
        await store.append(ann, made[1].id, turn("again", model="m1"))
        order = [made[n].id for n in (1, 4, 3, 2, 0)]
        first = await store.page(ann, limit=3)
        rest = await store.page(ann, after=_place(first[-1]), limit=3)
        assert [c.id for c in (*first, *rest)] == order
        of_model = await store.page(ann, model="m1", limit=10)
        assert [c.id for c in of_model] == [made[n].id for n in (1, 3)]
        assert await store.page(ann, model="none", limit=10) == []

    async def test_what_is_deleted_is_gone(self, store: ConversationStore, ann: Owner) -> None:
        made = await store.create(ann, new_conversation(turn("hello")))
        kept = await store.create(ann, new_conversation(turn("hello")))
        await store.delete(ann, made.id, expected_version=1)
        for gone in (
            store.get(ann, made.id),
            store.append(ann, made.id, turn("x")),
            store.delete(ann, made.id),
        ):
            with pytest.raises(NotFound):
                await gone
        assert [c.id for c in await store.page(ann, limit=10)] == [kept.id]
        assert {hit.conversation_id for hit in await store.search(ann, Sought(words="hello"))} == {kept.id}
        with pytest.raises(Conflict):
            await store.create(ann, new_conversation(id=made.id))

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            ("budget", {"budget for travel", "budget budget"}),
            ("Budget TRAVEL", {"budget for travel"}),
            ("budget -travel", {"budget budget"}),
            ('"for travel"', {"budget for travel"}),
            ('"travel budget"', set()),
            ("nothing", set()),
            ("'); DROP TABLE messages; --", set()),
        ],
    )
    async def test_words_are_searched_for(
        self, store: ConversationStore, ann: Owner, words: str, found: set[str]
    ) -> None:
        for text in ("budget for travel", "budget budget", "weather"):
            await store.create(ann, new_conversation([said(text)]))
        hits = await store.search(ann, Sought(words=words))
        assert {"".join(part.text for part in hit.snippet) for hit in hits} == found

    async def test_what_says_it_more_comes_first_and_says_where(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        rather = await store.create(ann, new_conversation([said("the budget, once more the budget")]))
        rarely = await store.create(
            ann, new_conversation([said("a long text about trains and the sea and a budget")], title="Sea")
        )
        best, other = await store.search(ann, Sought(words="budget"))
        assert (best.conversation_id, other.conversation_id) == (rather.id, rarely.id)
        assert best.score > other.score > 0
        assert (other.title, other.seq, other.branch, other.role) == ("Sea", 1, 1, "user")
        assert [part.text for part in best.snippet if part.match] == ["budget", "budget"]
        only = await store.search(ann, Sought(words="budget", limit=1))
        confined = await store.search(ann, Sought(words="budget", conversation_id=rarely.id))
        assert ([hit.conversation_id for hit in only], len(confined)) == ([rather.id], 1)

    async def test_what_tools_said_is_found_and_what_models_thought_is_not(
        self, store: ConversationStore, ann: Owner
    ) -> None:
        parts: tuple[Part, ...] = (Thinking("ponder"), ToolCall("c", "lookup", '{"city": "Oslo"}'))
        result = Message("tool", (ToolResult("c", (Text("snowing"),)),))
        await store.create(
            ann, new_conversation([NewMessage(Message("assistant", parts)), NewMessage(result)])
        )
        found = {w: len(await store.search(ann, Sought(words=w))) for w in ("ponder", "Oslo", "snowing")}
        assert found == {"ponder": 0, "Oslo": 1, "snowing": 1}

    async def test_a_tenant_has_a_policy(self, store: ConversationStore, people: dict[str, Owner]) -> None:
        tenant = people["ann"].tenant_id
        assert await store.policy(tenant) == Policy(retention_days=None, grace_days=30)
        for policy in (Policy(retention_days=90, grace_days=7), Policy(grace_days=0)):
            assert await store.set_policy(tenant, policy) == await store.policy(tenant) == policy
        assert (await store.policy(people["eve"].tenant_id)) == Policy()

    async def test_a_whole_tree_can_be_planted(self, store: ConversationStore, ann: Owner) -> None:
        old = datetime(2025, 1, 2, 3, tzinfo=UTC)
        coming = datetime.now(UTC) + timedelta(days=3)
        first = tuple(Given(one, old) for one in turn("a"))
        second = (Given(said("again", "assistant", model="n"), coming),)
        new = NewConversation(
            id=str(uuid4()),
            head=2,
            branches=(NewBranch(messages=first), NewBranch(parent=1, fork_seq=1, messages=second)),
        )
        made = await store.create(ann, new)
        path = await store.path(made)
        assert (texts(path), made.head, made.branches, made.messages) == (["a", "again"], 2, 2, 3)
        assert path[0].created_at == old
        assert path[1].created_at == made.created_at
        assert path[1].parent_id == path[0].id

    @pytest.mark.parametrize(
        "branches",
        [
            (NewBranch(parent=1, fork_seq=1),),
            (NewBranch(), NewBranch(parent=1, fork_seq=1)),
            (NewBranch(messages=(Given(said("a")),)), NewBranch(parent=1)),
            (NewBranch(messages=(Given(said("a")),)), NewBranch(fork_seq=1)),
            (NewBranch(), NewBranch(parent=3)),
            (),
        ],
    )
    async def test_what_is_no_tree_is_not_planted(
        self, store: ConversationStore, ann: Owner, branches: tuple[NewBranch, ...]
    ) -> None:
        with pytest.raises(InvalidRequest):
            await store.create(ann, NewConversation(id=str(uuid4()), branches=branches))
        assert await store.page(ann, limit=10) == []


def _place(conversation: Conversation) -> Place:
    return Place(conversation.updated_at, conversation.id)
