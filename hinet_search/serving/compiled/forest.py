"""Forest: boosted trees as a module of look-ups, so that they become a graph like any network.

First all splits of all trees are decided, then all rows go down all trees, one level at a time. A
split by id reads a bit of a table, since graphs have no search in sorted ids.
Shape legend: R rows, I inputs without the scenario, Q trees, N nodes, S splits by threshold, by id,
by scenario, and one that stands for all leaves, P splits by id, W bytes of all bit tables, T tasks.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.forest import Forest
from hinet_search.models.trees import Model as Trees

BITS = 8


class ForestScoring(nn.Module):
    """The logits of grown trees for rows of one scenario, whose splits are decided here."""

    num_ids_F: Tensor
    threshold_inputs: Tensor
    thresholds: Tensor
    id_fields: Tensor
    covered_P: Tensor
    first_byte_P: Tensor
    byte_W: Tensor
    power: Tensor
    by_scenario: Tensor
    split_N: Tensor
    child_N2: Tensor
    value_N: Tensor
    root_Q: Tensor
    is_task_QT: Tensor

    def __init__(self, trees: Trees, scenario: int) -> None:
        super().__init__()
        forest = trees.forest
        assert forest is not None, "an exported model has grown"
        self.fields = trees.fields
        self.depth = _depth(forest)
        sizes = [trees.schema.vocabulary_sizes[field] for field in trees.fields]
        for name, array in {
            "num_ids_F": np.array(sizes, dtype=np.int64),
            **_splits(forest, len(trees.fields), scenario),
            # Of every node the child on the right, then that on the left.
            "child_N2": np.stack([forest.right_N, forest.left_N], axis=1).flatten(),
            "value_N": forest.value_N,
            "root_Q": forest.root_Q,
            "is_task_QT": np.eye(trees.schema.num_tasks)[forest.task_Q],
            "power": 2 ** np.arange(BITS, dtype=np.int32),
        }.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)))

    def forward(self, batch: Batch) -> Float[Tensor, "R T"]:
        """Return the sums of the leaf values of each row's trees."""
        goes_left_RS = self._decide(batch).long()
        node_RQ = self.root_Q.expand(goes_left_RS.shape[0], -1)
        for _ in range(self.depth):
            side_RQ = goes_left_RS.gather(1, self.split_N[node_RQ])
            node_RQ = self.child_N2[2 * node_RQ + side_RQ]
        logits_RT = self.value_N[node_RQ] @ self.is_task_QT
        return logits_RT.float()

    def _decide(self, batch: Batch) -> Bool[Tensor, "R S"]:
        """Return whether each row goes left at each split, wherever it is in the tree."""
        ids_RF = batch.ids_BF[:, self.fields].long()
        known_RF = torch.where(ids_RF < self.num_ids_F, ids_RF, 0)
        inputs_RI = torch.cat([known_RF.float(), batch.numeric_BN], dim=1)
        by_threshold = inputs_RI.index_select(1, self.threshold_inputs) <= self.thresholds
        by_scenario = self.by_scenario.expand(batch.num_rows, -1)
        return torch.cat([by_threshold, self._by_id(known_RF), by_scenario], dim=1)

    def _by_id(self, known_RF: Int[Tensor, "R F"]) -> Bool[Tensor, "R P"]:
        id_RP = known_RF.index_select(1, self.id_fields)
        is_covered_RP = id_RP < self.covered_P
        place_RP = torch.where(is_covered_RP, self.first_byte_P + id_RP // BITS, 0)
        byte_RP = self.byte_W[place_RP].int()
        bit_RP = byte_RP // self.power[id_RP % BITS] % 2
        return is_covered_RP & (bit_RP == 1)


def _splits(forest: Forest, scenario_input: int, scenario: int) -> dict[str, NDArray[np.generic]]:
    """Return the tables of all splits; those by scenario are decided."""
    is_leaf_N = forest.left_N == np.arange(forest.value_N.size)
    is_by_id_N = forest.num_ids_N > 0
    is_of_scenario_N = forest.feature_N == scenario_input
    by_threshold = np.flatnonzero(~is_leaf_N & ~is_by_id_N & ~is_of_scenario_N)
    by_id = np.flatnonzero(is_by_id_N & ~is_of_scenario_N)
    by_scenario = np.flatnonzero(~is_leaf_N & is_of_scenario_N)
    split_N = np.full(forest.value_N.size, by_threshold.size + by_id.size + by_scenario.size)
    split_N[np.concatenate([by_threshold, by_id, by_scenario])] = np.arange(split_N[0])
    input_N = forest.feature_N - (forest.feature_N > scenario_input)
    ids_of_node = np.split(forest.left_id_C, forest.first_id_N[1:])
    decided = [
        _goes_left(forest, node, ids_of_node[node], scenario) for node in by_scenario.tolist()
    ]
    return {
        "split_N": split_N,
        "threshold_inputs": input_N[by_threshold],
        "thresholds": _rounded_down(forest.threshold_N[by_threshold]),
        "id_fields": input_N[by_id],
        **_bit_tables([ids_of_node[node] for node in by_id]),
        "by_scenario": np.array([[*decided, False]]),  # a leaf is its own child on both sides
    }


def _goes_left(forest: Forest, node: int, ids: NDArray[np.int64], scenario: int) -> bool:
    return scenario in ids if ids.size else bool(scenario <= forest.threshold_N[node])


def _bit_tables(ids_of_split: list[NDArray[np.int64]]) -> dict[str, NDArray[np.generic]]:
    """Return a bit per id of every split, 1 where the id goes left, and where each table begins."""
    tables = [np.zeros(1, dtype=np.uint8)]  # so that there is a byte to read
    for ids in ids_of_split:
        goes_left = np.zeros(ids[-1] + 1, dtype=np.bool_)
        goes_left[ids] = True
        tables.append(np.packbits(goes_left, bitorder="little"))
    ends = np.cumsum([len(table) for table in tables])
    covered = np.array([ids[-1] + 1 for ids in ids_of_split], dtype=np.int64)
    return {"byte_W": np.concatenate(tables), "first_byte_P": ends[:-1], "covered_P": covered}


def _depth(forest: Forest) -> int:
    """Return the number of splits on the longest way to a leaf."""
    reached = forest.root_Q
    depth = 0
    while True:
        inner = reached[forest.left_N[reached] != reached]
        if not inner.size:
            return depth
        reached = np.concatenate([forest.left_N[inner], forest.right_N[inner]])
        depth += 1


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 that is not above: numbers of float32 compare with it alike."""
    with np.errstate(over="ignore"):
        single = threshold.astype(np.float32)
    return np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
