"""`/v1/feedback`: what users say of answers."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field, StringConstraints, model_validator

from deployments.api.management.access import Caller
from deployments.api.management.fields import In, Name, Out
from models.errors import NotFound
from models.routing.feedback import Answered, FeedbackStore, Said
from models.routing.signals import Signal, reward_of

Comment = Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=r"^[^\x00]*$")]


class Comparison(In):
    """Against another model's answer to the same."""

    model: Name
    is_: Literal["better", "worse"] = Field(alias="this_is", description="This answer, that is.")


class FeedbackIn(In):
    request_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")
    thumbs: Literal["up", "down"] | None = None
    rating: int | None = Field(None, ge=1, le=5)
    comparison: Comparison | None = None
    comment: Comment | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackIn":
        if self.thumbs is None and self.rating is None and self.comparison is None:
            raise ValueError("one of `thumbs`, `rating` and `comparison` is needed")
        return self


class FeedbackOut(Out):
    object: Literal["feedback"] = "feedback"
    request_id: str
    model: str
    task: str | None
    recorded: list[Signal]
    new: bool
    """False where all of it had been said before."""


def router(store: FeedbackStore) -> APIRouter:
    async def add(caller: Caller, said: FeedbackIn) -> FeedbackOut:
        """How you take the answer to a request of yours. The same again changes nothing; another value
        replaces what you said."""
        answered = await store.answered(caller.tenant_id, said.request_id, user_id=caller.user_id)
        if answered is None:
            raise NotFound(f"there is no answered request {said.request_id} of yours", param="request_id")
        signals = _signals(said)
        new = [
            await store.add(
                Said(
                    tenant_id=caller.tenant_id,
                    user_id=caller.user_id,
                    request_id=said.request_id,
                    signal=signal,
                    value=value,
                    reward=reward_of(signal, value),
                    answered=answered,
                    comment=said.comment if at == 0 else None,
                    compared_model_id=_compared(said, signal),
                )
            )
            for at, (signal, value) in enumerate(signals)
        ]
        return _out(said, answered, [signal for signal, _ in signals], is_new=any(new))

    routes = APIRouter(prefix="/v1", tags=["feedback"])
    routes.add_api_route("/feedback", add, methods=["POST"], status_code=201)
    return routes


def _signals(said: FeedbackIn) -> list[tuple[Signal, float]]:
    found: list[tuple[Signal, float]] = []
    if said.thumbs is not None:
        found.append(("thumbs", 1 if said.thumbs == "up" else -1))
    if said.rating is not None:
        found.append(("rating", said.rating))
    if said.comparison is not None:
        found.append(("comparison", 1 if said.comparison.is_ == "better" else -1))
    return found


def _compared(said: FeedbackIn, signal: Signal) -> str | None:
    return said.comparison.model if said.comparison is not None and signal == "comparison" else None


def _out(said: FeedbackIn, answered: Answered, recorded: list[Signal], *, is_new: bool) -> FeedbackOut:
    return FeedbackOut(
        request_id=said.request_id,
        model=answered.model_id,
        task=answered.task,
        recorded=recorded,
        new=is_new,
    )
