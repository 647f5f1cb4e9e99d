"""Adam of touched rows: only the rows of embedding tables that a batch looked up are updated.

A batch looks up a few per cent of the rows of a large table; a dense optimiser updates all of them
at every step. Rows that are not looked up keep their moments, so it is not equivalent to Adam and
has a name of its own.
Shape legend: V rows of a table, E embedding width, N looked-up rows with repetitions, U distinct
ones.
"""

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hinet_search.training.adam import BETA1, BETA2, EPSILON, WeightUpdates


class _Numbers(threading.local):
    """Room for a number of every row of the largest table that this thread has met.

    Its values are of earlier steps. Allocating it anew in every step took a sixth of the time of
    Shared Bottom with 14 million rows, since the system clears the memory that it gives.
    """

    number_V = torch.empty(0, dtype=torch.int32)

    def of(self, num_rows: int) -> Int[Tensor, "V"]:
        """Return the numbers of so many rows."""
        if len(self.number_V) < num_rows:
            self.number_V = torch.empty(num_rows, dtype=torch.int32)
        return self.number_V[:num_rows]


_numbers = _Numbers()


def merged(gradient: Tensor) -> Tensor:
    """Return a sparse gradient (V, E) with repeated rows summed, in no particular order."""
    if gradient.is_cuda:
        # Sums in a fixed order; the host waits, since U decides what is allocated.
        return gradient.coalesce()
    if gradient.is_coalesced():
        return gradient
    # A gradient that is not coalesced has no public accessors.
    rows_N, values_NE = gradient._indices()[0], gradient._values()  # noqa: SLF001
    position_N = torch.arange(len(rows_N), dtype=torch.int32)
    # One position of every row represents all its positions, found in one pass without sorting.
    representative_V = _numbers.of(gradient.shape[0])
    representative_V.index_copy_(0, rows_N, position_N)
    representative_N = representative_V.index_select(0, rows_N)
    represents_N = representative_N == position_N
    number_N = (represents_N.cumsum(0) - 1).index_select(0, representative_N)
    rows_U = rows_N[represents_N]
    zeros_UE = values_NE.new_zeros(len(rows_U), values_NE.shape[1])
    sums_UE = zeros_UE.index_add_(0, number_N, values_NE)
    return torch.sparse_coo_tensor(
        rows_U.unsqueeze(0), sums_UE, gradient.shape, is_coalesced=True, check_invariants=False
    )


class LazyAdam(WeightUpdates):
    """Adam on touched rows, with one second moment and one step count per row.

    A dense gradient counts as touching every row. `penalty` times a touched row is added to its
    gradient.
    """

    moments_of_weight = 1
    moments_of_row = 2

    def __init__(
        self, tables: Sequence[nn.Parameter], learning_rate: float, penalty: float = 0.0
    ) -> None:
        super().__init__([{"params": list(tables), "lr": learning_rate, "penalty": penalty}])

    def update(self, weights: list[nn.Parameter], group: Mapping[str, Any]) -> None:
        """Update the touched rows of tables."""
        for table_VE in weights:
            assert table_VE.grad is not None, "only called with a gradient"
            rows_U, gradient_UE = _touched(table_VE.grad)
            if group["penalty"]:
                touched_UE = table_VE.index_select(0, rows_U)
                if table_VE in self.times_V1:
                    touched_UE *= self.times_V1[table_VE].index_select(0, rows_U)
                gradient_UE = gradient_UE.add(touched_UE, alpha=group["penalty"])
            change_UE = self._change(table_VE, rows_U, gradient_UE)
            # Read, change and write back: index_add_ takes three times as long.
            rate = group["lr"] * self.rate_share
            updated_UE = table_VE.index_select(0, rows_U).sub_(change_UE, alpha=rate)
            table_VE.index_copy_(0, rows_U, updated_UE)

    def _change(
        self, table_VE: nn.Parameter, rows_U: Int[Tensor, "U"], gradient_UE: Float[Tensor, "U E"]
    ) -> Float[Tensor, "U E"]:
        """Return the amount to subtract from the rows at a learning rate of 1.

        It is the first moment over the root of the second, corrected for the row's steps.
        """
        state = self.state[table_VE]
        if not state:
            state["first_VE"] = torch.zeros_like(table_VE)
            state["second_V"] = gradient_UE.new_zeros(len(table_VE))
            state["steps_V"] = gradient_UE.new_zeros(len(table_VE))
        first_UE = state["first_VE"].index_select(0, rows_U).lerp_(gradient_UE, 1 - BETA1)
        second_U = (
            state["second_V"]
            .index_select(0, rows_U)
            .lerp_(gradient_UE.square().mean(dim=1), 1 - BETA2)
        )
        steps_U = state["steps_V"].index_select(0, rows_U).add_(1)
        state["first_VE"].index_copy_(0, rows_U, first_UE)
        state["second_V"].index_copy_(0, rows_U, second_U)
        state["steps_V"].index_copy_(0, rows_U, steps_U)
        root_U = (second_U / _correction(BETA2, steps_U)).sqrt_().add_(EPSILON)
        return first_UE / root_U.mul_(_correction(BETA1, steps_U)).unsqueeze(1)


def _correction(beta: float, steps: Float[Tensor, "*U"]) -> Float[Tensor, "*U"]:
    """Return 1 - beta^steps, the bias correction of a moment that started at 0."""
    return -torch.expm1(steps * math.log(beta))


def _touched(gradient: Tensor) -> tuple[Int[Tensor, "U"], Float[Tensor, "U E"]]:
    if not gradient.is_sparse:
        return torch.arange(len(gradient), device=gradient.device), gradient
    gradient = merged(gradient)
    return gradient.indices()[0], gradient.values()
