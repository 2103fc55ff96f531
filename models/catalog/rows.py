"""The form of a catalogue file. A row that does not fit is refused by file, row and field."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from models.catalog.model import Capability, Kind, Protocol, Service, Tier
from models.chat import ServerTool
from models.money import pico


class CatalogError(ValueError):
    """A catalogue that must not be used."""

    def __init__(self, message: str, *, file: str = "", row: str = "", field: str = "") -> None:
        super().__init__(f"{file}: {row}: {field}: {message}")
        self.message = message
        self.file = file
        self.row = row
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(CatalogError, file=self.file, row=self.row, field=self.field), (self.message,)


_AMOUNT = re.compile(r"\d{1,7}(\.\d{1,9})?", re.ASCII)


def _pico_per(quoted: int, value: object) -> int:
    if not isinstance(value, str):
        raise ValueError('a rate is text, such as "0.075": a float is not exact')
    if not _AMOUNT.fullmatch(value):
        raise ValueError("a rate is a plain decimal number of USD, below ten million")
    return pico(Decimal(value) / quoted)


UsdPerMillion = Annotated[int, BeforeValidator(partial(_pico_per, 10**6))]
UsdPerThousand = Annotated[int, BeforeValidator(partial(_pico_per, 10**3))]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
Count = Annotated[int, Field(gt=0, le=10**9)]


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class HostRow(_Row):
    id: Name
    label: str
    protocol: Protocol
    base_url: HttpUrl
    base_url_env: EnvName
    key_env: Annotated[list[EnvName], Field(min_length=1)]
    key_required: bool = True
    bills_after_cancel: bool = False
    prefixes: list[Name] = []
    """Other names that callers put before a model's name, besides the id."""
    enabled: bool = True


class RatesRow(_Row):
    service: Service = "standard"
    above: Annotated[int, Field(ge=0, le=10**9)] = 0
    input: UsdPerMillion
    cache_read: UsdPerMillion | None = None
    cache_write_5m: UsdPerMillion | None = None
    cache_write_1h: UsdPerMillion | None = None
    output: UsdPerMillion
    reasoning: UsdPerMillion | None = None
    audio_input: UsdPerMillion | None = None
    image_input: UsdPerMillion | None = None
    cache_read_audio: UsdPerMillion | None = None
    audio_output: UsdPerMillion | None = None
    image_output: UsdPerMillion | None = None


class ToolRow(_Row):
    tool: ServerTool
    usd_per_1000: UsdPerThousand
    per: Literal["use", "call"] = "use"


class PriceRow(_Row):
    start: Annotated[date, Field(alias="from")]
    source: Annotated[str, Field(min_length=1)]
    rates: list[RatesRow]
    tools: list[ToolRow] = []

    @model_validator(mode="after")
    def _bands(self) -> Self:
        keys = [(r.service, r.above) for r in self.rates]
        if len(keys) != len(set(keys)):
            raise ValueError("two rates for one service and size")
        if ("standard", 0) not in keys:
            raise ValueError("no standard rates")
        standard = {above for service, above in keys if service == "standard"}
        if not standard.issuperset(above for _, above in keys):
            raise ValueError("rates above a size for which there are no standard ones")
        if len(self.tools) != len({t.tool for t in self.tools}):
            raise ValueError("two prices for one tool")
        return self


class ModelRow(_Row):
    id: Name
    kind: Kind = "chat"
    host: Name
    wire_name: Name | None = None
    tier: Tier
    auto: bool = True
    aliases: list[Name] = []
    window: Count
    max_input: Count
    max_output: Annotated[int, Field(ge=0, le=10**9)]
    capabilities: list[Capability]
    retires: date | None = None
    prices: Annotated[list[PriceRow], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if max(self.max_input, self.max_output) > self.window:
            raise ValueError("window: smaller than a limit of its own")
        if (self.kind == "chat") != (self.max_output > 0):
            raise ValueError("max_output: a chat model writes, an embedding model does not")
        if self.kind == "embedding" and self.auto:
            raise ValueError("auto: the router chooses chat models only")
        starts = [p.start for p in self.prices]
        if starts != sorted(set(starts)):
            raise ValueError("prices: not in the order of their dates")
        return self


RowT = TypeVar("RowT", HostRow, ModelRow)


def parse(kind: type[RowT], raw: Mapping[str, Any], *, file: str) -> RowT:
    """Raises CatalogError for the first thing that is wrong."""
    try:
        return kind.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CatalogError(
            first["msg"],
            file=file,
            row=str(raw.get("id", "a row without id")),
            field=".".join(map(str, first["loc"])) or "row",
        ) from None
