"""What the deployment `Router` is told while it runs: kept in the home, and laid into Serve's configuration.

Of all that a configuration says, Serve hands a changed `user_config` to running replicas without a restart.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from models.routing.serving import RouterConfig

DEPLOYMENT = "Router"
FILE = "router.json"
"""In the home; absent where nothing was promoted."""


def read_router_config(home: Path) -> RouterConfig | None:
    """None where there is none. Raises ValueError if there is one that is wrong."""
    try:
        text = (home / FILE).read_text()
    except FileNotFoundError:
        return None
    from pydantic import ValidationError

    from models.routing.serving import RouterConfig

    try:
        return RouterConfig.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{home / FILE} is wrong: {error}") from error


def user_config(router: RouterConfig) -> dict[str, Any]:
    """As Serve takes it: plain values, and only what is said."""
    return router.model_dump(mode="json", exclude_none=True)


def with_router_config(config: dict[str, Any], router: RouterConfig | None) -> dict[str, Any]:
    """A copy of a Serve configuration in which the router is told so; without `router` nothing is changed."""
    made = copy.deepcopy(config)
    for application in made.get("applications", ()) if router is not None else ():
        for deployment in application.get("deployments", ()):
            if deployment.get("name") == DEPLOYMENT:
                assert router is not None
                deployment["user_config"] = user_config(router)
    return made


def serve_block(router: RouterConfig) -> str:
    """For the configuration of a cluster that `polyvox up` has not started."""
    return yaml.safe_dump([{"name": DEPLOYMENT, "user_config": user_config(router)}], sort_keys=False)
