"""The whole HTTP surface on a socket here: real PostgreSQL and adapters, and the providers of the sandbox."""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from deployments.api.app import Api
from deployments.api.door import Door
from deployments.api.files import Uploads
from deployments.edge import Edge
from deployments.local.home import Home
from deployments.local.keeper import Keeper
from deployments.local.ports import remembered_ports
from deployments.local.postgres import Postgres
from deployments.local.processes import sweep
from deployments.local.unprivileged import Account
from deployments.management import management
from deployments.sandbox.distortion import Distortions
from deployments.sandbox.meter import Meter
from deployments.sandbox.server import Server
from deployments.sandbox.service import Service
from deployments.settings import Args
from models.batches import FileStore
from models.catalog import load_catalog
from models.conversations import Owner, PostgresConversations, new_conversation
from models.doubles import in_memory_context
from models.embedder import Embedder
from models.gateway import Gateway, Timeouts
from models.identity import ADMIN, Authenticator, KeyRing, PostgresKeyStore, Principal
from models.ledger.batcher import LedgerBatcher
from models.ledger.store import PostgresLedgerStore
from models.limits import Admission, InMemoryCounters, LimitBook, PostgresLimits, Shedder
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.routing.router import RuleRouter
from models.store import Database, migrate
from tests.contract.product import Adapters

LOOPBACK = "127.0.0.1"
PEPPER = bytes(range(32))
CONVERSATIONS = ("5b0fb8f4-4a0b-4a52-9b0a-6d3a3d1c2f10", "5b0fb8f4-4a0b-4a52-9b0a-6d3a3d1c2f11")
"""One of the administrator's, one of the stranger's."""
_TIMEOUTS = Timeouts(connect_s=2, first_byte_s=10, idle_s=10, total_s=20, held_budget_s=0.1)


@dataclass(frozen=True)
class Surface:
    url: str
    admin: str
    """A key of an administrator of those who run the installation."""
    member: str
    """A key of a user of the same tenant."""
    stranger: str
    """A key of another tenant's administrator."""
    api: Api


@contextmanager
def surface() -> Iterator[Surface]:
    """Served by a thread of its own until the end of the block."""
    ready: Future[Surface] = Future()
    ended = threading.Event()
    thread = threading.Thread(target=_run, args=(ready, ended), name="surface")
    thread.start()
    try:
        yield ready.result(timeout=120)
    finally:
        ended.set()
        thread.join()


def _run(ready: "Future[Surface]", ended: threading.Event) -> None:
    try:
        asyncio.run(_serve(ready, ended))
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)


async def _serve(ready: "Future[Surface]", ended: threading.Event) -> None:
    with _home() as home:
        async with _database(home) as url, _sandbox() as providers, _product(url, providers) as made:
            await _listen(*made, ready, ended)


async def _listen(
    api: Api, keys: tuple[str, str, str], ready: "Future[Surface]", ended: threading.Event
) -> None:
    bound = _bind()
    config = uvicorn.Config(
        Edge(api), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([bound]))
    ready.set_result(Surface(f"http://{LOOPBACK}:{bound.getsockname()[1]}", *keys, api))
    await asyncio.to_thread(ended.wait)
    server.should_exit = True
    await serving


@contextmanager
def _home() -> Iterator[Home]:
    path = Path(tempfile.mkdtemp(prefix="polyvox-fuzz-"))
    path.chmod(0o711)  # the database's account has to reach it
    home = Home.open(path)
    try:
        yield home
    finally:
        sweep(home, grace_s=1)
        for directory in (path, home.run_dir()):
            shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def _database(home: Home) -> AsyncIterator[str]:
    postgres = Postgres(home, remembered_ports(home, ("postgres",))["postgres"], Account.for_servers())
    keeper = Keeper(postgres, home=home, say=lambda _text: None)
    await keeper.start()
    await migrate(postgres.url)
    yield postgres.url
    await keeper.stop()


@asynccontextmanager
async def _sandbox() -> AsyncIterator[Adapters]:
    bound = _bind()
    server = Server(Service(Meter(None), Distortions(None)))
    await server.start(bound)
    at = f"http://{LOOPBACK}:{bound.getsockname()[1]}"
    bases = {"openai": f"{at}/openai/v1", "anthropic": f"{at}/anthropic", "google": f"{at}/google"}
    adapters = Adapters(bases, key="sandbox")
    yield adapters
    await adapters.close()
    await server.stop()


@asynccontextmanager
async def _product(url: str, providers: Adapters) -> AsyncIterator[tuple[Api, tuple[str, str, str]]]:
    database = Database(url, max_size=8, acquire_timeout_s=10)
    catalog = load_catalog()
    every = frozenset(catalog.models)
    conversations = PostgresConversations(database)
    calls = OpenCalls(LedgerBatcher(PostgresLedgerStore(database)))
    gateway = Gateway(
        catalog=catalog,
        available=every,
        providers=providers,
        router=ModelRouter(RuleRouter(catalog, every)),
        context=in_memory_context(catalog, store=conversations),
        calls=calls,
        timeouts=_TIMEOUTS,
    )
    store = PostgresKeyStore(database)
    authenticator = _Unrevoked(Authenticator(store, PEPPER))
    limits = LimitBook(PostgresLimits(database))
    files = FileStore(database)
    api = Api(
        gateway,
        authenticator,
        unready=_nothing,
        embedder=Embedder(
            catalog=catalog, available=every, providers=providers, calls=calls, timeouts=_TIMEOUTS
        ),
        conversations=conversations,
        management=Uploads(
            files,
            management(
                Args.model_validate({}),
                database,
                pepper=PEPPER,
                forget_key=_unheard,
                gateway=gateway,
                limits=limits,
                files=files,
                changed=_unheard,
            ),
        ),
        digest_key=PEPPER,
        door=Door(Admission(LimitBook(PostgresLimits(database)), InMemoryCounters().of("one")), Shedder([])),
    )
    ring = KeyRing(store, PEPPER)
    issued = [
        (await ring.create_key("root", tenant="default", roles=(ADMIN,))).key,
        (await ring.create_key("ann", tenant="default")).key,
        (await ring.create_key("eve", tenant="other", roles=(ADMIN,))).key,
    ]
    for key, id in zip(issued[::2], CONVERSATIONS, strict=True):
        who = await authenticator.authenticate(key)
        await conversations.create(Owner(who.tenant_id, who.user_id), new_conversation(id=id))
    yield api, (issued[0], issued[1], issued[2])
    await calls.settle_all()
    await database.close()


class _Unrevoked:
    """Opens to a key that has been good once: a run may come to revoke its own."""

    def __init__(self, keys: Authenticator) -> None:
        self._keys = keys
        self._known: dict[str, Principal] = {}

    async def authenticate(self, presented: str) -> Principal:
        if presented not in self._known:
            self._known[presented] = await self._keys.authenticate(presented)
        return self._known[presented]


async def _nothing() -> dict[str, str]:
    return {}


def _unheard(*_: object) -> None:
    pass


def _bind() -> socket.socket:
    # Named, as asyncio sends at once on sockets that say they are TCP alone.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind((LOOPBACK, 0))
    bound.listen(128)
    return bound
