"""Forest: regression trees of all tasks as plain arrays, and the leaf sums of rows.

Plain arrays can be stored in a safe format and read without the library that grew the trees.
Shape legend: R rows, I inputs, T tasks, Q trees of all tasks, N nodes of all trees, C ids of all
splits by id (J of other ids), V ids of an input, D descents (pairs of a tree and a row), P descents
that are not yet at a leaf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROWS_AT_ONCE = 16_384  # so that the rows of a tree's descent stay in the processor's cache
# Up to so many rows, taking all trees at once is faster than all rows. Measured with 1,000 trees of
# 31 leaves on one thread: 6 times as fast for 100 rows, 1.1 times for 500, .9 times for 700.
FEW_ROWS = 512
DESCENTS_AT_ONCE = 1_000_000  # pairs of row and tree, 8 MB an array
ID_SPACE = 2**32  # more than any id, so that node and id make one key


@dataclass(frozen=True)
class ForestLimits:
    """Limits that a loaded forest must respect.

    The first `len(num_ids)` of `num_inputs` inputs are ids, input i below `num_ids[i]`.
    `num_rounds` and `num_nodes` are maxima; a round adds a tree to each task.
    """

    num_tasks: int
    num_rounds: int
    num_nodes: int
    num_inputs: int
    num_ids: tuple[int, ...]


@dataclass(frozen=True)
class Forest:
    """Trees as arrays over their nodes; a task's logit is the sum of its trees' leaf values.

    A row at node n goes left if its input `feature_N[n]` is at most `threshold_N[n]`. Where
    `num_ids_N[n]` is not 0, the input is an id, and the row goes left if the id is one of
    `left_id_C[first_id_N[n] : first_id_N[n] + num_ids_N[n]]`, which are in ascending order.
    A leaf is its own child on both sides. `root_Q` and `task_Q` hold the root node and the task of
    every tree, in the order in which the trees grew.
    """

    root_Q: NDArray[np.int64]
    task_Q: NDArray[np.int64]
    feature_N: NDArray[np.int64]
    threshold_N: NDArray[np.float64]
    left_N: NDArray[np.int64]
    right_N: NDArray[np.int64]
    value_N: NDArray[np.float64]
    first_id_N: NDArray[np.int64]
    num_ids_N: NDArray[np.int64]
    left_id_C: NDArray[np.int64]

    @property
    def num_trees(self) -> int:
        """Q."""
        return len(self.root_Q)

    @staticmethod
    def joined(forests: Sequence[Forest]) -> Forest:
        """Return the trees of all forests as one, in their order."""
        nodes = _offsets([len(forest.value_N) for forest in forests])
        ids = _offsets([len(forest.left_id_C) for forest in forests])

        def shifted(name: str, offsets: Sequence[int]) -> NDArray[np.int64]:
            arrays = [getattr(forest, name) for forest in forests]
            return np.concatenate([a + offset for a, offset in zip(arrays, offsets, strict=True)])

        arrays = {
            field.name: np.concatenate([getattr(forest, field.name) for forest in forests])
            for field in fields(Forest)
        }
        arrays |= {name: shifted(name, nodes) for name in ("root_Q", "left_N", "right_N")}
        return Forest(**{**arrays, "first_id_N": shifted("first_id_N", ids)})

    def add_to(
        self, sum_RT: NDArray[np.float64], inputs_RI: NDArray[np.float32], first_tree: int = 0
    ) -> None:
        """Add to the logits in place, in the order of growth, the trees from `first_tree` on."""
        if len(inputs_RI) <= FEW_ROWS:
            self._add_to_few(sum_RT, inputs_RI, first_tree)
            return
        for start in range(0, len(inputs_RI), ROWS_AT_ONCE):
            block_IR = np.ascontiguousarray(inputs_RI[start : start + ROWS_AT_ONCE].T)
            block_TR = np.ascontiguousarray(sum_RT[start : start + ROWS_AT_ONCE].T)
            for tree in range(first_tree, self.num_trees):
                self._add_leaves(int(self.root_Q[tree]), block_IR, block_TR[self.task_Q[tree]])
            sum_RT[start : start + ROWS_AT_ONCE] = block_TR.T

    def _add_to_few(
        self, sum_RT: NDArray[np.float64], inputs_RI: NDArray[np.float32], first_tree: int
    ) -> None:
        """Add what `add_to` adds, to the last bit, with a descent of many trees at once."""
        num_at_once = max(1, DESCENTS_AT_ONCE // max(1, len(inputs_RI)))
        for start in range(first_tree, self.num_trees, num_at_once):
            trees = slice(start, start + num_at_once)
            value_QR = self.value_N[self._leaves(self.root_Q[trees], inputs_RI)]
            for task, value_R in zip(self.task_Q[trees], value_QR, strict=True):
                sum_RT[:, task] += value_R

    def _leaves(
        self, root_Q: NDArray[np.int64], inputs_RI: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Return the leaf (Q, R) of every row in the trees at these roots."""
        num_rows = len(inputs_RI)
        node_D = np.repeat(root_Q, num_rows)
        row_D = np.tile(np.arange(num_rows), len(root_Q))
        waiting_P = np.flatnonzero(self.left_N[node_D] != node_D)
        while waiting_P.size:
            node_P = node_D[waiting_P]
            value_P = inputs_RI[row_D[waiting_P], self.feature_N[node_P]]
            goes_left_P = self._go_left(node_P, value_P)
            node_P = np.where(goes_left_P, self.left_N[node_P], self.right_N[node_P])
            node_D[waiting_P] = node_P
            waiting_P = waiting_P[self.left_N[node_P] != node_P]
        return node_D.reshape(len(root_Q), num_rows)

    def _go_left(
        self, node_P: NDArray[np.int64], value_P: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Return whether each value goes left at its own node."""
        goes_left_P: NDArray[np.bool_] = value_P <= self.threshold_N[node_P]
        by_id = np.flatnonzero(self.num_ids_N[node_P])
        if by_id.size:
            keys = node_P[by_id] * ID_SPACE + value_P[by_id].astype(np.int64)
            key_C = self._node_and_id
            places = np.searchsorted(key_C, keys).clip(max=key_C.size - 1)
            goes_left_P[by_id] = key_C[places] == keys
        return goes_left_P

    @cached_property
    def _node_and_id(self) -> NDArray[np.int64]:
        """Node and id of every split by id as one number (C), in ascending order."""
        node_C = np.repeat(np.arange(self.value_N.size), self.num_ids_N)
        return node_C * ID_SPACE + self.left_id_C

    def _add_leaves(
        self, root: int, block_IR: NDArray[np.float32], sum_R: NDArray[np.float64]
    ) -> None:
        """Send all rows down the tree at `root` and add the value of its leaf to each."""
        waiting = [(root, np.arange(len(sum_R)))]
        while waiting:
            node, rows = waiting.pop()
            if self.left_N[node] == node:
                sum_R[rows] += self.value_N[node]
            elif len(rows):
                goes_left_R = self._goes_left(node, block_IR[self.feature_N[node], rows])
                waiting.append((int(self.left_N[node]), rows[goes_left_R]))
                waiting.append((int(self.right_N[node]), rows[~goes_left_R]))

    def _goes_left(self, node: int, value_R: NDArray[np.float32]) -> NDArray[np.bool_]:
        if not self.num_ids_N[node]:
            by_threshold_R: NDArray[np.bool_] = value_R <= self.threshold_N[node]
            return by_threshold_R
        first_id = self.first_id_N[node]
        left_ids = self.left_id_C[first_id : first_id + self.num_ids_N[node]]
        id_R = value_R.astype(np.int64)
        is_left_V = np.zeros(max(id_R.max(), left_ids[-1]) + 1, dtype=np.bool_)
        is_left_V[left_ids] = True
        return is_left_V[id_R]

    def tensors(self) -> dict[str, Tensor]:
        """Return the arrays as tensors by name."""
        return {field.name: torch.from_numpy(getattr(self, field.name)) for field in fields(self)}

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor], limits: ForestLimits) -> Forest:
        """Rebuild a forest from `tensors()`; ValueError if it is malformed or breaks the limits."""
        names = [field.name for field in fields(Forest)]
        if set(tensors) != set(names):
            raise ValueError(
                f"trees must be the tensors {', '.join(names)}, got {', '.join(sorted(tensors))}"
            )
        forest = Forest(**{name: tensors[name].numpy() for name in names})
        forest._check_arrays(limits)
        forest._check_trees(limits)
        forest._check_nodes()
        forest._check_splits(limits)
        return forest

    def _check_arrays(self, limits: ForestLimits) -> None:
        """Check types, shapes and the number of nodes; ValueError names the first fault."""
        lengths = {"left_id_C": self.left_id_C.size}
        lengths |= dict.fromkeys(("root_Q", "task_Q"), self.root_Q.size)
        for name in [field.name for field in fields(Forest)]:
            array = getattr(self, name)
            shape = (lengths.get(name, self.value_N.size),)
            dtype = np.float64 if name in ("threshold_N", "value_N") else np.int64
            if array.dtype != dtype:
                raise ValueError(f"{name} must be of type {dtype.__name__}, got {array.dtype}")
            if array.shape != shape:
                raise ValueError(
                    f"{name} must have the shape {list(shape)}, got {list(array.shape)}"
                )
        if self.value_N.size > limits.num_nodes:
            raise ValueError(
                f"there must be at most {limits.num_nodes:,} nodes, got {self.value_N.size:,}"
            )

    def _check_trees(self, limits: ForestLimits) -> None:
        """Check that every task has trees, not more than there were rounds."""
        if not np.all((self.task_Q >= 0) & (self.task_Q < limits.num_tasks)):
            raise ValueError(f"every tree must be of one of the {limits.num_tasks} tasks")
        for num_rounds in np.bincount(self.task_Q, minlength=limits.num_tasks).tolist():
            if not 0 < num_rounds <= limits.num_rounds:
                raise ValueError(
                    f"every task must have 1 to {limits.num_rounds} trees, got {num_rounds}"
                )

    def _check_nodes(self) -> None:
        """Check that every row reaches a leaf."""
        is_leaf_N = self.left_N == np.arange(self.value_N.size)
        if not np.array_equal(self.right_N[is_leaf_N], self.left_N[is_leaf_N]):
            raise ValueError("a leaf must be its own child on both sides")
        parents = np.flatnonzero(~is_leaf_N)
        children = np.concatenate([self.left_N[~is_leaf_N], self.right_N[~is_leaf_N]])
        if not np.all(children > np.tile(parents, 2)):
            raise ValueError("a child must come after its parent")
        reached = np.sort(np.concatenate([children, self.root_Q]))
        if not np.array_equal(reached, np.arange(self.value_N.size)):
            raise ValueError("every node must be a root or the child of exactly one node")

    def _check_splits(self, limits: ForestLimits) -> None:
        """Check that nodes read only inputs that exist, and that every id is of one node."""
        if not np.all((self.feature_N >= 0) & (self.feature_N < limits.num_inputs)):
            raise ValueError(f"every node must read one of the {limits.num_inputs} inputs")
        num_ids = self.left_id_C.size
        if not np.all((self.num_ids_N >= 0) & (self.num_ids_N <= num_ids)):
            raise ValueError(f"every node must have 0 to {num_ids} ids")
        if self.num_ids_N.sum() != num_ids:
            raise ValueError("every id must be of exactly one node")
        if not np.array_equal(self.first_id_N, _offsets(self.num_ids_N.tolist())):
            raise ValueError("the ids of a node must come after those of the node before it")
        self._check_ids(limits)

    def _check_ids(self, limits: ForestLimits) -> None:
        """Check that splits by id are of inputs that are ids, and name ids that these can have."""
        feature_C = np.repeat(self.feature_N, self.num_ids_N)
        if not np.all(feature_C < len(limits.num_ids)):
            raise ValueError("only ids can be split by id")
        num_ids_C = np.array(limits.num_ids, dtype=np.int64)[feature_C]
        if not np.all((self.left_id_C >= 0) & (self.left_id_C < num_ids_C)):
            raise ValueError("a split by id must name ids of its input")
        node_C = np.repeat(np.arange(self.value_N.size), self.num_ids_N)
        if np.any((np.diff(self.left_id_C) <= 0) & (np.diff(node_C) == 0)):
            raise ValueError("the ids of a node must be in ascending order")


def _offsets(lengths: Sequence[int]) -> list[int]:
    """Where each of several arrays of these lengths begins, one after the other."""
    offsets: list[int] = np.cumsum([0, *lengths])[:-1].tolist()
    return offsets
