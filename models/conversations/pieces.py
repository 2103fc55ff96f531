"""A text in the stretches that one vector each is made of: encoders read a few hundred tokens and no more."""

PIECE_CHARS = 1_000
MAX_PIECES = 32
"""Of a message; what comes after is found by its words alone."""

_ENDS = ("\n\n", "\n", ". ", " ")
"""Where a stretch ends best, if that leaves it at least half as long as it may be."""


def pieces(text: str) -> list[str]:
    found: list[str] = []
    start = 0
    while start < len(text) and len(found) < MAX_PIECES:
        end = _end(text, start)
        if piece := text[start:end].strip():
            found.append(piece)
        start = end
    return found


def _end(text: str, start: int) -> int:
    limit = start + PIECE_CHARS
    if limit >= len(text):
        return len(text)
    for mark in _ENDS:
        place = text.rfind(mark, start + PIECE_CHARS // 2, limit)
        if place >= 0:
            return place + len(mark)
    return limit
