"""From a request to what shall be sent for it: routes, keys, rules, behaviour, answer, bill."""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from deployments.sandbox import (
    anthropic_reports,
    google,
    google_billing,
    openai_reports,
)
from deployments.sandbox.answers import compose
from deployments.sandbox.behaviour import NORMAL, Behaviour, Failures, requested
from deployments.sandbox.billing import Bill
from deployments.sandbox.distortion import Distortions
from deployments.sandbox.exchange import Ids, Json, Prompt, Provider, Rejected, Request, Script, Wire
from deployments.sandbox.meter import Meter
from deployments.sandbox.reports import Reports
from deployments.sandbox.routes import WIRES, Route, resolve
from deployments.sandbox.tokens import count
from models.chat import Usage

__all__ = ["Plan", "Service", "resolve"]

_CHECK_ADMIN = {"openai": openai_reports.check_admin, "anthropic": anthropic_reports.check_admin}

_FAILURES = {
    400: "The request was refused.",
    401: "Invalid authentication credentials.",
    403: "Permission denied.",
    404: "Not found.",
    413: "Request too large.",
    422: "Unprocessable request.",
    429: "Rate limit reached. Please try again later.",
    500: "The server had an error while processing your request.",
    502: "Bad gateway.",
    503: "The service is unavailable.",
    504: "The request timed out.",
    529: "Overloaded.",
}


@dataclass(slots=True, kw_only=True)
class Plan:
    """What the server does: after `delay_s`, send `body` or play `script`, or fail the connection."""

    status: int = 200
    headers: bytes = b""
    body: bytes = b""
    script: Script | None = None
    behaviour: Behaviour = NORMAL
    bill: Bill | None = None


class Service:
    def __init__(self, meter: Meter, distortions: Distortions | None = None) -> None:
        self.open_connections = 0
        self.open_streams = 0
        self._meter = meter
        self._distortions = distortions or Distortions(None)
        self._reports = Reports(meter, self._distortions)
        self._failures = Failures()
        self._state: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._run = os.urandom(4).hex()
        self._calls = 0
        self._controls: dict[tuple[str, str], Callable[[Request], Json]] = {
            ("GET", "/sandbox/stats"): lambda _: self._stats(),
            ("GET", "/sandbox/state"): lambda _: self._state,
            ("PUT", "/sandbox/state"): self._set_state,
            ("GET", "/sandbox/reports"): lambda _: self._distortions.pairs(),
            ("PUT", "/sandbox/reports"): self._set_reports,
            ("GET", google_billing.PATH): lambda request: google_billing.export(request.query, self._reports),
        }

    def plan(self, request: Request) -> Plan:
        """Never raises for what a client sends."""
        path = request.path
        if path == "/healthz" or path.startswith("/sandbox/"):
            return self._own(request)
        self._calls += 1
        ids = Ids(f"{self._run}{self._calls:012x}", 0, int(time.time()))
        found = resolve(request)
        if found is None:
            self._counts["unknown 404"] += 1
            return Plan(
                status=404, body=b'{"error":{"message":"The sandbox has no such path.","type":"not_found"}}'
            )
        route, model = found
        wire = WIRES[route.provider]
        plan = Plan()
        try:
            self._fill(plan, request, route, model, ids)
        except Rejected as error:
            self._refuse(plan, wire, error, ids)
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            # The rules read a body as if it had the right shape; one that has not breaks them anywhere.
            self._refuse(plan, wire, Rejected(f"The request is malformed: {error!r}"), ids)
        plan.headers += wire.REQUEST_ID_HEADER + b": req_" + ids.call.encode() + b"\r\n"
        self._counts[f"{route.provider} {route.endpoint} {plan.status}"] += 1
        return plan

    def _refuse(self, plan: Plan, wire: Wire, error: Rejected, ids: Ids) -> None:
        plan.bill = None if plan.bill is None or not plan.bill.recorded else plan.bill
        plan.script = None
        plan.status = error.status
        plan.body = wire.error_body(error, f"req_{ids.call}", plan.behaviour.retry_after)

    def too_large(self, request: Request) -> Plan:
        found = resolve(request)
        wire = WIRES[found[0].provider if found else "openai"]
        return Plan(status=413, body=wire.error_body(Rejected(_FAILURES[413], status=413), "req_0", None))

    def _fill(self, plan: Plan, request: Request, route: Route, model: str, ids: Ids) -> None:
        _authenticate(request, route.provider)
        body = _json(request) if request.method == "POST" else {}
        if route.generate is not None:
            prompt = route.generate.read(body, model)
            prompt.stream = prompt.stream or route.streams
            plan.behaviour = self._behaviour(request, route, prompt.user_text)
            self._generate(plan, request, route, prompt, ids)
        elif route.embed is not None:
            answer, model, texts = route.embed(body, model)
            plan.behaviour = self._behaviour(request, route, texts[-1])
            usage = Usage(input=sum(map(count, texts)))
            plan.bill = Bill(self._meter, request, route.provider, route.endpoint, model, ids.call, usage)
            self._fail(plan)
            plan.body = orjson.dumps(answer)
        elif route.tell is not None:
            plan.behaviour = self._behaviour(request, route, "")
            self._fail(plan)
            plan.body = orjson.dumps(route.tell(body, model))
        elif route.report is not None:
            _CHECK_ADMIN[route.provider](WIRES[route.provider].authenticated(request))
            plan.behaviour = self._behaviour(request, route, "")
            self._fail(plan)
            plan.body = orjson.dumps(route.report(request.query, self._reports))

    def _generate(self, plan: Plan, request: Request, route: Route, prompt: Prompt, ids: Ids) -> None:
        assert route.generate is not None
        behaviour = plan.behaviour
        ids.seed = _seed(prompt)
        answer = compose(prompt, behaviour, ids)
        plan.bill = Bill(
            self._meter, request, route.provider, route.endpoint, prompt.model, ids.call, answer.usage
        )
        self._fail(plan)
        if not prompt.stream:
            made = orjson.dumps(route.generate.whole(prompt, answer, ids, behaviour.usage))
            plan.body = b"<html>simulated garbage</html>" if behaviour.garbage == "1" else made
            return
        plan.script = route.generate.script(prompt, answer, ids, behaviour.usage)
        plan.bill.streams(hidden=plan.script.hidden, in_full=route.provider == "google")
        if route.provider == "google" and "alt=sse" not in request.query:
            plan.script = google.as_array(plan.script)

    def _behaviour(self, request: Request, route: Route, text: str) -> Behaviour:
        return requested(text, request.header(b"x-sandbox"), self._state.get(route.provider, ""))

    def _fail(self, plan: Plan) -> None:
        """Raises the failure that the behaviour wants; a failed call is billed only if it says so."""
        behaviour = plan.behaviour
        failure = self._failures.due(behaviour)
        if failure is None:
            if behaviour.fail is not None:
                plan.behaviour = behaviour.succeeding()
            return
        if behaviour.billed != "1":
            plan.bill = None
        if failure in ("timeout", "reset"):
            return
        status = int(failure)
        if plan.bill is not None:
            plan.bill.record(status=status, completed=False)
        if behaviour.retry_after is not None:
            plan.headers += f"retry-after: {behaviour.retry_after:g}\r\n".encode()
        raise Rejected(f"{_FAILURES[status]} (simulated)", status=status)

    def _own(self, request: Request) -> Plan:
        if request.path == "/healthz":
            return Plan(body=b'{"status":"ok","simulated":true}')
        own = self._controls.get((request.method, request.path))
        if own is None:
            return Plan(status=404, body=b'{"error":"not found"}')
        try:
            return Plan(body=orjson.dumps(own(request)))
        except Rejected as error:
            return Plan(status=error.status, body=orjson.dumps({"error": error.message}))

    def _set_state(self, request: Request) -> Json:
        """`{"openai": "fail=503", "google": ""}`: for every call of the provider until it is set anew."""
        given = _by_provider(request)
        for pairs in given.values():
            requested("", state=pairs)
        self._state |= given
        return self._state

    def _set_reports(self, request: Request) -> Json:
        self._distortions.put(_by_provider(request))
        return self._distortions.pairs()

    def _stats(self) -> Json:
        return {
            "requests": self._calls,
            "billed": self._meter.calls,
            "open_connections": self.open_connections,
            "open_streams": self.open_streams,
            "answers": dict(sorted(self._counts.items())),
        }


def _authenticate(request: Request, provider: Provider) -> None:
    key = WIRES[provider].authenticated(request)
    if not key or key.startswith("invalid"):
        raise Rejected("Incorrect or missing API key (simulated).", status=401)
    if provider == "anthropic" and b"anthropic-version" not in request.headers:
        raise Rejected("anthropic-version: header is required")


def _json(request: Request) -> Json:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Rejected(f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(body, dict):
        raise Rejected("The body of the request must be a JSON object.")
    return body


def _by_provider(request: Request) -> dict[str, str]:
    given = _json(request)
    if given.keys() - WIRES.keys():
        raise Rejected(f"providers are: {', '.join(WIRES)}")
    return {provider: str(pairs) for provider, pairs in given.items()}


def _seed(prompt: Prompt) -> int:
    """The same whether the answer is streamed or not; another one with every turn that is added."""
    asked = f"{prompt.model}\0{prompt.input_tokens}\0{prompt.user_text}"
    return int.from_bytes(hashlib.blake2b(asked.encode(), digest_size=8).digest())
