"""Who asks, and through which door."""

from models.identity import Principal


class Caller:
    __slots__ = ("conversation_id", "digest", "endpoint", "principal", "request_id")

    def __init__(
        self,
        principal: Principal,
        *,
        request_id: str,
        endpoint: str,
        conversation_id: str = "",
        digest: str | None = None,
    ) -> None:
        self.principal = principal
        self.request_id = request_id
        self.endpoint = endpoint
        self.conversation_id = conversation_id
        self.digest = digest
        """Of the request as it came; see `UsageRecord.request_digest`."""
