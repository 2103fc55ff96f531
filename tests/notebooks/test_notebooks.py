"""Every notebook runs from top to bottom, in the order of their numbers, with small parameters."""

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
SMALL = {
    "01_explore_traffic.ipynb": "MADE_UP = 600",
    "02_train_router.ipynb": "MOST = 600",
    "03_evaluate_and_promote.ipynb": "REQUESTS = 240",
    "04_call_the_gateway.ipynb": "PROMPTS = PROMPTS[:3]",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Nothing of the caller's own gateway, and one folder for what a notebook leaves for the next."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POLYVOX_")}
    return clean | {
        "POLYVOX_CANDIDATE": str(tmp_path_factory.mktemp("candidate")),
        "MPLBACKEND": "agg",
        "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython")),
    }


def _read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / name, as_version=4)  # type: ignore[no-untyped-call]


def test_there_are_parameters_for_every_notebook() -> None:
    assert set(SMALL) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    book = _read(name)
    [at] = [n for n, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", ())]
    book.cells.insert(at + 1, nbformat.v4.new_code_cell(SMALL[name]))  # type: ignore[no-untyped-call]
    for variable in set(os.environ) - set(environment):
        monkeypatch.delenv(variable)
    client = NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    client.execute(env=environment)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    cells = [cell for cell in _read(name).cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in cells] == [[]] * len(cells)
    assert [cell.execution_count for cell in cells] == [None] * len(cells)
    assert not any(cell.source.lstrip().startswith(("!", "%")) for cell in cells)
