"""Conversations fitted to a model's window without losing what matters."""

from models.context.assemble import Assembly, Cut, Piece
from models.context.fit import Fit, preflight
from models.context.prepared import Prepared, compress
from models.context.report import ContextReport, Dropped
from models.context.retrieval import Embed
from models.context.score import Preservation
from models.context.tokens import Count, Family, counter, family_of
from models.context.turns import Call, Turn, turns_of

__all__ = [
    "Assembly",
    "Call",
    "ContextReport",
    "Count",
    "Cut",
    "Dropped",
    "Embed",
    "Family",
    "Fit",
    "Piece",
    "Prepared",
    "Preservation",
    "Turn",
    "compress",
    "counter",
    "family_of",
    "preflight",
    "turns_of",
]
