"""T-2: two requests have one name if and only if they are the same, to the letter, and of the same user."""

import random
from copy import deepcopy
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.caching import CacheKeys, Owner
from models.chat import ChatRequest, Message, ResponseFormat, Text, Tool
from models.dialects import openai_chat
from models.routing.constraints import Constraints
from models.routing.policies import RoutingPolicy
from models.sealing import framed

KEYS = CacheKeys(b"secret")
ANN = Owner("t", "ann")
FREE = RoutingPolicy()

# Values that are easily taken for each other.
WORDS = st.sampled_from(["", "a", "b", "ab", "1", "1.0", "null", "é", "é", "A", "a\0", "a ", "\\u0061", "[]"])
VALUES = st.recursive(
    WORDS | st.sampled_from([0, 1, -1, 1.0, 0.0, -0.0, True, False, None, 2**53, float(2**53), 1e-7]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["system", "user", "assistant"]),
        st.lists(st.builds(Text, WORDS), min_size=1, max_size=2).map(tuple),
        name=WORDS,
    ),
    min_size=1,
    max_size=3,
).map(tuple)
REQUESTS = st.builds(
    ChatRequest,
    model=WORDS,
    messages=MESSAGES,
    stop=st.lists(WORDS, max_size=2).map(tuple),
    temperature=st.sampled_from([None, 0.0, 1.0, 0.1]),
    max_tokens=st.sampled_from([None, 1, 10]),
    seed=st.sampled_from([None, 0, 1]),
    end_user=WORDS,
    response_format=st.none()
    | st.builds(ResponseFormat, st.just("json_schema"), schema=st.dictionaries(WORDS, VALUES, max_size=2)),
    provider_options=st.dictionaries(WORDS, st.dictionaries(WORDS, VALUES, max_size=2), max_size=2),
)
ASKED = st.tuples(
    st.builds(Owner, WORDS, WORDS),
    REQUESTS,
    WORDS,
    st.sampled_from([FREE, RoutingPolicy(exploration=0.0), RoutingPolicy(constraints=Constraints())]),
)


def name(asked: tuple[Owner, ChatRequest, str, RoutingPolicy]) -> str:
    owner, request, snapshot, policy = asked
    found = KEYS.name(owner, request, snapshot=snapshot, policy=policy)
    assert found is not None
    return found


def strictly(value: Any) -> Any:
    """A value that is equal to another one's only if both are the same, of the same types."""
    if isinstance(value, msgspec.Struct):
        fields = [(field, strictly(getattr(value, field))) for field in value.__struct_fields__]
        return (type(value).__name__, *fields)
    if isinstance(value, dict):
        return ("dict", *sorted((repr(key), strictly(one)) for key, one in value.items()))
    if isinstance(value, list | tuple | frozenset | set):
        return ("list", *(strictly(one) for one in value))
    return type(value).__name__, repr(value)


@given(ASKED, ASKED)
def test_t2_one_name_means_the_same_request(one: Any, other: Any) -> None:
    assert (name(one) == name(other)) == (strictly(list(one)) == strictly(list(other)))


@given(ASKED, st.randoms(use_true_random=False))
def test_t2_the_same_request_has_one_name_whatever_the_order_of_its_fields(
    asked: Any, dice: random.Random
) -> None:
    owner, request, snapshot, policy = asked

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, shuffled(one)) for key, one in value.items()]
            dice.shuffle(items)
            return dict(items)
        return [shuffled(one) for one in value] if isinstance(value, list) else deepcopy(value)

    again = replace(request, provider_options=shuffled(request.provider_options), stream=True)
    assert name((owner, again, snapshot, policy)) == name(asked)


@given(ASKED, st.data())
def test_t2_one_change_anywhere_is_another_name(asked: Any, data: st.DataObject) -> None:
    owner, request, snapshot, policy = asked
    at = data.draw(st.integers(0, len(request.messages) - 1))
    message = request.messages[at]
    longer = replace(message, parts=(*message.parts, Text("")))
    renamed = replace(message, name=message.name + "x")
    changed = [
        (Owner(owner.tenant_id + "x", owner.user_id), request, snapshot, policy),
        (Owner(owner.tenant_id, owner.user_id + "x"), request, snapshot, policy),
        (owner, request, snapshot + "x", policy),
        (owner, request, snapshot, RoutingPolicy(exploration=0.01)),
        *(
            (owner, replace(request, messages=_with(request.messages, at, one)), snapshot, policy)
            for one in (longer, renamed)
        ),
        (owner, replace(request, messages=(*request.messages, message)), snapshot, policy),
        (owner, replace(request, top_p=0.5), snapshot, policy),
        (owner, replace(request, tools=(Tool("f"),)), snapshot, policy),
    ]
    names = [name(one) for one in (asked, *changed)]
    assert len(set(names)) == len(names)


def _with(messages: tuple[Message, ...], at: int, message: Message) -> tuple[Message, ...]:
    return (*messages[:at], message, *messages[at + 1 :])


def test_t2_a_boundary_that_moves_is_another_name() -> None:
    request = ChatRequest(model="m", messages=())
    owners = [Owner("ab", "c"), Owner("a", "bc"), Owner("abc", ""), Owner("", "abc")]
    assert len({name((owner, request, "", FREE)) for owner in owners}) == 4
    assert framed(b"a", b"b") != framed(b"ab", b"") != framed(b"ab")


def test_t2_what_is_left_out_is_null_and_two_notations_of_a_number_are_one() -> None:
    """As they come over HTTP: a temperature is a number, `1` and `1.0` of it the same; a schema's are not."""

    def named(fields: str) -> str:
        body = '{"model": "m", "messages": [{"role": "user", "content": "hi"}]' + fields + "}"
        return name((ANN, openai_chat.decode(body.encode()).request, "", FREE))

    assert named("") == named(', "temperature": null') == named(', "stream": true')
    assert named(', "temperature": 1') == named(', "temperature": 1.0') != named("")
    schemas = [
        ', "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"maximum": X}}}'
    ]
    values = ("1", "1.0", '"1"', "true", "null")
    assert len({named(schema.replace("X", value)) for schema in schemas for value in values}) == 5


def test_a_name_says_nothing_and_is_a_whole_digest() -> None:
    request = ChatRequest(model="m", messages=(Message("user", (Text("hi"),)),))
    known = name((ANN, request, "", FREE))
    prefix, _, digest = known.rpartition(":")
    assert (prefix, len(bytes.fromhex(digest))) == ("model:response", 32)
    other = CacheKeys(b"another secret").name(ANN, request, snapshot="", policy=FREE)
    assert other != known


def test_what_cannot_be_written_down_has_no_name() -> None:
    for odd in (2**70, "\ud800"):
        request = ChatRequest(model="m", messages=(), provider_options={"p": {"o": odd}})
        assert KEYS.name(ANN, request, snapshot="", policy=FREE) is None


def question(*texts: str, **fields: Any) -> Any:
    roles = ["user", "assistant"] * len(texts)
    messages = tuple(Message(role, (Text(text),)) for role, text in zip(roles, texts, strict=False))  # type: ignore[arg-type]
    request = ChatRequest(model="m", messages=messages, **fields)
    return KEYS.question(ANN, request, snapshot="", policy=FREE)


def test_questions_in_one_scope_differ_in_their_words_alone() -> None:
    one, other = question("Why?"), question(" Why not? ")
    assert one.scope == other.scope
    assert (one.name != other.name, one.text, other.text) == (True, "Why?", "Why not?")
    scopes = [
        one.scope,
        question("Why?", temperature=0.5).scope,
        question("Hi", "Hello", "Why?").scope,
        question("Ho", "Hello", "Why?").scope,
    ]
    assert len(set(scopes)) == 4


def test_what_is_no_short_question_has_no_scope() -> None:
    assert question("Hi", "Hello") is None
    assert question("   ") is None
    assert question("x" * 601) is None
    assert question("Why?", tools=(Tool("f"),)) is None
    two = ChatRequest(model="m", messages=(Message("user", (Text("a"), Text("b"))),))
    marked = ChatRequest(model="m", messages=(Message("user", (Text("a", cache="5m"),)),))
    for request in (two, marked):
        assert KEYS.question(ANN, request, snapshot="", policy=FREE) is None
