"""What was put in for a provider's sake is taken out again, and nothing else."""

import pytest

from models.chat import Image, Message, Text, ToolResult
from models.providers.stand_ins import (
    CONTINUE,
    FILE_FOLLOWS,
    IMAGE_FOLLOWS,
    NO_RESULT,
    OPENING,
    shown_by,
    without,
)
from tests.unit.providers.requests import call, result, say

PNG = Image("image/png", "aGk=")
SVG = Image("image/svg+xml", "aGk=")
ASKED = say("assistant", call("c1"), call("c2"))


def tool(*results: ToolResult) -> Message:
    return Message("tool", results)


CASES: list[tuple[str, list[Message], list[Message]]] = [
    (
        "an opening",
        [say("system", "s"), say("user", OPENING), say("assistant", "a")],
        [say("system", "s"), say("assistant", "a")],
    ),
    (
        "a later opening",
        [say("assistant", "a"), say("user", OPENING)],
        [say("assistant", "a"), say("user", OPENING)],
    ),
    ("a request to go on", [say("assistant", "a"), say("user", CONTINUE)], [say("assistant", "a")]),
    (
        "going on after a user",
        [say("user", "a"), say("user", CONTINUE)],
        [say("user", "a"), say("user", CONTINUE)],
    ),
    (
        "a made-up result",
        [ASKED, tool(ToolResult("c1", (NO_RESULT,), is_error=True), result("c2"))],
        [ASKED, tool(result("c2"))],
    ),
    ("only made-up results", [ASKED, tool(ToolResult("c1", (NO_RESULT,), is_error=True))], [ASKED]),
    (
        "a failed result",
        [tool(result("c1", Text("Error:\ngone"))), tool(result("c2", Text("Error: gone")))],
        [tool(result("c1", Text("gone"), is_error=True)), tool(result("c2", Text("Error: gone")))],
    ),
    (
        "pictures of two results",
        [
            tool(result("c1", Text(IMAGE_FOLLOWS))),
            tool(result("c2", Text("and"), Text(FILE_FOLLOWS))),
            say("user", Text(shown_by("c1")), PNG, Text(shown_by("c2")), SVG),
        ],
        [tool(result("c1", PNG)), tool(result("c2", Text("and"), SVG))],
    ),
    (
        "a picture of the user's own",
        [tool(result("c1", Text(IMAGE_FOLLOWS))), say("user", Text("see"), PNG)],
        [tool(result("c1", Text(IMAGE_FOLLOWS))), say("user", Text("see"), PNG)],
    ),
]


@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_stand_ins(given: list[Message], expected: list[Message]) -> None:
    assert without(given) == tuple(expected)
