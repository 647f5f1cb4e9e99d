"""Check losses: whether what arms say of loss, weights and rows fits together."""

from collections.abc import Sequence

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.data.columns import Dataset
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.search_space import SearchSpace
from hinet_search.training.losses import loss_named
from hinet_search.training.train_config import TrainConfig

LOSS, SHUFFLE, RANKING_WEIGHT = "train.loss", "train.shuffle", "train.ranking_weight"
OBJECTIVE = "model.objective"  # of trees
TASK_WEIGHTS, SCENARIO_WEIGHTS = "train.task_weights", "train.scenario_weights"


def unfit_losses(arm: Arm, data: DataDefinition) -> list[str]:
    """List the problems of an arm whose values are valid: what needs users, tasks or pairs."""
    space = arm.space
    problems = _unknown(space, TASK_WEIGHTS, tuple(data.tasks))
    of_pairs = losses_of_pairs(space)
    need_users = [(LOSS, loss) for loss in of_pairs]
    if "users" in shuffles(space):
        need_users.append((SHUFFLE, "users"))
    if data.user is None and data.rank is None:
        problems += [
            f"{space.places[name]}: {name} {value} needs the key 'user' of the data, got none"
            for name, value in need_users
        ]
    if RANKING_WEIGHT in space.values(space.default()) and not of_pairs:
        losses = ", ".join(map(str, training_values(space, LOSS)))
        problems.append(
            f"{space.places[RANKING_WEIGHT]}: {RANKING_WEIGHT} needs a {LOSS} of pairs, "
            f"such as pairs_within_users, got {losses}"
        )
    if arm.model == "trees":
        problems += _unfit_orders(space, data)
    return problems


def _unfit_orders(space: SearchSpace, data: DataDefinition) -> list[str]:
    """List what trees that learn the order within groups lack: groups, and labels of 0 and 1."""
    searched = space.parameters.get(OBJECTIVE)
    values = searched.bounds if searched else (space.fixed.get(OBJECTIVE, "cross_entropy"),)
    orders = [value for value in values if value != "cross_entropy"]
    if not orders:
        return []
    needs = f"{space.places[OBJECTIVE]}: {OBJECTIVE} {orders[0]} needs"
    problems = []
    if data.rank is None:
        problems.append(f"{needs} the key 'rank' of the data, got none")
    amounts = [name for name, task in data.tasks.items() if task.is_amount]
    if amounts:
        problems.append(f"{needs} tasks of 0 and 1, got amounts of {', '.join(amounts)}")
    return problems


def check_scenario_weights(study: ResolvedStudy, dataset: Dataset) -> None:
    """Raise ConfigurationError for weights of scenarios that the data do not have."""
    problems: list[str] = []
    for arm in study.arms:
        problems += _unknown(arm.space, SCENARIO_WEIGHTS, dataset.full_schema.scenarios)
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))


def losses_of_pairs(space: SearchSpace) -> list[str]:
    """Return the losses of a space that compare rows of one user."""
    losses = [str(value) for value in training_values(space, LOSS)]
    return [name for name in losses if loss_named(name).of_pairs]


def shuffles(space: SearchSpace) -> tuple[Value, ...]:
    """Return the orders of rows that a space can have."""
    return training_values(space, SHUFFLE)


def training_values(space: SearchSpace, name: str) -> tuple[Value, ...]:
    """Return the values that a setting of training can have."""
    if name in space.parameters:
        return space.parameters[name].bounds
    return (space.fixed.get(name, getattr(TrainConfig(), name.removeprefix("train."))),)


def _unknown(space: SearchSpace, weights: str, known: Sequence[str]) -> list[str]:
    """List weights of names that the data do not have."""
    problems = []
    for name in (*space.parameters, *space.fixed):
        of = name.removeprefix(f"{weights}.")
        if of != name and of not in known:
            problems.append(
                f"{space.places[name]}: {name} must end with one of {', '.join(known)}, "
                f"got '{of}'{did_you_mean(of, known)}"
            )
    return problems
