"""What was to hold and what was found: a line for each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    said: str
    """With the figure that is to be met."""
    figure: str
    held: bool

    def __str__(self) -> str:
        return f"{'pass' if self.held else 'MISS'}  {self.said}: {self.figure}"


def none(said: str, found: int | list[str], *, of: int | None = None) -> Goal:
    """There are to be none."""
    number = found if isinstance(found, int) else len(found)
    figure = f"{number:,}" if of is None else f"{number:,} of {of:,}"
    if isinstance(found, list) and found:
        figure += f" ({', '.join(found[:5])})"
    return Goal(f"{said}, 0", figure, number == 0)


def at_least(said: str, share: float, *, goal: float, beside: str = "") -> Goal:
    return Goal(f"{said}, ≥ {100 * goal:g} %", f"{100 * share:.2f} %{beside}", share >= goal)


def at_most(said: str, figure: float, *, goal: float, unit: str, beside: str = "") -> Goal:
    return Goal(f"{said}, ≤ {goal:g} {unit}", f"{figure:.3g} {unit}{beside}", figure <= goal)


def missed(goals: list[Goal]) -> list[str]:
    return [str(goal) for goal in goals if not goal.held]
