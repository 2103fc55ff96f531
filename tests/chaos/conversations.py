"""Many clients speak in few conversations while replicas and the database are killed.

A client sends one turn after the other: through `send-with-model`, through chat completions that name the
conversation, or, question and answer at once, to the conversation itself. There is no idempotency key for the
first two, so one that is not acknowledged is never sent again: the next is another turn. What is written to
the conversation itself has a key, and is sent again until it is acknowledged.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

import aiohttp

from deployments.local.ledger_command import findings
from tests.chaos.client import MODELS, session
from tests.chaos.goals import Goal, none
from tests.chaos.kept_turns import Turn, Way, charged_for, judged, stored_accounts
from tests.chaos.speaker import Speaker
from tests.chaos.system import Killed, System, kill_in_turn
from tests.money.books import broken_rules

VICTIMS = (
    "ContextEngine",
    "Gateway",
    "Provider-openai",
    "ContextEngine",
    "Provider-anthropic",
    "Gateway",
    "Provider-google",
)
EVERY_S = 5.0
PAUSE_S = 2.0
"""Between a client's turns, on average."""
READ_BACK = 0.25
"""Of acknowledged turns so many are looked for at once, over a connection of their own."""
IF_MATCH = 0.4
LEAVES = 0.05
"""Of streams so many are left by their client before the end."""
TWICE = 0.3
"""Of what is written under a key so much is sent twice at once."""
HOLDS_CLOSE_WITHIN_S = 60.0


async def play(
    system: System,
    *,
    clients: int,
    conversations: int,
    seconds: float,
    chance: random.Random,
    victims: Sequence[str] | None = None,
    every_s: float = EVERY_S,
    pause_s: float = PAUSE_S,
) -> list[Goal]:
    """`victims` are killed one after the other; by default all, and PostgreSQL half-way."""
    [key] = await system.keys(1, budget_pico=None)
    dying = _dying(int(seconds / every_s) - 1) if victims is None else victims
    ids = [str(uuid4()) for _ in range(conversations)]
    until = time.monotonic() + seconds
    async with session() as opened, _apart() as apart:
        speakers = [
            _Client(
                Speaker(opened, apart, system.url, key.key),
                number,
                ids[number % conversations],
                chance,
                pause_s,
            )
            for number in range(clients)
        ]
        killed, _ = await asyncio.gather(
            kill_in_turn(system, dying, every_s=every_s, kills=len(dying), chance=chance),
            asyncio.gather(*(one.speak(until) for one in speakers)),
        )
        shown = [await speakers[0].speaker.path(one) for one in ids]
    open_holds = await system.no_open_holds(within_s=HOLDS_CLOSE_WITHIN_S)
    turns = [turn for one in speakers for turn in one.turns]
    with system.connect() as connection:
        stored, charged = stored_accounts(connection, ids), charged_for(connection, ids)
        broken = broken_rules(connection)
    differing = [
        name
        for name, path in zip(ids, shown, strict=True)
        if path != [(row.seq, row.id, row.version) for row in stored[name].rows]
    ]
    return [
        _killed(killed, dying),
        *_told(turns, seconds),
        *judged(turns, stored, charged),
        *_read_back(speakers),
        none("conversations that the API shows otherwise than they are stored", differing, of=len(ids)),
        none(f"holds open {HOLDS_CLOSE_WITHIN_S:g} s later", open_holds),
        none("rules of double entry that are broken", [f"{name}: {rows}" for name, rows in broken.items()]),
        none("findings of `polyvox ledger verify`", [str(f) for f in await findings(system.database_url)]),
    ]


class _Client:
    """Says one thing after the other."""

    def __init__(
        self, speaker: Speaker, number: int, conversation: str, chance: random.Random, pause_s: float
    ) -> None:
        self.speaker = speaker
        self.turns: list[Turn] = []
        self.read_back: Counter[str] = Counter()
        self._number = number
        self._conversation = conversation
        self._chance = random.Random(chance.random())  # noqa: S311 - a run is to be repeatable
        self._pause_s = pause_s

    async def speak(self, until: float) -> None:
        await asyncio.sleep(self._chance.uniform(0, self._pause_s))
        while time.monotonic() < until:
            turn = self._next()
            self.turns.append(turn)
            if turn.way == "append":
                matching, twice = self._chance.random() < IF_MATCH, self._chance.random() < TWICE
                await self.speaker.append(turn, if_match=matching, twice=twice)
            else:
                await self.speaker.ask(turn)
            if turn.outcome == "kept" and self._chance.random() < READ_BACK:
                self.read_back[await self.speaker.look_for(turn)] += 1
            await asyncio.sleep(self._chance.uniform(0, 2 * self._pause_s))

    def _next(self) -> Turn:
        """The first has the conversation made if it is not there yet."""
        ways: list[Way] = ["send", "send", "chat", "chat", "append"]
        is_there = any(turn.outcome == "kept" for turn in self.turns)
        way = self._chance.choice(ways) if is_there else "chat"
        stream = way != "append" and self._chance.random() < 0.5
        leaves = stream and self._chance.random() < LEAVES
        return Turn(
            conversation=self._conversation,
            client=self._number,
            number=len(self.turns) + 1,
            way=way,
            model=self._chance.choice(MODELS),
            stream=stream,
            leave_after=self._chance.randint(2, 20) if leaves else 0,
        )


def _apart() -> aiohttp.ClientSession:
    """Each request over a connection of its own, so that any gateway may have it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=aiohttp.ClientTimeout(total=30)
    )


def _dying(kills: int) -> list[str]:
    roles = [VICTIMS[number % len(VICTIMS)] for number in range(kills)]
    return [*roles[: kills // 2], "postgres", *roles[kills // 2 + 1 :]] if roles else []


def _killed(killed: list[Killed], dying: Sequence[str]) -> Goal:
    dead = ", ".join(f"{number} {role}" for role, number in Counter(one.role for one in killed).items())
    return Goal(f"killed, all of {len(dying)}", dead or "none", len(killed) == len(dying))


def _told(turns: Sequence[Turn], seconds: float) -> list[Goal]:
    ways = Counter(f"{turn.way}{' streamed' if turn.stream else ''}" for turn in turns if _is_kept(turn))
    others = Counter(turn.outcome for turn in turns if not _is_kept(turn))
    kept = sum(ways.values())
    how = ", ".join(f"{number} {way}" for way, number in sorted(ways.items()))
    rate = f"{kept:,} of {len(turns):,}, {kept / seconds:.0f} a second ({how})"
    why = ", ".join(f"{number} {outcome}" for outcome, number in others.most_common()) or "none"
    return [Goal("turns acknowledged", rate, kept > 0), Goal("not acknowledged", why, held=True)]


def _is_kept(turn: Turn) -> bool:
    return turn.outcome == "kept"


def _read_back(clients: Sequence[_Client]) -> list[Goal]:
    found = sum((one.read_back for one in clients), Counter[str]())
    unread = f"; {found['unread']} could not be read" if found["unread"] else ""
    missed = none("reads after a write that miss it", found["missing"], of=found["missing"] + found["there"])
    return [Goal(missed.said, missed.figure + unread, missed.held)]
