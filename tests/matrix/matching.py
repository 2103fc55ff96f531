"""Whether what was sent or told holds what it has to: a part of a body, written as it stands on the wire."""

from typing import Any

ABSENT = type("Absent", (), {"__repr__": lambda _: "ABSENT"})()
"""In place of a value: the field is not to be there, or null."""


def assert_has(actual: Any, expected: Any, where: str = "body") -> None:
    """Of objects the named fields, of lists every element, `...` for any value, else the very value."""
    if expected is ...:
        assert actual is not None, f"{where} is missing"
    elif isinstance(expected, dict):
        assert isinstance(actual, dict), f"{where} is {actual!r}"
        for name, value in expected.items():
            if value is ABSENT:
                assert actual.get(name) is None, f"{where}.{name} is {actual[name]!r}"
            else:
                assert name in actual, f"{where}.{name} is missing among {sorted(actual)}"
                assert_has(actual[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), f"{where} is {actual!r}"
        assert len(actual) == len(expected), f"{where} is {actual!r}"
        for at, (one, wanted) in enumerate(zip(actual, expected, strict=True)):
            assert_has(one, wanted, f"{where}[{at}]")
    else:
        assert actual == expected, f"{where} is {actual!r}, not {expected!r}"
        assert type(actual) is type(expected) or not isinstance(expected, bool), where
