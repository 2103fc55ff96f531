"""The catalogue in memory: immutable, and every name that a caller may write is one dict look-up away."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from msgspec import Struct

from models.catalog.model import Host, Model, Price
from models.errors import UnknownModel, UnknownPrice

Mode = Literal["cheap", "balanced", "quality", "fast"]

_MAX_ECHOED_CHARS = 100


class Auto(Struct, frozen=True):
    """The caller leaves the choice of model to the router."""

    mode: Mode


Resolved: TypeAlias = Model | Auto
_Named = TypeVar("_Named", bound=Resolved)


class Catalog:
    """`models` and `hosts` by id. `snapshot` names the content: equal snapshots mean equal prices."""

    __slots__ = ("_aliases", "_chat", "_embedding", "_hosts", "_models", "_prefixes", "_snapshot")

    def __init__(
        self,
        *,
        hosts: Mapping[str, Host],
        models: Mapping[str, Model],
        aliases: Mapping[str, str],
        prefixes: Mapping[str, str],
        snapshot: str,
    ) -> None:
        self._hosts = dict(hosts)
        self._models = dict(models)
        self._aliases = dict(aliases)
        self._prefixes = dict(prefixes)
        self._snapshot = snapshot
        named = _names(self._models, self._aliases, self._prefixes)
        self._embedding = {name: m for name, m in named.items() if m.kind == "embedding"}
        self._chat: dict[str, Resolved] = {name: m for name, m in named.items() if m.kind == "chat"}
        self._chat |= {"auto": Auto("balanced")} | {f"auto:{mode}": Auto(mode) for mode in get_args(Mode)}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self._hosts, self._models, self._aliases, self._prefixes, self._snapshot)

    @property
    def hosts(self) -> Mapping[str, Host]:
        return MappingProxyType(self._hosts)

    @property
    def models(self) -> Mapping[str, Model]:
        return MappingProxyType(self._models)

    @property
    def snapshot(self) -> str:
        return self._snapshot

    def resolve(self, name: str) -> Resolved:
        """The chat model of `name`: an id, an alias, `host/model`, `host:model`, `auto` or `auto:mode`.

        Raises UnknownModel, with the names that come closest.
        """
        found = self._chat.get(name)
        return found if found is not None else self._resolve_loosely(name, self._chat)

    def resolve_embedding(self, name: str) -> Model:
        """The embedding model of `name`; there is no `auto` among these. Raises UnknownModel."""
        found = self._embedding.get(name)
        return found if found is not None else self._resolve_loosely(name, self._embedding)

    def price_at(self, model: Model, when: date | datetime) -> Price:
        """The price in force (days are UTC). Raises UnknownPrice before the first one."""
        day = when.astimezone(UTC).date() if isinstance(when, datetime) else when
        for price in reversed(model.prices):
            if price.start <= day:
                return price
        raise UnknownPrice(f"{model.id} has no price on {day}.", model=model.id)

    def _resolve_loosely(self, name: str, names: Mapping[str, _Named]) -> _Named:
        short = name.strip()[:_MAX_ECHOED_CHARS]
        found = names.get(short.lower())
        if found is not None:
            return found
        if short.lower() in self._chat or short.lower() in self._embedding:
            kind = "a chat" if names is self._embedding else "an embedding"
            raise UnknownModel(f"{short!r} is {kind} model.", param="model", model=short)
        known = [plain for plain in (*self._models, *self._aliases, "auto") if plain in names]
        close = get_close_matches(short.lower(), known, n=3, cutoff=0.5)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise UnknownModel(f"There is no model {short!r}.{hint}", param="model", model=short)


def _names(
    models: Mapping[str, Model], aliases: Mapping[str, str], prefixes: Mapping[str, str]
) -> dict[str, Model]:
    names: dict[str, Model] = {}
    plain = {model_id: models[model_id] for model_id in models}
    plain |= {alias: models[target] for alias, target in aliases.items()}
    for name, model in plain.items():
        for spelling in (name, name.lower()):
            names.setdefault(spelling, model)
            for prefix, host in prefixes.items():
                if host == model.host:
                    names.setdefault(f"{prefix}/{spelling}", model)
                    names.setdefault(f"{prefix}:{spelling}", model)
    return names


def _rebuilt(
    hosts: Mapping[str, Host],
    models: Mapping[str, Model],
    aliases: Mapping[str, str],
    prefixes: Mapping[str, str],
    snapshot: str,
) -> Catalog:
    return Catalog(hosts=hosts, models=models, aliases=aliases, prefixes=prefixes, snapshot=snapshot)
