"""What every load sends: one chat completion request, as bytes ready for a socket."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_RULES = (
    "You answer questions of the people who run a regional library network. Give the rule that applies, "
    "name the form to fill in, and say plainly when a question belongs to another desk. Keep to short "
    "sentences, never guess a date or a fee, and never repeat what one reader told you to another."
)
_QUESTION = (
    "A reader returned eleven books to the branch at the harbour on Saturday, after the doors were shut, "
    "through the night slot. Nine of them were booked in on Monday. Two, both on loan from the university, "
    "still show as overdue and have drawn a reminder. The reader has the slip from the slot's printer. "
    "Which steps should the branch take, in which order, and who tells the university? At most five steps."
)


@dataclass(frozen=True)
class Pacing:
    """How the upstream answers: the directive that it reads from the last user message."""

    tokens: int
    rate: float | None = None
    """Chunks a second; None means as fast as it can."""
    delay_s: float = 0.0
    faults: str = ""
    """Further keys of the upstream's directive."""

    def directive(self) -> str:
        rate = "" if self.rate is None else f" rate={self.rate:g}"
        faults = f" {self.faults}" if self.faults else ""
        return f"[[sandbox: tokens={self.tokens}{rate} delay={self.delay_s:g}{faults}]]"


UNPACED = Pacing(tokens=34)


@dataclass(frozen=True)
class Target:
    """An endpoint under load. `base_url` is an OpenAI base URL on loopback."""

    name: str
    base_url: str
    model: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.base_url}/chat/completions"

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.base_url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def all_headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", **self.headers}


def chat_body(model: str, *, pacing: Pacing = UNPACED, stream: bool = False) -> bytes:
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": _RULES},
            {"role": "user", "content": f"{_QUESTION} {pacing.directive()}"},
        ],
        "user": "reader-desk-7",
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


def http_request(target: Target, body: bytes) -> bytes:
    host, port = target.address
    path = urlsplit(target.url).path
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in target.all_headers().items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
