"""What both sides see in a conversation: what is new, whose tools are under way, where it begins."""

from collections.abc import Sequence

import pytest

from models.chat import Image, Message, Native, Opaque, Refusal, Text, Thinking, ToolCall
from models.conversations import Fork, Histories, History, InMemoryConversations, new_conversation
from models.conversing import Noted, calls_under_way, check_storable, in_force, standing_of, unsaid
from models.errors import InvalidRequest, PayloadTooLarge
from tests.unit.context_engine.scene import ANN, BASE, CLAUDE, GPT, answer, call, message, said, user, words

SYSTEM = message("system", "Be brief.")
U1, A1 = user("Is it raining?"), message("assistant", "It is.")
U2, A2 = user("And tomorrow?"), message("assistant", "It will not.")
U3 = user("Thank you.")
YES, OK = user("yes"), message("assistant", "ok")
CALLS = message("assistant", "Let me see.", call("c1"), call("c2", arguments='{"a":1,"b":[2]}'))


async def history(messages: Sequence[Message]) -> History:
    store = InMemoryConversations()
    made = await store.create(ANN, new_conversation([said(one) for one in messages]))
    return await Histories(store).get_conversation_history(ANN, made.id)


@pytest.mark.parametrize(
    ("stored", "sent", "new"),
    [
        ([], [U1], [0]),
        ([], [SYSTEM, U1], [0, 1]),
        ([], [], []),
        ([SYSTEM, U1, A1], [U2], [0]),
        ([SYSTEM, U1, A1], [SYSTEM, U2], [1]),
        ([SYSTEM, U1, A1], [SYSTEM, U1, A1, U2], [3]),
        ([SYSTEM, U1, A1], [U1, A1, U2], [2]),
        ([U1, A1], [SYSTEM, U1, A1, U2], [0, 3]),
        ([SYSTEM, U1, A1], [message("system", "Be long."), U1, A1, U2], [0, 3]),
        ([SYSTEM, U1, A1], [message("developer", "Be brief."), U1, A1, U2], [3]),
        ([message("developer", "Be brief."), U1, A1], [SYSTEM, U2], [1]),
        ([SYSTEM, U1, A1, U2, A2], [SYSTEM, U2, A2, U3], [3]),
        ([SYSTEM, U1, A1, U2, A2], [SYSTEM, A2, U3], [2]),
        ([SYSTEM, U1, A1, U2, A2], [SYSTEM, U1, A1, U2], [3]),
        ([SYSTEM, U1, A1], [SYSTEM, U1, A1], []),
        ([SYSTEM, U1, A1], [SYSTEM], []),
        ([SYSTEM, U1, A1], [U1], [0]),
        ([U1], [U1], [0]),
        ([YES, OK], [YES], [0]),
        ([YES, OK, YES, OK], [YES], [0]),
        ([YES, OK], [YES, OK, YES], [2]),
        ([YES, OK, YES, OK], [YES, OK, YES, OK, YES], [4]),
        ([U1, CALLS], [CALLS, answer("c1"), answer("c2")], [1, 2]),
        ([U1, CALLS], [answer("c1"), answer("c2")], [0, 1]),
        ([U1, CALLS], [U1, CALLS, answer("c1"), answer("c2"), U2], [2, 3, 4]),
    ],
)
async def test_what_a_request_says_that_is_new(
    stored: list[Message], sent: list[Message], new: list[int]
) -> None:
    assert list(unsaid((await history(stored)).messages, sent)) == new


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (message("assistant", "One. ", "Two."), message("assistant", "One. Two.")),
        (message("assistant", " padded \n"), message("assistant", "padded")),
        (message("assistant", Thinking("hm"), "Yes."), message("assistant", "Yes.")),
        (
            message("assistant", Native(Opaque("anthropic", "block", "{}"), (Text("searched"),)), "Yes."),
            message("assistant", "Yes."),
        ),
        (
            message("assistant", "A", call("c1"), "B"),
            message("assistant", "AB", call("another", arguments='{ "of": "x" }')),
        ),
        (message("assistant", Refusal("No.")), message("assistant", "No.")),
        (message("assistant"), message("assistant", "")),
        (message("user", "Look:", Image(data="aGk=")), message("user", "Look:", Image(url="https://x/y"))),
    ],
    ids=["parts", "blanks", "thoughts", "native", "calls", "refusal", "empty", "picture"],
)
async def test_an_answer_is_known_however_a_client_writes_it_down(stored: Message, shown: Message) -> None:
    kept = await history([U1, A1, user("x"), stored])
    assert unsaid(kept.messages, [U1, A1, user("x"), shown, U2]) == (4,)


async def test_another_conversation_is_new_as_a_whole() -> None:
    kept = await history([SYSTEM, U1, A1])
    assert unsaid(kept.messages, [SYSTEM, U3, A2, U2]) == (1, 2, 3)


@pytest.mark.parametrize(
    ("messages", "under_way"),
    [
        ([], False),
        ([U1], False),
        ([U1, A1], False),
        ([U1, CALLS], True),
        ([U1, CALLS, answer("c1")], True),
        ([U1, CALLS, answer("c1"), answer("c2")], True),
        ([U1, CALLS, answer("c1"), answer("c2"), A1], False),
        ([U1, CALLS, U2], False),
        ([U1, CALLS, answer("c1"), U2], False),
    ],
)
async def test_tools_are_under_way_until_their_model_has_gone_on(
    messages: list[Message], under_way: bool
) -> None:
    kept = await history(messages)
    found = calls_under_way(kept.messages)
    assert (found is not None) is under_way
    assert standing_of(kept, known=BASE.models).locked_by == (GPT if under_way else None)


async def test_calls_that_no_model_of_ours_made_lock_nobody() -> None:
    store = InMemoryConversations()
    bare = said(CALLS)
    made = await store.create(ANN, new_conversation([said(U1), type(bare)(CALLS)]))
    standing = standing_of(await Histories(store).get_conversation_history(ANN, made.id), known=BASE.models)
    assert (standing.locked_by, standing.model_id) == (None, None)


async def test_who_goes_on_is_who_answered_last_in_this_branch_or_whom_it_was_switched_to() -> None:
    store = InMemoryConversations()
    histories = Histories(store)
    made = await store.create(ANN, new_conversation([said(U1), said(A1, by=GPT)]))
    first = (await store.path(made))[0]
    await store.fork(ANN, made.id, Fork(instead_of=first.id), [said(U2), said(A2, by=CLAUDE)])

    async def next_of(branch: int) -> str | None:
        read = await histories.get_conversation_history(ANN, made.id, branch=branch)
        return standing_of(read, known=BASE.models).model_id

    last = (await store.path(await store.get(ANN, made.id), 1))[-1]
    await store.fork(ANN, made.id, Fork(after=last.id))
    assert [await next_of(branch) for branch in (1, 2, 3)] == [GPT, CLAUDE, GPT]
    await store.note(ANN, made.id, {"model_id": "gpt-5.5"})
    assert [await next_of(branch) for branch in (1, 2, 3)] == ["gpt-5.5"] * 3
    await store.note(ANN, made.id, {"model_id": "gone-since"})
    assert [await next_of(branch) for branch in (1, 2, 3)] == [GPT, CLAUDE, GPT]


async def test_a_fork_begins_where_its_origin_does_unless_it_goes_back_behind_that() -> None:
    store = InMemoryConversations()
    histories = Histories(store)
    made = await store.create(ANN, new_conversation([said(one) for one in (SYSTEM, U1, A1, U2, A2)]))
    path = await store.path(made)
    await store.note(ANN, made.id, {"begins_after": {"1": 3}})
    for fork in (Fork(after=path[4].id), Fork(after=path[2].id), Fork(after=path[1].id)):
        await store.fork(ANN, made.id, fork, [said(U3)])

    async def sent(branch: int) -> list[str]:
        read = await histories.get_conversation_history(ANN, made.id, branch=branch)
        return words(in_force(read, Noted.of(read).begins_after))

    assert await sent(1) == words([SYSTEM, U2, A2])
    assert await sent(2) == words([SYSTEM, U2, A2, U3])
    assert await sent(3) == words([SYSTEM, U3])
    assert await sent(4) == words([SYSTEM, U1, U3])


async def test_notes_of_one_branch_leave_those_of_others() -> None:
    store = InMemoryConversations()
    made = await store.create(ANN, new_conversation([said(U1), said(A1)]))
    await store.note(ANN, made.id, {"begins_after": {"7": 4}, "summary": {"7": {"through": 1, "text": "t"}}})
    noted = Noted.of(await Histories(store).get_conversation_history(ANN, made.id))
    assert (noted.begins_after, noted.summary) == (0, None)
    assert noted.beginning_after(2) == {"begins_after": {"7": 4, "1": 2}}
    assert noted.summarised("s", through=2)["summary"].keys() == {"7", "1"}


@pytest.mark.parametrize(
    ("new", "error"),
    [
        ([user("half \ud83d of it")], InvalidRequest),
        ([message("assistant", ToolCall("c", "f", '{"a":"\udc00"}'))], InvalidRequest),
        ([message("tool", "no result")], InvalidRequest),
        ([user("x" * (16 * 1024 * 1024))], PayloadTooLarge),
        ([user("x" * (13 * 1024 * 1024))] * 4, PayloadTooLarge),
        ([U1] * 20_000, PayloadTooLarge),
    ],
    ids=["half a character", "in arguments", "parts", "message", "conversation", "messages"],
)
async def test_what_could_not_be_kept_is_refused(new: list[Message], error: type[Exception]) -> None:
    kept = await history([])
    check_storable(kept.conversation, [U1, A1, U2])
    with pytest.raises(error) as caught:
        check_storable(kept.conversation, new)
    assert caught.type is error
    assert getattr(caught.value, "param", "") == "messages"
