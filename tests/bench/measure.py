"""The measurements: each takes a subject and a scale, and loads the subject."""

import tempfile
import time
import urllib.error
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import CalledProcessError

from tests.bench import unary_load
from tests.bench.exchange import Pacing
from tests.bench.processes import cpu_by_role, rss_of, serves_requests
from tests.bench.programs import Unusable
from tests.bench.questions import QUESTIONS, auto_bodies
from tests.bench.results import STALL_S, CpuPerRequest, Held, Measured, Streams, summarise
from tests.bench.scale import Scale, Section
from tests.bench.stream_load import Generator, GeneratorFailed, Plan
from tests.bench.subjects import Subject
from tests.bench.unary_load import UnaryLoad, UnaryPlan

_STARTS_PER_S = 128
_SETTLE_S = 60
_SETTLED_CPU_S = 0.2
_GATEWAY = "gateway"


def measure(
    start: Callable[[], AbstractContextManager[Subject]],
    *,
    scale: Scale,
    sections: frozenset[Section],
    climb: bool,
) -> Measured:
    """Everything asked for of one subject; what breaks it ends in `problem`, beside what was measured before.

    `climb` looks for the highest level of paced streams instead of trying the goal's alone.
    """
    measured = Measured()
    try:
        with start() as subject:
            _take(measured, subject, scale, sections, climb=climb)
    except (Unusable, GeneratorFailed, CalledProcessError, OSError, ValueError) as error:
        measured.problem = _why(error)
    return measured


def _take(
    measured: Measured, subject: Subject, scale: Scale, sections: frozenset[Section], *, climb: bool
) -> None:
    settle(subject)
    warm_up(subject, scale)
    if sections & {"unary", "cpu", "auto"}:
        measured.unary, measured.cpu = unary_and_cpu(subject, scale)
    if "auto" in sections and subject.routes:
        measured.auto = auto(subject, scale)
    if "latency" in sections:
        measured.single = single_connection(subject, scale)
    if "streams" in sections:
        for level in scale.ladder if climb else (scale.level,):
            measured.paced.append(paced_streams(subject, scale, level))
            if not measured.paced[-1].sustained:
                break
    if "held" in sections and not climb:
        measured.held = held_streams(subject, scale)


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}: {error.read(300).decode(errors='replace')}"
    return str(error)


def settle(subject: Subject) -> None:
    """Wait until it has nothing left to do: the first worker answers while others still start."""
    give_up_at = time.monotonic() + _SETTLE_S
    before = subject.census()
    while time.monotonic() < give_up_at:
        time.sleep(1)
        after = subject.census()
        spent = cpu_by_role(before, after)
        if sum(cpu_s for role, cpu_s in spent.items() if serves_requests(role)) < _SETTLED_CPU_S:
            return
        before = after


def warm_up(subject: Subject, scale: Scale) -> None:
    unary_load.run(UnaryPlan(subject.target, scale.connections, scale.warm_s))


def unary_and_cpu(subject: Subject, scale: Scale) -> tuple[UnaryLoad, CpuPerRequest | None]:
    idle_before = subject.census()
    time.sleep(scale.idle_s)
    before = subject.census()
    load = unary_load.run(UnaryPlan(subject.target, scale.connections, scale.unary_s))
    if not before:
        return load, None
    spent = cpu_by_role(before, subject.census())
    idle = cpu_by_role(idle_before, before)
    per_request = {role: cpu_s / max(load.requests, 1) * 1e3 for role, cpu_s in sorted(spent.items())}
    background = [role for role in spent if role.startswith("ray: ")]
    return load, CpuPerRequest(
        serving_ms={role: ms for role, ms in per_request.items() if serves_requests(role)},
        background_ms={role: per_request[role] for role in sorted(background)},
        background_busy_share=sum(spent[role] for role in background) / load.seconds,
        background_idle_share=sum(idle.get(role, 0.0) for role in background) / scale.idle_s,
    )


def auto(subject: Subject, scale: Scale) -> UnaryLoad:
    """Right after the same with a model that is named."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        bodies.write_bytes(b"\n".join(auto_bodies(QUESTIONS)))
        return unary_load.run(UnaryPlan(subject.target, scale.connections, scale.unary_s, bodies))


def single_connection(subject: Subject, scale: Scale) -> UnaryLoad:
    return unary_load.run(UnaryPlan(subject.target, 1, scale.unary_s))


def paced_streams(subject: Subject, scale: Scale, level: int) -> Streams:
    tokens = int(scale.rate * scale.stream_s)
    plan = Plan(
        target=subject.target,
        pacing=Pacing(tokens, scale.rate, delay_s=0.05),
        streams=level,
        spread_s=level / _STARTS_PER_S,
        deadline_s=level / _STARTS_PER_S + scale.stream_s * 2 + 5,
    )
    with Generator(plan) as generator:
        return summarise(generator.result(), level=level, tokens=tokens, stall_s=STALL_S)


def held_streams(subject: Subject, scale: Scale) -> Held:
    """Memory is the gateway's at its highest, less what it was before the first stream."""
    lasts_s = scale.held_tokens * scale.held_interval_s
    plan = Plan(
        target=subject.target,
        pacing=Pacing(scale.held_tokens, 1 / scale.held_interval_s),
        streams=scale.held,
        spread_s=scale.held_spread_s,
        deadline_s=scale.held_spread_s + lasts_s * 1.5 + 10,
        precision_s=0.01,
    )
    before = rss_of(_GATEWAY, subject.census())
    most, replicas = before, 0
    with Generator(plan) as generator:
        while generator.is_running():
            time.sleep(1)
            census = subject.census()
            most = max(most, rss_of(_GATEWAY, census))
            replicas = max(replicas, sum(usage.role == _GATEWAY for usage in census.values()))
        load = generator.result()
    stall_s = scale.held_interval_s + 1
    streams = summarise(load, level=scale.held, tokens=scale.held_tokens, stall_s=stall_s)
    return Held(streams, (most - before) / 1024 / scale.held, replicas)
