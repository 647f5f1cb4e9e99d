"""Trees: gradient-boosted decision trees without ids, one ensemble per task: the reference that is no network.

Newton boosting of the logistic loss (Friedman, 2001; Chen and Guestrin, KDD 2016) on binned inputs, with the binning and
the tree growing of scikit-learn's HistGradientBoostingClassifier, which the logits equal. The estimator itself is not
used: asked to go on after a stage, it bins all rows and scores all earlier trees anew, half of the time.
Shape legend: R rows, I inputs, T tasks, Q trees of a task, N nodes, V ids.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit, logit
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower
from torch import Tensor

from hinet_search import life
from hinet_search.data.columns import Columns
from hinet_search.frozen import Frozen
from hinet_search.nn.forest import Forest
from hinet_search.schema import Schema

MAXIMUM_IDS = 255  # that a split can tell apart; a field with more is left out: user and item ids
NUM_BINS = MAXIMUM_IDS + 1  # the last one is for missing values, which our inputs have none of
STAGES = 10
RATE = 10 * np.finfo(np.float64).eps  # the least rate of a label, so that its logit is finite


class Config(Frozen):
    """Options of the trees; a round adds a tree per task. `max_features` is the share of inputs that a split may choose of."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.08
    max_rounds: Annotated[int, Field(ge=1, le=10_000)] = 150
    max_leaf_nodes: Annotated[int, Field(ge=2, le=1024)] = 31
    min_samples_leaf: Annotated[int, Field(ge=1)] = 100
    l2: Annotated[float, Field(ge=0)] = 1.0
    max_features: Annotated[float, Field(gt=0, le=1)] = 0.5


class Model:
    """Ids of small fields and the scenario are split by id, all numeric inputs by threshold; lists are left out."""

    def __init__(self, config: Config, schema: Schema) -> None:
        self.config = config
        self.schema = schema
        self.fields = [field for field, size in enumerate(schema.vocabulary_sizes) if size <= MAXIMUM_IDS]
        self.forest: Forest | None = None

    @property
    def num_parameters(self) -> int:
        """Nodes of all trees; before growth, the most there can be."""
        if self.forest is not None:
            return len(self.forest.value_N)
        return self.schema.num_tasks * self.config.max_rounds * (2 * self.config.max_leaf_nodes - 1)

    def stages(self, train: Columns, seed: int) -> Iterator[float]:
        """Grows all tasks in step; after every stage, the share of the rounds that is done."""
        growth = _Growth(self.config, self._inputs(train), self._num_by_id, train.labels_RT, seed)
        num_stages = min(STAGES, self.config.max_rounds)
        for stage in range(1, num_stages + 1):
            growth.grow_to(self.config.max_rounds * stage // num_stages)
            self.forest = growth.forest()
            yield stage / num_stages

    def logits(self, columns: Columns) -> NDArray[np.float32]:
        """Logits (R, T) of what has grown so far."""
        assert self.forest is not None, "trees score what has grown"
        return self.forest.logits(self._inputs(columns))

    def state_dict(self) -> dict[str, Tensor]:
        """The nodes."""
        assert self.forest is not None, "trees keep what has grown"
        return self.forest.tensors()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Puts nodes back."""
        self.forest = Forest.of_tensors(state_dict)

    def describe(self) -> str:
        """How much grows at most, and of which inputs."""
        names, config = self.schema.categorical, self.config
        left_out = [name for field, name in enumerate(names) if field not in self.fields]
        sizes = (
            f"trees: at most {config.max_rounds} rounds of a tree for each of {self.schema.num_tasks} tasks, with at most "
            f"{config.max_leaf_nodes} leaves: {self.num_parameters:,} nodes"
        )
        inputs = [*(names[field] for field in self.fields), "the scenario", *self.schema.numeric]
        by_id = f"split by id: {', '.join(inputs[: self._num_by_id]) or 'nothing'}"
        by_threshold = f"split by threshold: {len(inputs) - self._num_by_id} inputs"
        without = f"left out: {', '.join([*left_out, *(one.name for one in self.schema.lists)]) or 'nothing'}"
        return f"{sizes}\n{by_id}\n{by_threshold}\n{without}"

    @property
    def _num_by_id(self) -> int:
        """The inputs that come first; of more scenarios than a split tells apart, the number is one to be cut in two."""
        return len(self.fields) + (self.schema.num_scenarios <= MAXIMUM_IDS)

    def _inputs(self, columns: Columns) -> NDArray[np.float32]:
        """Ids of the fields that are not left out, the scenario, numeric inputs. Ids without room become 0 = unknown."""
        ids_RF = columns.ids_RF[:, self.fields]
        sizes_F = np.array([self.schema.vocabulary_sizes[field] for field in self.fields], dtype=np.int32)
        known_RF = np.where(ids_RF < sizes_F, ids_RF, 0)
        return np.concatenate([known_RF, columns.scenario_R[:, None], columns.numeric_RN], axis=1, dtype=np.float32)


class _Growth:
    """Binned rows, the trees so far, and every training row's sum of their leaves."""

    def __init__(
        self, config: Config, inputs_RI: NDArray[np.float32], num_by_id: int, labels_RT: NDArray[np.uint8], seed: int
    ) -> None:
        self.config = config
        self.labels_RT = labels_RT.astype(np.float64)
        self.by_id_I = np.arange(inputs_RI.shape[1]) < num_by_id
        self.known = [np.unique(inputs_RI[:, number]).astype(np.float64) for number in range(num_by_id)]
        self.bins = _BinMapper(
            n_bins=NUM_BINS,
            is_categorical=self.by_id_I.astype(np.uint8),
            known_categories=[*self.known, *[None] * (inputs_RI.shape[1] - num_by_id)],
            random_state=_number(seed, 0),
            n_threads=torch.get_num_threads(),
        )
        self.binned_RI = self.bins.fit_transform(inputs_RI.astype(np.float64))
        self.base_T = logit(self.labels_RT.mean(axis=0).clip(RATE, 1 - RATE))
        self.sum_RT = np.tile(self.base_T, (len(labels_RT), 1))
        self.generators = [np.random.default_rng(_number(seed, 1 + task)) for task in range(labels_RT.shape[1])]
        self.trees: list[list[Any]] = [[] for _ in self.generators]

    def grow_to(self, num_rounds: int) -> None:
        """A tree per task and round, until there are so many rounds."""
        for _ in range(len(self.trees[0]), num_rounds):
            for task, trees in enumerate(self.trees):
                trees.append(self._tree(task))
                life.sign()

    def _tree(self, task: int) -> Any:
        """One more Newton step: a tree fitted to gradients and curvatures of the log loss."""
        config, probability_R = self.config, expit(self.sum_RT[:, task])
        grower = TreeGrower(
            X_binned=self.binned_RI,
            gradients=(probability_R - self.labels_RT[:, task]).astype(np.float32),
            hessians=(probability_R * (1 - probability_R)).astype(np.float32),
            n_bins=NUM_BINS,
            n_bins_non_missing=self.bins.n_bins_non_missing_,
            is_categorical=self.by_id_I.astype(np.uint8),
            max_leaf_nodes=config.max_leaf_nodes,
            min_samples_leaf=config.min_samples_leaf,
            l2_regularization=config.l2,
            feature_fraction_per_split=config.max_features,
            rng=self.generators[task],
            shrinkage=config.learning_rate,
            n_threads=torch.get_num_threads(),
        )
        grower.grow()
        for leaf in grower.finalized_leaves:
            self.sum_RT[leaf.sample_indices, task] += leaf.value
        return grower.make_predictor(binning_thresholds=self.bins.bin_thresholds_)

    def forest(self) -> Forest:
        """The trees so far, their nodes numbered through, task by task."""
        trees = [tree for of_task in self.trees for tree in of_task]
        sizes = [len(tree.nodes) for tree in trees]
        starts_Q = np.cumsum([0, *sizes[:-1]])
        nodes_N, start_N, itself_N = (
            np.concatenate([tree.nodes for tree in trees]),
            np.repeat(starts_Q, sizes),
            np.arange(sum(sizes)),
        )
        leaf_N = nodes_N["is_leaf"] == 1
        by_id_N = _by_id(nodes_N)
        return Forest(
            base_T=self.base_T,
            root_TQ=starts_Q.reshape(len(self.trees), -1),
            feature_N=np.where(leaf_N, 0, nodes_N["feature_idx"]),
            threshold_N=nodes_N["num_threshold"].copy(),
            left_N=np.where(leaf_N, itself_N, start_N + nodes_N["left"]),
            right_N=np.where(leaf_N, itself_N, start_N + nodes_N["right"]),
            value_N=nodes_N["value"].copy(),
            table_N=np.where(by_id_N, np.cumsum(by_id_N) - 1, -1),
            left_KV=_left_ids(trees, self.known),
        )


def _number(seed: int, stream: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)[0])


def _by_id(nodes_N: NDArray[Any]) -> NDArray[np.bool_]:
    by_id_N: NDArray[np.bool_] = (nodes_N["is_categorical"] == 1) & (nodes_N["is_leaf"] == 0)
    return by_id_N


def _left_ids(trees: list[Any], known: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Which ids every split by id sends left; `known[i]` are the ids of input i in training.

    An id that training did not have goes to the side with more rows.
    """
    left_KV = []
    for tree in trees:
        for node in tree.nodes[_by_id(tree.nodes)]:
            bits = tree.raw_left_cat_bitsets[node["bitset_idx"]].astype("<u4").view(np.uint8)
            left_V = np.full(MAXIMUM_IDS, node["missing_go_to_left"] == 1)
            ids = known[node["feature_idx"]].astype(np.int64)
            left_V[ids] = np.unpackbits(bits, bitorder="little")[ids] == 1
            left_KV.append(left_V)
    return np.array(left_KV, dtype=np.bool_).reshape(-1, MAXIMUM_IDS)
