"""`/v1/batches`, as OpenAI's SDK calls it: any model may be named, and any way in."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query
from pydantic import Field, StringConstraints

from deployments.api.files import LONGEST_S, SHORTEST_S, owner_of
from deployments.api.management.access import Caller
from deployments.api.management.fields import In, Out, Page, Text, page
from models.batches import Batch, BatchStore, Fault, FileStore, NewBatch, batch_id_for, new_batch_id
from models.batches.batch import Status
from models.errors import InvalidRequest, NotFound

Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Value = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^\x00]*$")]


class ExpiresAfter(In):
    anchor: Literal["created_at"]
    seconds: int = Field(ge=SHORTEST_S, le=LONGEST_S)


class BatchIn(In):
    input_file_id: Text
    endpoint: Literal["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"]
    """What most lines ask of; each line says it for itself."""
    completion_window: Literal["24h"]
    metadata: dict[Key, Value] | None = Field(None, max_length=16)
    output_expires_after: ExpiresAfter | None = None


class FaultOut(Out):
    code: str
    message: str
    line: int | None
    param: str | None


class Faults(Out):
    object: Literal["list"] = "list"
    data: list[FaultOut]


class RequestCounts(Out):
    total: int
    completed: int
    failed: int


class BatchOut(Out):
    """Times are Unix seconds."""

    object: Literal["batch"] = "batch"
    id: str
    endpoint: str
    errors: Faults | None
    input_file_id: str
    completion_window: str
    status: Status
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str] | None


def router(batches: BatchStore, files: FileStore) -> APIRouter:
    async def create(
        caller: Caller,
        asked: BatchIn,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    ) -> BatchOut:
        """Have the lines of a file answered, at the expense of the key that asks.

        With an `Idempotency-Key` the same request makes one batch, however often it is sent.
        """
        owner = owner_of(caller)
        await _check_file(files, caller, asked.input_file_id)
        key = idempotency_key
        new = NewBatch(
            id=new_batch_id() if key is None else batch_id_for(caller.user_id, key),
            tenant_id=owner.tenant_id,
            user_id=owner.user_id,
            key_id=caller.key_id,
            endpoint=asked.endpoint,
            input_file_id=asked.input_file_id,
            completion_window=asked.completion_window,
            metadata=asked.metadata or {},
            output_lasts_s=None if asked.output_expires_after is None else asked.output_expires_after.seconds,
        )
        return show_batch(await batches.add(new))

    async def list_batches(
        caller: Caller,
        after: Annotated[Text | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Page[BatchOut]:
        """Your batches, the newest first."""
        found = await batches.list(owner_of(caller), after=after, limit=limit + 1)
        return page(found, limit, show_batch)

    async def show(caller: Caller, batch_id: Text) -> BatchOut:
        """How far it is: `request_counts` goes up as its lines are answered."""
        return show_batch(await batches.find(owner_of(caller), batch_id))

    async def cancel(caller: Caller, batch_id: Text) -> BatchOut:
        """Lines that are under way are finished; what was answered is in the output file."""
        return show_batch(await batches.cancel(owner_of(caller), batch_id))

    routes = APIRouter(prefix="/v1/batches", tags=["batches"])
    routes.add_api_route("", create, methods=["POST"])
    routes.add_api_route("", list_batches, methods=["GET"])
    routes.add_api_route("/{batch_id}", show, methods=["GET"])
    routes.add_api_route("/{batch_id}/cancel", cancel, methods=["POST"])
    return routes


async def _check_file(files: FileStore, caller: Caller, id: str) -> None:
    try:
        file = await files.find(owner_of(caller), id)
    except NotFound as error:
        raise InvalidRequest(error.message, param="input_file_id") from None
    if file.purpose != "batch":
        raise InvalidRequest("the file's purpose is not `batch`", param="input_file_id")


def show_batch(batch: Batch) -> BatchOut:
    created, expires = _seconds(batch.created_at), _seconds(batch.expires_at)
    assert created is not None
    assert expires is not None
    return BatchOut(
        id=batch.id,
        endpoint=batch.endpoint,
        errors=Faults(data=[_show_fault(fault) for fault in batch.faults]) if batch.faults else None,
        input_file_id=batch.input_file_id,
        completion_window=batch.completion_window,
        status=batch.status,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=created,
        in_progress_at=_seconds(batch.in_progress_at),
        expires_at=expires,
        finalizing_at=_seconds(batch.finalizing_at),
        completed_at=_seconds(batch.completed_at),
        failed_at=_seconds(batch.failed_at),
        expired_at=_seconds(batch.expired_at),
        cancelling_at=_seconds(batch.cancelling_at),
        cancelled_at=_seconds(batch.cancelled_at),
        request_counts=RequestCounts(total=batch.total, completed=batch.completed, failed=batch.failed),
        metadata=batch.metadata or None,
    )


def _show_fault(fault: Fault) -> FaultOut:
    return FaultOut(code=fault.code, message=fault.message, line=fault.line, param=fault.param)


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
