"""The documentation's matrix is the one that the tests go by."""

import pytest

from tests.matrix.__main__ import DOCUMENT
from tests.matrix.feature import EVERY
from tests.matrix.table import BEGIN, END, FEATURES, table, written


def test_the_document_is_what_would_be_written() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert document == written(document), "python -m tests.matrix"


def test_what_is_between_the_marks_is_replaced_and_nothing_else() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written(document) == f"before\n{BEGIN}\n{table()}{END}\nafter\n"
    with pytest.raises(ValueError, match="no place"):
        written("before")


def test_every_row_has_a_name_of_its_own_and_says_something() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    for feature in FEATURES:
        states = {feature.state(cell) for cell in EVERY}
        assert states & {"supported", "refused"}, feature.name


def test_a_refused_cell_is_of_a_dialect_that_has_the_words_for_it() -> None:
    for feature in FEATURES:
        unasked = [cell for cell in (*feature.refused, *feature.left_out) if cell[0] not in feature.asked]
        assert not (feature.refused.keys() & feature.left_out.keys()), feature.name
        assert all(feature.state(cell) == "none" for cell in unasked), feature.name
