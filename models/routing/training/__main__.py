"""`python -m models.routing.training --data DIR --out DIR` trains, measures and writes an artefact."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from models.routing.training.making import make_artefact
from models.routing.training.signing import new_key


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.routing.training", description=__doc__)
    parser.add_argument(
        "--data", type=Path, action="append", default=[], help="JSON lines, or a folder of them"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder that the artefact is written to")
    parser.add_argument("--version", default="v1", help="names the artefact")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--groups", type=int, default=2, help="encoders tuned for measuring, each without a group of sources"
    )
    signer = parser.add_mutually_exclusive_group()
    signer.add_argument("--key", type=Path, help="the Ed25519 private key (PEM) that it is signed with")
    signer.add_argument(
        "--once", type=Path, metavar="PUBLIC", help="sign with a new key that nobody keeps; its public half"
    )
    parser.add_argument("--kept", type=Path, help="a folder for what takes long and may be wanted again")
    args = parser.parse_args()
    files = [file for given in args.data for file in _files(given)]
    with TemporaryDirectory() as directory:
        key = args.key
        if args.once is not None:
            key = Path(directory) / "key.pem"
            new_key(key, args.once)
        manifest = make_artefact(
            files,
            args.out,
            version=args.version,
            seed=args.seed,
            groups=args.groups,
            key=key,
            kept=args.kept,
        )
    for name, figure in manifest.metrics.items():
        sys.stdout.write(f"{name:40} {figure:.4f}\n")


def _files(given: Path) -> list[Path]:
    """Of a folder, the files of labels; other tables may lie beside them."""
    return sorted(given.glob("*labels*.jsonl")) if given.is_dir() else [given]


if __name__ == "__main__":
    main()
