"""Whose conversations a caller may see and write to, at which version, and under which key."""

import re
from typing import Annotated

from fastapi import Header
from fastapi.responses import Response

from deployments.api.management.access import administers
from deployments.api.management.conversation_forms import Users
from models.conversations import Owner
from models.errors import InvalidRequest, PermissionDenied
from models.identity import Principal

_TAG = re.compile(r'(?:W/)?"(\d{1,18})"|(\d{1,18})')

IfMatch = Annotated[str | None, Header(description="The version that is changed: an ETag.")]
IfNoneMatch = Annotated[
    str | None, Header(description="The version that you have: 304 if it is the last one.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Written again under the same key, it is written once.",
    ),
]


def readable(caller: Principal) -> Owner:
    """What may be seen by one who knows its id: their own, and by administrators their tenant's."""
    return Owner(caller.tenant_id, None if administers(caller) else caller.user_id)


def listed(caller: Principal, users: Users) -> Owner:
    """What is looked through. Raises PermissionDenied."""
    if users == "all" and not administers(caller):
        raise PermissionDenied("all of the tenant's takes an administrator's key", param="users")
    return Owner(caller.tenant_id, None if users == "all" else caller.user_id)


def own(caller: Principal) -> Owner:
    """What may be written to: nobody speaks in somebody else's conversation."""
    return Owner(caller.tenant_id, caller.user_id)


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
