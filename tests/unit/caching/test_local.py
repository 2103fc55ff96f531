"""What a process keeps of the answers that it gave: whose, how much, how long."""

from models.caching import Cached, Invalidation, LocalAnswers, Owner
from models.chat import ChatResponse, Text, Usage

ANN, BOB, ELSEWHERE = Owner("t", "ann"), Owner("t", "bob"), Owner("u", "ann")


def answer(model: str = "gpt") -> Cached:
    response = ChatResponse(id="i", model="m", parts=(Text("hi"),), finish="stop", usage=Usage())
    return Cached(model, response)


class Local(LocalAnswers):
    def __init__(self, max_bytes: int = 100) -> None:
        self.now = 0.0
        super().__init__(max_bytes=max_bytes, ttl_s=10, clock=lambda: self.now)

    def keep(self, key: str, owner: Owner = ANN, *, size: int = 10, model: str = "gpt") -> None:
        self.put(key, owner, answer(model), size=size, generation=self.generation)

    def holds(self, *keys: str, owner: Owner = ANN) -> list[bool]:
        return [self.get(key, owner) is not None for key in keys]


def test_what_is_kept_is_its_owners_for_a_moment() -> None:
    local = Local()
    local.keep("k")
    assert local.holds("k", "other") == [True, False]
    local.now = 9.9
    assert local.holds("k") == [True]
    local.now = 10
    assert (local.holds("k"), local.bytes) == ([False], 0)


def test_t1_even_under_the_same_key_nobody_gets_anothers() -> None:
    for foreign in (BOB, ELSEWHERE):
        local = Local()
        local.keep("k")
        assert local.holds("k", owner=foreign) == [False]


def test_it_is_bounded_and_the_least_used_go_first() -> None:
    local = Local(max_bytes=30)
    for key in ("a", "b", "c"):
        local.keep(key)
    assert local.holds("a") == [True]
    local.keep("d")
    assert local.holds("a", "b", "c", "d") == [True, False, True, True]
    local.keep("e", size=31)
    local.keep("a", size=25)
    assert (local.holds("a", "c", "d", "e"), local.bytes) == ([True, False, False, False], 25)


def test_an_invalidation_is_of_what_it_names() -> None:
    for what, left in (
        (Invalidation("t", user_id="ann"), [False, False, True, True]),
        (Invalidation("t", model_id="gpt"), [False, True, False, True]),
        (Invalidation("t"), [False, False, False, True]),
        (Invalidation("x"), [True, True, True, True]),
    ):
        local = Local()
        local.keep("ann")
        local.keep("ann-claude", model="claude")
        local.keep("bob", BOB)
        local.keep("elsewhere", ELSEWHERE)
        local.invalidate(what)
        found = [*local.holds("ann", "ann-claude"), *local.holds("bob", owner=BOB)]
        assert [*found, *local.holds("elsewhere", owner=ELSEWHERE)] == left
        assert local.bytes == 10 * sum(left)


def test_what_was_asked_for_before_an_invalidation_is_not_taken_after_it() -> None:
    local = Local()
    generation = local.generation
    local.invalidate(Invalidation("somebody else's"))
    local.put("k", ANN, answer(), size=1, generation=generation)
    assert local.holds("k") == [False]
    local.keep("k")
    local.clear()
    assert (local.holds("k"), local.bytes) == ([False], 0)
