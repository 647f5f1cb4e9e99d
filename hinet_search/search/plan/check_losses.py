"""Check losses: whether what arms say of loss, weights, rows and tables of ids fits together."""

from collections.abc import Sequence

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.data.columns import Dataset
from hinet_search.data.guess.training_settings import OF_MANY_IDS
from hinet_search.results.data_record import DataRecord
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.search_space import SearchSpace
from hinet_search.training.losses import loss_named
from hinet_search.training.touched_rows import OF_TOUCHED_ROWS
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import is_network

LOSS, SHUFFLE, RANKING_WEIGHT = "train.loss", "train.shuffle", "train.ranking_weight"
BATCH_SIZE = "train.batch_size"
OPTIMISER, TABLE_PRECISION = "train.embedding_optimiser", "train.table_precision"
TASK_WEIGHTS, SCENARIO_WEIGHTS = "train.task_weights", "train.scenario_weights"


def unfit_losses(arm: Arm, data: DataDefinition) -> list[str]:
    """List the problems of an arm whose values are valid: what needs users, tasks or pairs."""
    space = arm.space
    problems = _unknown(space, TASK_WEIGHTS, tuple(data.tasks))
    of_users = losses_within(space, "users")
    need_users = [(LOSS, loss) for loss in of_users]
    if "users" in shuffles(space):
        need_users.append((SHUFFLE, "users"))
    if data.user is None:
        problems += [
            f"{space.places[name]}: {name} {value} needs the key 'user' of the data, got none"
            for name, value in need_users
        ]
    has_pairs = of_users or losses_within(space, "scenarios")
    if RANKING_WEIGHT in space.values(space.default()) and not has_pairs:
        losses = ", ".join(str(value) for value in training_values(space, LOSS))
        problems.append(
            f"{space.places[RANKING_WEIGHT]}: {RANKING_WEIGHT} needs a {LOSS} of pairs, "
            f"such as pairs_within_scenarios, got {losses}"
        )
    return problems


def unfit_tables(arm: Arm) -> list[str]:
    """List the problem of a network whose tables can be in bf16 and updated by `adam`.

    That updates all rows, with kernels that do not round at random.
    """
    space = arm.space
    optimisers = training_values(space, OPTIMISER)
    if "bf16" not in training_values(space, TABLE_PRECISION) or "adam" not in optimisers:
        return []
    needed = f"needs an {OPTIMISER} of the rows of a batch ({', '.join(OF_TOUCHED_ROWS)})"
    got = f"got {', '.join(map(str, optimisers))} in arm {arm.name}; fix {OPTIMISER}: {OF_MANY_IDS}"
    return [f"{space.places[TABLE_PRECISION]}: {TABLE_PRECISION} bf16 {needed}, {got}"]


def check_scenario_weights(study: ResolvedStudy, dataset: Dataset) -> None:
    """Raise ConfigurationError for weights of scenarios that the data do not have."""
    problems: list[str] = []
    for arm in study.arms:
        problems += _unknown(arm.space, SCENARIO_WEIGHTS, dataset.full_schema.scenarios)
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))


def losses_within(space: SearchSpace, whose: str) -> list[str]:
    """Return the losses of a space that compare the rows of `whose`: users or scenarios."""
    losses = [str(value) for value in training_values(space, LOSS)]
    return [name for name in losses if loss_named(name).pairs_within == whose]


def most_pairs(arm: Arm, data: DataRecord) -> tuple[int, int]:
    """Return the largest batch of an arm, and about how many pairs within scenarios it lists.

    No pairs are listed without a loss that compares them.
    """
    sizes = training_values(arm.space, BATCH_SIZE)
    batch_size = max(size for size in sizes if isinstance(size, int))
    if not (is_network(arm.model) and losses_within(arm.space, "scenarios")):
        return batch_size, 0
    num_pairs = 0.0
    for cell in data.cells:
        num_rows = cell.rows[0]
        positives = cell.positives[0]
        num_pairs += positives * (num_rows - positives)
        if cell.means is not None:  # amounts above 0 differ from each other too
            num_pairs += positives**2 / 2
    share = min(1.0, batch_size / data.rows[0])
    return batch_size, round(share**2 * num_pairs)


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
