"""What becomes of a conversation's parts when another provider is spoken to: counts what the wires do."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Literal

from msgspec import Struct

from models.catalog import Model
from models.chat import File, Image, Message, Native, Part, Refusal, Thinking, ToolResult

Fate = Literal["kept", "converted", "private", "dropped"]


class PartsKept(Struct, frozen=True, kw_only=True):
    kept: int = 0
    """Sent as they are, or in the provider's own form of the same."""
    converted: int = 0
    """Sent as a text that stands for them."""
    private: int = 0
    """Signatures, reasoning and blocks that only another provider can read: they stay in the store, and go
    home with a switch back."""
    dropped: int = 0
    """Sent in no form."""

    @property
    def share(self) -> float:
        """Of what anybody but its provider can read: how much is sent in some form."""
        sent = self.kept + self.converted
        return sent / (sent + self.dropped) if sent + self.dropped else 1.0


def parts_kept(messages: Iterable[Message], model: Model, *, protocol: str) -> PartsKept:
    """`protocol` is the model's host's."""
    fates: Counter[str] = Counter(
        _fate(part, protocol, model.capabilities) for message in messages for part in _all(message.parts)
    )
    return PartsKept(**fates)


def _all(parts: Sequence[Part]) -> Iterable[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolResult):
            yield from part.parts


def _fate(part: Part, protocol: str, can: Set[str]) -> Fate:
    match part:
        case Thinking(opaque=opaque):
            return "kept" if any(o.provider == protocol for o in opaque) else "private"
        case Native(opaque=opaque, parts=parts):
            if opaque.provider == protocol:
                return "kept"
            return "converted" if parts else "private"
        case Image(file_id=file_id, file_provider=owner):
            return "kept" if "vision" in can and (not file_id or owner == protocol) else "converted"
        case File(text=text, file_id=file_id, file_provider=owner):
            readable = bool(text) or _need(part) in can
            return "kept" if readable and (not file_id or owner == protocol) else "converted"
        case Refusal():
            return "kept" if protocol == "openai" else "converted"
        case _:
            return "kept"


def _need(file: File) -> str:
    kind = file.media_type.partition("/")[0]
    return kind if kind in ("audio", "video") else "pdf"
