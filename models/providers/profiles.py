"""What each model accepts on the wire: rows of `profiles.toml`, layered and validated on load."""

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from models.chat import Effort

WireProvider = Literal["openai", "anthropic", "google"]
Sampling = Literal["temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed"]

_TABLE = Path(__file__).with_name("profiles.toml")
_ROW_KEYS = {"name", "provider", "match", "source"}


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one model accepts; every field is a row's field of the same name."""

    provider: WireProvider
    rows: tuple[str, ...]
    """Names of the rows that made it, default first."""
    first_party: bool = False
    """The provider's own API, with the extras that look-alikes refuse."""
    sampling: frozenset[Sampling]
    temperature_max: float
    one_of_temperature_top_p: bool = False
    stops_max: int
    """Most stop sequences taken; 0 where none is."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens", "maxOutputTokens"]
    reasoning: Literal["none", "effort", "budget", "adaptive", "level"]
    efforts: tuple[Effort, ...] = ()
    """Those accepted, weakest first, where reasoning goes by effort."""
    budget_min: int = 0
    budget_max: int = 0
    always_reasons: bool = False
    structured: Literal["json_schema", "subset", "none"]
    """How an answer's schema is given: JSON Schema, the OpenAPI subset, or only in words."""
    structured_with_tools: bool = True
    verbosity: bool = False
    forced_tools: bool
    prefill: bool
    """The conversation may end on an assistant turn, which the model then continues."""
    mid_system: bool
    """System messages may stand between turns."""
    signed_calls: bool = False
    """A step's first function call is refused without a thought signature."""
    call_ids: bool = True
    call_ids_required: bool = True
    calls_need_tools: bool = False
    """A history with tool calls is refused where the request offers no tools."""
    options_refused: frozenset[str] = frozenset()
    """Fields of the provider's own that this model does not take."""
    taken_unreasoned: frozenset[str] = frozenset()
    """Of `options_refused`, those that are taken where no reasoning at all is asked for."""
    binds_thinking: bool = False
    """Thinking blocks are refused once anything before them was changed."""
    cache_breakpoints: int = 0
    tool_name: str
    tool_name_max: int
    tool_id_max: int
    media_in_results: frozenset[str] = frozenset()

    def at(self, effort: Effort | None) -> "Profile":
        """What the model accepts beside that effort."""
        if effort != "none" or not self.taken_unreasoned:
            return self
        return replace(self, options_refused=self.options_refused - self.taken_unreasoned)


class _Row(Struct, frozen=True):
    name: str
    match: re.Pattern[str]
    fields: dict[str, Any]


class Profiles:
    """The table. Immutable once loaded."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows: dict[WireProvider, list[_Row]] = {}
        for number, row in enumerate(rows, 1):
            self._add(row, label=f"row {number} ({row.get('name', 'unnamed')})")
        self._cached = lru_cache(maxsize=1024)(self._layered_for)

    @classmethod
    def load(cls, path: Path = _TABLE) -> Self:
        """Raises ValueError that names the row at fault."""
        with path.open("rb") as file:
            return cls(tomllib.load(file).get("row", []))

    def for_model(self, provider: WireProvider, model: str) -> Profile:
        """A model that no row describes gets the provider's default."""
        return self._cached(provider, model)

    def maker(self, model: str) -> WireProvider | None:
        """Whose model it is, as far as a row tells."""
        for provider, rows in self._rows.items():
            if any(row.match.search(model) for row in rows[1:]):
                return provider
        return None

    def _add(self, row: dict[str, Any], *, label: str) -> None:
        for key in ("name", "provider", "source"):
            if not isinstance(row.get(key), str) or not row[key]:
                raise ValueError(f"profiles: {label}: {key} is missing")
        known = self._rows.setdefault(row["provider"], [])
        if ("match" in row) != bool(known):
            raise ValueError(f"profiles: {label}: a provider's first row, and only it, has no match")
        try:
            pattern = re.compile(row.get("match", ""))
            re.compile(row.get("tool_name", ""))
        except (re.error, TypeError) as error:
            raise ValueError(f"profiles: {label}: bad pattern: {error}") from None
        fields = {key: value for key, value in row.items() if key not in _ROW_KEYS}
        known.append(_Row(row["name"], pattern, fields))
        layers = [known[0]] if len(known) == 1 else [known[0], known[-1]]
        try:
            _layered(row["provider"], layers)
        except msgspec.ValidationError as error:
            raise ValueError(f"profiles: {label}: {error}") from None

    def _layered_for(self, provider: WireProvider, model: str) -> Profile:
        return _layered(provider, [row for row in self._rows[provider] if row.match.search(model)])


def _layered(provider: str, rows: list[_Row]) -> Profile:
    fields: dict[str, Any] = {}
    for row in rows:
        fields |= row.fields
    named = {"provider": provider, "rows": [row.name for row in rows]}
    return msgspec.convert(fields | named, Profile)
