"""What was spent and on what, what it will come to, how to spend less, and what a call will cost."""

from models.reports.advice import CostOptimization
from models.reports.analytics import CostAnalytics
from models.reports.estimate import CostEstimate, CostEstimator
from models.reports.export import csv_parts
from models.reports.history import CachedHistory
from models.reports.optimizer import Advice, CostOptimizer
from models.reports.selection import Owner, Selection, UsageQuery
from models.reports.store import PostgresReports, ReportStore
from models.reports.time_range import TimeRange

__all__ = [
    "Advice",
    "CachedHistory",
    "CostAnalytics",
    "CostEstimate",
    "CostEstimator",
    "CostOptimization",
    "CostOptimizer",
    "Owner",
    "PostgresReports",
    "ReportStore",
    "Selection",
    "TimeRange",
    "UsageQuery",
    "csv_parts",
]
