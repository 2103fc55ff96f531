"""Conversations as clients send them and ask for them."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import AwareDatetime, Field, SkipValidation, StrictBool, model_validator

from deployments.api.management.fields import In, Limit, Name, Text
from models.chat import Message, Role
from models.conversations import NewMessage, Producer
from models.errors import InvalidRequest, PayloadTooLarge

MAX_MESSAGE_BYTES = 1024 * 1024
MAX_APPENDED = 500

Users = Literal["mine", "all"]
Branch = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""Its number."""
Days = Field(None, ge=1, le=36_500)


class MessageIn(In):
    role: Role
    content: str | None = Field(None, description="A text, in place of `parts`.")
    parts: list[SkipValidation[dict[str, Any]]] | None = Field(
        None, description="Canonical parts, as `messages` shows them."
    )
    """Told apart when they are read: here, each that is none would be an error of its own."""
    name: Text = ""
    model: Name | None = Field(None, description="Which model gave this answer.")
    provider: Text = ""
    api: Text = ""

    @model_validator(mode="after")
    def _has_one_content(self) -> "MessageIn":
        if (self.content is None) == (self.parts is None):
            raise ValueError("a message has either content or parts")
        if self.model is not None and self.role != "assistant":
            raise ValueError("a model gives answers of the role assistant")
        return self


class ConversationIn(In):
    id: UUID | None = Field(None, description="Of your own: making it again returns the one that there is.")
    title: Text = ""
    messages: list[MessageIn] = Field([], max_length=MAX_APPENDED)
    expires_at: AwareDatetime | None = None


class ConversationChange(In):
    """What is not named stays as it is."""

    title: Text | None = None
    branch: Branch | None = Field(None, description="The branch that is shown and written to.")
    expires_at: AwareDatetime | None = Field(None, description="Null: it does not expire by itself.")


class ConversationsWanted(In):
    users: Users = Field("mine", description="`all` of the tenant's takes an administrator's key.")
    model: Name | None = Field(None, description="Only those in which it has answered.")
    after: str = Field("", max_length=256, description="The page's `next`.")
    limit: Limit = 100


class MessagesWanted(In):
    branch: Branch | None = None
    after: int = Field(0, ge=0, le=2**31 - 2, description="Only messages with a higher `seq`.")
    before: int | None = Field(None, ge=1, le=2**31 - 1)
    order: Literal["asc", "desc"] = Field("asc", description="Which end the page is taken from.")
    limit: Limit = 100


class MessagesIn(In):
    messages: list[MessageIn] = Field(min_length=1, max_length=MAX_APPENDED)
    branch: Branch | None = Field(None, description="By default the one that is shown.")


class ForkIn(In):
    """A branch that goes on after a message, or instead of one: an edit, or another try at an answer."""

    after: UUID | None = None
    instead_of: UUID | None = None
    messages: list[MessageIn] = Field([], max_length=MAX_APPENDED)
    select: StrictBool = Field(True, description="It becomes the branch that is shown and written to.")


class PolicyIn(In):
    retention_days: int | None = Days
    grace_days: int = Field(30, ge=0, le=3_650)


def new_messages(sent: list[MessageIn]) -> list[NewMessage]:
    """Raises InvalidRequest, PayloadTooLarge, naming the message at fault."""
    return [_new_message(one, f"messages.{number}") for number, one in enumerate(sent)]


def _new_message(sent: MessageIn, where: str) -> NewMessage:
    parts = [{"type": "text", "text": sent.content}] if sent.parts is None else sent.parts
    try:
        message = msgspec.convert({"role": sent.role, "parts": parts, "name": sent.name}, Message)
        size = len(msgspec.json.encode(message))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{where}: {error}", param=where) from None
    except UnicodeEncodeError:
        raise InvalidRequest(f"{where}: a text holds half a character", param=where) from None
    stray = _stray(parts, message.parts)
    if stray is not None:
        raise InvalidRequest(f"{where}: a part has no field {stray[:100]!r}", param=where)
    if size > MAX_MESSAGE_BYTES:
        raise PayloadTooLarge(f"{where} is longer than {MAX_MESSAGE_BYTES} bytes", param=where)
    if sent.model is None:
        return NewMessage(message)
    return NewMessage(message, Producer(model=sent.model, provider=sent.provider, api=sent.api))


def _stray(sent: Any, kept: Any) -> str | None:
    """A field that was sent and would not be kept, at any depth."""
    if isinstance(sent, list) and isinstance(kept, tuple):
        pairs = zip(sent, kept, strict=True)
        return next((found for pair in pairs if (found := _stray(*pair)) is not None), None)
    if not (isinstance(sent, dict) and isinstance(kept, msgspec.Struct)):
        return None
    known = {"type", *kept.__struct_fields__}
    strays = (
        name if name not in known else _stray(value, getattr(kept, name, None))
        for name, value in sent.items()
    )
    return next((found for found in strays if found is not None), None)
