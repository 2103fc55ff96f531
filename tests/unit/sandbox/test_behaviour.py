"""The grammar by which a request chooses what happens to it."""

import pytest

from deployments.sandbox.behaviour import (
    KEYS_MAX,
    NORMAL,
    Behaviour,
    Failures,
    requested,
    tools_asked,
    without_directives,
)
from deployments.sandbox.exchange import Rejected


@pytest.mark.parametrize(
    ("text", "header", "state", "expected"),
    [
        ("Hello [world]", "", "", NORMAL),
        ("Hi [[sandbox: delay=0.2 tokens=50]] there", "", "", Behaviour(delay=0.2, tokens=50)),
        ("[[sandbox:fail=429 retry_after=2]]", "", "", Behaviour(fail="429", retry_after=2)),
        ("[[sandbox: rate=1]] [[ sandbox : rate=50 ]]", "", "", Behaviour(rate=50)),
        ("[[sandbox: rate=1 key=a]]", "rate=2", "rate=3 cached=4", Behaviour(rate=2, key="a", cached=4)),
    ],
)
def test_text_header_and_state(text: str, header: str, state: str, expected: Behaviour) -> None:
    assert requested(text, header, state) == expected


@pytest.mark.parametrize(
    "pairs",
    [
        "delay=601",
        "delay=-1",
        "delay=soon",
        "tokens=100001",
        "rate=0",
        "fail=418",
        "bogus=1",
        "delay",
        "usage=x",
    ],
)
def test_what_is_unknown_or_out_of_bounds_is_refused(pairs: str) -> None:
    with pytest.raises(Rejected, match="sandbox directive"):
        requested(f"[[sandbox: {pairs}]]")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("[[tool:a]]", [("a", "")]),
        (
            '[[tool:a {"x": [[1]]}]] then [[ tool: b.c {"y": {"z": 2}} ]]',
            [("a", '{"x": [[1]]}'), ("b.c", '{"y": {"z": 2}}')],
        ),
        ("[[tool]]", []),
    ],
)
def test_tools_asked_for(text: str, asked: list[tuple[str, str]]) -> None:
    assert tools_asked(text) == asked


def test_directives_are_not_quoted_back() -> None:
    assert without_directives('Say [[tool:a {"x": 1}]]this[[sandbox: rate=5]]') == "Say this"


def test_the_first_calls_of_each_key_fail() -> None:
    failures = Failures()
    twice = Behaviour(fail="503", fail_times=2, key="a")
    other = Behaviour(fail="500", fail_times=1, key="b")
    assert [failures.due(each) for each in (twice, other, twice, twice, other)] == [
        "503",
        "500",
        "503",
        None,
        None,
    ]
    assert failures.due(Behaviour(fail="429")) == "429"


def test_keys_are_forgotten_in_the_end() -> None:
    failures = Failures()
    for n in range(KEYS_MAX + 1):
        failures.due(Behaviour(fail="503", fail_times=1, key=str(n)))
    assert failures.due(Behaviour(fail="503", fail_times=1, key="0")) == "503"
    assert failures.due(Behaviour(fail="503", fail_times=1, key=str(KEYS_MAX))) is None
