"""Recommendations: pure functions from summed-up calls to advice that shows its arithmetic."""

from models.reports.advice.background import slower_tiers
from models.reports.advice.caching import prompt_caching
from models.reports.advice.downgrade import Evidence, downgrades, no_evidence
from models.reports.advice.optimization import Confidence, CostOptimization, Kind, Line
from models.reports.advice.repeats import repeated_prompts
from models.reports.advice.unfinished import unfinished

__all__ = [
    "Confidence",
    "CostOptimization",
    "Evidence",
    "Kind",
    "Line",
    "downgrades",
    "no_evidence",
    "prompt_caching",
    "repeated_prompts",
    "slower_tiers",
    "unfinished",
]
