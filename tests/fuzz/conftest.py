"""A surface for each module: what one sets of budgets and limits is nothing to the next."""

from collections.abc import Iterator

import pytest

from tests.fuzz.surface import Surface, surface


@pytest.fixture(scope="module")
def at() -> Iterator[Surface]:
    with surface() as running:
        yield running
