"""Prose cut where a reader would cut it: at ends of sentences and at line breaks, never inside."""

import re

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'“‘\[*#-])|(?<=[。！？])|(?<=[.!?])\s+(?=[^\W\d_a-z])|\n+")
_LABEL = re.compile(r"[^:\n]{1,30}:(?=\s)")


def sentences(text: str) -> list[str]:
    return [part for piece in _END.split(text) if (part := piece.strip())]


def label_of(text: str) -> str:
    """`Ada Longmund:` where a text opens like a line of a transcript, else nothing."""
    found = _LABEL.match(text)
    return found.group(0) if found else ""
