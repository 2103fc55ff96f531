"""What happens to a batch before and after its lines are run: its file is read, its results are written.

Begun again it does the same again: whoever dies on the way is followed by somebody else.
"""

import logging
from collections.abc import AsyncIterator

from models.batches.batch import Batch, Fault
from models.batches.files import KEPT_S, FileStore, FileWriter, Owner
from models.batches.line import Line, write_result
from models.batches.reading import LineReader
from models.batches.store import CaretakerStore
from models.errors import NotFound, PolyvoxError

log = logging.getLogger(__name__)

PAGE_LINES = 500
PAGE_BYTES = 4 * 1024 * 1024
_AGAIN_AFTER_S = 5.0
_OUTPUT, _ERRORS = "output", "error"


class Taken(Exception):
    """Somebody else is at the batch by now."""


class Caretaker:
    """Any number of them may run."""

    def __init__(self, store: CaretakerStore, files: FileStore) -> None:
        self._store = store
        self._files = files

    async def run_once(self) -> None:
        """Until no batch waits for it."""
        while (batch := await self._store.take()) is not None:
            try:
                await (self._validate(batch) if batch.status == "validating" else self._finalize(batch))
            except Taken:
                log.info("%s was taken over", batch.id)
            except PolyvoxError:
                await self._store.leave(batch.id, wait_s=_AGAIN_AFTER_S)
                raise

    async def sweep(self) -> None:
        """Forget files that have expired, and batches that are long done."""
        await self._files.sweep()
        await self._store.sweep()

    async def _validate(self, batch: Batch) -> None:
        await self._store.drop_lines(batch.id)  # of somebody who did not get to the end
        try:
            await self._files.find(Owner(batch.tenant_id, batch.user_id), batch.input_file_id)
        except NotFound:
            fault = Fault("invalid_input_file", f"there is no file {batch.input_file_id}")
            await self._store.fail(batch.id, [fault], total=0)
            return
        reader = LineReader(self._files.read(batch.input_file_id))
        async for page in _pages(reader.lines()):
            await self._store.add_lines(batch.id, page)
            await self._still_ours(batch)
        if reader.faults:
            await self._store.drop_lines(batch.id)
            await self._store.fail(batch.id, reader.faults, total=reader.count)
        else:
            await self._store.begin(batch.id, total=reader.count)

    async def _finalize(self, batch: Batch) -> None:
        ended_as = await self._store.close(batch.id)
        if ended_as is None:
            raise Taken
        written: dict[str, FileWriter] = {}
        ids: dict[str, str] = {}
        after = 0
        while page := await self._store.results(
            batch.id, after=after, limit=PAGE_LINES, most_bytes=PAGE_BYTES
        ):
            for result in page:
                kind = _OUTPUT if result.is_good else _ERRORS
                if kind not in written:
                    ids[kind] = await self._new_file(batch, kind)
                    written[kind] = FileWriter(self._files, ids[kind])
                await written[kind].write(write_result(batch.id, result, ended_as=ended_as))
            after = page[-1].number
            await self._still_ours(batch)
        for writer in written.values():
            await writer.flush()
        await self._store.end(
            batch.id,
            output_file_id=ids.get(_OUTPUT),
            error_file_id=ids.get(_ERRORS),
            sizes={ids[kind]: writer.size_bytes for kind, writer in written.items()},
        )
        await self._store.sweep()

    async def _new_file(self, batch: Batch, kind: str) -> str:
        return await self._files.begin(
            Owner(batch.tenant_id, batch.user_id),
            filename=f"{batch.id}_{kind}.jsonl",
            purpose="batch_output",
            lasts_s=batch.output_lasts_s or KEPT_S,
        )

    async def _still_ours(self, batch: Batch) -> None:
        if not await self._store.hold(batch.id):
            raise Taken


async def _pages(lines: AsyncIterator[Line]) -> AsyncIterator[list[Line]]:
    page: list[Line] = []
    size = 0
    async for line in lines:
        page.append(line)
        size += len(line.body)
        if len(page) >= PAGE_LINES or size >= PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page
