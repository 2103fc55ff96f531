"""`python -m tests.clients`: two coding agents from npm work through the whole stack, with any model.

Each session has a turn with a tool call, one without, and one with a tool call that another provider's model
makes in the same conversation. Needs node's npm and its registry; the programs are some 760 MB.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import httpx2

from tests.clients.programs import PROGRAMS, PROOF, Program, Session
from tests.serve.stack import Stack

MODELS = ("claude-sonnet-5", "gpt-5.4-mini", "gemini-3.5-flash")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("--directory", type=Path, help="where the programs are or shall be; else a new one")
    parser.add_argument("--sessions", type=int, default=1, help="of each program with each model")
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp(prefix="polyvox-clients-"))
    binaries = _installed(directory)
    stack = Stack(overrides={}, args={})
    try:
        stack.up()
        failures = [
            failure
            for program in PROGRAMS
            for at, model in enumerate(MODELS)
            for number in range(options.sessions)
            for failure in _session(
                stack, program, binaries, model, MODELS[(at + 1) % len(MODELS)], number=number
            )
        ]
        failures += _ledger(stack)
    finally:
        stack.down()
        shutil.rmtree(stack.home, ignore_errors=True)
        if options.directory is None:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


def _installed(directory: Path) -> Path:
    packages = [program.package for program in PROGRAMS]
    binaries = directory / "node_modules" / ".bin"
    if not all((binaries / program.name).exists() for program in PROGRAMS):
        command = ["npm", "install", "--no-fund", "--no-audit", "--prefix", str(directory), *packages]
        subprocess.run(command, check=True)
    return binaries


def _session(
    stack: Stack, program: Program, binaries: Path, model: str, other: str, *, number: int
) -> list[str]:
    root = Path(tempfile.mkdtemp(prefix="polyvox-session-"))
    session = Session(root, stack.url, stack.key)
    try:
        turns = (
            (
                model,
                f"Please do it. {program.command(f'printf 42 > {PROOF}; echo made-42')}",
                "made-42",
                "42",
            ),
            (model, "What was that?", "", "42"),
            (other, f"Once more. {program.command(f'printf 43 > {PROOF}; echo made-43')}", "made-43", "43"),
        )
        failures = []
        for turn, (asked, text, told, proof) in enumerate(turns):
            said = program.ask(session, binaries, asked, text, first=turn == 0)
            there = session.work / PROOF
            found = there.read_text() if there.exists() else ""
            is_good = (
                (said.exit_code, said.problem, found) == (0, "", proof)
                and told in said.text
                and f"({asked})" in said.text
            )
            print(f"{program.package:<36} {number + 1}.{turn + 1} {asked:<18} {'good' if is_good else said}")
            failures += [] if is_good else [f"{program.name} {asked} turn {turn + 1}"]
        return failures
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _ledger(stack: Stack) -> list[str]:
    """What the ledger has of the sessions: every attempt completed and paid for, and metered alike."""
    headers = {"authorization": f"Bearer {stack.key}"}
    url, rows, after = f"{stack.url}/v1/requests?limit=500", list[dict[str, object]](), ""
    with httpx2.Client(headers=headers, timeout=30) as http:
        while True:
            page = http.get(url + (f"&after={after}" if after else "")).json()
            rows += page["data"]
            if not page["has_more"]:
                break
            after = page["data"][-1]["id"]
    counted = Counter((row["endpoint"], row["model"], row["status"]) for row in rows)
    for (endpoint, model, status), count in sorted(counted.items(), key=str):
        print(f"{count:4d} {status} {endpoint} {model}")
    lines = len(stack.meter())
    print(f"{len(rows)} requests in the ledger, {lines} calls at the sandbox's meter")
    wrong = [f"{count} are {kind}" for kind, count in counted.items() if kind[2] != "completed"]
    return wrong + ([] if len(rows) == lines else ["ledger and meter differ"])


if __name__ == "__main__":
    raise SystemExit(main())
