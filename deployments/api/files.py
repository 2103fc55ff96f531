"""`/v1/files`: what OpenAI's SDK calls to bring a batch's requests and to fetch its answers."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from deployments.api.errors import failure
from deployments.api.exchange import JSON, Asgi, ClientGone, Exchange, Receive, Scope, Send
from deployments.api.management.access import PRINCIPAL, Caller
from deployments.api.management.fields import Out, Page, Text, page
from deployments.api.multipart import Form, Part
from models.batches.files import KEPT_S, FileStore, Owner, StoredFile
from models.errors import Internal, InvalidRequest, PolyvoxError, UnsupportedParameter
from models.identity import Principal

log = logging.getLogger(__name__)

ENDPOINT = "/v1/files"

MAX_NAME_CHARS = 255
SHORTEST_S, LONGEST_S = 3_600, 2_592_000
"""How long a file can be asked to be kept."""

_NO_STORE = (b"cache-control", b"no-store")


class FileOut(Out):
    object: Literal["file"] = "file"
    id: str
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: None = None


class Deleted(Out):
    object: Literal["file"] = "file"
    id: str
    deleted: Literal[True] = True


def owner_of(principal: Principal) -> Owner:
    return Owner(principal.tenant_id, principal.user_id)


def show_file(file: StoredFile) -> FileOut:
    return FileOut(
        id=file.id,
        bytes=file.size_bytes,
        created_at=int(file.created_at.timestamp()),
        expires_at=None if file.expires_at is None else int(file.expires_at.timestamp()),
        filename=file.filename,
        purpose=file.purpose,
    )


def router(files: FileStore) -> APIRouter:
    """All but bringing one, which is no JSON: see `Uploads`."""

    async def list_files(
        caller: Caller,
        after: Annotated[Text | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
        order: Literal["asc", "desc"] = "desc",
        purpose: Annotated[Text | None, Query()] = None,
    ) -> Page[FileOut]:
        """Your files, the newest first unless `order` says otherwise."""
        found = await files.list(
            owner_of(caller), after=after, limit=limit + 1, purpose=purpose, oldest_first=order == "asc"
        )
        return page(found, limit, show_file)

    async def show(caller: Caller, file_id: Text) -> FileOut:
        return show_file(await files.find(owner_of(caller), file_id))

    async def content(caller: Caller, file_id: Text) -> StreamingResponse:
        """The file as it is."""
        file = await files.find(owner_of(caller), file_id)
        size = {"content-length": str(file.size_bytes)}
        return StreamingResponse(files.read(file.id), media_type="application/octet-stream", headers=size)

    async def delete(caller: Caller, file_id: Text) -> Deleted:
        """A batch that has begun goes on without its file."""
        await files.delete(owner_of(caller), file_id)
        return Deleted(id=file_id)

    routes = APIRouter(prefix=ENDPOINT, tags=["files"])
    routes.add_api_route("", list_files, methods=["GET"])
    routes.add_api_route("/{file_id}", show, methods=["GET"])
    routes.add_api_route("/{file_id}/content", content, methods=["GET"], response_model=None)
    routes.add_api_route("/{file_id}", delete, methods=["DELETE"])
    return routes


class Uploads:
    """`POST /v1/files`, straight into the store; whatever else is asked is `otherwise`'s to answer."""

    def __init__(self, files: FileStore, otherwise: Asgi) -> None:
        self._files = files
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (scope["type"], scope.get("method"), scope.get("path")) != ("http", "POST", ENDPOINT):
            await self._otherwise(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            body = await self._take(exchange, scope[PRINCIPAL], receive)
        except ClientGone:
            log.info("client left: %s", exchange.request_id)
        except Exception as error:  # the boundary: a bug becomes a plain 500 without a text
            if not isinstance(error, PolyvoxError):
                log.exception("request %s failed", exchange.request_id)
                error = Internal("internal error")
            status, body, headers = failure(error, "openai", request_id=exchange.request_id)
            await exchange.respond(status, body, (*headers, _NO_STORE))
        else:
            length = (b"content-length", str(len(body)).encode())
            await exchange.start(200, (JSON, length, _NO_STORE))
            await exchange.end(body)

    async def _take(self, exchange: Exchange, principal: Principal, receive: Receive) -> bytes:
        upload = _Upload(Form(exchange.headers.get(b"content-type", b""), receive))
        filename = await upload.begin()
        file = await self._files.write(
            owner_of(principal),
            upload.content(),
            filename=filename,
            purpose="batch",
            lasts_s=lambda: upload.lasts_s,
        )
        return msgspec.json.encode(show_file(file).model_dump())


class _Upload:
    """The form's fields may stand before the file and after it."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._fields: dict[str, str] = {}

    async def begin(self) -> str:
        """The name of the file, once it is its turn."""
        while (part := await self._form.next_part()) is not None:
            if part.name == "file":
                return _name(part)
            await self._read(part)
        raise InvalidRequest("`file` is missing", param="file")

    async def content(self) -> AsyncIterator[bytes]:
        """Raises InvalidRequest at the end if the fields are wrong: then the file is not kept."""
        self._check_purpose(may_come=True)
        async for piece in self._form.pieces():
            yield piece
        while (part := await self._form.next_part()) is not None:
            if part.name == "file":
                raise InvalidRequest("there is more than one `file`", param="file")
            await self._read(part)
        self._check_purpose(may_come=False)
        _ = self.lasts_s

    @property
    def lasts_s(self) -> int:
        """Raises InvalidRequest."""
        anchor = self._fields.get("expires_after[anchor]", "created_at")
        seconds = self._fields.get("expires_after[seconds]")
        if anchor != "created_at":
            raise InvalidRequest("files expire after `created_at`", param="expires_after.anchor")
        if seconds is None:
            return KEPT_S
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 10) or not (
            SHORTEST_S <= int(seconds) <= LONGEST_S
        ):
            message = f"a file is kept for {SHORTEST_S} to {LONGEST_S} seconds"
            raise InvalidRequest(message, param="expires_after.seconds")
        return int(seconds)

    async def _read(self, part: Part) -> None:
        self._fields[part.name] = await self._form.text()

    def _check_purpose(self, *, may_come: bool) -> None:
        purpose = self._fields.get("purpose")
        if purpose is None and not may_come:
            raise InvalidRequest("`purpose` is missing", param="purpose")
        if purpose not in (None, "batch"):
            raise UnsupportedParameter("files are for the purpose `batch` here", param="purpose")


def _name(part: Part) -> str:
    """The last part of a path, without what cannot be shown."""
    given = (part.filename or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(char for char in given if char.isprintable())
    return shown[:MAX_NAME_CHARS] or "upload.jsonl"
