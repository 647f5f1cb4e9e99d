"""Trees: boosted decision trees by LightGBM, one ensemble per task.

The baseline that is not a neural network: Newton boosting of the logistic loss, of amounts of the
Poisson loss, on binned inputs (Friedman, 2001; Ke et al., NeurIPS 2017). LightGBM grows and
scores the trees, which are stored in its own format. LightGBM trusts what it reads: of 500 damaged
texts 386 ended the process, and 19 never ended. So of its text only the lines that predictions need
are kept, and each is checked. The rest is made here.
Shape legend: R rows, I inputs, T tasks; L leaves of a tree, N inner nodes, C categories of splits,
W words of their bit sets.
"""

import re
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
from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.frozen_model import Frozen, Large
from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.results.cells import Labels

if TYPE_CHECKING:
    import lightgbm

STAGES = 10
MAXIMUM_IDS = 2**24  # of a field: larger ids are not exact in the float32 inputs of the trees
OBJECTIVES = ("binary", "poisson")  # of LightGBM, for labels of 0 and 1, and for amounts
_INTEGER = r"-?[0-9]{1,10}"
_NUMBER = r"-?[0-9]{1,20}(\.[0-9]{1,30})?(e[+-][0-9]{1,3})?"
INTEGERS, NUMBERS = (re.compile(f"({each}( {each})*)?") for each in (_INTEGER, _NUMBER))
OF_SPLITS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
LINES = ("num_leaves", "num_cat", *OF_SPLITS, "leaf_value")
BY_ID_LINES = ("cat_boundaries", "cat_threshold")  # they follow where a split is by id
NEEDED = re.compile(rf"^(?:{'|'.join(LINES + BY_ID_LINES)})=.*\n", re.MULTILINE)
BY_THRESHOLD, BY_ID = (0, 2, 8, 10), (1, 9)  # decision types; they differ in how NaN goes
LARGEST_VALUE = 1e30  # of a leaf: the sum of all trees fits into float32
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
    splits by ids with few rows: LightGBM's `cat_smooth` and `cat_l2`.
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
        boosters = self._new_boosters(train, seed)
        may_grow = [True] * len(boosters)
        most = self.config.max_rounds
        self._sums.clear()
        for num_rounds in stage_ends(most):
            for task, booster in enumerate(boosters):
                while may_grow[task] and booster.num_trees() < num_rounds:
                    may_grow[task] = not booster.update()  # False if no split improves it
                    heartbeat.send_heartbeat()
            self.boosters = boosters
            yield num_rounds / most

    def _new_boosters(self, train: Columns, seed: int) -> "list[lightgbm.Booster]":
        """Return a booster without trees for every task.

        The trees of a task will see the rows that have it. Inputs are binned alike for all tasks,
        by all rows.
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
            rows = every_row if has_label_R.all() else has_label_R
            of_task = binned
            if task or rows is has_label_R:
                of_task = library.Dataset(
                    inputs_RI[rows],
                    _labels(train, task, rows),
                    weight=_weights(train, rows),
                    reference=binned,
                )
            objective = OBJECTIVES[int(is_amount)]
            settings = {"objective": objective, "seed": _stream_seed(seed, 1 + task)}
            boosters.append(library.Booster({**options, **settings}, of_task))
        return boosters

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
        state = {}
        for name, booster in zip(self._text_names, self.boosters, strict=True):
            text = bytearray(text_of_trees(booster), "ascii")
            state[name] = torch.frombuffer(text, dtype=torch.uint8)
        return state

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
        boosters = []
        for name in names:
            text = state_dict[name].numpy().tobytes().decode("latin1")
            boosters.append(booster_of_text(text, limits))
        self.boosters = boosters
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


def _weights(train: Columns, rows: slice | NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Return the weights of rows in units of their mean: L2 means the same with all of them.

    None if all count alike, as do the first rows, on which a probe grows, if all of theirs are 0.
    """
    if train.weight_R is None or not train.weight_R[rows].any():
        return None
    weight_R: NDArray[np.float32] = train.weight_R[rows] / train.weight_R[rows].mean()
    return weight_R


def _labels(train: Columns, task: int, rows: slice | NDArray[np.bool_]) -> Labels:
    """Return labels of a task as an array of their own: LightGBM warns of a float32 column."""
    return np.ascontiguousarray(train.labels_RT[rows, task])


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


@dataclass(frozen=True)
class TreeLimits:
    """What trees of a task can have; of all inputs the first `num_by_id` are split by id."""

    num_inputs: int
    num_by_id: int
    num_trees: int
    num_leaves: int


def import_lightgbm() -> ModuleType:
    """Import LightGBM, which takes a second and which only trees need.

    Errors: EnvironmentFault if it cannot be loaded.
    """
    try:
        import lightgbm
    except OSError as error:
        raise EnvironmentFault(
            f"trees need LightGBM, which must load here, but does not: {error}",
            remedy="install the OpenMP runtime (Debian and Ubuntu: apt install libgomp1; "
            "macOS: brew install libomp)",
        ) from error
    return lightgbm


def text_of_trees(booster: "lightgbm.Booster") -> str:
    """Return what predictions need of the trees of a booster, with an empty line after each."""
    trees = booster.model_to_string().partition("\nend of trees")[0].split("\nTree=")[1:]
    return "".join("".join([*NEEDED.findall(tree), "\n"]) for tree in trees)


def num_nodes(booster: "lightgbm.Booster") -> int:
    """Return the number of leaves and inner nodes of all trees of a booster."""
    trees = booster.model_to_string().split("\nnum_leaves=")[1:]
    return sum(2 * int(tree.partition("\n")[0]) - 1 for tree in trees)


def booster_of_text(text: str, limits: TreeLimits) -> "lightgbm.Booster":
    """Return a booster of the trees of `text_of_trees`; ValueError unless they are sound."""
    *trees, rest = text.split("\n\n")
    if rest or not 0 < len(trees) <= limits.num_trees:
        raise ValueError(f"there must be 1 to {limits.num_trees} trees, got {len(trees)}")
    for tree in trees:
        _check_tree(tree, limits)
    names = [f"input_{number}" for number in range(limits.num_inputs)]
    header = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={limits.num_inputs - 1}\n"
        f"feature_names={' '.join(names)}\nfeature_infos={' '.join(['none'] * len(names))}\n"
    )
    numbered = "".join(f"\nTree={number}\n{tree}\n" for number, tree in enumerate(trees))
    whole = f"{header}{numbered}\nend of trees\n"
    booster: lightgbm.Booster = import_lightgbm().Booster(model_str=whole)
    return booster


def _check_tree(tree: str, limits: TreeLimits) -> None:
    """Raise ValueError unless every row reaches a leaf of a tree, by inputs that it has."""
    texts = dict(line.partition("=")[::2] for line in tree.split("\n"))
    has_ids = "cat_threshold" in texts
    names = LINES + BY_ID_LINES if has_ids else LINES
    if "\n".join(f"{name}={texts.get(name)}" for name in names) != tree:
        raise ValueError(f"a tree must have the lines {', '.join(names)}, each once")
    value_L = _numbers(texts, "leaf_value", np.float64)
    num_leaves = len(value_L)
    num_inner = num_leaves - 1
    _must(0 < num_leaves <= limits.num_leaves, f"a tree must have 1 to {limits.num_leaves} leaves")
    _must(texts["num_leaves"] == str(num_leaves), "num_leaves must be the number of leaves")
    _must((np.abs(value_L) <= LARGEST_VALUE).all(), "leaves must have finite values")
    feature_N, decision_N, left_N, right_N = (
        _numbers(texts, name, np.int64) for name in OF_SPLITS if name != "threshold"
    )
    threshold_N = _numbers(texts, "threshold", np.float64)
    sizes = {len(feature_N), len(decision_N), len(left_N), len(right_N), len(threshold_N)}
    _must(sizes == {num_inner}, "every inner node must have one entry in each line")
    root = 0 if num_inner else -1  # a leaf is numbered ~leaf
    reached = np.sort(np.concatenate([left_N, right_N, [root]]))
    each_once = np.array_equal(reached, np.arange(-num_leaves, num_inner))
    _must(each_once, "every node must be the root or the child of exactly one node")
    is_input_N = (feature_N >= 0) & (feature_N < limits.num_inputs)
    _must(is_input_N.all(), f"every node must read one of the {limits.num_inputs} inputs")
    by_id_N = np.isin(decision_N, BY_ID)
    is_sound_N = (by_id_N | np.isin(decision_N, BY_THRESHOLD)) & (
        by_id_N == (feature_N < limits.num_by_id)
    )
    _must(is_sound_N.all(), "ids, and only these, must be split by id")
    _must(np.isfinite(threshold_N).all(), "thresholds must be finite")
    _check_ids(texts, threshold_N[by_id_N])


def _check_ids(texts: dict[str, str], category_C: NDArray[np.float64]) -> None:
    """Check that every split by id has a bit set of its own; ValueError otherwise."""
    _must(texts["num_cat"] == str(len(category_C)), "num_cat must be the number of splits by id")
    each_once = np.array_equal(np.sort(category_C), np.arange(len(category_C)))
    _must(each_once, "every split by id must have a number of its own")
    if "cat_threshold" not in texts:
        _must(not len(category_C), "splits by id must have bit sets")
        return
    word_W = _numbers(texts, "cat_threshold", np.int64)
    bounds = _numbers(texts, "cat_boundaries", np.int64)
    _must(len(bounds) == len(category_C) + 1, "every split by id must have one bit set")
    ends = bounds[0] == 0 and bounds[-1] == len(word_W)
    _must(ends and (np.diff(bounds) > 0).all(), "bit sets must follow one another")
    _must(((word_W >= 0) & (word_W < 2**32)).all(), "words of bit sets must have 32 bits")


def _numbers(texts: dict[str, str], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    pattern = NUMBERS if dtype is np.float64 else INTEGERS
    _must(pattern.fullmatch(texts[name]) is not None, f"{name} must be numbers")
    return np.array(texts[name].split(), dtype=dtype)


def _must(holds: bool | np.bool_, what: str) -> None:  # noqa: FBT001  read as an assertion
    if not holds:
        raise ValueError(what)
