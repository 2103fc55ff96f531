"""When and how much a call is billed: once, at its end, whichever way it ends."""

import time

from deployments.sandbox.exchange import Provider, Request
from deployments.sandbox.meter import Endpoint, Line, Meter
from models.chat import Usage


class Bill:
    """An interrupted stream costs what was sent of it, at Google all of it; so does what is no stream."""

    __slots__ = (
        "_client_id",
        "_endpoint",
        "_hidden",
        "_id",
        "_idempotency",
        "_in_full",
        "_meter",
        "_model",
        "_provider",
        "_stream",
        "_usage",
        "recorded",
    )

    def __init__(
        self,
        meter: Meter,
        request: Request,
        provider: Provider,
        endpoint: Endpoint,
        model: str,
        call_id: str,
        usage: Usage,
    ) -> None:
        self.recorded = False
        self._meter = meter
        self._provider = provider
        self._endpoint = endpoint
        self._model = model
        self._id = f"req_{call_id}"
        self._client_id = request.header(b"x-client-request-id")
        self._idempotency = request.header(b"idempotency-key")
        self._usage = usage
        self._stream = False
        self._hidden = 0
        self._in_full = True

    def streams(self, *, hidden: int, in_full: bool) -> None:
        """The answer is a stream; `hidden` output tokens come before its first frame."""
        self._stream = True
        self._hidden = hidden
        self._in_full = in_full

    def record(self, *, status: int = 200, completed: bool, aborted: bool = False, sent: int = 0) -> None:
        """`sent` frames of a stream went out. Only the first call counts."""
        if self.recorded:
            return
        self.recorded = True
        usage = self._usage
        output, reasoning = usage.output, usage.reasoning
        if not (completed or self._in_full):
            output = min(output, self._hidden + sent) if sent else 0
            reasoning = min(output, reasoning)
        line = Line(
            ts=time.time(),
            provider=self._provider,
            model=self._model,
            endpoint=self._endpoint,
            request_id=self._id,
            stream=self._stream,
            status=status,
            input_tokens=usage.input,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_tokens=output,
            reasoning_tokens=reasoning,
            completed=completed,
            aborted=aborted,
            client_request_id=self._client_id,
            idempotency=self._idempotency,
        )
        self._meter.record(line)
