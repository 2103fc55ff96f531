"""Embeddings in canonical form: texts in, one vector for each out."""

from msgspec import Struct

from models.chat import Usage

TokenIds = tuple[int, ...]


class EmbeddingRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    model: str
    """A catalogue model or alias, as the caller wrote it."""
    inputs: tuple[str | TokenIds, ...]
    """Texts, as they are or as ids of the model's own tokens; at least one, and none is empty."""
    dimensions: int | None = None
    """The model's usual number where None."""
    end_user: str = ""
    """The caller's own id for its user."""

    @property
    def has_token_ids(self) -> bool:
        return any(not isinstance(each, str) for each in self.inputs)


class EmbeddingResponse(Struct, frozen=True, kw_only=True):
    vectors: tuple[bytes, ...]
    """In the order of the inputs. Each is little-endian float32: a quarter of its size as JSON."""
    usage: Usage


class EmbeddingCall(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One attempt at a provider. Time limits count from its start, except `idle_timeout_s`."""

    request: EmbeddingRequest
    host: str
    model: str
    """What the host is sent as the model's name."""
    request_id: str
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    """Between two reads of the answer."""
    total_timeout_s: float = 600.0
