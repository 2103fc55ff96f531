"""What of a provider's own goes back into what is sent to it."""

from collections.abc import Callable, Iterable
from typing import Any

from models.chat import Opaque, Tool
from models.parts import REST, artefact, json_value

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
