"""Two coding agents from the npm registry, and how each is told whom to call and what to do."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

WITHIN_S = 300.0
PROOF = "proof.txt"


@dataclass(frozen=True)
class Said:
    """What a turn came to."""

    text: str
    exit_code: int
    problem: str = ""


@dataclass
class Session:
    """A directory to work in and one for the program's own files; nothing of the caller's environment."""

    root: Path
    url: str
    key: str
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True)
        self.home.mkdir()

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def run(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), **env}
        return subprocess.run(
            command,
            cwd=self.work,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )


class Program(Protocol):
    name: str
    package: str
    """As npm names it, with the version that the figures are of."""

    def ask(self, session: Session, binaries: Path, model: str, text: str, *, first: bool) -> Said:
        """One turn: the first of a session, or the next."""
        ...

    def command(self, shell: str) -> str:
        """Words in which the sandbox's models are told to have the program run a command."""
        ...


class ClaudeCode:
    """Speaks Anthropic's messages."""

    name = "claude"
    package = "@anthropic-ai/claude-code@2.1.328"

    def ask(self, session: Session, binaries: Path, model: str, text: str, *, first: bool) -> Said:
        options = ("-p", text, "--output-format", "json", "--allowedTools", "Bash")
        done = session.run(
            str(binaries / self.name),
            *(options if first else ("--continue", *options)),
            CLAUDE_CONFIG_DIR=str(session.home),
            ANTHROPIC_BASE_URL=session.url,
            ANTHROPIC_AUTH_TOKEN=session.key,
            ANTHROPIC_MODEL=model,
            ANTHROPIC_SMALL_FAST_MODEL=model,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            DISABLE_AUTOUPDATER="1",
        )
        try:
            result = json.loads(done.stdout)
        except ValueError:
            return Said("", done.returncode, (done.stdout + done.stderr)[-500:])
        return Said(result["result"], done.returncode, "an error" if result["is_error"] else "")

    def command(self, shell: str) -> str:
        return f"[[tool:Bash {json.dumps({'command': shell, 'description': 'a proof'})}]]"


class Codex:
    """Speaks OpenAI's responses."""

    name = "codex"
    package = "@openai/codex@0.169.0"

    def ask(self, session: Session, binaries: Path, model: str, text: str, *, first: bool) -> Said:
        settings = {
            "model": model,
            "model_provider": "polyvox",
            "model_providers.polyvox.name": "Polyvox",
            "model_providers.polyvox.base_url": f"{session.url}/v1",
            "model_providers.polyvox.env_key": "POLYVOX_KEY",
            "model_providers.polyvox.wire_api": "responses",
        }
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={json.dumps(value)}")]
        how = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
        done = session.run(
            str(binaries / self.name),
            "exec",
            *(() if first else ("resume", "--last")),
            *chosen,
            *how,
            text,
            CODEX_HOME=str(session.home),
            POLYVOX_KEY=session.key,
        )
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Said(
            _last_message(events),
            done.returncode,
            _failure(events) or done.stderr[-500:] * bool(done.returncode),
        )

    def command(self, shell: str) -> str:
        return f"[[tool:exec_command {json.dumps({'cmd': shell})}]]"


def _last_message(events: list[Any]) -> str:
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    said = [item["text"] for item in items if item["type"] == "agent_message"]
    return said[-1] if said else ""


def _failure(events: list[Any]) -> str:
    failed = [event for event in events if event["type"] in ("error", "turn.failed")]
    return json.dumps(failed[0])[:500] if failed else ""


PROGRAMS: tuple[Program, ...] = (ClaudeCode(), Codex())
