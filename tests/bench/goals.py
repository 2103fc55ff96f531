"""The goals, and whether the figures of a run meet them. A figure that is missing meets nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

from tests.bench.questions import REPEATED
from tests.bench.results import STALL_S, Measured, Streams
from tests.bench.scale import Scale, Section
from tests.bench.unary_load import UnaryLoad

CPU_MS = 2.2
RATE_OVER = {"LiteLLM": 4.0, "Portkey": 0.7}
AUTO_SHARE = 0.6
ADDED_P50_S = 0.004
ADDED_P99_S = 0.012
ADDED_FIRST_P99_S = 0.080
HELD_KIB = 60.0

Verdict = Literal["pass", "miss", ""]
"""Empty where a row only explains another."""

_T = TypeVar("_T")

NOTHING = "not measured"
DISTURBED = "baseline disturbed"
"""The direct call itself misses the goal, so that nothing can be said of what lies on top of it."""


@dataclass(frozen=True)
class Row:
    goal: str
    figure: str
    verdict: Verdict
    others: Mapping[str, str] = field(default_factory=dict)
    """The same figure of the direct call and of the peers, by name."""


Results = Mapping[str, Measured]
"""By the subject's name: `direct`, `Polyvox` and the peers."""


def rows(results: Results, scale: Scale, sections: frozenset[Section]) -> list[Row]:
    makers: tuple[tuple[Section, Callable[[Results, Scale], Iterator[Row]]], ...] = (
        ("cpu", _cpu),
        ("unary", _rate),
        ("auto", _auto),
        ("latency", _latency),
        ("streams", _paced),
        ("held", _held),
    )
    return [row for section, make in makers if section in sections for row in make(results, scale)]


def _others(
    results: Results, pick: Callable[[Measured], _T | None], show: Callable[[_T], str]
) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name, measured in results.items():
        if name != "Polyvox":
            picked = pick(measured)
            shown[name] = (measured.problem or "–") if picked is None else show(picked)
    return shown


def _judged(goal: str, met: bool | None, figure: str = "", others: Mapping[str, str] | None = None) -> Row:
    if met is None:
        return Row(goal, NOTHING, "miss", others or {})
    return Row(goal, figure, "pass" if met else "miss", others or {})


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def _ms_of(of: Callable[[UnaryLoad], float], load: UnaryLoad) -> str:
    return _ms(of(load))


def _cpu(results: Results, scale: Scale) -> Iterator[Row]:
    cpu = results["Polyvox"].cpu
    others = _others(results, lambda measured: measured.cpu, lambda cpu: f"{cpu.total_ms:.2f} ms")
    goal = f"CPU per unary request at {scale.connections} connections ≤ {CPU_MS} ms"
    if cpu is None:
        yield _judged(goal, None, others=others)
        return
    yield _judged(goal, cpu.total_ms <= CPU_MS, f"{cpu.total_ms:.2f} ms", others)
    for role, ms in sorted(cpu.serving_ms.items(), key=lambda item: -item[1]):
        yield Row(f"  of it {role}", f"{ms:.3f} ms", "")
    busy, idle = cpu.background_busy_share, cpu.background_idle_share
    yield Row("  beside it Ray's background", f"{busy:.0%} of a core (idle {idle:.0%})", "")


def _rate(results: Results, scale: Scale) -> Iterator[Row]:
    own = results["Polyvox"].unary
    others = _others(results, lambda measured: measured.unary, lambda load: f"{load.rate:,.0f}/s")
    goal = f"unary requests at {scale.connections} connections, none failed"
    if own is None:
        yield _judged(goal, None, others=others)
    else:
        yield _judged(goal, own.failed == 0, f"{own.rate:,.0f}/s, {own.failed} failed", others)
    for peer, least in RATE_OVER.items():
        if peer in results:
            yield _times(own, results[peer].unary, goal=f"  times {peer} ≥ {least:g}", least=least)


def _auto(results: Results, scale: Scale) -> Iterator[Row]:
    named, auto = results["Polyvox"].unary, results["Polyvox"].auto
    goal = f"`auto` at {scale.connections} connections, {REPEATED:.0%} of questions repeated"
    goal += f": of the rate with a named model ≥ {AUTO_SHARE:.0%}, none failed"
    if named is None or auto is None:
        yield _judged(goal, None)
        return
    share = auto.rate / named.rate
    met = share >= AUTO_SHARE and not auto.failed
    yield _judged(goal, met, f"{share:.0%} ({auto.rate:,.0f}/s), {auto.failed} failed")


def _times(own: UnaryLoad | None, theirs: UnaryLoad | None, *, goal: str, least: float) -> Row:
    if own is None or theirs is None or not theirs.requests:
        return _judged(goal, None)
    return _judged(goal, own.rate >= least * theirs.rate, f"{own.rate / theirs.rate:.2f}")


def _latency(results: Results, _scale: Scale) -> Iterator[Row]:
    measures: tuple[tuple[str, float, Callable[[UnaryLoad], float]], ...] = (
        ("p50", ADDED_P50_S, lambda load: load.p50_s),
        ("p99", ADDED_P99_S, lambda load: load.p99_s),
    )
    own, base = results["Polyvox"].single, results["direct"].single
    for name, limit, of in measures:
        others = _others(results, lambda measured: measured.single, partial(_ms_of, of))
        goal = f"added latency at one connection, {name} ≤ {limit * 1e3:.0f} ms"
        if own is None or base is None:
            yield _judged(goal, None, others=others)
        elif of(base) > limit:
            yield Row(goal, DISTURBED, "miss", others)
        else:
            added = of(own) - of(base)
            yield _judged(goal, added <= limit, _ms(added), others)


def _paced(results: Results, scale: Scale) -> Iterator[Row]:
    own, base = _last(results["Polyvox"]), _last(results["direct"])
    what = f"{scale.level} streams at {scale.rate:g} chunks/s"
    whole = f"{what}: none fails, none pauses > {STALL_S * 1e3:.0f} ms"
    first = f"{what}: added time to first token, p99 ≤ {ADDED_FIRST_P99_S * 1e3:.0f} ms"
    others = _others(results, Measured.best_paced, _condition)
    firsts = _others(
        results, Measured.best_paced, lambda run: f"{run.first_p99_s * 1e3:.0f} ms at {run.level}"
    )
    if own is None or base is None or not base.sustained:
        unknown = NOTHING if own is None or base is None else DISTURBED
        yield Row(whole, unknown, "miss", others)
        yield Row(first, unknown, "miss", firsts)
        return
    added = own.first_p99_s - base.first_p99_s
    yield _judged(whole, own.sustained, _condition(own), others)
    yield _judged(first, added <= ADDED_FIRST_P99_S, _ms(added), firsts)


def _last(measured: Measured) -> Streams | None:
    return measured.paced[-1] if measured.paced else None


def _condition(run: Streams) -> str:
    counts = {"failed": run.failed, "short": run.short, "stalled": run.stalled, "late": run.late}
    broken = "".join(f"{count} {name}, " for name, count in counts.items() if count)
    return f"{broken}{run.level} streams, longest pause {run.longest_gap_s * 1e3:.0f} ms"


def _held(results: Results, scale: Scale) -> Iterator[Row]:
    own = results["Polyvox"].held
    whole = f"{scale.held:,} streams held, a chunk every {scale.held_interval_s:g} s: none dropped"
    memory = f"  gateway memory each ≤ {HELD_KIB:g} KiB"
    others = _others(results, lambda measured: measured.held, lambda held: _kept(held.streams))
    if own is None:
        yield _judged(whole, None, others=others)
        yield _judged(memory, None)
        return
    run = own.streams
    kept = run.at_once == scale.held and run.failed == 0 and run.short == 0
    yield _judged(whole, kept, _kept(run), others)
    seen = True if own.replicas else None
    yield _judged(
        memory, seen and own.kib_each <= HELD_KIB, f"{own.kib_each:.1f} KiB, {own.replicas} replicas"
    )


def _kept(run: Streams) -> str:
    return f"{run.at_once:,} at once, {run.failed} dropped, {run.short} short"


def status(rows: Iterable[Row], *, quick: bool) -> int:
    """Exit status. A quick run is too short to judge speed: it only fails where a figure is missing."""
    return int(any(row.verdict == "miss" and (row.figure == NOTHING or not quick) for row in rows))
