"""The sandbox's one rule for tokens: four bytes of UTF-8 are a token, the last one may be short.

A media part (image, sound, document) counts as `MEDIA_TOKENS`, whatever its size.
"""

import codecs
from collections.abc import Collection, Iterable, Iterator

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 256


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def of_bytes(n: int) -> int:
    return -(-n // BYTES_PER_TOKEN)


def count(text: str) -> int:
    return of_bytes(size(text))


def count_input(texts: Iterable[str], *, media: int = 0) -> int:
    """Tokens of a prompt: all its texts as one, plus its media parts."""
    return of_bytes(sum(map(size, texts))) + media * MEDIA_TOKENS


def cut(text: str, n: int) -> str:
    """The first `n` tokens of `text`, on a character boundary."""
    if text.isascii():
        return text[: n * BYTES_PER_TOKEN]
    return text.encode()[: n * BYTES_PER_TOKEN].decode(errors="ignore")


def fill(text: str, n: int) -> str:
    """Exactly `n` tokens: `text` cut there, padded where a character straddles the cut."""
    text = cut(text, n)
    return text + "." * (n * BYTES_PER_TOKEN - size(text))


def pieces(text: str) -> Collection[str]:
    """`text` token by token; characters that straddle a cut go to the later piece."""
    if text.isascii():
        return _Slices(text)
    raw = text.encode()
    decode = codecs.getincrementaldecoder("utf-8")().decode
    found = (decode(raw[i : i + BYTES_PER_TOKEN]) for i in range(0, len(raw), BYTES_PER_TOKEN))
    return [piece for piece in found if piece]


class _Slices(Collection[str]):
    """Made when they are wanted: of a long answer on a slow stream only the text is kept."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __len__(self) -> int:
        return of_bytes(len(self._text))

    def __iter__(self) -> Iterator[str]:
        return (self._text[i : i + BYTES_PER_TOKEN] for i in range(0, len(self._text), BYTES_PER_TOKEN))

    def __contains__(self, piece: object) -> bool:
        return any(piece == each for each in self)
