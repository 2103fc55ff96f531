"""Who asks, and through which door."""

from models.conversations import Owner
from models.identity import Principal
from models.resilience import PLAIN, Resilience
from models.routing.policies import RoutingPolicy

ANYTHING_GOES = RoutingPolicy()


class Caller:
    __slots__ = (
        "conversation_id",
        "digest",
        "endpoint",
        "may_create_conversation",
        "may_take_over",
        "preserve_context",
        "principal",
        "reads_cache",
        "request_id",
        "resilience",
        "routing",
        "takes_similar",
    )

    def __init__(
        self,
        principal: Principal,
        *,
        request_id: str,
        endpoint: str,
        conversation_id: str = "",
        digest: str | None = None,
        preserve_context: bool = True,
        may_create_conversation: bool = True,
        may_take_over: bool = True,
        reads_cache: bool = False,
        takes_similar: bool = False,
        routing: RoutingPolicy = ANYTHING_GOES,
        resilience: Resilience = PLAIN,
    ) -> None:
        self.principal = principal
        self.request_id = request_id
        self.endpoint = endpoint
        self.conversation_id = conversation_id
        self.digest = digest
        """Of the request as it came; see `UsageRecord.request_digest`."""
        self.preserve_context = preserve_context
        """Whether the model is sent what was said before in the conversation."""
        self.may_create_conversation = may_create_conversation
        self.may_take_over = may_take_over
        """Whether a model that is named may answer while the tool calls of another are under way."""
        self.reads_cache = reads_cache
        """Whether the same request's earlier answer will do."""
        self.takes_similar = takes_similar
        """Whether, beside that, the answer to a question that means the same will do."""
        self.routing = routing
        """What the request itself asks of the router: it holds within the policies of key and tenant."""
        self.resilience = resilience

    @property
    def owner(self) -> Owner:
        """Whose conversations they speak in."""
        return Owner(self.principal.tenant_id, self.principal.user_id)
