"""From a provider's name for a model to the catalogue's id."""

import re

from models.catalog import Catalog

_DATED = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
"""Reports name the snapshot that answered, such as `gpt-4o-2024-08-06` or `claude-sonnet-4-20250514`."""


class Names:
    """Of one host's models."""

    def __init__(self, catalog: Catalog, host: str) -> None:
        own = [model for model in catalog.models.values() if model.host == host]
        self._ids = {model.id: model.id for model in own} | {model.wire_name: model.id for model in own}

    def id_of(self, name: str) -> str:
        """The name itself where the catalogue has no such model: somebody used it all the same."""
        plain = name.removeprefix("models/")
        return self._ids.get(plain) or self._ids.get(_DATED.sub("", plain)) or plain
