"""From the checked rows of a file to what the product works with."""

from models.catalog.model import Host, Model, Price, Rates, ToolPrice
from models.catalog.rows import HostRow, ModelRow, PriceRow, RatesRow


def build_host(row: HostRow) -> Host:
    return Host(
        id=row.id,
        label=row.label,
        protocol=row.protocol,
        base_url=row.base_url,
        base_url_env=row.base_url_env,
        key_env=tuple(row.key_env),
        key_required=row.key_required,
        bills_after_cancel=row.bills_after_cancel,
    )


def build_model(row: ModelRow, host: Host) -> Model:
    return Model(
        id=row.id,
        kind=row.kind,
        host=host.id,
        protocol=host.protocol,
        wire_name=row.wire_name or row.id,
        tier=row.tier,
        auto=row.auto,
        window=row.window,
        max_input=row.max_input,
        max_output=row.max_output,
        capabilities=frozenset(row.capabilities),
        retires=row.retires,
        prices=tuple(_price(price, row.id) for price in row.prices),
    )


def _price(row: PriceRow, model_id: str) -> Price:
    return Price(
        model_id=model_id,
        start=row.start,
        source=row.source,
        rates=tuple(_rates(rates) for rates in row.rates),
        tools=tuple(ToolPrice(tool=t.tool, pico=t.usd_per_1000, per=t.per) for t in row.tools),
    )


def _rates(row: RatesRow) -> Rates:
    """What a row leaves out is billed as the kind of token that it is a special case of."""
    cache_read = _or(row.cache_read, row.input)
    write_5m = _or(row.cache_write_5m, row.input)
    # Cached sound without a rate of its own is no cheaper than sound, where sound has one.
    cached_audio = cache_read if row.audio_input is None else row.audio_input
    return Rates(
        service=row.service,
        above=row.above,
        input=row.input,
        cache_read=cache_read,
        cache_write_5m=write_5m,
        cache_write_1h=_or(row.cache_write_1h, write_5m),
        output=row.output,
        reasoning=_or(row.reasoning, row.output),
        audio_input=_or(row.audio_input, row.input),
        image_input=_or(row.image_input, row.input),
        cache_read_audio=_or(row.cache_read_audio, cached_audio),
        audio_output=_or(row.audio_output, row.output),
        image_output=_or(row.image_output, row.output),
    )


def _or(rate: int | None, otherwise: int) -> int:
    return otherwise if rate is None else rate
