"""Check objectives: that each has values on the data of a study and from its arms."""

from collections.abc import Iterator, Sequence

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.results.data_record import CellCount
from hinet_search.results.objectives import Objective
from hinet_search.results.trade_offs import COSTS, FLOPS, LATENCY
from hinet_search.search.plan.size_limits import default_of
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.validation_messages import Location
from hinet_search.training.model_size import flops_of


def check_objectives(study: ResolvedStudy, dataset: Dataset) -> None:
    """Raise ConfigurationError for an objective of a cell that is unknown or has no values."""
    spec = study.spec
    keys: list[tuple[Location, str]] = [
        (("objectives", place), name) for place, name in enumerate(spec.objectives)
    ]
    for key, name in keys or [(("objective",), spec.objective)]:
        if name not in COSTS:
            _check(key, Objective(name), study, dataset)


def _check(key: Location, objective: Objective, study: ResolvedStudy, dataset: Dataset) -> None:
    """Check that an objective of one cell has a known scenario, and values on valid and test."""
    scenarios = dataset.full_schema.scenarios
    place = f"{study.file.place(key)}: objective {objective.name}"
    if objective.cell and objective.cell[0] not in scenarios:
        raise ConfigurationError(
            f"{place} names no scenario, known: {', '.join(scenarios)}"
            f"{did_you_mean(objective.cell[0], scenarios)}"
        )
    if objective.cell in dataset.full_schema.absent_cells:
        scenario, task = objective.cell
        raise ConfigurationError(
            f"{place} needs a cell with labels, but task {task} is not one of {scenario}",
            remedy=f"name a scenario of data.tasks.{task}.scenarios",
        )
    is_ranking = objective.metric.is_ranking
    problems = []
    for cell in dataset.record.cells:
        if (cell.scenario, cell.task) == objective.cell:
            problems += [f"{place} {lack}" for lack in _lacks(cell, is_ranking=is_ranking)]
    if problems:
        raise ConfigurationError(
            *problems, remedy="name a cell that has them, or an objective over all cells"
        )


def _lacks(cell: CellCount, *, is_ranking: bool) -> Iterator[str]:
    """Yield what a cell lacks to be measured on valid and test."""
    needed = cell.needed_for_auc if is_ranking else "rows"
    positive = "positives" if cell.means is None else "above 0"
    for split, rows, positives in zip(SPLITS, cell.rows, cell.positives, strict=True):
        has_values = cell.can_have_auc(rows, positives) if is_ranking else rows
        if split != "train" and not has_values:
            yield f"needs {needed} in {split}, got {positives:,} {positive} of {rows:,} rows"


def refuse_without_flops(study: ResolvedStudy, arms: Sequence[Arm], dataset: Dataset) -> None:
    """Refuse FLOPs as an objective of arms that have none."""
    if FLOPS not in study.spec.other_objectives:
        return
    for arm in arms:
        default = default_of(arm)
        if flops_of(default, default.features.schema_of(dataset)) == 0:
            raise ConfigurationError(
                f"{arm.place}: objective {FLOPS} needs a network, and {arm.model} is none",
                remedy=f"take {LATENCY} in its place, or leave out the arm",
            )
