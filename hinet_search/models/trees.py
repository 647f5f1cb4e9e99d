"""Trees: boosted decision trees by LightGBM, one ensemble per task.

The baseline that is not a neural network: Newton boosting of the logistic loss, of amounts of the
Poisson loss, on binned inputs (Friedman, 2001; Ke et al., NeurIPS 2017). LightGBM grows and
scores the trees, stored in its own format (layers/tree_text.py).
`lambdarank` (Burges, 2010) and `rank_xendcg` (Bruch, WWW 2021) learn the order of the rows of each
group of the data's `rank`. Their sums are no logits: a line through the sums, fitted on groups that
grew no tree, gives the logits (Platt, 1999). It rises, so it keeps the order of the rows.
Shape legend: R rows, I inputs, T tasks, H rows of held groups, U groups.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
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
from hinet_search.results.statistics.calibrators import LIMIT, LogitPoints, platt

if TYPE_CHECKING:
    import lightgbm

STAGES = 10
MAXIMUM_IDS = 2**24  # of a field: larger ids are not exact in the float32 inputs of the trees
OBJECTIVES = {"cross_entropy": "binary", "lambdarank": "lambdarank", "rank_xendcg": "rank_xendcg"}
HELD_SHARE = 0.1  # of the groups: they grow no trees of an order, but calibrate them
LARGEST_GROUP = 10_000  # rows; LightGBM takes no more, so larger groups are cut
CALIBRATION = "calibration"  # the tensor (T, 2) of slopes and intercepts
_ScoreSums = tuple[int, NDArray[np.float64]]  # a number of rounds, and the logits by their trees


def stage_ends(most: int) -> list[int]:
    """Return the rounds after every stage: shares of `most` that are squares, 1, 4, 9, ... in 100.

    A table of little signal is learned in few rounds, one of much signal never has enough: early
    stages are short, so that the best of many rounds can be one of the first.
    """
    return sorted({max(1, round(most * (stage / STAGES) ** 2)) for stage in range(1, STAGES + 1)})


class Config(Frozen):
    """Options of the trees. A round adds one tree per task.

    A categorical field is an input if its vocabulary has at most `max_ids` ids. `max_features` is
    the share of the inputs that a tree may use. `category_smoothing` and `category_l2` hold back
    splits by ids with few rows: LightGBM's `cat_smooth` and `cat_l2`. Of the objectives,
    `lambdarank` and `rank_xendcg` learn the order within the groups of the data's `rank`.
    With `linear_leaves` a leaf is a line in the numeric inputs that lead to it, held back by `l2`.
    """

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.03
    max_rounds: Annotated[int, Field(ge=1, le=10_000)] = 500
    max_leaf_nodes: Annotated[int, Field(ge=2, le=1024)] = 31
    min_samples_leaf: Large = 100
    l2: Annotated[float, Field(ge=0, le=1_000_000_000)] = 10.0
    max_features: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_ids: Annotated[int, Field(ge=1, le=MAXIMUM_IDS)] = 1_000_000
    category_smoothing: Annotated[float, Field(ge=0, le=1_000_000_000)] = 200.0
    category_l2: Annotated[float, Field(ge=0, le=1_000_000_000)] = 200.0
    objective: Literal["cross_entropy", "lambdarank", "rank_xendcg"] = "cross_entropy"
    linear_leaves: bool = False

    @property
    def learns_order(self) -> bool:
        """Whether the trees learn the order within groups, and are calibrated afterwards."""
        return self.objective != "cross_entropy"


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
        self._line_T2 = np.tile([1.0, 0.0], (schema.num_tasks, 1))
        self._text_names = [f"trees.{task}" for task in schema.tasks]

    @property
    def num_parameters(self) -> int:
        """The number of nodes of all trees; before growth, the maximum."""
        if self.boosters:
            return sum(map(num_nodes, self.boosters))
        return self.schema.num_tasks * self.config.max_rounds * (2 * self.config.max_leaf_nodes - 1)

    def stages(self, train: Columns, seed: int) -> Iterator[float]:
        """Grow the trees of all tasks; yield the share of finished rounds after every stage."""
        is_held_R = np.zeros(train.num_rows, np.bool_)
        if self.config.learns_order:
            is_held_R = _held_rows(train, seed)
        held = train.where(is_held_R)
        boosters = self._new_boosters(train, is_held_R, seed)
        may_grow = [True] * len(boosters)
        most = self.config.max_rounds
        self._sums.clear()
        for num_rounds in stage_ends(most):
            for task, booster in enumerate(boosters):
                while may_grow[task] and booster.num_trees() < num_rounds:
                    may_grow[task] = not booster.update()  # False if no split improves it
                    heartbeat.send_heartbeat()
            self.boosters = boosters
            if held.num_rows:
                self._calibrate(held)
            yield num_rounds / most

    def _calibrate(self, held: Columns) -> None:
        """Fit the line of every task that has held rows."""
        sum_HT = self._sums_of(held)
        for task in range(self.schema.num_tasks):
            rows = self.schema.has_task[held.scenario_R][:, task]
            if not rows.any():
                continue
            weights = _weights(held, rows)
            weight_H = np.ones(rows.sum()) if weights is None else weights.astype(np.float64)
            points = LogitPoints(sum_HT[rows, task], weight_H, weight_H * _labels(held, task, rows))
            line = platt(points)
            self._line_T2[task] = line.slope, line.values[0]

    def _new_boosters(
        self, train: Columns, is_held_R: NDArray[np.bool_], seed: int
    ) -> "list[lightgbm.Booster]":
        """Return a booster without trees for every task.

        The trees of a task will see the rows that have it, and that are not held, group by group.
        Inputs are binned alike for all tasks, by all rows.
        """
        library = import_lightgbm()
        options = _options(self.config)
        inputs_RI = self._inputs(train)
        every_row = slice(None)
        binned = library.Dataset(
            inputs_RI,
            _labels(train, 0, every_row),
            weight=_weights(train, every_row),
            categorical_feature=list(range(len(self._num_ids))),
            params={**options, "seed": _stream_seed(seed, 0)},
        )
        boosters = []
        has_label_RT = self.schema.has_task[train.scenario_R]
        for task, is_amount in enumerate(self.schema.is_amount):
            has_label_R = has_label_RT[:, task]
            rows: slice | NDArray[Any] = every_row if has_label_R.all() else has_label_R
            num_rows_U = None
            if self.config.learns_order:
                grows_R = has_label_R & ~is_held_R
                if not grows_R.any():  # all groups that have the task are held
                    grows_R = has_label_R
                rows, num_rows_U = group_by_group(_groups(train), grows_R)
            of_task = binned
            if task or rows is not every_row:
                of_task = library.Dataset(
                    inputs_RI[rows],
                    _labels(train, task, rows),
                    weight=_weights(train, rows),
                    group=num_rows_U,
                    params=options,
                    reference=binned,
                )
            objective = "poisson" if is_amount else OBJECTIVES[self.config.objective]
            settings = {"objective": objective, "seed": _stream_seed(seed, 1 + task)}
            boosters.append(library.Booster({**options, **settings}, of_task))
        return boosters

    def logits(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T) of the trees grown so far, finite whatever they hold."""
        slope_T, intercept_T = self._line_T2.T
        logit_RT = slope_T * self._sums_of(columns) + intercept_T
        finite_RT: NDArray[np.float32] = logit_RT.clip(-LIMIT, LIMIT).astype(np.float32)
        return finite_RT

    def _sums_of(self, columns: Columns) -> NDArray[np.float64]:
        """Return the sums (R, T) of the trees grown so far.

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
        return sum_RT

    def state_dict(self) -> dict[str, Tensor]:
        """Return the text of the trees of every task, as its bytes, and lines that were fitted."""
        assert self.boosters, "trees must have grown before they are saved"
        state = {}
        if self.config.learns_order:
            state[CALIBRATION] = torch.tensor(self._line_T2)
        for name, booster in zip(self._text_names, self.boosters, strict=True):
            text = bytearray(text_of_trees(booster), "ascii")
            state[name] = torch.frombuffer(text, dtype=torch.uint8)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the trees; ValueError unless they are of trees with these options and inputs."""
        names = self._text_names
        lines = [CALIBRATION] * self.config.learns_order
        if set(state_dict) != {*names, *lines}:
            raise ValueError(
                f"trees must be the texts {', '.join([*names, *lines])}, "
                f"got {', '.join(sorted(state_dict))}; "
                "trees of before 1.0 must be grown again"
            )
        limits = TreeLimits(
            num_inputs=len(self._num_ids) + len(self.schema.numeric),
            num_by_id=len(self._num_ids),
            num_trees=self.config.max_rounds,
            num_leaves=self.config.max_leaf_nodes,
            is_linear=self.config.linear_leaves,
        )
        boosters = []
        for name in names:
            text = state_dict[name].numpy().tobytes().decode("latin1")
            boosters.append(booster_of_text(text, limits))
        if lines:
            line_T2 = state_dict[CALIBRATION].double().numpy().copy()
            is_sound = line_T2.shape == (len(names), 2) and np.isfinite(line_T2).all()
            if not (is_sound and (line_T2[:, 0] > 0).all()):
                raise ValueError(f"{CALIBRATION} must be a finite line that rises for every task")
            self._line_T2 = line_T2
        self.boosters = boosters
        self._sums.clear()

    def describe(self) -> str:
        """Describe how much grows at most, and from which inputs."""
        names = self.schema.categorical
        config = self.config
        sizes = (
            f"trees of {config.objective}: at most {config.max_rounds} rounds, each with a tree "
            f"for each of {self.schema.num_tasks} tasks with at most "
            f"{config.max_leaf_nodes} leaves: {self.num_parameters:,} nodes"
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


def _groups(train: Columns) -> NDArray[np.int32]:
    """Return the group of every row; -1 for none."""
    assert train.group_R is not None, "trees that learn an order need data with groups"
    return train.group_R


def _held_rows(train: Columns, seed: int) -> NDArray[np.bool_]:
    """Draw which rows (R,) grow no trees: all of a group, or of rows without one each by itself."""
    number_R, num_groups = _numbered(_groups(train))
    generator = np.random.default_rng(_stream_seed(seed, 1 + train.labels_RT.shape[1]))
    is_held_U = np.zeros(num_groups, np.bool_)
    is_held_U[: min(num_groups - 1, math.ceil(HELD_SHARE * num_groups))] = True
    is_held_R: NDArray[np.bool_] = generator.permutation(is_held_U)[number_R]
    return is_held_R


def _numbered(group_R: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """Return numbers (R,) of groups from 0, and how many; a row without one is one by itself."""
    own_R = np.arange(-len(group_R), 0)
    group_U, number_R = np.unique(np.where(group_R < 0, own_R, group_R), return_inverse=True)
    return number_R, len(group_U)


def group_by_group(
    group_R: NDArray[np.int32], is_chosen_R: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the chosen rows, rows of a group side by side as they stood, and group sizes (U,)."""
    rows = np.flatnonzero(is_chosen_R)
    number_R, _ = _numbered(group_R[rows])
    order_R = np.argsort(number_R, kind="stable")
    sizes = []
    for size in np.bincount(number_R).tolist():
        whole, rest = divmod(size, LARGEST_GROUP)
        sizes += [LARGEST_GROUP] * whole + [rest] * (rest > 0)
    return rows[order_R], np.array(sizes)


def _weights(train: Columns, rows: slice | NDArray[Any]) -> NDArray[np.float32] | None:
    """Return the weights of rows in units of their mean: L2 means the same with all of them.

    None if all count alike, as do the first rows, on which a probe grows, if all of theirs are 0.
    """
    if train.weight_R is None or not train.weight_R[rows].any():
        return None
    weight_R: NDArray[np.float32] = train.weight_R[rows] / train.weight_R[rows].mean()
    return weight_R


def _labels(train: Columns, task: int, rows: slice | NDArray[Any]) -> Labels:
    """Return labels of a task as an array of their own: LightGBM warns of a float32 column."""
    return np.ascontiguousarray(train.labels_RT[rows, task])


def _options(config: Config) -> dict[str, Any]:
    """Return LightGBM's parameters; equal seeds give equal trees with any number of threads.

    It fits linear leaves by sums that depend on that number, so they have one thread.
    """
    num_threads = torch.get_num_threads()
    if config.linear_leaves:
        num_threads = 1
    return {
        "learning_rate": config.learning_rate,
        "num_leaves": config.max_leaf_nodes,
        "min_data_in_leaf": config.min_samples_leaf,
        "lambda_l2": config.l2,
        "linear_tree": config.linear_leaves,
        "linear_lambda": config.l2,
        "feature_fraction": config.max_features,
        "cat_smooth": config.category_smoothing,
        "cat_l2": config.category_l2,
        "num_threads": num_threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def _stream_seed(seed: int, stream: int) -> int:
    """Return a seed of its own for every stream, as a signed number of 32 bits."""
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)[0] >> 1)
