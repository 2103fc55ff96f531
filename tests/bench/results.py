"""What was measured of one subject."""

from dataclasses import dataclass, field

from tests.bench.figures import most_at_once, quantile
from tests.bench.stream_load import StreamLoad
from tests.bench.unary_load import UnaryLoad

STALL_S = 0.25
"""A pause within a stream that a reader notices."""
LATE_S = 1.0
"""A first token after which nobody would call the stream served."""


@dataclass(frozen=True)
class CpuPerRequest:
    """Milliseconds of CPU a request; background roles are listed apart, with what they take when idle."""

    serving_ms: dict[str, float]
    background_ms: dict[str, float]
    background_busy_share: float
    background_idle_share: float
    """Of one core."""

    @property
    def total_ms(self) -> float:
        return sum(self.serving_ms.values())


@dataclass(frozen=True, kw_only=True)
class Streams:
    """What became of the streams of one run."""

    level: int
    at_once: int
    """Most streams that were between first content and end at one moment."""
    failed: int
    short: int
    """Ended well with fewer chunks than the upstream sent."""
    stalled: int
    late: int
    """First content more than a second after the stream was due: alive, but of no use."""
    longest_gap_s: float
    first_p50_s: float
    first_p99_s: float
    lasted_p99_s: float
    generator_lag_s: float
    generator_us_per_chunk: float
    failures: list[str]

    @property
    def sustained(self) -> bool:
        return not (self.failed or self.short or self.stalled or self.late)


@dataclass(frozen=True)
class Held:
    streams: Streams
    kib_each: float
    replicas: int


@dataclass
class Measured:
    """All figures of one subject; what was not measured is None, or says why in `problem`."""

    problem: str | None = None
    unary: UnaryLoad | None = None
    cpu: CpuPerRequest | None = None
    auto: UnaryLoad | None = None
    """The model left to the router: only Polyvox has one."""
    single: UnaryLoad | None = None
    paced: list[Streams] = field(default_factory=list)
    held: Held | None = None

    def best_paced(self) -> Streams | None:
        return max((run for run in self.paced if run.sustained), key=lambda run: run.level, default=None)


def summarise(load: StreamLoad, *, level: int, tokens: int, stall_s: float) -> Streams:
    first = sorted(stream.first_s for stream in load.streams if stream.first_s is not None)
    lasted = sorted(stream.ended_s - stream.due_s for stream in load.streams)
    failed = [stream for stream in load.streams if stream.ending != "done"]
    spans = ((s.due_s + s.first_s, s.ended_s) for s in load.streams if s.first_s is not None)
    return Streams(
        level=level,
        at_once=most_at_once(spans),
        failed=len(failed),
        short=sum(stream.ending == "done" and stream.chunks < tokens for stream in load.streams),
        stalled=sum(stream.longest_gap_s > stall_s for stream in load.streams),
        late=sum(first_s > LATE_S for first_s in first),
        longest_gap_s=max(stream.longest_gap_s for stream in load.streams),
        first_p50_s=quantile(first, 0.5),
        first_p99_s=quantile(first, 0.99),
        lasted_p99_s=quantile(lasted, 0.99),
        generator_lag_s=load.worst_lag_s,
        generator_us_per_chunk=load.cpu_us_per_chunk,
        failures=sorted({f"{stream.ending}: {stream.detail}" for stream in failed})[:5],
    )
