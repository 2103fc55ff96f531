"""A context engine over conversations in memory, and models so small that little has to be left out."""

import random
from collections.abc import Sequence
from uuid import uuid4

from msgspec.structs import replace

from models.catalog import Catalog, load_catalog
from models.chat import Message, Part, Role, Text, ToolCall, ToolResult
from models.context_engine import Closeness, ContextEngine
from models.conversations import (
    ConversationStore,
    Histories,
    InMemoryConversations,
    NewMessage,
    Owner,
    Producer,
    StoredMessage,
    new_conversation,
)
from models.conversing import Interaction, Optimized, Switch, Switched, Turn
from models.events import InMemoryEventLog
from tests.unit.context.samples import small_talk, with_statements

BASE = load_catalog()
GPT, CLAUDE, GEMINI = "gpt-5.4-mini", "claude-haiku-4-5", "gemini-3.5-flash"
TINY_GPT, TINY_CLAUDE, TINY_GEMINI = "tiny-gpt", "tiny-claude", "tiny-gemini"
ANN = Owner(str(uuid4()), str(uuid4()))
BOB = Owner(ANN.tenant_id, str(uuid4()))


def catalog(*, window: int = 1_400, max_output: int = 200) -> Catalog:
    """The catalogue with three models of that window, one of each family."""
    tiny = {
        name: replace(BASE.models[like], id=name, window=window, max_input=window, max_output=max_output)
        for name, like in ((TINY_GPT, GPT), (TINY_CLAUDE, CLAUDE), (TINY_GEMINI, GEMINI))
    }
    return Catalog(hosts=BASE.hosts, models={**BASE.models, **tiny}, aliases={}, prefixes={}, snapshot="tiny")


def message(role: Role, *parts: Part | str) -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def user(text: str) -> Message:
    return message("user", text)


def said(one: Message, *, by: str = GPT) -> NewMessage:
    """An assistant's message is of a model."""
    return NewMessage(one, Producer(model=by) if one.role == "assistant" else None)


def talk(*facts: str, exchanges: int = 40) -> list[Message]:
    """Instructions, and then small talk, in which no answer is like another, with the facts in it."""
    turns = with_statements(1, *facts) if facts else small_talk(1, exchanges)
    chance = random.Random(2)  # noqa: S311 - a test's choice of names
    spoken = []
    for turn in turns:
        told = f" Ask {_name(chance)} of {_name(chance)}." if len(turn["content"]) > 20 else ""
        text = turn["content"] + (told if turn["role"] == "assistant" else "")
        spoken.append(message(turn["role"], text))
    return [message("system", "You are a patient assistant."), *spoken]


def _name(chance: random.Random) -> str:
    return "".join(chance.choice(("ba", "ko", "lu", "ri", "ven", "tas")) for _ in range(3)).title()


def call(id: str, name: str = "look_up", arguments: str = '{"of":"x"}') -> ToolCall:
    return ToolCall(id, name, arguments)


def answer(id: str, text: str = "found") -> Message:
    return message("tool", ToolResult(id, (Text(text),)))


def words(messages: Sequence[Message | StoredMessage]) -> list[str]:
    """The texts, one of each message."""
    plain = [one.message if isinstance(one, StoredMessage) else one for one in messages]
    return ["|".join(part.text for part in one.parts if isinstance(part, Text)) for one in plain]


class Scene:
    """`begin` makes a conversation of Ann's, which everything else is about."""

    def __init__(
        self,
        known: Catalog | None = None,
        *,
        store: ConversationStore | None = None,
        closeness: Closeness | None = None,
    ) -> None:
        self.catalog = known or catalog()
        self.store = store or InMemoryConversations()
        self.events = InMemoryEventLog()
        self.engine = ContextEngine(
            self.store,
            Histories(self.store),
            catalog=lambda: self.catalog,
            events=self.events,
            closeness=closeness,
        )
        self.id = ""

    async def begin(self, messages: Sequence[Message] = (), *, by: str = GPT) -> str:
        made = await self.store.create(ANN, new_conversation([said(one, by=by) for one in messages]))
        self.id = made.id
        return made.id

    async def turn(
        self,
        *messages: Message,
        to: Sequence[str] = (TINY_GPT,),
        preserve: bool = True,
        max_tokens: int | None = None,
        other_tokens: int = 0,
        branch: int = 1,
    ) -> Optimized:
        turn = Turn(
            owner=ANN,
            conversation_id=self.id,
            branch=branch,
            messages=messages,
            model_ids=tuple(to),
            preserve_context=preserve,
            max_tokens=max_tokens,
            other_tokens=other_tokens,
        )
        return await self.engine.optimize_context(turn)

    async def keep(self, *messages: Message, by: str = GPT, key: str = "", branch: int = 1) -> None:
        interaction = Interaction(
            owner=ANN,
            conversation_id=self.id,
            branch=branch,
            messages=tuple(said(one, by=by) for one in messages),
            key=key or str(uuid4()),
        )
        await self.engine.update_context(interaction)

    async def switch(self, to: str, *, preserve: bool = True, force: bool = False) -> Switched:
        switch = Switch(
            owner=ANN, conversation_id=self.id, model_id=to, preserve_context=preserve, force=force
        )
        return await self.engine.preserve_context(switch)

    async def path(self, branch: int | None = None) -> list[StoredMessage]:
        return await self.store.path(await self.store.get(ANN, self.id), branch)
