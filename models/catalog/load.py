"""Reading the bundled catalogue and, over it, one overlay file.

A row of the overlay overrides the fields that it names in the row with the same id (so two lines enable a
host), and is a new row otherwise; its `[aliases]` are added. Lists, prices among them, are replaced whole.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from models.catalog.build import build_host, build_model
from models.catalog.catalog import Catalog
from models.catalog.model import Host, Model
from models.catalog.rows import CatalogError, HostRow, ModelRow, parse

BUNDLED = "catalog.toml"

_SECTIONS = {"hosts": list, "models": list, "aliases": dict}


@dataclass(frozen=True)
class _Raw:
    """A row before it is checked, and the file that had the last word on it."""

    file: str
    fields: Mapping[str, Any]


def load_catalog(overlay: Path | None = None) -> Catalog:
    """The bundled catalogue with `overlay` over it. Raises CatalogError, also for an unreadable file."""
    documents = [(BUNDLED, _document(BUNDLED, files(__package__).joinpath(BUNDLED).read_text("utf-8")))]
    if overlay is not None:
        documents.append((str(overlay), _document(str(overlay), _text(overlay))))
    host_rows = [parse(HostRow, raw.fields, file=raw.file) for raw in _merged("hosts", documents)]
    hosts = {row.id: build_host(row) for row in host_rows if row.enabled}
    known = {row.id for row in host_rows}
    models: dict[str, Model] = {}
    aliases: dict[str, str] = {}
    for raw in _merged("models", documents):
        row = parse(ModelRow, raw.fields, file=raw.file)
        if row.host not in known:
            raise CatalogError(f"no host {row.host!r}", file=raw.file, row=row.id, field="host")
        if row.host in hosts:
            models[row.id] = build_model(row, hosts[row.host])
            for alias in row.aliases:
                _add_alias(aliases, alias, row.id, file=raw.file)
    for file, document in documents:
        for alias, target in document.get("aliases", {}).items():
            aliases.pop(alias, None)
            _add_alias(aliases, alias, target, file=file)
    _check_aliases(aliases, models)
    prefixes = {prefix: row.id for row in host_rows if row.enabled for prefix in (row.id, *row.prefixes)}
    return Catalog(
        hosts=hosts,
        models=models,
        aliases=aliases,
        prefixes=prefixes,
        snapshot=_digest(hosts, models, aliases, prefixes),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"cannot be read ({type(error).__name__})", file=str(path), row="file", field="file"
        ) from error


def _document(file: str, text: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers and nestings beyond what the parser takes
        raise CatalogError(f"not TOML: {error}", file=file, row="file", field="file") from None
    for section, content in document.items():
        expected = _SECTIONS.get(section)
        if expected is None or not isinstance(content, expected):
            raise CatalogError("not a section of a catalogue", file=file, row="file", field=section)
    return document


def _merged(section: str, documents: Iterable[tuple[str, dict[str, Any]]]) -> list[_Raw]:
    rows: dict[str, _Raw] = {}
    for file, document in documents:
        seen: set[str] = set()
        for fields in document.get(section, []):
            row_id = fields.get("id") if isinstance(fields, dict) else None
            if not isinstance(row_id, str):
                raise CatalogError("a row without id", file=file, row=section, field="id")
            if row_id in seen:
                raise CatalogError("two rows with one id", file=file, row=row_id, field="id")
            seen.add(row_id)
            below = rows[row_id].fields if row_id in rows else {}
            rows[row_id] = _Raw(file, {**below, **fields})
    return list(rows.values())


def _add_alias(aliases: dict[str, str], alias: str, target: object, *, file: str) -> None:
    if not isinstance(target, str):
        raise CatalogError("the target is not a model's id", file=file, row="aliases", field=alias)
    if aliases.setdefault(alias, target) != target:
        raise CatalogError(
            f"already means {aliases[alias]!r}", file=file, row=target, field=f"aliases.{alias}"
        )


def _check_aliases(aliases: Mapping[str, str], models: Mapping[str, Model]) -> None:
    for alias, target in aliases.items():
        if target not in models:
            raise CatalogError(f"no model {target!r}", file="catalogue", row="aliases", field=alias)
        if alias in models or alias == "auto" or alias.startswith("auto:"):
            raise CatalogError("is a name of its own", file="catalogue", row="aliases", field=alias)


def _digest(*content: Mapping[str, Host] | Mapping[str, Model] | Mapping[str, str]) -> str:
    canonical = msgspec.json.encode(content, order="deterministic", enc_hook=_plain)
    return sha256(canonical).hexdigest()[:16]


def _plain(value: object) -> object:
    assert isinstance(value, date)
    return value.isoformat()
