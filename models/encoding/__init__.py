"""Sentences as vectors that lie close where the meanings do: all-MiniLM-L6-v2, on this machine."""

from models.encoding.doubles import WordHashEncoder
from models.encoding.encoder import DIMENSIONS, MAX_TOKENS, NAME, Encoder, Vectors
from models.encoding.loading import load_encoder
from models.encoding.service import EncoderService

__all__ = [
    "DIMENSIONS",
    "MAX_TOKENS",
    "NAME",
    "Encoder",
    "EncoderService",
    "Vectors",
    "WordHashEncoder",
    "load_encoder",
]
