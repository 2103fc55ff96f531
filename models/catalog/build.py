"""From the checked rows of a file to what the product works with."""

from models.catalog.model import Host, Model, Price, Rates
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
    )


def build_model(row: ModelRow, host: Host) -> Model:
    return Model(
        id=row.id,
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
    )


def _rates(row: RatesRow) -> Rates:
    write_5m = row.input if row.cache_write_5m is None else row.cache_write_5m
    return Rates(
        service=row.service,
        above=row.above,
        input=row.input,
        cache_read=row.input if row.cache_read is None else row.cache_read,
        cache_write_5m=write_5m,
        cache_write_1h=write_5m if row.cache_write_1h is None else row.cache_write_1h,
        output=row.output,
    )
