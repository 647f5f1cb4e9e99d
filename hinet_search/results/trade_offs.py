"""Trade-offs: several objectives of a study, and the Pareto front of its finalists.

The first objective is the study's: trials, finalists and the verdict go by it. Further ones are
metrics of validation or costs. In a point every value is signed so that larger is better. A point
beats another one that is nowhere better and somewhere worse; nothing beats the Pareto front.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.results import objectives
from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord, CellValue, Cost, FinalistRecord
from hinet_search.results.study_record import StudyRecord

LATENCY = "latency_ms"
FLOPS = "flops_per_row"


@dataclass(frozen=True)
class CostMeasure:
    """A cost as an objective; `of` returns None where it is not known."""

    words: str
    of: Callable[[Cost], float | None]


# Costs by their names in a study.
COSTS: Mapping[str, CostMeasure] = {
    LATENCY: CostMeasure("milliseconds for 100 rows", lambda cost: cost.milliseconds_per_100),
    # Trees have no FLOPs.
    FLOPS: CostMeasure("FLOPs per row", lambda cost: cost.flops_per_row or None),
    "parameters": CostMeasure("parameters", lambda cost: cost.parameters),
    "dense_parameters": CostMeasure(
        "parameters without embeddings", lambda cost: cost.dense_parameters
    ),
}

Point = tuple[float, ...]


def refuse_unknown(name: str) -> None:
    """Raise ConfigurationError unless this is the name of a metric or a cost."""
    if name in COSTS or objectives.is_objective(name):
        return
    known = [*objectives.names(), *objectives.cell_names(), *COSTS]
    raise ConfigurationError(
        f"'{name}' is not known, must be one of {', '.join(known)}"
        f"{did_you_mean(name, (*objectives.names(), *COSTS))}"
    )


def is_maximized(name: str) -> bool:
    """Whether larger is better."""
    return name not in COSTS and Objective(name).maximize


def needs_cells(others: Sequence[str]) -> bool:
    """Whether one of the further objectives is a metric."""
    return any(name not in COSTS for name in others)


@dataclass(frozen=True)
class Objectives:
    """The objectives of a study: the first, and the names of all others."""

    first: Objective
    others: tuple[str, ...] = ()

    @property
    def directions(self) -> tuple[bool, ...]:
        """Whether each one is maximized."""
        return (self.first.maximize, *map(is_maximized, self.others))

    def values(
        self, value: float, cells: Sequence[CellValue], cost: Cost | None
    ) -> tuple[float, ...]:
        """Return the value of every objective; NaN for a cost or cells that are not known."""
        values = [value]
        for name in self.others:
            if name not in COSTS:
                values.append(Objective(name)(cells) if cells else math.nan)
                continue
            known = None if cost is None else COSTS[name].of(cost)
            values.append(math.nan if known is None else float(known))
        return tuple(values)

    def point(self, value: float, cells: Sequence[CellValue], cost: Cost | None) -> Point:
        """Return the values, signed."""
        return self.signed(self.values(value, cells, cost))

    def signed(self, values: Sequence[float]) -> Point:
        """Return these values so that larger is better."""
        signs = (1.0 if maximize else -1.0 for maximize in self.directions)
        return tuple(sign * value for sign, value in zip(signs, values, strict=True))


def beats(left: Point, right: Point) -> bool:
    """Whether `left` is nowhere worse than `right` and somewhere better; never with a NaN."""
    return left != right and is_no_worse(left, right)


def is_no_worse(left: Point, right: Point) -> bool:
    """Whether `left` is at least as good as `right` in every objective."""
    return all(ours >= theirs for ours, theirs in zip(left, right, strict=True))


def is_on_front(points: Sequence[Point]) -> list[bool]:
    """Return which points no other point beats."""
    return [not any(beats(other, point) for other in points) for point in points]


def spread(points: Sequence[Point], count: int) -> list[int]:
    """Return the positions of `count` points to go on with: first the best by the first objective.

    Each of the others adds the most to the volume that those before it cover. The volume begins at
    the median of all points, so what half of them beat adds nothing. Where nothing adds anything,
    and always with one objective, the best by the first objective comes next.
    """
    if not points:
        return []
    middle = [median(values) for values in zip(*points, strict=True)]
    sizes = []
    for point in points:
        # The sides of the box between the median and a point; no box if it is worse there.
        sides = tuple(value - origin for value, origin in zip(point, middle, strict=True))
        sizes.append(sides if min(sides) > 0 else (0.0,) * len(sides))
    best_first = sorted(range(len(points)), key=lambda index: points[index][0], reverse=True)
    taken = best_first[:1]
    while len(taken) < min(count, len(points)):
        covered = [sizes[index] for index in taken]
        left = [index for index in best_first if index not in taken]
        taken.append(max(left, key=lambda index: volume([*covered, sizes[index]])))
    return taken


def volume(boxes: Sequence[Point]) -> float:
    """Return the volume of the union of boxes, given by their sides, that share one corner."""
    if not boxes:
        return 0.0
    if len(boxes[0]) == 1:
        return max(side for (side,) in boxes)
    highest_first = sorted(boxes, key=lambda sides: sides[-1], reverse=True)
    heights = [sides[-1] for sides in highest_first]
    whole = 0.0
    bases: list[Point] = []  # of the boxes that reach into a slice
    for sides, bottom in zip(highest_first, [*heights[1:], 0.0], strict=True):
        *base, top = sides
        bases.append(tuple(base))
        if top > bottom:
            whole += (top - bottom) * volume(bases)
    return whole


@dataclass(frozen=True)
class Contender:
    """A trial or a finalist with its value in every objective, on validation."""

    arm: ArmRecord
    trial_number: int
    values: tuple[float, ...]
    finalist: FinalistRecord | None = None
    is_on_front: bool = False

    @property
    def key(self) -> str:
        """Its arm and trial: `hinet/12`."""
        return f"{self.arm.name}/{self.trial_number}"


def objectives_of(record: StudyRecord) -> Objectives:
    """Return the objectives of a stored study."""
    return Objectives(Objective(record.objective), record.other_objectives)


def finalists_of(record: StudyRecord, objectives: Objectives) -> list[Contender]:
    """Return the finalists of arms and students, best first; values are means over their seeds."""
    found = []
    for arm in record.arms_and_students:
        for finalist in arm.finalists:
            by_run = [
                objectives.values(run.valid_objective, run.valid_cells, finalist.cost)
                for run in finalist.runs
            ]
            if by_run:
                means = tuple(map(fmean, zip(*by_run, strict=True)))
                found.append(Contender(arm, finalist.trial_number, means, finalist))
    points = [objectives.signed(contender.values) for contender in found]
    marked = [
        replace(contender, is_on_front=mark)
        for contender, mark in zip(found, is_on_front(points), strict=True)
    ]
    return sorted(marked, key=lambda contender: objectives.signed(contender.values), reverse=True)


def trials_of(record: StudyRecord, objectives: Objectives) -> Iterator[Contender]:
    """Yield the complete trials of arms and students; each value is of one seed."""
    for arm in record.arms_and_students:
        for trial in arm.trials:
            if trial.value is None or not trial.evaluations:
                continue
            best = max(trial.evaluations, key=lambda evaluation: record.sign * evaluation.objective)
            values = objectives.values(trial.value, best.cells, trial.cost)
            yield Contender(arm, trial.number, values)
