"""Cases that schemathesis makes of the OpenAPI document, sent to a surface; what came of them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import ScenarioRecorder

from deployments.api.openapi.operations import OPERATIONS
from tests.fuzz.surface import CONVERSATIONS, Surface

WITHIN_S = 60
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "use_after_free",
)
MODELS = (
    "gpt-5.4-mini",
    "claude-haiku-4-5",
    "gemini-3.5-flash",
    "auto:cheap",
    "text-embedding-3-small",
    "gemini-embedding-001",
)
"""What most requests that name a model name: what is unknown is refused early."""
NAMING = ("path.model", "body.model", "body.modelId", "body.newModelId")
HOT = {operation.path for operation in OPERATIONS}
"""These come first, so that there is something to manage."""
TYPED = {
    "provider_unavailable": 502,
    "provider_garbled": 502,
    "provider_auth_failed": 502,
    "overloaded": 503,
    "provider_overloaded": 503,
    "replica_lost": 503,
    "provider_timeout": 504,
    "deadline_exceeded": 504,
}
"""Failures of others that `docs/api.md` lists, by their code."""


@dataclass(frozen=True)
class Finding:
    operation: str
    what: str
    seed: int
    curl: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.what}\n    seed {self.seed}\n    {self.curl}"


@dataclass
class Report:
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How many by operation and status; 0 where there was no answer."""
    findings: list[Finding] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def cases(self) -> int:
        return self.answers.total()

    def lines(self) -> Iterator[str]:
        statuses = sorted({status for _, status in self.answers})
        for operation in sorted({operation for operation, _ in self.answers}):
            found = (f"{n} x {s}" for s in statuses if (n := self.answers[operation, s]))
            yield f"{operation:<62} {', '.join(found)}"


def run(
    at: Surface,
    *,
    cases: int,
    seed: int,
    per_route: int,
    phases: Collection[str] = ("fuzzing",),
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """At least so many, in rounds of `per_route` at most for each route, the next one's seed being the next.

    What is set of an administrator's budgets, limits and policies keeps only the first round's requests from
    being answered: a stranger's go on. `say` is told how far it is.
    """
    report = Report()
    hot_key = at.admin
    while report.cases < cases:
        before = report.cases
        for is_hot, key in ((True, hot_key), (False, at.admin)):
            _round(report, at.url, key, seed=seed, per_route=per_route, phases=phases, is_hot=is_hot)
            say(f"seed {seed}: {report.cases} cases, {len(report.findings)} findings")
        assert report.cases > before, "nothing was sent"
        seed, phases, hot_key = seed + 1, ("fuzzing",), at.stranger
    return report


def _round(
    report: Report, url: str, key: str, *, seed: int, per_route: int, phases: Collection[str], is_hot: bool
) -> None:
    headers = {"authorization": f"Bearer {key}"}
    config = SchemathesisConfig.from_dict(_settings(headers, seed, per_route, phases))
    address = f"{url}/openapi.json"
    schema = schemathesis.openapi.from_url(address, config=config, headers=headers, timeout=WITHIN_S)
    chosen = schema.include(func=lambda context: (context.operation.path in HOT) == is_hot)
    for event in engine.from_schema(chosen).execute():
        match event:
            case ScenarioFinished(recorder=recorder):
                _take(report, recorder, seed)
            case NonFatalError(value=error) if "reset by peer" in repr(error):
                pass  # to what is no HTTP the server itself says 400, and closes what it has not read
            case NonFatalError(value=error, label=label):
                report.findings.append(Finding(label, repr(error), seed, ""))
            case FatalError(exception=error):
                raise error


def _settings(headers: dict[str, str], seed: int, per_route: int, phases: Collection[str]) -> dict[str, Any]:
    known = ("examples", "coverage", "fuzzing", "stateful")
    return {
        "seed": seed,
        "suppress-health-check": ["all"],
        "headers": headers,
        "continue-on-failure": True,
        "request-timeout": WITHIN_S,
        "max-stream-events": 1_000,
        "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
        "phases": {name: {"enabled": name in phases} for name in known},
        "generation": {"max-examples": per_route, "no-shrink": True, "database": "none"},
        "dictionaries": {
            "models": {"values": [*MODELS]},
            "conversations": {"values": [*CONVERSATIONS]},
        },
        "parameters": {
            "body.conversationId": {"dictionary": "conversations", "probability": 0.9},
            **{place: {"dictionary": "models", "probability": 0.8} for place in NAMING},
        },
        "output": {"sanitization": {"enabled": False}},
    }


def _take(report: Report, recorder: ScenarioRecorder, seed: int) -> None:
    for id, said in recorder.interactions.items():
        operation = recorder.cases[id].value.operation.label
        status = 0 if said.response is None else said.response.status_code
        report.answers[operation, status] += 1
        if said.response is None:
            curl = recorder.cases[id].value.as_curl_command()
            report.findings.append(Finding(operation, "no answer", seed, curl))
            continue
        report.slowest_s = max(report.slowest_s, said.response.elapsed)
        for check in recorder.checks.get(id, ()):
            if check.failure_info is not None and not _is_right(check.name, status, said.response.content):
                what = f"{status}: {check.failure_info.failure.title}: {check.failure_info.failure.message}"
                report.findings.append(Finding(operation, what, seed, check.failure_info.code_sample))


def _is_right(check: str, status: int, body: bytes | None) -> bool:
    """Whether it is somebody else's failure, told as it should be, or another route's refusal."""
    if check == "unsupported_method":  # what stands for an id may be a word that names another route
        return status >= 400
    said = (body or b"").lower()
    return check == "not_a_server_error" and any(
        code.encode() in said and status in (expected, 529 if expected == 503 else expected)
        for code, expected in TYPED.items()
    )
