"""The account of a conversation's answers stays exact, and short."""

from models.conversations import CostTracking, Producer
from models.conversations.tally import MAX_MODELS, MAX_RUNS, OTHERS, Answer, with_costs, with_runs


def answers(*models: str, branch: int = 1) -> list[Answer]:
    return [
        Answer(branch, 2 * n, Producer(model=model, cost_pico=n, input_tokens=1))
        for n, model in enumerate(models, 1)
    ]


def test_a_run_ends_where_the_model_or_the_branch_changes() -> None:
    runs = with_runs((), [*answers("a", "a", "b", "a"), *answers("a", branch=2)])
    assert [(run.model, run.branch, run.first_seq, run.last_seq, run.answers) for run in runs] == [
        ("a", 1, 2, 4, 2),
        ("b", 1, 6, 6, 1),
        ("a", 1, 8, 8, 1),
        ("a", 2, 2, 2, 1),
    ]


def test_the_newest_runs_are_kept() -> None:
    models = [f"m{n}" for n in range(MAX_RUNS + 20)]
    runs = with_runs((), answers(*models))
    assert [run.model for run in runs] == models[20:]


def test_costs_are_exact_however_many_models_there_are() -> None:
    models = [f"m{n}" for n in range(MAX_MODELS + 20)]
    tracked = with_costs(CostTracking(), answers(*models))
    assert len(tracked.models) == MAX_MODELS + 1
    assert tracked.models[OTHERS].answers == 20
    spent = sum(int(one.cost_pico) for one in tracked.models.values())
    assert spent == int(tracked.total.cost_pico) == sum(range(1, MAX_MODELS + 21))
    assert tracked.total.answers == MAX_MODELS + 20
