"""Training settings: epochs and defaults of training that follow from a table.

The rule is judged on the tasks of docs/results/defaults.md. What it needs to know of a table is how
many rows a training learns from, whether its ids come with label statistics, whether it has
numbers, and how many ids it has.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hinet_search.study.load_study import NUMBER_ENCODING

EMBEDDING_OPTIMISER = "train.embedding_optimiser"
OF_MANY_IDS = "lazy_adam"  # no worse in docs/results/README.md
BATCH_SIZE = "train.batch_size"
RATE = "train.learning_rate"
MULTIPLIER = "train.embedding_learning_rate_multiplier"
PENALTY = "train.embedding_l2"
STEPS_AN_EPOCH = 250  # wanted: fewer steps learn too slowly, more take time
SMALLEST_BATCH = 256
LARGEST_BATCH = 4096
# Enough to fill embeddings of 32 numbers, which then know more of an id than its statistics do.
MANY_ROWS = 300_000
HIGHEST_RATE = 0.01
MOST_EPOCHS = 8  # patience ends most trainings before
# Embeddings learn rows by heart in later epochs; in few epochs a penalty keeps them from learning.
# It counts as this number of rows: the more rows an id has, the less it needs one.
ROWS_OF_PENALTY = 200
LARGEST_PENALTY = 0.01
MANY_EPOCHS = 4
# With so many ids most of a step would be updates of rows that its batch does not look up.
MANY_IDS = 1_000_000
# A training of a quick study learns from so many rows: embeddings take longer to be near the best.
QUICK_ROWS = 150_000
QUICK_ROWS_OF_IDS = 400_000
# Where a quick study has one epoch, networks learn faster, and trees take larger steps. They may
# take many: patience ends their growth early where labels are noisy.
QUICK_RATE = 0.003
QUICK_RATE_OF_IDS = 0.004
QUICK_MULTIPLIER = 0.5
QUICK_TREES: Mapping[str, Mapping[str, Any]] = {
    "model.learning_rate": {"default": 0.1},
    "model.max_rounds": {"default": 1000},
}

Changes = Mapping[str, Mapping[str, Any]]  # of parameters


@dataclass(frozen=True)
class TrainingSettings:
    """What a study of a table should start from.

    With `learns_ids` quality is in the embeddings of ids, else in statistics of their labels.
    `epochs` are the most epochs of a training, which ends before once `patience` evaluations bring
    no improvement; `quick_epochs` are those of a quick study. `parameters` and `fixed` are those
    keys of the study: a default, and the values around it to search.
    """

    learns_ids: bool
    epochs: int
    quick_epochs: int
    parameters: Changes
    fixed: Mapping[str, int | str]

    @property
    def batch_size(self) -> int:
        """The default size of a batch."""
        return int(self.parameters[BATCH_SIZE]["default"])

    @property
    def quick_parameters(self) -> Changes:
        """The key `parameters` of a quick size, empty unless it has few epochs."""
        if self.quick_epochs >= MANY_EPOCHS:
            return {}
        without_penalty = {PENALTY: {"default": 0.0}}
        if self.quick_epochs > 1:
            return without_penalty
        if self.learns_ids:  # embeddings are fast already
            return {RATE: {"default": QUICK_RATE_OF_IDS}, **without_penalty, **QUICK_TREES}
        rates = {RATE: {"default": QUICK_RATE}, MULTIPLIER: {"default": QUICK_MULTIPLIER}}
        return {**rates, **without_penalty, **QUICK_TREES}

    def lines(self) -> Iterator[str]:
        """The keys `parameters` and `fixed` of a study as lines of YAML."""
        yield from _parameter_lines(self.parameters)
        yield f"fixed: {{{', '.join(f'{name}: {value}' for name, value in self.fixed.items())}}}"

    def quick_lines(self) -> Iterator[str]:
        """The key `parameters` of a quick size as lines of YAML, if it has one."""
        if not self.quick_parameters:
            return
        if self.quick_epochs == 1:
            yield "# a single epoch: networks learn faster, and fewer trees grow"
        else:
            yield "# few epochs: no penalty on embeddings"
        yield from _parameter_lines(self.quick_parameters)


def _parameter_lines(parameters: Changes) -> Iterator[str]:
    yield "parameters:"
    for name, change in parameters.items():
        keys = ", ".join(f"{key}: {value}" for key, value in change.items())
        yield f"  {name}: {{{keys}}}"


def training_settings(
    num_rows: int, *, has_statistics: bool, has_numbers: bool = False, num_ids: int = 0
) -> TrainingSettings:
    """Return what training on `num_rows` rows should start from.

    `has_numbers` says whether the table has numeric features, beside statistics, `num_ids` how many
    values all categorical features have.
    Embeddings of ids learn slowly: they get higher rates, and patience for two epochs. With
    statistics and few rows, models are soon as good as they get, and fast embeddings learn rows by
    heart. Networks read numbers by vectors of bins too: where labels follow numbers by steps, that
    is worth more than any rate (docs/results/what_moves.md).
    """
    learns_ids = not has_statistics or num_rows >= MANY_ROWS
    batch_size = 2 ** round(math.log2(max(1, num_rows / STEPS_AN_EPOCH)))
    batch_size = min(LARGEST_BATCH, max(SMALLEST_BATCH, batch_size))
    multiplier = {"default": 0.15, "low": 0.03, "high": 3.0}
    if learns_ids:
        multiplier = {"default": 3.0, "low": 0.3, "high": 10.0}
    penalty = min(LARGEST_PENALTY, float(f"{ROWS_OF_PENALTY / max(1, num_rows):.0e}"))
    penalties = [0.0, *(float(f"{penalty * by:.0e}") for by in (0.1, 1, 10))]
    dim = 32 if num_rows >= MANY_ROWS else 16
    parameters: dict[str, Mapping[str, Any]] = {
        BATCH_SIZE: _doubled(batch_size),
        RATE: {"default": 0.002 if learns_ids else 0.001, "high": HIGHEST_RATE},
        MULTIPLIER: multiplier,
        PENALTY: {"default": penalty, "choices": penalties},
        "model.embedding_dim": _doubled(dim),
        "features.minimum_frequency": {"default": 3},
    }
    if has_numbers:
        parameters[NUMBER_ENCODING] = {"default": "bins"}
    fixed: dict[str, int | str] = {}
    if num_ids >= MANY_IDS:
        fixed[EMBEDDING_OPTIMISER] = OF_MANY_IDS
    fixed |= {"train.evaluations_per_epoch": 2 if learns_ids else 4, "train.patience": 4}
    quick_rows = QUICK_ROWS_OF_IDS if learns_ids else QUICK_ROWS
    quick_epochs = min(MOST_EPOCHS, max(1, round(quick_rows / num_rows)))
    return TrainingSettings(learns_ids, MOST_EPOCHS, quick_epochs, parameters, fixed)


def _doubled(size: int) -> Mapping[str, Any]:
    """A size to start from, with half and twice as much to search."""
    return {"default": size, "choices": [size // 2, size, size * 2]}
