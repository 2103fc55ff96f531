"""The body of a client's request as a typed one; what is wrong with it is told by the field's name."""

import re
from typing import TypeVar

import msgspec

from models.errors import InvalidRequest

T = TypeVar("T")

_PATH = re.compile(r" - at `\$\.?(.*)`$")


def read_json(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Raises InvalidRequest naming the field at fault."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


def invalid(message: str) -> InvalidRequest:
    """Of what msgspec says of a body."""
    path = _PATH.search(message)
    return InvalidRequest(message.replace("`$.", "`"), param=path.group(1) if path else None)
