"""What the database has of conversations against what clients were told: lost, doubled, reordered, torn."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import psycopg

from tests.chaos.goals import Goal, none

Way = Literal["send", "chat", "append"]
Place = tuple[str, str]
"""A conversation, and what was said in it."""

RUNS_KEPT = 100
"""A conversation's account names so many of the newest runs of a model."""


@dataclass(kw_only=True)
class Turn:
    """A user's words and the answer to them, as their client knows them."""

    conversation: str
    client: int
    number: int
    """Counts what the client has sent."""
    way: Way
    model: str
    stream: bool = False
    leave_after: int = 0
    """The client hangs up after so many events of a stream; 0: it does not."""
    answer: str = ""
    """As the client has read it."""
    outcome: str = ""
    """`kept`: acknowledged. With any other it may be there, but once."""

    @property
    def said(self) -> str:
        return f"client {self.client:03d}, turn {self.number:03d}"

    @property
    def place(self) -> Place:
        return self.conversation, self.said

    @property
    def expected(self) -> str:
        """What the answer begins with."""
        return f'Simulated answer of the Polyvox sandbox ({self.model}). You wrote: "{self.said}". '


@dataclass(frozen=True)
class Row:
    """A message as it is stored."""

    id: str
    parent_id: str | None
    branch: int
    seq: int
    version: int
    role: str
    text: str
    producer: Mapping[str, Any] | None

    @property
    def said(self) -> str:
        """Without what is meant for the sandbox."""
        return self.text.partition(" [[")[0]


@dataclass(frozen=True)
class Account:
    """A conversation as it is stored."""

    version: int
    branches: int
    messages: int
    model_history: Sequence[Mapping[str, Any]]
    cost_tracking: Mapping[str, Any]
    rows: Sequence[Row]
    """In the order of `seq`."""


Stored = Mapping[str, Account]


def stored_accounts(connection: psycopg.Connection, ids: Sequence[str]) -> dict[str, Account]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for conversation_id, *row in connection.execute(_ROWS, {"ids": ids}).fetchall():
        rows[conversation_id].append(Row(*row))
    found = connection.execute(_ACCOUNTS, {"ids": ids}).fetchall()
    return {
        one: Account(version, branches, messages, history, costs, rows[one])
        for one, version, branches, messages, history, costs in found
    }


def charged_for(connection: psycopg.Connection, ids: Sequence[str]) -> dict[str, int]:
    """What the ledger has charged for each answer in these conversations, by its request.

    That is for the last attempt, which gave it; an earlier one may have cost something too.
    """
    return {request: int(pico) for request, pico in connection.execute(_CHARGED, {"ids": ids}).fetchall()}


def judged(turns: Sequence[Turn], stored: Stored, charged: Mapping[str, int]) -> list[Goal]:
    """`turns` in the order in which each client sent them."""
    places: dict[Place, list[int]] = defaultdict(list)
    for name, account in stored.items():
        for row in account.rows:
            if row.role == "user":
                places[name, row.said].append(row.seq)
    kept = [turn for turn in turns if turn.outcome == "kept"]
    unsure = [turn for turn in turns if turn.outcome != "kept"]
    there = [turn for turn in unsure if places[turn.place]]
    strangers = set(places) - {turn.place for turn in turns}
    return [
        none("acknowledged turns lost", [t.said for t in kept if not places[t.place]], of=len(kept)),
        none("acknowledged turns doubled", _several(kept, places), of=len(kept)),
        none("other turns that are there twice", _several(unsure, places), of=len(unsure)),
        Goal("other turns that are there once", f"{len(there)} of {len(unsure)}", held=True),
        none("messages that nobody sent", [said for name, said in strangers if places[name, said]]),
        none("acknowledged turns that come before an earlier one", _overtaking(kept, places), of=len(kept)),
        Goal("… the others counted in", str(len(_overtaking([*kept, *there], places))), held=True),
        none("answers that are not their question's own", list(_torn(turns, stored)), of=len(kept)),
        none("conversations with a gap in their messages", list(_broken(stored)), of=len(stored)),
        none("conversations with versions that are not one for each write", list(_versions(stored))),
        none("conversations whose models' account is not their messages'", list(_runs(stored))),
        none("conversations whose costs' account is not their messages'", list(_costs(stored))),
        none("answers whose cost is not the ledger's", list(_uncharged(stored, charged)), of=len(charged)),
    ]


def _several(turns: Sequence[Turn], places: Mapping[Place, Sequence[int]]) -> list[str]:
    return [turn.said for turn in turns if len(places[turn.place]) > 1]


def _overtaking(turns: Sequence[Turn], places: Mapping[Place, Sequence[int]]) -> list[str]:
    of_client: dict[tuple[str, int], list[Turn]] = defaultdict(list)
    for turn in sorted(turns, key=lambda one: one.number):
        if places[turn.place]:
            of_client[turn.conversation, turn.client].append(turn)
    return [
        later.said
        for sent in of_client.values()
        for earlier, later in pairwise(sent)
        if places[later.place][0] < places[earlier.place][0]
    ]


def _torn(turns: Sequence[Turn], stored: Stored) -> Iterator[str]:
    """Acknowledged, an answer is what its client has read; cut off, it is the beginning of one."""
    known = {turn.place: turn for turn in turns}
    for name, account in stored.items():
        for row, after in zip(account.rows, [*account.rows[1:], None], strict=True):
            turn = known.get((name, row.said)) if row.role == "user" else None
            if turn is not None and not _answers(after, row, turn):
                yield turn.said


def _answers(after: Row | None, row: Row, turn: Turn) -> bool:
    if after is None or after.role != "assistant" or after.version != row.version:
        return False
    if after.producer is None or after.producer["model"] != turn.model:
        return False
    if turn.outcome == "kept":
        return after.text == turn.answer and after.text.startswith(turn.expected)
    return after.text.startswith(turn.expected) or turn.expected.startswith(after.text)


def _broken(stored: Stored) -> Iterator[str]:
    """`seq` counts from 1, each message is the child of the one before it, and all are counted."""
    for name, account in stored.items():
        rows = account.rows
        counted = [row.seq for row in rows] == list(range(1, len(rows) + 1)) and account.messages == len(rows)
        parents = [row.parent_id for row in rows] == [None, *(row.id for row in rows)][: len(rows)]
        if not (counted and parents and account.branches == 1):
            yield name


def _versions(stored: Stored) -> Iterator[str]:
    """A conversation that is made empty is at version 1, and each write is a question and its answer."""
    for name, account in stored.items():
        written = [row.version for row in account.rows]
        if written != [version for version in range(2, account.version + 1) for _ in range(2)]:
            yield name


def _runs(stored: Stored) -> Iterator[str]:
    for name, account in stored.items():
        runs: list[list[Any]] = []
        for row in account.rows:
            if row.producer is not None:
                made = [row.producer.get(field, "") for field in ("model", "provider", "api")]
                if runs and runs[-1][:3] == made:
                    runs[-1][4:] = [row.seq, runs[-1][5] + 1]
                else:
                    runs.append([*made, row.seq, row.seq, 1])
        fields = ("model", "provider", "api", "first_seq", "last_seq", "answers")
        if [[run[field] for field in fields] for run in account.model_history] != runs[-RUNS_KEPT:]:
            yield name


def _costs(stored: Stored) -> Iterator[str]:
    for name, account in stored.items():
        total, models = Counter[str](), defaultdict[str, Counter[str]](Counter)
        for row in account.rows:
            if row.producer is not None:
                spent = Counter(answers=1)
                spent.update({field: row.producer.get(field, 0) for field in _SPENT})
                total.update(spent)
                models[row.producer["model"]].update(spent)
        tracked = account.cost_tracking
        told = {model: _spent(spent) for model, spent in tracked["models"].items()}
        if _spent(tracked["total"]) != total or told != models:
            yield name


def _spent(spent: Mapping[str, Any]) -> Counter[str]:
    return Counter({field: int(value) for field, value in spent.items()})


def _uncharged(stored: Stored, charged: Mapping[str, int]) -> Iterator[str]:
    for account in stored.values():
        for row in account.rows:
            request = (row.producer or {}).get("request_id")
            cost = (row.producer or {}).get("cost_pico", 0)
            if request and charged.get(request) != cost:
                yield f"{request}: {cost}, not {charged.get(request)}"


_SPENT = ("input_tokens", "output_tokens", "cost_pico")
_ROWS = """
    SELECT
        m.conversation_id::text, m.id::text, m.parent_id::text, m.branch, m.seq, m.version::integer, m.role,
        m.text, m.producer
    FROM messages AS m
    WHERE m.conversation_id = ANY (%(ids)s::uuid[])
    ORDER BY m.conversation_id, m.seq, m.branch
"""
_ACCOUNTS = """
    SELECT c.id::text, c.version::integer, c.branches, c.messages, c.model_history, c.cost_tracking
    FROM conversations AS c
    WHERE c.id = ANY (%(ids)s::uuid[]) AND c.deleted_at IS NULL
"""
_CHARGED = """
    SELECT DISTINCT ON (u.request_id) u.request_id, u.cost_pico
    FROM model_usage AS u
    WHERE u.request_id IN (
        SELECT m.producer ->> 'request_id' FROM messages AS m
        WHERE m.conversation_id = ANY (%(ids)s::uuid[]) AND m.producer IS NOT NULL
    )
    ORDER BY u.request_id, u.attempt DESC
"""
