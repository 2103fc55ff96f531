"""Conversations fitted to a model's window without losing what matters."""

from models.context.abstract import ABSTRACT_TITLE, abstract_cut
from models.context.assemble import Assembly, Cut, Piece
from models.context.carried import PartsKept, parts_kept
from models.context.fit import Fit, preflight
from models.context.prepared import Prepared, compress
from models.context.report import ContextReport, Dropped
from models.context.retrieval import Embed
from models.context.score import Preservation
from models.context.sending import lighter, messages_of
from models.context.tokens import ERROR, Count, Family, counter, family_of
from models.context.turns import Call, Turn, turns_of
from models.context.weight import media_tokens, message_tokens

__all__ = [
    "ABSTRACT_TITLE",
    "ERROR",
    "Assembly",
    "Call",
    "ContextReport",
    "Count",
    "Cut",
    "Dropped",
    "Embed",
    "Family",
    "Fit",
    "PartsKept",
    "Piece",
    "Prepared",
    "Preservation",
    "Turn",
    "abstract_cut",
    "compress",
    "counter",
    "family_of",
    "lighter",
    "media_tokens",
    "message_tokens",
    "messages_of",
    "parts_kept",
    "preflight",
    "turns_of",
]
