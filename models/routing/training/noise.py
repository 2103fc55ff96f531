"""What is no request at all, of several kinds, so that a classifier can say so."""

import base64
import random
import string
from collections.abc import Callable

from models.routing.training.prompts import Prompt

_EACH = 40
_LETTERS = string.ascii_lowercase
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SYLLABLES = (
    "lo",
    "rem",
    "ip",
    "sum",
    "do",
    "lor",
    "sit",
    "a",
    "met",
    "con",
    "sec",
    "te",
    "tur",
    "qui",
    "nos",
)
_FACES = "😀😂🥲😍🤔👍🔥🎉💀🙏🚀❤️🌈🍕🐱"
_MARKS = "?!.,;:-_*#@&%$~^|/\\()[]{}<>+='\""


def noise(seed: int = 0) -> list[Prompt]:
    """Each kind is a source of its own, to be held out as one. The same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    return [
        Prompt(text=make(rng), task=None, source=f"noise-{kind}")
        for kind, make in _KINDS.items()
        for _ in range(_EACH)
    ]


def _mashed(rng: random.Random) -> str:
    row = rng.choice(_ROWS)
    return " ".join(
        "".join(rng.choice(row) for _ in range(rng.randint(3, 12))) for _ in range(rng.randint(1, 5))
    )


def _hex(rng: random.Random) -> str:
    return rng.randbytes(rng.randint(8, 60)).hex()


def _base64(rng: random.Random) -> str:
    return base64.b64encode(rng.randbytes(rng.randint(12, 150))).decode()


def _faces(rng: random.Random) -> str:
    return "".join(rng.choice(_FACES) for _ in range(rng.randint(1, 12)))


def _marks(rng: random.Random) -> str:
    return "".join(rng.choice(_MARKS) for _ in range(rng.randint(1, 40)))


def _figures(rng: random.Random) -> str:
    return " ".join(str(rng.randint(0, 10 ** rng.randint(1, 9))) for _ in range(rng.randint(1, 12)))


def _repeated(rng: random.Random) -> str:
    unit: str = rng.choice([*_LETTERS, "ha", "lol ", "test ", "la ", "x ", "啊", "а"])
    return unit * rng.randint(3, 60)


def _syllables(rng: random.Random) -> str:
    words = (
        "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(1, 4))) for _ in range(rng.randint(4, 40))
    )
    return " ".join(words)


def _log_lines(rng: random.Random) -> str:
    return "\n".join(
        f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:12:5{rng.randint(0, 9)}Z "
        f"{rng.choice(['INFO', 'WARN', 'DEBUG'])} node-{rng.randint(1, 40)} took={rng.randint(1, 900)}ms"
        for _ in range(rng.randint(1, 8))
    )


def _shuffled(rng: random.Random) -> str:
    return "".join(chr(rng.randint(0x1200, 0x137F)) for _ in range(rng.randint(5, 60)))


def _identifiers(rng: random.Random) -> str:
    return "-".join(
        "".join(rng.choices(string.ascii_uppercase + string.digits, k=4)) for _ in range(rng.randint(2, 6))
    )


_KINDS: dict[str, Callable[[random.Random], str]] = {
    "mashed": _mashed,
    "hex": _hex,
    "base64": _base64,
    "faces": _faces,
    "marks": _marks,
    "figures": _figures,
    "repeated": _repeated,
    "syllables": _syllables,
    "log": _log_lines,
    "unread": _shuffled,
    "identifiers": _identifiers,
}
