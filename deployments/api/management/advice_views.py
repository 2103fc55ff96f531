"""Recommendations as clients ask for and see them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from deployments.api.management.fields import In, Name, Out
from deployments.api.management.usage_views import Moment
from models.money import usd_text
from models.reports.advice import Confidence, CostOptimization, Kind
from models.reports.optimizer import Advice


class AdviceWanted(In):
    start: Moment | None = Field(None, description="By default 30 days before the end.")
    end: Moment | None = Field(None, description="Exclusive; by default now.")
    user: Name | None = Field(None, description="A name or id; an administrator's default is everybody.")


class LineOut(Out):
    label: str
    value: str


class OptimizationOut(Out):
    object: Literal["recommendation"] = "recommendation"
    kind: Kind
    title: str
    summary: str
    arithmetic: list[LineOut]
    savings_usd: str
    savings_30_days_usd: str
    confidence: Confidence
    evidence: str
    assumptions: list[str]
    models: list[str]
    instead: str


class AdviceOut(Out):
    object: Literal["list"] = "list"
    start: datetime
    end: datetime
    spend_usd: str
    price_snapshot: str
    note: str = "Savings of different recommendations overlap: they do not add up."
    data: list[OptimizationOut]


def show_advice(advice: Advice) -> AdviceOut:
    return AdviceOut(
        start=advice.until.start,
        end=advice.until.end,
        spend_usd=usd_text(advice.spend_pico),
        price_snapshot=advice.price_snapshot,
        data=[_optimization(found, advice) for found in advice.found],
    )


def _optimization(found: CostOptimization, advice: Advice) -> OptimizationOut:
    return OptimizationOut(
        kind=found.kind,
        title=found.title,
        summary=found.summary,
        arithmetic=[LineOut(label=line.label, value=line.value) for line in found.arithmetic],
        savings_usd=usd_text(found.savings_pico),
        savings_30_days_usd=usd_text(advice.per_30_days(found.savings_pico)),
        confidence=found.confidence,
        evidence=found.evidence,
        assumptions=list(found.assumptions),
        models=list(found.models),
        instead=found.instead,
    )
