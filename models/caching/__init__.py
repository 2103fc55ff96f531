"""What the response cache is made of: what makes requests the same, where answers are kept, for how long."""

from models.caching.flights import Flights
from models.caching.guard import difference
from models.caching.invalidation import CacheInvalidation, Invalidation
from models.caching.kept import Cached
from models.caching.key import CacheKeys, Owner, Question, canonical
from models.caching.local import LocalAnswers
from models.caching.similar import Mode, Shadow, SimilarAnswers
from models.caching.similar_store import InMemorySimilar, PostgresSimilar
from models.caching.store import CacheStore, Found, InMemoryCache

__all__ = [
    "CacheInvalidation",
    "CacheKeys",
    "CacheStore",
    "Cached",
    "Flights",
    "Found",
    "InMemoryCache",
    "InMemorySimilar",
    "Invalidation",
    "LocalAnswers",
    "Mode",
    "Owner",
    "PostgresSimilar",
    "Question",
    "Shadow",
    "SimilarAnswers",
    "canonical",
    "difference",
]
