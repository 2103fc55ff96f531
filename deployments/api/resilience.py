"""Headers that say how far to go for an answer: `x-polyvox-fallback`, `-hedge` and `-on-stream-failure`."""

import re

from deployments.api.exchange import Exchange, Headers
from models.errors import InvalidRequest
from models.resilience import PLAIN, Resilience

FALLBACK = b"x-polyvox-fallback"
HEDGE = b"x-polyvox-hedge"
ON_STREAM_FAILURE = b"x-polyvox-on-stream-failure"
FALLBACK_FROM = b"x-polyvox-fallback-from"

MAX_FALLBACKS = 8
MAX_HEDGE_MS = 60_000
_MODEL = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")


def resilience_of(exchange: Exchange) -> Resilience:
    """Raises InvalidRequest."""
    headers = exchange.headers
    if not (FALLBACK in headers or HEDGE in headers or ON_STREAM_FAILURE in headers):
        return PLAIN
    hedges, hedge_after_s = _hedge(_said(headers.get(HEDGE, b"off")))
    return Resilience(
        fallback=_fallback(_said(headers.get(FALLBACK, b"off"))),
        hedges=hedges,
        hedge_after_s=hedge_after_s,
        continues=_continues(_said(headers.get(ON_STREAM_FAILURE, b"error"))),
    )


def fell_back(model_id: str | None) -> Headers:
    """What the answer says where another model was to give it."""
    return () if model_id is None else ((FALLBACK_FROM, model_id.encode()),)


def _said(value: bytes) -> str:
    return value.decode("ascii", "replace").strip()


def _fallback(said: str) -> tuple[str, ...]:
    if said.lower() in ("off", ""):
        return ()
    named = tuple(name.strip() for name in said.split(",") if name.strip())
    if len(named) > MAX_FALLBACKS or not all(map(_MODEL.fullmatch, named)):
        raise InvalidRequest(
            f"the fallback is `auto`, `off`, or up to {MAX_FALLBACKS} models", param=FALLBACK.decode()
        )
    return named


def _hedge(said: str) -> tuple[bool, float | None]:
    if said.lower() in ("on", "off"):
        return said.lower() == "on", None
    if not said.isdigit() or not 1 <= int(said[:9]) <= MAX_HEDGE_MS or len(said) > 9:
        raise InvalidRequest(
            f"hedging is `on`, `off`, or a number of milliseconds up to {MAX_HEDGE_MS}", param=HEDGE.decode()
        )
    return True, int(said) / 1000


def _continues(said: str) -> bool:
    if said.lower() not in ("error", "continue"):
        raise InvalidRequest(
            "what a stream does that fails is `error` or `continue`", param=ON_STREAM_FAILURE.decode()
        )
    return said.lower() == "continue"
