"""The Context Preservation Engine: what a model is sent of a conversation, and what that keeps of it.

    open → optimize (whole where it fits, else compressed) → update; between turns: preserve (switch)

The conversation itself is whole at all times in its store; what is decided here is what is sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from models.catalog import Catalog, Model
from models.chat import Message
from models.context import ContextReport, Cut, parts_kept, turns_of
from models.context_fitting import (
    Counted,
    Room,
    compressed,
    misfits,
    question_of,
    report_of,
    sent,
    tight,
    whole,
)
from models.context_readings import ReadConversation
from models.conversations import (
    ConversationStore,
    Histories,
    History,
    Owner,
    StoredMessage,
    Written,
    new_conversation,
)
from models.conversing import (
    Interaction,
    Noted,
    Optimized,
    Standing,
    Summary,
    SummaryDue,
    Switch,
    Switched,
    Turn,
    Variant,
    check_storable,
    in_force,
    standing_of,
    unsaid,
    unsummarised,
)
from models.errors import Conflict, ContextLengthExceeded, NotFound, Overloaded, PolyvoxError
from models.events import EventLog
from models.hot_conversations import HotConversations

log = logging.getLogger(__name__)

MEANING_S = 0.15
"""A question's meaning is not waited for longer: its words will do."""
SUMMARY_INPUT_TOKENS = 24_000
"""What a model gets to summarise is itself no longer than that."""

Closeness = Callable[[str, str], Awaitable[Mapping[str, float]]]
"""Conversation id and question in; how close in meaning each of its messages is, by id, out."""


class ContextEngine:
    """Belongs to one event loop. `catalog` gives the one in force."""

    def __init__(
        self,
        store: ConversationStore,
        histories: Histories,
        *,
        catalog: Callable[[], Catalog],
        events: EventLog,
        closeness: Closeness | None = None,
    ) -> None:
        self._store = store
        self._hot = HotConversations(histories)
        self._catalog = catalog
        self._events = events
        self._closeness = closeness
        self._counted = Counted()

    async def open_conversation(self, owner: Owner, conversation_id: str, *, create: bool) -> Standing:
        """Raises NotFound for one that the owner does not have, unless it may be made, which it may not if it
        is somebody else's; InvalidRequest if it is no UUID."""
        try:
            history = await self._hot.history(owner, conversation_id)
        except NotFound:
            if not create:
                raise
            with suppress(Conflict):  # somebody else's: still not found
                await self._store.create(owner, new_conversation(id=conversation_id))
            history = await self._hot.history(owner, conversation_id)
        return standing_of(history, known=self._catalog().models)

    async def optimize_context(self, turn: Turn) -> Optimized:
        """Raises ContextLengthExceeded where what is new fits no model by itself, NotFound."""
        history = await self._hot.history(turn.owner, turn.conversation_id, branch=turn.branch)
        places = unsaid(history.messages, turn.messages)
        new = [turn.messages[at] for at in places]
        check_storable(history.conversation, new)
        skipped = Noted.of(history).begins_after if turn.preserve_context else len(history.messages)
        before = in_force(history, skipped)
        small = await self._misfits(before, new, [self._model(id) for id in turn.model_ids], turn)
        variants = []
        if fitting := tuple(model_id for model_id in turn.model_ids if model_id not in small):
            variants.append(Variant(model_ids=fitting, messages=whole(before, new)))
        if small:
            read = await self._hot.read(history, before, skipped)
            closeness = await self._meaning(turn.conversation_id, question_of(new))

            def compress() -> list[Variant]:
                summary = self._summary(history, before, skipped, read)
                return compressed(read, before, new, small, summary=summary, closeness=closeness)

            variants += await self._hot.work(compress)
        if not variants:
            raise ContextLengthExceeded("the request alone is longer than the model takes", param="messages")
        return Optimized(variants=tuple(variants), new=places)

    async def update_context(self, interaction: Interaction) -> Written:
        """Returns once it is durable. Raises NotFound, Conflict, PayloadTooLarge, Overloaded."""
        written = await self._store.append(
            interaction.owner,
            interaction.conversation_id,
            interaction.messages,
            branch=interaction.branch,
            key=interaction.key,
        )
        if interaction.read_ahead:
            self._hot.read_ahead(interaction.owner, interaction.conversation_id, interaction.branch)
        return written

    async def preserve_context(self, switch: Switch) -> Switched:
        """Make ready for another model and say what that keeps. Raises Conflict while tools are under way."""
        model = self._model(switch.model_id)
        history = await self._hot.history(switch.owner, switch.conversation_id)
        standing = standing_of(history, known=self._catalog().models)
        locked = standing.locked_by not in (None, model.id)
        if locked and not switch.force:
            raise Conflict(
                f"{standing.locked_by} waits for its tools: let it finish, or force the switch",
                param="newModelId",
            )
        skipped = 0 if switch.preserve_context else len(history.messages)
        messages, report, is_compressed = await self._sent_to(model, history, skipped)
        if not switch.preserve_context:
            report = await self._left_behind(history, report)
        parts = parts_kept(messages, model, protocol=self._catalog().hosts[model.host].protocol)
        warnings = [*report.warnings]
        if locked:
            warnings.append(f"tool calls of {standing.locked_by} are left to another model")
        if parts.converted:
            warnings.append("some pictures, documents or other parts are described in words")
        switched = Switched(
            conversation_id=switch.conversation_id,
            version=standing.version,
            from_model_id=standing.model_id,
            to_model_id=model.id,
            preserve_context=switch.preserve_context,
            score=report.preservation.score * parts.share,
            compressed=is_compressed,
            parts=parts,
            report=report,
            warnings=tuple(warnings),
        )
        noted = Noted.of(history)
        changes = {"model_id": model.id, **noted.beginning_after(skipped)}
        if locked:
            changes |= noted.unlocking(len(history.messages))
        await self._store.note(switch.owner, switch.conversation_id, changes)
        await self._tell(switch, switched)
        return switched

    async def summary_due(self, owner: Owner, conversation_id: str, branch: int) -> SummaryDue | None:
        history = await self._hot.history(owner, conversation_id, branch=branch)
        fresh = unsummarised(history)
        if not fresh:
            return None
        read = await self._hot.read(history, fresh, -fresh[0].seq)  # apart from that of the whole
        said = await self._hot.work(lambda: read.prepared.fit(SUMMARY_INPUT_TOKENS))
        earlier = Noted.of(history).summary
        texts = [f"[Notes so far]\n{earlier.text}"] if earlier is not None else []
        return SummaryDue(
            conversation_id=conversation_id,
            branch=branch,
            through=fresh[-1].seq,
            text="\n\n".join((*texts, *read.spoken(said))),
        )

    async def take_summary(self, summary: Summary) -> bool:
        history = await self._hot.history(
            summary.owner, summary.due.conversation_id, branch=summary.due.branch
        )
        before = in_force(history, Noted.of(history).begins_after)
        read = await self._hot.read(history, before, Noted.of(history).begins_after)
        turns = len(turns_of([stored.message for stored in before if stored.seq <= summary.due.through]))
        if await self._hot.work(lambda: read.abstract(summary.text, turns=turns)) is None:
            return False
        noted = Noted.of(history).summarised(summary.text, through=summary.due.through)
        await self._store.note(summary.owner, summary.due.conversation_id, noted)
        return True

    async def _sent_to(
        self, model: Model, history: History, skipped: int
    ) -> tuple[Sequence[Message], ContextReport, bool]:
        """What a model would be sent before anything new is said, and whether that is compressed."""
        before = in_force(history, skipped)
        read = await self._hot.read(history, before, skipped)
        turn = Turn(
            owner=Owner(history.conversation.tenant_id, history.conversation.user_id),
            conversation_id=history.conversation.id,
            branch=history.branch,
            messages=(),
            model_ids=(model.id,),
        )
        small = await self._misfits(before, (), [model], turn)

        def fit() -> tuple[Sequence[Message], ContextReport, bool]:
            room = small.get(model.id)
            budget = room.wanted if room is not None else read.prepared.reading.tokens
            assembly = read.fit(budget, None, summary=self._summary(history, before, skipped, read))
            messages = whole(before, ()) if room is None else sent(assembly, before, (), room=room)
            return messages, report_of(read, assembly, budget), room is not None

        return await self._hot.work(fit)

    async def _left_behind(self, history: History, report: ContextReport) -> ContextReport:
        """What instructions alone, which `report` is of, keep of the whole."""
        read = await self._hot.read(history, in_force(history, 0), 0)
        texts = [turn.body for turn in read.prepared.reading.turns if turn.pinned]
        kept = await self._hot.work(lambda: read.prepared.preservation(texts))
        warning = "what was said before is left behind, but for the instructions"
        return replace(report, preservation=kept, warnings=(*report.warnings, warning))

    async def _misfits(
        self, before: Sequence[StoredMessage], new: Sequence[Message], models: Sequence[Model], turn: Turn
    ) -> dict[str, Room]:
        near = tight([*(stored.message for stored in before), *new], models, turn)
        if not near:
            return {}
        return await self._hot.work(lambda: misfits(self._counted, before, new, near, turn))

    def _model(self, model_id: str) -> Model:
        """Raises Overloaded where this replica's catalogue is not yet that of the one which asks."""
        model = self._catalog().models.get(model_id)
        if model is None:
            raise Overloaded(f"{model_id} is not known here yet")
        return model

    def _summary(
        self, history: History, before: Sequence[StoredMessage], skipped: int, read: ReadConversation
    ) -> Cut | None:
        """The last that a model wrote, if it did, made ready to be sent."""
        noted = Noted.of(history)
        if noted.summary is None or noted.summary.through <= skipped:
            return None
        covered = [stored.message for stored in before if stored.seq <= noted.summary.through]
        return read.abstract(noted.summary.text, turns=len(turns_of(covered)))

    async def _meaning(self, conversation_id: str, question: str | None) -> Mapping[str, float] | None:
        """None where nobody can say in time."""
        if self._closeness is None or not question:
            return None
        try:
            async with asyncio.timeout(MEANING_S):
                return await self._closeness(conversation_id, question) or None
        except (PolyvoxError, TimeoutError) as error:
            log.info("a question's meaning is not known: %r", error)
            return None

    async def _tell(self, switch: Switch, switched: Switched) -> None:
        payload: dict[str, Any] = {
            "from_model": switched.from_model_id,
            "to_model": switched.to_model_id,
            "preserve_context": switched.preserve_context,
            "preservation_score": round(switched.score, 4),
            "compressed": switched.compressed,
            "forced": switch.force,
        }
        await self._events.append(
            "conversation.model_switched",
            severity="info",
            tenant_id=switch.owner.tenant_id,
            subject={"conversation_id": switch.conversation_id, "user_id": switch.owner.user_id},
            payload=payload,
            once=switch.key,
        )
