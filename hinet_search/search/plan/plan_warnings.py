"""Plan warnings: batches that are too large or of few pairs, and what has no effect."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.amounts import counted
from hinet_search.data.guess.training_settings import MANY_IDS, OF_MANY_IDS, training_settings
from hinet_search.search.plan.check_losses import losses_of_pairs, shuffles, training_values
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.plan.size_limits import default_of
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.training.model_size import sizes_of
from hinet_search.training.trial_config import is_network

PRECISION, GRAPHS = "train.precision", "train.cuda_graphs"
TOO_LARGE = 4  # times the batch that follows from the rows


def few_steps(prepared: PreparedStudy) -> Iterator[str]:
    """Yield a warning if networks start with batches that make too few steps of an epoch.

    On 6,668 rows HiNet's default has AUC 0.54 with batches of 1,024, 0.66 with all settings that
    follow from the rows (docs/results/defaults.md).
    """
    rows = prepared.dataset.train.num_rows
    has_statistics = prepared.study.spec.data.features.statistics is not None
    wanted = training_settings(rows, has_statistics=has_statistics).batch_size
    large: dict[int, list[str]] = {}
    for arm in prepared.study.arms:
        size = default_of(arm).train.batch_size
        if is_network(arm.model) and size >= TOO_LARGE * wanted:
            large.setdefault(size, []).append(arm.name)
    for size, names in large.items():
        steps = counted(math.ceil(rows / size), "step")
        yield (
            f"batches of {size:,} make {steps} an epoch over {rows:,} rows ({', '.join(names)}), "
            f"few to learn by; {wanted:,} rows a batch follow from the rows. For this and other "
            "settings: hinet-search data describe"
        )


def few_pairs(prepared: PreparedStudy) -> Iterator[str]:
    """Yield a warning if random batches hold fewer pairs of a user's rows than rows."""
    for arm in prepared.study.arms:
        if not losses_of_pairs(arm.space) or shuffles(arm.space) == ("users",):
            continue
        size = default_of(arm).train.batch_size
        num_pairs = pairs_in_random_batch(prepared.dataset.train.ranked_within, size)
        if num_pairs < size:
            yield (
                f"arm {arm.name}: a batch of {size:,} random rows has about {num_pairs:,.0f} pairs "
                "of rows of one user, too few for pairs_within_users; fix train.shuffle: users"
            )


def gpu_settings_without_gpu(prepared: PreparedStudy) -> Iterator[str]:
    """Yield a warning for each arm with a setting for GPUs where trainings run on the CPU."""
    if prepared.device.device.type != "cpu":
        return
    for arm in prepared.study.arms:
        if "tf32" in training_values(arm.space, PRECISION):
            yield f"arm {arm.name}: train.precision tf32 is for GPUs, and is fp32 on this CPU"
        if True in training_values(arm.space, GRAPHS):
            yield f"arm {arm.name}: train.cuda_graphs is for GPUs, and has no effect on this CPU"


def pairs_in_random_batch(user_R: NDArray[np.int32], batch_size: int) -> float:
    """Return the expected pairs of rows of one user in a random batch."""
    num_rows = len(user_R)
    rows_U = np.unique(user_R[user_R >= 0], return_counts=True)[1].astype(float)
    num_pairs = (rows_U * (rows_U - 1)).sum() / 2
    share = min(batch_size, num_rows) / num_rows
    return float(share**2 * num_pairs)


def left_out_starts(study: ResolvedStudy) -> Iterator[str]:
    """Yield a warning for each arm whose `start` and default need more trials than there are."""
    for arm in study.arms:
        most = arm.most_trials(study.spec) - 1  # after the default
        starts = study.spec.arms[arm.name].start
        if len(starts) > most:
            configurations = counted(len(starts), "configuration")
            yield (
                f"arm {arm.name} starts with {configurations} after its default, of which "
                f"{most or 'none'} fit into {counted(study.spec.trials, 'trial')}"
            )


def rows_not_kept(prepared: PreparedStudy) -> Iterator[str]:
    """Yield a warning if a GPU has no room for the rows of all its slots."""
    memory = prepared.device_memory
    if memory and not memory.keeps_rows:
        yield memory.note


def rows_not_looked_up(prepared: PreparedStudy) -> Iterator[str]:
    """Yield a warning if networks start with an optimiser that updates very many rows of ids."""
    rows: dict[int, list[str]] = {}
    for arm in prepared.study.arms:
        config = default_of(arm)
        if is_network(arm.model) and config.train.embedding_optimiser == "adam":
            schema = config.features.schema_of(prepared.dataset)
            rows.setdefault(sum(schema.vocabulary_sizes), []).append(arm.name)
    for num_rows, names in rows.items():
        if num_rows >= MANY_IDS:
            yield (
                f"train.embedding_optimiser adam updates all {num_rows:,} rows of ids in every "
                f"step ({', '.join(names)}); {OF_MANY_IDS} updates those of the batch alone"
            )


def large_defaults(prepared: PreparedStudy) -> Iterator[str]:
    """Yield a warning for each arm whose default has more than `max_parameters`."""
    for arm in prepared.study.arms:
        most = arm.space.max_parameters
        config = default_of(arm)
        total, dense = sizes_of(config, config.features.schema_of(prepared.dataset))
        if most is not None and total > most:
            yield (
                f"arm {arm.name}: its default has {total:,} parameters, {total - dense:,} of them "
                f"of embeddings; max_parameters is {most:,}, so larger draws are not trained. A "
                "higher data.minimum_frequency gives fewer ids"
            )
