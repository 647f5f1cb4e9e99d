"""Defaults: how far default configurations are from the best of many draws, by task and arm.

`python benchmarks/defaults.py` prints tables of what `record.py` recorded. Values are the objective
`mean_auc` on validation, of one seed: of the spaces' default, the rule's default within the passes
of a quick study, the rule's default, and the best of all draws.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hinet_search.data.guess.training_settings import training_settings
from recorded import DEFAULT_AFTER, DEFAULT_BEFORE, Training, load, recorded
from tasks import TASKS, WITH_STATISTICS

NEAR, FAR = 0.004, 0.01


@dataclass(frozen=True)
class Reached:
    """What one arm reaches on one task."""

    before: float
    quick: float
    after: float
    best: float
    draws: int

    @property
    def shortfall(self) -> float:
        """What the rule's default lacks to the best of all."""
        return self.best - self.after


def main() -> None:
    """Print a table of values, one of quick studies, and how often the bars are met."""
    reached = {key: _reached(*key) for key in recorded()}
    tasks = [task for task in TASKS if any(task == key[0] for key in reached)]
    arms = list(dict.fromkeys(arm for _, arm in reached))
    print(*_table(tasks, arms, reached), sep="\n")
    print(*_quick(tasks, reached), sep="\n")
    print(*_bars(arms, reached), sep="\n")


Table = dict[tuple[str, str], Reached]


def _reached(task: str, arm: str) -> Reached:
    recording = load(task, arm)
    assert recording is not None
    trainings = {each.configuration: each for each in recording.trainings if each.seed == 1}
    after = trainings[DEFAULT_AFTER]
    return Reached(
        before=trainings[DEFAULT_BEFORE].best(),
        quick=after.best(_quick_passes(task, after)),
        after=after.best(),
        best=max(training.best() for training in trainings.values()),
        draws=sum(training.is_draw for training in trainings.values()),
    )


def _quick_passes(task: str, training: Training) -> int:
    settings = training_settings(training.train_rows, has_statistics=task in WITH_STATISTICS)
    return settings.quick_passes


def _table(tasks: list[str], arms: list[str], reached: Table) -> Iterator[str]:
    """Before / quick / after / best of all, with the number of draws."""
    yield f"| task | {' | '.join(arms)} |"
    yield "|---" * (len(arms) + 1) + "|"
    for task in tasks:
        cells = [_cell(reached.get((task, arm))) for arm in arms]
        yield f"| {task} | {' | '.join(cells)} |"


def _cell(reached: Reached | None) -> str:
    if reached is None:
        return ""
    values = [reached.before, reached.quick, reached.after]
    best = [f"{_short(reached.best)} of {reached.draws}"] if reached.draws else []
    return " / ".join([*map(_short, values), *best])


def _quick(tasks: list[str], reached: Table) -> Iterator[str]:
    """The best arm of a quick study's first trials against the best of everything."""
    yield "\n| task | quick: best default | best of all | lacks |\n|---|---|---|---|"
    for task in tasks:
        arms = [value for key, value in reached.items() if key[0] == task]
        quick, best = max(arm.quick for arm in arms), max(arm.best for arm in arms)
        yield f"| {task} | {_short(quick)} | {_short(best)} | {_short(best - quick)} |"


def _bars(arms: list[str], reached: Table) -> Iterator[str]:
    """How many tasks are near the best of their draws, by arm."""
    yield "\n| arm | tasks | within .004 | off by more than .01 | most |\n|---|---|---|---|---|"
    for arm in arms:
        lacks = [value.shortfall for key, value in reached.items() if key[1] == arm and value.draws]
        if lacks:
            near, far = sum(x <= NEAR for x in lacks), sum(x > FAR for x in lacks)
            yield f"| {arm} | {len(lacks)} | {near} | {far} | {_short(max(lacks))} |"


def _short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")


if __name__ == "__main__":
    main()
