"""The ledger against what the providers say that they billed, and against itself."""

from models.reconcile.figures import ProviderRun, RunReport
from models.reconcile.reconciler import Reconciler, Timing
from models.reconcile.record import LedgerSide, Outcome, Recorded, Status
from models.reconcile.report import ReportPage, ReportRow, Tokens, UsageReportSource, Width
from models.reconcile.sources import ReportAccess, connect_sources
from models.reconcile.store import Filter, ReconciliationStore, Tolerance

__all__ = [
    "Filter",
    "LedgerSide",
    "Outcome",
    "ProviderRun",
    "Reconciler",
    "ReconciliationStore",
    "Recorded",
    "ReportAccess",
    "ReportPage",
    "ReportRow",
    "RunReport",
    "Status",
    "Timing",
    "Tokens",
    "Tolerance",
    "UsageReportSource",
    "Width",
    "connect_sources",
]
