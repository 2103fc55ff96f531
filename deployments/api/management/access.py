"""Who may: what a route asks for in its signature, so that the route table shows it."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from models.errors import PermissionDenied, Unauthenticated
from models.identity import ADMIN, Principal
from models.ledger.budget import Owners

PRINCIPAL = "polyvox.principal"
"""Key of the scope under which the outer application says who calls."""


_DESCRIBED = HTTPBearer(scheme_name="API key", auto_error=False)
"""For the description of the surface only: the key has been checked by the outer application."""


def _caller(request: Request, _: Annotated[object, Depends(_DESCRIBED)]) -> Principal:
    principal = request.scope.get(PRINCIPAL)
    if not isinstance(principal, Principal):
        raise Unauthenticated("nobody has been authenticated")
    return principal


Caller = Annotated[Principal, Depends(_caller)]
"""Anybody with a key."""


def administers(principal: Principal) -> bool:
    """Whether the user is an administrator and the key is not confined to other uses."""
    return principal.is_admin and (not principal.scopes or ADMIN in principal.scopes)


def _admin(caller: Caller) -> Principal:
    if not administers(caller):
        raise PermissionDenied("this takes an administrator's key")
    return caller


Admin = Annotated[Principal, Depends(_admin)]
"""An administrator of the tenant. Others get PermissionDenied."""


def owners_of(caller: Principal) -> Owners:
    """Whose budgets a call of theirs counts against."""
    return Owners(
        tenant_id=caller.tenant_id,
        team_id=caller.team_id,
        user_id=caller.user_id,
        key_id=caller.key_id,
    )
