"""`/v1/usage` and `/v1/recommendations`: what was spent, on what, and what would have cost less."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from deployments.api.management.access import Caller, administers
from deployments.api.management.advice_views import AdviceOut, AdviceWanted, show_advice
from deployments.api.management.usage_views import UsageOut, UsageWanted, show_usage
from models.errors import InvalidRequest, PermissionDenied
from models.identity import Directory, Principal
from models.reports import Advice, CostAnalytics, Owner, Selection, TimeRange, UsageQuery, csv_parts
from models.reports.time_range import begin_of, following

_AS_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "The report; as CSV a line for each bucket and group.", "content": {"text/csv": {}}}
}

_INSTANT = timedelta.resolution


class Reports(Protocol):
    """What CostOptimizer does."""

    async def analyse(self, query: UsageQuery) -> CostAnalytics: ...

    async def recommend(self, owner: Owner, time_range: TimeRange) -> Advice: ...


def router(
    reports: Reports, directory: Directory, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> APIRouter:
    usage = _Usage(reports, directory, clock)
    routes = APIRouter(prefix="/v1", tags=["usage"])
    routes.add_api_route("/usage", usage.report, methods=["GET"], response_model=UsageOut, responses=_AS_CSV)
    routes.add_api_route("/recommendations", usage.advise, methods=["GET"])
    return routes


class _Usage:
    def __init__(self, reports: Reports, directory: Directory, clock: Callable[[], datetime]) -> None:
        self._reports = reports
        self._directory = directory
        self._clock = clock

    async def report(self, caller: Caller, wanted: Annotated[UsageWanted, Query()]) -> UsageOut | Response:
        """Your own usage; an administrator's tenant's."""
        now = self._clock()
        start = wanted.start or begin_of("month", wanted.end - _INSTANT if wanted.end else now)
        query = UsageQuery(
            selection=await self._selection(caller, wanted),
            time_range=TimeRange(start, wanted.end or following("month", max(start, now))),
            bucket=wanted.bucket,
            group_by=tuple(wanted.group_by),
            groups=wanted.groups,
            compare=wanted.compare,
            forecast=wanted.forecast,
        )
        report = await self._reports.analyse(query)
        return _csv(report) if wanted.format == "csv" else show_usage(report)

    async def advise(self, caller: Caller, wanted: Annotated[AdviceWanted, Query()]) -> AdviceOut:
        """What would have cost less in this time, with the arithmetic; the largest saving first."""
        end = wanted.end or self._clock()
        users = await self._users(caller, [] if wanted.user is None else [wanted.user])
        owner = Owner(caller.tenant_id, users[0] if users else None)
        time_range = TimeRange(wanted.start or end - timedelta(days=30), end)
        return show_advice(await self._reports.recommend(owner, time_range))

    async def _selection(self, caller: Principal, wanted: UsageWanted) -> Selection:
        return Selection(
            tenant_id=caller.tenant_id,
            models=tuple(wanted.model),
            providers=tuple(wanted.provider),
            users=await self._users(caller, wanted.user),
            teams=await _found(wanted.team, "team", caller, self._directory.team_id),
            keys=tuple(wanted.key),
            tasks=tuple(wanted.task),
            conversations=tuple(wanted.conversation),
            statuses=tuple(wanted.status),
            endpoints=tuple(wanted.endpoint),
        )

    async def _users(self, caller: Principal, asked: Sequence[str]) -> tuple[str, ...]:
        """Raises PermissionDenied for another's usage, whether or not there is such a user."""
        if administers(caller):
            return await _found(asked, "user", caller, self._directory.user_id)
        for name in asked:
            if await self._directory.user_id(caller.tenant_id, name) != caller.user_id:
                raise PermissionDenied("this takes an administrator's key")
        return (caller.user_id,)


async def _found(
    names: Sequence[str],
    kind: str,
    caller: Principal,
    look_up: Callable[[str, str], Awaitable[str | None]],
) -> tuple[str, ...]:
    found = []
    for name in names:
        known = await look_up(caller.tenant_id, name)
        if known is None:
            raise InvalidRequest(f"there is no {kind} {name}", param=kind)
        found.append(known)
    return tuple(found)


def _csv(report: CostAnalytics) -> StreamingResponse:
    first, last = (f"{day:%Y-%m-%d}" for day in (report.until.start, report.query.time_range.end))
    return StreamingResponse(
        _parts(csv_parts(report)),
        media_type="text/csv; charset=utf-8; header=present",
        headers={"content-disposition": f'attachment; filename="usage_{first}_{last}.csv"'},
    )


async def _parts(parts: Iterator[str]) -> AsyncIterator[str]:
    for part in parts:
        yield part
