"""`python -m models.routing.training --data DIR --out DIR` trains, measures and writes an artefact."""

import argparse
import sys
from pathlib import Path

from models.routing.training.making import make_artefact


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.routing.training", description=__doc__)
    parser.add_argument(
        "--data", type=Path, action="append", default=[], help="JSON lines, or a folder of them"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder that the artefact is written to")
    parser.add_argument("--version", default="v1", help="names the artefact")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    files = [file for given in args.data for file in _files(given)]
    manifest = make_artefact(files, args.out, version=args.version, seed=args.seed)
    for name, figure in manifest.metrics.items():
        sys.stdout.write(f"{name:40} {figure:.4f}\n")


def _files(given: Path) -> list[Path]:
    """Of a folder, the files of labels; other tables may lie beside them."""
    return sorted(given.glob("*labels*.jsonl")) if given.is_dir() else [given]


if __name__ == "__main__":
    main()
