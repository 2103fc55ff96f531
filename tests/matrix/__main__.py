"""`python -m tests.matrix` writes the feature matrix into docs/api.md, between its marks."""

from pathlib import Path

from tests.matrix.table import written

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


def main() -> None:
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
