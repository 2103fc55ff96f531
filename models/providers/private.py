"""What of a provider's own goes back into what is sent to it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from models.chat import Opaque, Tool
from models.parts import REST, artefact, json_text, json_value

Json = dict[str, Any]

TOOL = "tool"
"""Kind of an artefact that is the definition of a tool which the provider runs itself."""
BLOCK = "block"
"""Kind of a `Native` part's artefact: the whole block."""


def opened(value: str) -> Json:
    """A structured artefact as the object that it is; nothing where the stored text is none."""
    try:
        found = json_value(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def restored(wire: Json, held: tuple[Opaque, ...], provider: str, kind: str = REST) -> Json:
    """`wire` with the fields that only its provider knows."""
    if not held:
        return wire
    rest = artefact(held, provider, kind)
    return {**wire, **opened(rest)} if rest else wire


def is_server_tool(tool: Tool) -> bool:
    """Whether some provider runs it itself, and so is offered it alone."""
    return any(o.kind == TOOL for o in tool.opaque)


def definitions(tools: Iterable[Tool], provider: str, write: Callable[[Tool], Json]) -> list[Json]:
    """Of the functions, as `write` writes them, and of the tools that `provider` runs itself."""
    out: list[Json] = []
    named: set[str] = set()
    for tool in tools:
        if not is_server_tool(tool):
            if tool.name not in named:
                out.append(restored(write(tool), tool.opaque, provider))
            named.add(tool.name)
        elif own := artefact(tool.opaque, provider, TOOL):
            out.append(opened(own))
    return out


Known = Mapping[str, Any]
"""What of an object the canonical form has, by field: True for all of it, None for its absence alone, for an
object another one of these, for a list of objects a list of one."""


def rest_of(raw: Mapping[str, Any], known: Known) -> Json:
    """What else `raw` says, in its own shape: laid over what the canonical form knows it is `raw` again."""
    rest: Json = {}
    for name, value in raw.items():
        form = known.get(name, False)
        if form is True or (form is None and value is None):
            continue
        if type(form) is dict and type(value) is dict:
            if inner := rest_of(value, form):
                rest[name] = inner
        elif type(form) is list and type(value) is list:
            if any(each := [rest_of(one, form[0]) if type(one) is dict else {} for one in value]):
                rest[name] = each
        elif form is False or form is None:
            rest[name] = value
    return rest


def kept(rest: Json, provider: str, kind: str = REST) -> tuple[Opaque, ...]:
    """As an artefact, if there is any."""
    return (Opaque(provider, kind, json_text(rest)),) if rest else ()
