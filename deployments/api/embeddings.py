"""`POST /v1/embeddings`."""

from deployments.api.exchange import JSON, Exchange
from models.caller import Caller
from models.dialects import openai_embeddings
from models.embedder import Embedder
from models.identity import Principal
from models.money import usd_text

ENDPOINT = "/v1/embeddings"


async def embeddings(
    exchange: Exchange, embedder: Embedder, principal: Principal, body: bytes, *, digest: str
) -> None:
    ask = openai_embeddings.decode(body)
    caller = Caller(principal, request_id=exchange.request_id, endpoint=ENDPOINT, digest=digest)
    made = await embedder.embed(ask.request, caller)
    pieces = openai_embeddings.encode(
        made.vectors,
        ask.format,
        model=made.model.id,
        tokens=made.usage.total_input,
        cost_pico=made.cost_pico,
    )
    headers = (
        JSON,
        (b"x-polyvox-model", made.model.id.encode()),
        (b"x-polyvox-provider", made.model.host.encode()),
        (b"x-polyvox-attempts", str(made.attempts).encode()),
        (b"x-polyvox-cost-usd", usd_text(made.cost_pico).encode()),
    )
    await exchange.start(200, headers)
    for piece in pieces:
        await exchange.write(piece)
    await exchange.end()
