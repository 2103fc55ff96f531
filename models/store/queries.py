"""Named queries out of `queries/*.sql`: each begins with a line `-- name: …`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


@cache
def load_queries(topic: str) -> Mapping[str, bytes]:
    """The queries of `queries/<topic>.sql` by name. Bytes, because psycopg takes text only from literals."""
    text = files(__package__).joinpath("queries", f"{topic}.sql").read_text("utf-8")
    _, *pairs = _NAME.split(text)
    names, bodies = pairs[::2], pairs[1::2]
    if len(names) != len(set(names)):
        raise ValueError(f"{topic}.sql names a query twice")
    return MappingProxyType({name: body.strip().encode() for name, body in zip(names, bodies, strict=True)})
