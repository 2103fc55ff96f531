"""What kept answers are not given any more, of a tenant: all, a user's, or a model's."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

ALL = "all"

Invalidate = Callable[["Invalidation"], Awaitable[object]]


class Invalidation(Struct, frozen=True, omit_defaults=True):
    """Names a user or a model or neither: that is everything of the tenant's."""

    tenant_id: str
    user_id: str | None = None
    model_id: str | None = None

    @property
    def mark(self) -> str:
        """Under which the shared store notes when."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return ALL if self.model_id is None else f"model:{self.model_id}"

    def is_of(self, tenant_id: str, user_id: str, model_id: str) -> bool:
        return (
            self.tenant_id == tenant_id
            and self.user_id in (None, user_id)
            and self.model_id in (None, model_id)
        )


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Invalidation).decode


def is_void(marks: Mapping[str, int], *, user_id: str, model_id: str, asked_at: int) -> bool:
    """Whether what was asked for at that time was invalidated since; `marks` are a tenant's."""
    names = (ALL, f"user:{user_id}", f"model:{model_id}")
    return any(marks.get(name, -1) >= asked_at for name in names)


class CacheInvalidation:
    """Tells every level, the shared one first: once that has it, no replica finds there what is void. Each
    method raises Overloaded if a level that has to know cannot be told."""

    def __init__(self, levels: Sequence[Invalidate]) -> None:
        self._levels = levels

    async def invalidate_model_cache(self, tenant_id: str, model_id: str) -> None:
        await self._tell(Invalidation(tenant_id, model_id=model_id))

    async def invalidate_user_cache(self, tenant_id: str, user_id: str) -> None:
        """Of a user who is erased, too."""
        await self._tell(Invalidation(tenant_id, user_id=user_id))

    async def invalidate_tenant_cache(self, tenant_id: str) -> None:
        await self._tell(Invalidation(tenant_id))

    async def _tell(self, what: Invalidation) -> None:
        for invalidate in self._levels:
            await invalidate(what)
