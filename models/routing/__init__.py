"""Which model answers a request, decided without I/O."""

from models.routing.choose import choose
from models.routing.classifier import classify
from models.routing.needs import needs
from models.routing.plan import Candidate, Dropped, DropReason, ModelAlternative, ModelSelection, Plan
from models.routing.rule import misfit, plan
from models.routing.tokens import estimate_input_tokens

__all__ = [
    "Candidate",
    "DropReason",
    "Dropped",
    "ModelAlternative",
    "ModelSelection",
    "Plan",
    "choose",
    "classify",
    "estimate_input_tokens",
    "misfit",
    "needs",
    "plan",
]
