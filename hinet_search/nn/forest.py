"""Forest: regression trees of all tasks as plain arrays, and the sums of leaves that rows reach.

Plain arrays can be kept in a safe format and read back without the library that grew them.
Shape legend: R rows, I inputs, T tasks, Q trees of a task, N nodes of all trees, K nodes that split by id, V ids that a
split can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROWS_AT_ONCE = 16_384  # what a tree's descent touches stays in the processor's cache


@dataclass(frozen=True)
class Forest:
    """A row at node n goes left when its input `feature_N[n]` is at most `threshold_N[n]`.

    Where `table_N[n]` is not -1 it is an id and goes left when `left_KV[table_N[n], id]` says so. A leaf is its own
    child on both sides. A tree begins at its root; a task's logit is its base and the values of its trees' leaves.
    """

    base_T: NDArray[np.float64]
    root_TQ: NDArray[np.int64]
    feature_N: NDArray[np.int64]
    threshold_N: NDArray[np.float64]
    left_N: NDArray[np.int64]
    right_N: NDArray[np.int64]
    value_N: NDArray[np.float64]
    table_N: NDArray[np.int64]
    left_KV: NDArray[np.bool_]

    def logits(self, inputs_RI: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (R, T), summed in float64 in the order in which the trees grew."""
        found_RT = np.empty((len(inputs_RI), len(self.base_T)), dtype=np.float32)
        for start in range(0, len(inputs_RI), ROWS_AT_ONCE):
            block_IR = np.ascontiguousarray(inputs_RI[start : start + ROWS_AT_ONCE].T)
            for task, roots_Q in enumerate(self.root_TQ.tolist()):
                sum_R = np.full(block_IR.shape[1], self.base_T[task])
                for root in roots_Q:
                    self._add_leaves(root, block_IR, sum_R)
                found_RT[start : start + ROWS_AT_ONCE, task] = sum_R
        return found_RT

    def _add_leaves(self, root: int, block_IR: NDArray[np.float32], sum_R: NDArray[np.float64]) -> None:
        """Divides the rows down the tree at `root` and adds to each the value of its leaf."""
        waiting = [(root, np.arange(len(sum_R)))]
        while waiting:
            node, rows = waiting.pop()
            if self.left_N[node] == node:
                sum_R[rows] += self.value_N[node]
                continue
            value_R, table = block_IR[self.feature_N[node], rows], self.table_N[node]
            goes_left_R = value_R <= self.threshold_N[node] if table < 0 else self.left_KV[table, value_R.astype(int)]
            waiting.append((self.left_N[node], rows[goes_left_R]))
            waiting.append((self.right_N[node], rows[~goes_left_R]))

    def tensors(self) -> dict[str, Tensor]:
        """The arrays by name."""
        return {field.name: torch.from_numpy(getattr(self, field.name)) for field in fields(self)}

    @staticmethod
    def of_tensors(tensors: Mapping[str, Tensor]) -> Forest:
        """What `tensors` gave, back."""
        return Forest(**{name: tensor.numpy() for name, tensor in tensors.items()})
