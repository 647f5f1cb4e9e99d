"""Defaults: how far default configurations are from the best of many draws, by task and arm.

`python benchmarks/defaults.py` prints tables of what `record.py` recorded. Values are the objective
`mean_auc` on validation. The best of many draws was lucky too: what it is worth is the mean of
seeds that did not choose it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from hinet_search.data.guess.training_settings import training_settings
from recorded import DEFAULT_AFTER, DEFAULT_BEFORE, Training, best_draws, load, recorded
from tasks import TASKS, WITH_STATISTICS

NEAR, FAR = 0.004, 0.01
SEED = 1  # the one that chooses


@dataclass(frozen=True)
class Seeds:
    """The default and the best draw over seeds; the draw without the seed that chose it."""

    default: float
    best_draw: float
    spread: float  # standard deviation of the default's seeds

    @property
    def shortfall(self) -> float:
        """What the default lacks to the best known configuration: 0 if it is the best."""
        return max(0.0, self.best_draw - self.default)


@dataclass(frozen=True)
class Reached:
    """What one arm reaches on one task with one seed, and over seeds where there are more."""

    before: float
    quick: float
    after: float
    best: float
    draws: int
    seeds: Seeds | None


Table = Mapping[tuple[str, str], Reached]


def main() -> None:
    """Print the tables."""
    known = {key: _reached(*key) for key in recorded()}
    reached = {key: value for key, value in known.items() if value is not None}
    tasks = [task for task in TASKS if any(task == key[0] for key in reached)]
    arms = list(dict.fromkeys(arm for _, arm in reached))
    for lines in (
        _one_seed(tasks, arms, reached),
        _over_seeds(tasks, arms, reached),
        _quick(tasks, reached),
        _bars(arms, reached),
    ):
        print(*lines, sep="\n", end="\n\n")


def _reached(task: str, arm: str) -> Reached | None:
    """Return what is recorded of an arm on a task; None while a default is missing."""
    recording = load(task, arm)
    assert recording is not None
    trainings = {each.configuration: each for each in recording.trainings if each.seed == SEED}
    if not {DEFAULT_BEFORE, DEFAULT_AFTER} <= trainings.keys():
        return None
    after = trainings[DEFAULT_AFTER]
    settings = training_settings(after.train_rows, has_statistics=task in WITH_STATISTICS)
    return Reached(
        before=trainings[DEFAULT_BEFORE].best(),
        quick=after.best(settings.quick_passes),
        after=after.best(),
        best=max(training.best() for training in trainings.values()),
        draws=sum(training.is_draw for training in trainings.values()),
        seeds=_seeds(recording.trainings),
    )


def _seeds(trainings: Sequence[Training]) -> Seeds | None:
    """Compare over seeds; None if the best draw has one seed alone."""
    best = best_draws(trainings, 0.01)[:1]
    others = [t.best() for t in trainings if [t.configuration] == best and t.seed != SEED]
    default = [t.best() for t in trainings if t.configuration == DEFAULT_AFTER]
    if not others or len(default) == 1:
        return None
    return Seeds(mean(default), mean(others), stdev(default))


def _one_seed(tasks: list[str], arms: list[str], reached: Table) -> Iterator[str]:
    """Default before / default of the rule / best of all draws."""
    yield f"| task | {' | '.join(arms)} |"
    yield "|---" * (len(arms) + 1) + "|"
    for task in tasks:
        cells = [_cell(reached.get((task, arm))) for arm in arms]
        yield f"| {task} | {' | '.join(cells)} |"


def _cell(reached: Reached | None) -> str:
    if reached is None:
        return ""
    best = [f"{_short(reached.best)} of {reached.draws}"] if reached.draws else []
    return " / ".join([_short(reached.before), _short(reached.after), *best])


def _over_seeds(tasks: list[str], arms: list[str], reached: Table) -> Iterator[str]:
    """The default's mean ± its spread / the best draw's mean."""
    yield f"| task | {' | '.join(arms)} |"
    yield "|---" * (len(arms) + 1) + "|"
    for task in tasks:
        known = [reached.get((task, arm)) for arm in arms]
        cells = [_seeds_cell(each.seeds) if each and each.seeds else "" for each in known]
        if any(cells):
            yield f"| {task} | {' | '.join(cells)} |"


def _seeds_cell(seeds: Seeds) -> str:
    return f"{_short(seeds.default)} ± {_short(seeds.spread)} / {_short(seeds.best_draw)}"


def _quick(tasks: list[str], reached: Table) -> Iterator[str]:
    """The best default of a quick study against the best of everything, by one seed."""
    yield "| task | quick: best default | best default | best of all | quick lacks |"
    yield "|---" * 5 + "|"
    for task in tasks:
        arms = [value for key, value in reached.items() if key[0] == task]
        quick, after = max(arm.quick for arm in arms), max(arm.after for arm in arms)
        best = max(arm.best for arm in arms)
        values = " | ".join(_short(value) for value in (quick, after, best, best - quick))
        yield f"| {task} | {values} |"


def _bars(arms: list[str], reached: Table) -> Iterator[str]:
    """How many defaults are near the best draw over seeds, by arm."""
    yield "| arm | tasks | within .004 | off by more than .01 | most |"
    yield "|---" * 5 + "|"
    for arm in arms:
        seeds = [value.seeds for key, value in reached.items() if key[1] == arm]
        lacks = [each.shortfall for each in seeds if each is not None]
        if lacks:
            near, far = sum(x <= NEAR for x in lacks), sum(x > FAR for x in lacks)
            yield f"| {arm} | {len(lacks)} | {near} | {far} | {_short(max(lacks))} |"


def _short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")


if __name__ == "__main__":
    main()
