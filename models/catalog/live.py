"""The catalogue that follows its overlay file while the process runs.

Whoever needs one consistent view reads `current` once and keeps it. Write the file aside and rename it into
place: a half-written one that happens to be a whole catalogue is taken for one.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from models.catalog.catalog import Catalog
from models.catalog.load import load_catalog
from models.catalog.rows import CatalogError

log = logging.getLogger(__name__)

ReloadOutcome = Literal["unchanged", "reloaded", "refused"]

_Version = tuple[int, int, int, int]

_STEADY_S = 2.0
"""A file changed less long ago may change again and keep its time stamp, whose grain is as coarse as this."""


class LiveCatalog:
    """The bundled catalogue with `overlay` over it, once that exists. Raises CatalogError for a bad one."""

    def __init__(self, overlay: Path | None) -> None:
        self.alarm: str | None = None
        """Why the file as it is now is not in use; None while it is."""
        self._overlay = overlay
        self._refreshing = threading.Lock()
        self._bad: tuple[_Version | None, str] | None = None
        version = _version(overlay)
        self._present = version is not None
        self._seen = version if _steady(version) else None
        self._current = load_catalog(overlay if self._present else None)

    @property
    def current(self) -> Catalog:
        return self._current

    def refresh(self) -> ReloadOutcome:
        """Take the file as it is now; `refused` keeps what there was. Blocks while a changed file is read."""
        with self._refreshing:
            return self._refresh()

    async def watch(self, every_s: float, on_change: Callable[[Catalog], None]) -> None:
        """Refresh for ever. `on_change` gets each new catalogue, after it has become `current`."""
        while True:
            await asyncio.sleep(every_s)
            try:
                if await asyncio.to_thread(self.refresh) == "reloaded":
                    on_change(self._current)
            except Exception:  # one failure must not end what looks for the next change
                log.exception("the catalogue's change was not passed on")

    def _refresh(self) -> ReloadOutcome:
        version = _version(self._overlay)
        if version is None:
            return self._absent()
        if version == self._seen:
            return "refused" if self.alarm else "unchanged"
        try:
            catalog = load_catalog(self._overlay)
        except CatalogError as error:
            # What could not be read may be readable at the next look, without a change.
            unread = isinstance(error.__cause__, OSError)
            self._seen = version if _steady(version) and not unread else None
            return self._refuse(version, str(error))
        if _version(self._overlay) != version:
            return "unchanged"  # it changed while it was read: the next look decides
        self._seen = version if _steady(version) else None
        return self._take(catalog)

    def _absent(self) -> ReloadOutcome:
        self._seen = None
        if self._present:
            return self._refuse(None, "is gone")
        self._bad = self.alarm = None
        return "unchanged"

    def _take(self, catalog: Catalog) -> ReloadOutcome:
        self._present, self._bad, self.alarm = True, None, None
        if catalog.snapshot == self._current.snapshot:
            return "unchanged"
        log.info("catalogue %s replaces %s", catalog.snapshot, self._current.snapshot)
        self._current = catalog
        return "reloaded"

    def _refuse(self, version: _Version | None, why: str) -> ReloadOutcome:
        """A bad version is complained of once."""
        self.alarm = f"catalogue {self._overlay}: {why}"
        if self._bad != (version, why):
            self._bad = version, why
            log.error("%s; %s stays in use", self.alarm, self._current.snapshot)
        return "refused"


def _version(path: Path | None) -> _Version | None:
    """What changes with a file's content or its permissions; None where there is no file."""
    if path is None:
        return None
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0, 0)  # reading it will say what is wrong
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _steady(version: _Version | None) -> bool:
    return version is not None and max(version[:2]) < (time.time() - _STEADY_S) * 10**9
