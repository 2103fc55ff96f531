"""The catalogue of a replica, which follows its file: prices change without a restart."""

import asyncio
from collections.abc import Callable

from deployments.housekeeping import Job
from deployments.settings import Args, Environment
from models.catalog import Catalog, LiveCatalog, load_catalog
from models.events import EventLog

REFRESH_EVERY_S = 2.0


def live_catalogue(args: Args, environment: Environment) -> LiveCatalog:
    """Raises CatalogError: a file that the arguments name has to be there, and what is there good."""
    if args.catalog is not None:
        load_catalog(args.catalog)
    return LiveCatalog(args.catalog or environment.catalog_path)


def following(live: LiveCatalog, use: Callable[[Catalog], None], *, events: EventLog | None = None) -> Job:
    """The job that hands each new catalogue to `use`, and tells `events` of files that were refused."""

    async def refresh() -> None:
        outcome = await asyncio.to_thread(live.refresh)
        if outcome == "reloaded":
            use(live.current)
        if live.alarm is not None and events is not None:
            await events.append(
                "catalogue.refused",
                severity="critical",
                subject={"catalogue": live.current.snapshot},
                payload={"reason": live.alarm},
                once=f"{live.current.snapshot} {live.alarm}",
            )

    return Job("the catalogue", REFRESH_EVERY_S, refresh)
