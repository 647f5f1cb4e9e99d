"""Trees: boosted decision trees by LightGBM, one ensemble per task.

The baseline that is not a neural network: Newton boosting of the logistic loss, of amounts of the
Poisson loss, on binned inputs (Friedman, 2001; Ke et al., NeurIPS 2017). LightGBM grows and
scores the trees, which are stored in its own format (layers/tree_text.py).
Shape legend: R rows, I inputs, T tasks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from hinet_search.common import heartbeat
from hinet_search.common.frozen_model import Frozen, Large
from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.models.layers.tree_text import (
    TreeLimits,
    booster_of_text,
    import_lightgbm,
    num_nodes,
    text_of_trees,
)
from hinet_search.results.cells import Labels

if TYPE_CHECKING:
    import lightgbm

STAGES = 10


def stage_ends(most: int) -> list[int]:
    """Return the rounds after every stage: shares of `most` that are squares, 1, 4, 9, ... in 100.

    A table of little signal is learned in few rounds, one of much signal never has enough: early
    stages are short, so that the best of many rounds can be one of the first.
    """
    return sorted({max(1, round(most * (stage / STAGES) ** 2)) for stage in range(1, STAGES + 1)})


MAXIMUM_IDS = 2**24  # of a field: larger ids are not exact in the float32 inputs of the trees
OBJECTIVES = ("binary", "poisson")  # of LightGBM, for labels of 0 and 1, and for amounts


class Config(Frozen):
    """Options of the trees. A round adds one tree per task.

    A categorical field is an input if its vocabulary has at most `max_ids` ids. `max_features` is
    the share of the inputs that a tree may use. `category_smoothing` and `category_l2` hold back
    splits by ids with few rows: LightGBM's `cat_smooth` and `cat_l2`.
    """

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.03
    max_rounds: Annotated[int, Field(ge=1, le=10_000)] = 500
    max_leaf_nodes: Annotated[int, Field(ge=2, le=1024)] = 31
    min_samples_leaf: Large = 100
    l2: Annotated[float, Field(ge=0, le=1_000_000_000)] = 10.0
    max_features: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_ids: Annotated[int, Field(ge=1, le=MAXIMUM_IDS)] = MAXIMUM_IDS
    category_smoothing: Annotated[float, Field(ge=0, le=1_000_000_000)] = 200.0
    category_l2: Annotated[float, Field(ge=0, le=1_000_000_000)] = 200.0


_ScoreSums = tuple[int, NDArray[np.float64]]  # a number of rounds, and the logits by their trees


class Model:
    """Trees that split categorical fields and the scenario by id and numeric inputs by threshold.

    Lists are left out.
    """

    def __init__(self, config: Config, schema: Schema) -> None:
        self.config = config
        self.schema = schema
        self.fields = _fields(config, schema)
        self.boosters: Sequence[lightgbm.Booster] = ()  # one for each task
        self._sums: WeakKeyDictionary[Columns, _ScoreSums] = WeakKeyDictionary()
        self._text_names = [f"trees.{task}" for task in schema.tasks]

    @property
    def num_parameters(self) -> int:
        """The number of nodes of all trees; before growth, the maximum."""
        if self.boosters:
            return sum(map(num_nodes, self.boosters))
        return self.schema.num_tasks * self.config.max_rounds * (2 * self.config.max_leaf_nodes - 1)

    def stages(self, train: Columns, seed: int) -> Iterator[float]:
        """Grow the trees of all tasks; yield the share of finished rounds after every stage."""
        inputs_RI = self._inputs(train)
        rows = _LabelledRows(
            inputs_RI,
            train.labels_RT,
            self.schema.has_task[train.scenario_R],
            self.schema.is_amount,
            train.weight_R,
        )
        growth = _Boosting(self.config, rows, len(self._num_ids), seed)
        most = self.config.max_rounds
        self._sums.clear()
        for num_rounds in stage_ends(most):
            growth.grow_to(num_rounds)
            self.boosters = growth.boosters
            yield num_rounds / most

    def logits(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T) of the trees grown so far.

        Only trees that grew since the same columns were scored last are added to their sums.
        """
        assert self.boosters, "trees must have grown before they score"
        no_sums = (0, np.zeros((columns.num_rows, self.schema.num_tasks)))
        num_rounds, sum_RT = self._sums.get(columns, no_sums)
        inputs_RI = self._inputs(columns)
        options: dict[str, Any] = {"raw_score": True, "num_threads": torch.get_num_threads()}
        for task, booster in enumerate(self.boosters):
            sum_RT[:, task] += booster.predict(inputs_RI, num_rounds, **options)
        num_rounds = max(booster.num_trees() for booster in self.boosters)
        self._sums[columns] = (num_rounds, sum_RT)
        return sum_RT.astype(np.float32)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the text of the trees of every task, as the tensor of its bytes."""
        assert self.boosters, "trees must have grown before they are saved"
        texts = [bytearray(text_of_trees(booster), "ascii") for booster in self.boosters]
        tensors = [torch.frombuffer(text, dtype=torch.uint8) for text in texts]
        return dict(zip(self._text_names, tensors, strict=True))

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the trees; ValueError unless they are of trees with these options and inputs."""
        names = self._text_names
        if set(state_dict) != set(names):
            raise ValueError(
                f"trees must be the texts {', '.join(names)}, got {', '.join(sorted(state_dict))}; "
                "trees of before 1.0 must be grown again"
            )
        limits = TreeLimits(
            num_inputs=len(self._num_ids) + len(self.schema.numeric),
            num_by_id=len(self._num_ids),
            num_trees=self.config.max_rounds,
            num_leaves=self.config.max_leaf_nodes,
        )
        texts = [state_dict[name].numpy().tobytes().decode("latin1") for name in names]
        self.boosters = [booster_of_text(text, limits) for text in texts]
        self._sums.clear()

    def describe(self) -> str:
        """Describe how much grows at most, and from which inputs."""
        names = self.schema.categorical
        config = self.config
        sizes = (
            f"trees: at most {config.max_rounds} rounds, each with a tree for each of "
            f"{self.schema.num_tasks} tasks with at most {config.max_leaf_nodes} leaves: "
            f"{self.num_parameters:,} nodes"
        )
        by_id = ", ".join([*(names[field] for field in self.fields), "the scenario"])
        large_fields = [name for field, name in enumerate(names) if field not in self.fields]
        lists = [list_field.name for list_field in self.schema.pooled_lists]
        sequences = [sequence.name for sequence in self.schema.sequences]
        left_out = ", ".join([*large_fields, *lists, *sequences]) or "nothing"
        return (
            f"{sizes}\nsplit by id: {by_id}\n"
            f"split by threshold: {len(self.schema.numeric)} inputs\nleft out: {left_out}"
        )

    @property
    def _num_ids(self) -> tuple[int, ...]:
        """The number of ids of every input that is split by id; these inputs come first."""
        sizes = [self.schema.vocabulary_sizes[field] for field in self.fields]
        return (*sizes, self.schema.num_scenarios)

    def _inputs(self, columns: Columns) -> NDArray[np.float32]:
        """Return ids of the fields, the scenario, and numeric inputs, as (R, I).

        Ids at or beyond the vocabulary size become 0 = unknown.
        """
        ids_RF = columns.ids_RF[:, self.fields]
        sizes = np.array(self._num_ids[:-1], dtype=np.int32)
        known_RF = np.where(ids_RF < sizes, ids_RF, 0)
        return np.concatenate(
            [known_RF, columns.scenario_R[:, None], columns.numeric_RN], axis=1, dtype=np.float32
        )


def _fields(config: Config, schema: Schema) -> list[int]:
    """Return the fields that are inputs: all if the limit would leave only the scenario."""
    sizes = schema.vocabulary_sizes[: schema.num_fields]
    small = [field for field, size in enumerate(sizes) if size <= config.max_ids]
    if small or schema.numeric:
        return small
    return [field for field, size in enumerate(sizes) if size <= MAXIMUM_IDS]


@dataclass(frozen=True)
class _LabelledRows:
    """Inputs and labels of training rows, whether a row has a task, and which are amounts.

    Without weights all rows count alike.
    """

    inputs_RI: NDArray[np.float32]
    labels_RT: Labels
    has_label_RT: NDArray[np.bool_]
    is_amount_T: NDArray[np.bool_]
    weight_R: NDArray[np.float32] | None = None

    def of_task(self, task: int, library: ModuleType, binned: Any) -> Any:
        """Return LightGBM's data set of the rows that have a task, binned as another one."""
        has_label_R = self.has_label_RT[:, task]
        rows = slice(None) if has_label_R.all() else has_label_R
        return library.Dataset(
            self.inputs_RI[rows],
            self.labels(task, rows),
            weight=self.weights(rows),
            reference=binned,
        )

    def weights(self, rows: slice | NDArray[np.bool_]) -> NDArray[np.float32] | None:
        """Return the weights of rows in units of their mean: L2 means the same with all of them.

        None if all count alike, as do the first rows, on which a probe grows, if all of theirs
        are 0.
        """
        if self.weight_R is None or not self.weight_R[rows].any():
            return None
        weight_R: NDArray[np.float32] = self.weight_R[rows] / self.weight_R[rows].mean()
        return weight_R

    def labels(self, task: int, rows: slice | NDArray[np.bool_]) -> NDArray[Any]:
        """Return labels of a task as an array of their own: LightGBM warns of a float32 column."""
        return np.ascontiguousarray(self.labels_RT[rows, task])


class _Boosting:
    """Boosting in progress: a LightGBM booster for every task.

    The trees of a task see the rows that have it. Inputs are binned alike for all tasks, by all
    rows.
    """

    def __init__(
        self,
        config: Config,
        rows: _LabelledRows,
        num_by_id: int,
        seed: int,
    ) -> None:
        library = import_lightgbm()
        options = _options(config)
        binned = library.Dataset(
            rows.inputs_RI,
            rows.labels(0, slice(None)),
            weight=rows.weights(slice(None)),
            categorical_feature=list(range(num_by_id)),
            params={**options, "seed": _stream_seed(seed, 0)},
        )
        self.boosters: list[lightgbm.Booster] = []
        for task, has_label_R in enumerate(rows.has_label_RT.T):
            train = binned
            if task or not has_label_R.all():
                train = rows.of_task(task, library, binned)
            objective = OBJECTIVES[int(rows.is_amount_T[task])]
            of_task = {"objective": objective, "seed": _stream_seed(seed, 1 + task)}
            self.boosters.append(library.Booster({**options, **of_task}, train))
        self.may_grow = [True for _ in self.boosters]

    def grow_to(self, num_rounds: int) -> None:
        """Add trees to every task until it has `num_rounds`, or no split improves it."""
        for task, booster in enumerate(self.boosters):
            while self.may_grow[task] and booster.num_trees() < num_rounds:
                self.may_grow[task] = not booster.update()
                heartbeat.send_heartbeat()


def _options(config: Config) -> dict[str, Any]:
    """Return LightGBM's parameters; equal seeds give equal trees with any number of threads."""
    return {
        "learning_rate": config.learning_rate,
        "num_leaves": config.max_leaf_nodes,
        "min_data_in_leaf": config.min_samples_leaf,
        "lambda_l2": config.l2,
        "feature_fraction": config.max_features,
        "cat_smooth": config.category_smoothing,
        "cat_l2": config.category_l2,
        "num_threads": torch.get_num_threads(),
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def _stream_seed(seed: int, stream: int) -> int:
    """Return a seed of its own for every stream, as a signed number of 32 bits."""
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)[0] >> 1)
