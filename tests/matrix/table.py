"""The matrix as a table of the documentation, from the rows that the tests go by."""

from tests.matrix import answering, counting, media, thinking, tools, words
from tests.matrix.feature import DIALECTS, Dialect, Feature, Provider, State

FEATURES: tuple[Feature, ...] = (
    *words.FEATURES,
    *tools.FEATURES,
    *media.FEATURES,
    *thinking.FEATURES,
    *answering.FEATURES,
    *counting.FEATURES,
)
BEGIN = "<!-- matrix: written by `python -m tests.matrix` -->"
END = "<!-- end of the matrix -->"
_LETTERS: dict[Provider, str] = {"openai": "O", "anthropic": "A", "google": "G"}
_HEADS: dict[Dialect, str] = {
    "chat": "chat completions",
    "responses": "responses",
    "messages": "messages",
    "gemini": "generateContent",
}
_STATES: tuple[State, ...] = ("refused", "left out")


def table() -> str:
    """Markdown."""
    rows = [
        ["", *(_HEADS[dialect] for dialect in DIALECTS), ""],
        ["---"] * (len(DIALECTS) + 2),
        *(
            [feature.name, *(_cell(feature, dialect) for dialect in DIALECTS), feature.remark]
            for feature in FEATURES
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows) + "\n"


def written(document: str) -> str:
    """`document` with the table of today between its marks. Raises ValueError where it has none."""
    before, begun, rest = document.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (begun and ended):
        raise ValueError("the document has no place for the matrix")
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def _cell(feature: Feature, dialect: Dialect) -> str:
    said = _letters(feature, dialect, "supported")
    for state in _STATES:
        if letters := _letters(feature, dialect, state):
            said += f"{'; ' if said else ''}{letters} {state}"
    return said or "–"


def _letters(feature: Feature, dialect: Dialect, state: State) -> str:
    return " ".join(
        letter for provider, letter in _LETTERS.items() if feature.state((dialect, provider)) == state
    )
