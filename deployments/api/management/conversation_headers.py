"""What travels in headers: the version that a client has, and the key under which it writes once."""

import re
from typing import Annotated

from fastapi import Header
from fastapi.responses import Response

from models.errors import InvalidRequest

_TAG = re.compile(r'(?:W/)?"(\d{1,18})"|(\d{1,18})')

IfMatch = Annotated[str | None, Header(description="The version that the change is made to: an ETag, such as `\"7\"`.")]
IfNoneMatch = Annotated[str | None, Header(description="The version that you have: 304 if it is the last one.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Written again under the same key, it is written once.",
    ),
]


def etag(version: int) -> str:
    return f'"{version}"'


def expected(if_match: str | None) -> int | None:
    """The version that a change is made to. Raises InvalidRequest for what is none."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        raise InvalidRequest('If-Match is to be a version, such as "7"', param="If-Match")
    return int(found[1] or found[2])


def unchanged(if_none_match: str | None, version: int) -> Response | None:
    """The answer to a client that has this version already."""
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return Response(status_code=304, headers={"etag": etag(version)}) if etag(version) in tags else None
