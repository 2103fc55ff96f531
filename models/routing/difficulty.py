"""How hard a prompt is, from 0 to 1, by a stated formula.

What is learned from other models' successes hardly carries over to other prompts (length alone does as well),
so nothing is learned: what a prompt is for, how much it asks at once, and how much there is to take in.
"""

import math
import re

from models.routing.task import Task

_OF_TASK: dict[Task, float] = {
    "math_reasoning": 0.50,
    "code": 0.45,
    "analysis": 0.45,
    "writing": 0.30,
    "extract_classify": 0.25,
    "summarization": 0.25,
    "rewrite_edit": 0.22,
    "translation": 0.20,
    "knowledge_qa": 0.20,
    "brainstorm_chat": 0.15,
}
_LONG_CHARS = 6_000
_LENGTH_WEIGHT = 0.20
_DEMAND_WEIGHT = 0.07
_MOST_DEMANDS = 5
_SIMPLE_CHARS = 60
_SIMPLE_DISCOUNT = 0.10
_LOOKED_AT_CHARS = 2_000

_DEMANDS = re.compile(
    r"\bprov(?:e|ing)\b|\bproof\b|theorem|integral|deriv|optimi[sz]|complexity|concurren|distributed|architect"
    r"|trade-?offs?|step[ -]by[ -]step|\bmust\b|at least|at most|exactly|without|constraints?|edge cases?"
    r"|comprehensive|in[- ]depth|rigorous|debug|refactor|security|\bdesign\b|\d{4} words|\\frac|\\int|\\sum"
    r"|证明|优化|复杂度|必须|至少|不超过"
    r"|详细|步骤|beweis|demuestr|démontr|докажи"
    r"|証明|증명",
    re.IGNORECASE,
)
_STEPS = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s", re.MULTILINE)


def difficulty(text: str, task: Task) -> float:
    looked_at = text[:_LOOKED_AT_CHARS]
    demands = len({found.lower() for found in _DEMANDS.findall(looked_at)})
    demands += len(_STEPS.findall(looked_at)) // 2
    hard = _OF_TASK[task] + _DEMAND_WEIGHT * min(demands, _MOST_DEMANDS)
    hard += _LENGTH_WEIGHT * min(math.log1p(len(text)) / math.log(_LONG_CHARS), 1.0) ** 2
    if len(text) < _SIMPLE_CHARS and not demands:
        hard -= _SIMPLE_DISCOUNT
    return min(max(hard, 0.0), 1.0)
