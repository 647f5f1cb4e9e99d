"""Refusals: checks of the names in a study, by what its data, arms and fixed settings are.

What a name is compared with is missing if that is invalid itself; then nothing is refused.
"""

from collections.abc import Collection, Sequence

from pydantic import ValidationInfo

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.results.cells import CellName
from hinet_search.results.objectives import Objective, objective_named
from hinet_search.results.trade_offs import COSTS, refuse_unknown
from hinet_search.study.data_definition import DataDefinition


def known_objective(name: str, others: ValidationInfo) -> str:
    """Return the name; ValueError unless this metric can be computed."""
    data: DataDefinition | None = others.data.get("data")
    try:
        objective = objective_named(name)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    if data is None:
        return name
    metric = objective.metric
    if objective.cell:
        _refuse_task(objective, objective.cell, data)
    if metric.labels == "binary" and all(task.is_amount for task in data.tasks.values()):
        raise ValueError(
            f"objective {name} needs a task with labels of 0 and 1, and all have amounts; "
            "take macro_auc"
        )
    is_grouped = data.user is not None or (metric.within == "groups" and data.rank is not None)
    if metric.within is not None and not is_grouped:
        raise ValueError(
            f"objective {name} needs the key 'user' of the data, got none; "
            "add it, or take weighted_auc"
        )
    return name


def _refuse_task(objective: Objective, cell: CellName, data: DataDefinition) -> None:
    """Raise ValueError unless the task of an objective of one cell suits it."""
    _, task = cell
    if task not in data.tasks:
        raise ValueError(
            f"objective {objective.name} names no task{did_you_mean(task, data.tasks)}"
        )
    if objective.metric.labels == "amounts" and not data.tasks[task].is_amount:
        raise ValueError(
            f"objective {objective.name} needs a task of amounts, and {task} has labels of 0 and "
            f"1; take logloss[{'/'.join(cell)}], or write 'kind: amount' if it has amounts"
        )


def known_objectives(names: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
    """Raise ValueError unless these are a metric, which comes first, and other metrics or costs."""
    for name in names:
        try:
            refuse_unknown(name)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        if name not in COSTS:
            known_objective(name, others)
    if names and names[0] in COSTS:
        raise ValueError(
            f"the first must be a metric, by which trials and arms are compared, "
            f"got {names[0]}; write it after one"
        )
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"objectives must differ, got {', '.join(repeated)} more than once")
    return names


def refuse_other_arm(name: str, arms: Collection[str] | None) -> None:
    """Refuse an arm for measuring inputs or choices that is none."""
    if arms is not None and name not in ("auto", *arms):
        raise ValueError(
            f"arm must be auto or an arm of the study, got '{name}'{did_you_mean(name, arms)}"
        )


def refuse_other_students(names: Sequence[str], arms: Collection[str] | None) -> None:
    """Refuse a student that is no arm."""
    if arms is None:
        return
    for name in names:
        if name not in arms:
            raise ValueError(
                f"students must be arms of the study, got '{name}'{did_you_mean(name, arms)}"
            )


def refuse_fixed(parameters: Collection[str], fixed: Collection[str] | None) -> None:
    """Refuse parameters that are also fixed."""
    both = [name for name in parameters if name in (fixed or ())]
    if both:
        raise ValueError(f"must be either fixed or searched: {', '.join(both)}")
