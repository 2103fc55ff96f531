"""OpenAI's reports on an organisation: usage of completions and embeddings, and costs.

Parameters and fields are those of `admin.organization.usage` in the openai 3.54 SDK. Costs are daily, in USD
as a JSON number; a line item is `MODEL, KIND`.
"""

from collections.abc import Iterator

import orjson

from deployments.sandbox.exchange import Json, Rejected
from deployments.sandbox.reports import PAGE_DEFAULT, PAGE_MAX, Asked, Bucket, Params, Reports, Results, total
from deployments.sandbox.tally import Counts
from models.money import usd_text

ADMIN_PREFIX = "sk-admin"

_COMMON = frozenset({"start_time", "end_time", "bucket_width", "limit", "page", "group_by"})
_FILTERS = frozenset({"project_ids", "user_ids", "api_key_ids"})
_COMPLETIONS = _COMMON | _FILTERS | {"models", "batch"}
_EMBEDDINGS = _COMMON | _FILTERS | {"models"}
_COSTS = _COMMON | {"project_ids", "api_key_ids", "line_items"}
_GROUPS = frozenset({"project_id", "user_id", "api_key_id", "model"})
_COMPLETION_GROUPS = _GROUPS | {"batch", "service_tier", "api_source"}
_COST_GROUPS = frozenset({"project_id", "user_id", "api_key_id", "line_item", "api_source"})
_COSTS_PAGE = (7, 180)
_LINE_ITEMS = (
    "input_tokens",
    "input_cached_tokens",
    "input_cache_write_30m_tokens",
    "input_cache_write_12h_tokens",
    "output_tokens",
)


def check_admin(key: str) -> None:
    if not key.startswith(ADMIN_PREFIX):
        message = "You have insufficient permissions for this operation. Missing scopes: api.usage.read."
        raise Rejected(message, status=403)


def completions(query: str, reports: Reports) -> Json:
    params = Params(query, _COMPLETIONS)
    by_model = "model" in params.many("group_by", _COMPLETION_GROUPS)
    asked = _asked(params)

    def results(bucket: Bucket) -> Iterator[Json]:
        rows = reports.rows(asked, bucket, models=params.many("models"), embeddings=False)
        for model, counts in _grouped(rows, by_model=by_model):
            yield _completion(model, counts)

    return _page(asked, reports, results)


def embeddings(query: str, reports: Reports) -> Json:
    params = Params(query, _EMBEDDINGS)
    by_model = "model" in params.many("group_by", _GROUPS)
    asked = _asked(params)

    def results(bucket: Bucket) -> Iterator[Json]:
        rows = reports.rows(asked, bucket, models=params.many("models"), embeddings=True)
        for model, counts in _grouped(rows, by_model=by_model):
            yield {
                "object": "organization.usage.embeddings.result",
                "input_tokens": counts.tokens[0],
                "num_model_requests": counts.requests,
                "model": model,
                **_UNGROUPED,
            }

    return _page(asked, reports, results)


def costs(query: str, reports: Reports) -> Json:
    params = Params(query, _COSTS)
    by_item = "line_item" in params.many("group_by", _COST_GROUPS)
    default, most = _COSTS_PAGE
    asked = Asked(
        provider="openai",
        start=_time(params, "start_time"),
        end=_time(params, "end_time") if params.one("end_time") else None,
        width=params.width(widths=("1d",)),
        limit=params.limit(default, most),
        cursor=params.one("page"),
    )
    wanted = params.many("line_items")

    def results(bucket: Bucket) -> Iterator[Json]:
        items = [
            (f"{model}, {kind}", pico, tokens)
            for model, counts in reports.rows(asked, bucket)
            if counts.priced
            for kind, pico, tokens in zip(_LINE_ITEMS, counts.cost, counts.tokens, strict=True)
            if tokens
        ]
        kept = [item for item in items if not wanted or item[0] in wanted]
        if by_item:
            yield from (_cost(pico, line_item=name, quantity=tokens) for name, pico, tokens in kept)
        elif kept:
            yield _cost(sum(pico for _, pico, _ in kept), line_item=None, quantity=None)

    return _page(asked, reports, results)


_UNGROUPED: Json = {"project_id": None, "user_id": None, "api_key_id": None}


def _asked(params: Params) -> Asked:
    width = params.width()
    return Asked(
        provider="openai",
        start=_time(params, "start_time"),
        end=_time(params, "end_time") if params.one("end_time") else None,
        width=width,
        limit=params.limit(PAGE_DEFAULT[width], PAGE_MAX[width]),
        cursor=params.one("page"),
    )


def _time(params: Params, name: str) -> int:
    value = params.required(name)
    if not value.isdecimal():
        raise Rejected(f"'{name}' has to be a Unix time in seconds.", param=name)
    return int(value)


def _grouped(rows: Iterator[tuple[str, Counts]], *, by_model: bool) -> Iterator[tuple[str | None, Counts]]:
    if by_model:
        yield from rows
    elif counts := total(rows):
        yield None, counts


def _completion(model: str | None, counts: Counts) -> Json:
    fresh, cached, short, long, output = counts.tokens
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": fresh + cached + short + long,
        "input_uncached_tokens": fresh,
        "input_cached_tokens": cached,
        "input_cache_write_tokens": short + long,
        "input_cache_write_30m_tokens": short,
        "input_cache_write_12h_tokens": long,
        "output_tokens": output,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": counts.requests,
        "model": model,
        "batch": None,
        "service_tier": None,
        **_UNGROUPED,
    }


def _cost(pico: int, *, line_item: str | None, quantity: int | None) -> Json:
    return {
        "object": "organization.costs.result",
        "amount": {"value": orjson.Fragment(usd_text(pico)), "currency": "usd"},
        "line_item": line_item,
        "quantity": quantity,
        "quantity_unit": None if quantity is None else "tokens",
        "project_id": None,
        "api_key_id": None,
    }


def _page(asked: Asked, reports: Reports, results: Results) -> Json:
    page = reports.page(asked)
    data = [
        {
            "object": "bucket",
            "start_time": bucket.start,
            "end_time": bucket.end,
            "results": list(results(bucket)),
        }
        for bucket in page.buckets
    ]
    return {"object": "page", "data": data, "has_more": page.next is not None, "next_page": page.next}
