"""Optimisers of an embedding table that change the rows a batch looked up and no others.

A batch looks up a few in a hundred rows of a large table; a dense optimiser goes over all of them at every step. A row
that was not looked up keeps its moments as they are, so these are other optimisers than Adam and have names of their own.
Shape legend: V rows of a table, E embedding width, N looked-up rows with repetitions, U distinct ones.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

EPSILON = 1e-8  # as torch's Adam


def merged(gradient: Tensor) -> Tensor:
    """A sparse gradient (V, E) with every row once, repeated ones summed; in no order of rows."""
    if gradient.is_cuda:
        return gradient.coalesce()  # sums in a fixed order there; the host waits, as U decides what is allocated
    if gradient.is_coalesced():
        return gradient
    rows_N, values_NE = gradient._indices()[0], gradient._values()  # noqa: SLF001  no other way before they are merged
    place_N = torch.arange(len(rows_N))
    # One place of a row stands for all its places: found in one pass over them, without sorting.
    standing_V = torch.empty(gradient.shape[0], dtype=torch.int64)
    standing_V[rows_N] = place_N
    standing_N = standing_V[rows_N]
    stands_N = standing_N == place_N
    number_N = (stands_N.cumsum(0) - 1)[standing_N]
    rows_U = rows_N[stands_N]
    sums_UE = values_NE.new_zeros(len(rows_U), values_NE.shape[1]).index_add_(0, number_N, values_NE)
    return torch.sparse_coo_tensor(
        rows_U.unsqueeze(0), sums_UE, gradient.shape, is_coalesced=True, check_invariants=False
    )


class TouchedRows(torch.optim.Optimizer):
    """What such optimisers share. A dense gradient counts as one that touches every row."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # of torch's two signatures the plain one
        """Update the touched rows of every table; no closure is called."""
        assert closure is None, "training computes its gradients itself"
        for group in self.param_groups:
            for table_VE in group["params"]:
                if table_VE.grad is not None:
                    rows_U, gradient_UE = _touched(table_VE.grad)
                    update_UE = self.update(self.state[table_VE], table_VE, rows_U, gradient_UE)
                    # read and written back: index_add_ takes three times as long
                    table_VE.index_copy_(0, rows_U, table_VE.index_select(0, rows_U).sub_(update_UE, alpha=group["lr"]))

    @abstractmethod
    def update(
        self, state: dict[str, Tensor], table_VE: Tensor, rows_U: Int[Tensor, "U"], gradient_UE: Float[Tensor, "U E"]
    ) -> Float[Tensor, "U E"]:
        """What is taken from the rows, for a learning rate of 1; `state` is that of the table, empty at first."""


class RowwiseAdagrad(TouchedRows):
    """Adagrad with one sum per row: of the mean squares of its gradients."""

    def update(
        self, state: dict[str, Tensor], table_VE: Tensor, rows_U: Int[Tensor, "U"], gradient_UE: Float[Tensor, "U E"]
    ) -> Float[Tensor, "U E"]:
        """Gradient over the root of the sum."""
        if not state:
            state["sum_V"] = table_VE.new_zeros(len(table_VE))
        sum_U = state["sum_V"].index_select(0, rows_U).add_(gradient_UE.square().mean(dim=1))
        state["sum_V"].index_copy_(0, rows_U, sum_U)
        return gradient_UE / sum_U.sqrt().add_(EPSILON).unsqueeze(1)


class LazyAdam(TouchedRows):
    """Adam with moments of touched rows alone, one second moment per row, and each row's own count of steps."""

    BETA1, BETA2 = 0.9, 0.999

    def update(
        self, state: dict[str, Tensor], table_VE: Tensor, rows_U: Int[Tensor, "U"], gradient_UE: Float[Tensor, "U E"]
    ) -> Float[Tensor, "U E"]:
        """First moment over the root of the second, both corrected for the row's steps."""
        if not state:
            state["first_VE"] = torch.zeros_like(table_VE)
            state["second_V"] = table_VE.new_zeros(len(table_VE))
            state["steps_V"] = table_VE.new_zeros(len(table_VE))
        first_UE = state["first_VE"].index_select(0, rows_U).lerp_(gradient_UE, 1 - self.BETA1)
        second_U = state["second_V"].index_select(0, rows_U).lerp_(gradient_UE.square().mean(dim=1), 1 - self.BETA2)
        steps_U = state["steps_V"].index_select(0, rows_U).add_(1)
        for name, moment in (("first_VE", first_UE), ("second_V", second_U), ("steps_V", steps_U)):
            state[name].index_copy_(0, rows_U, moment)
        root_U = (second_U / _correction(self.BETA2, steps_U)).sqrt_().add_(EPSILON)
        return first_UE / root_U.mul_(_correction(self.BETA1, steps_U)).unsqueeze(1)


def _correction(beta: float, steps_U: Float[Tensor, "U"]) -> Float[Tensor, "U"]:
    """1 - beta^steps: what a moment that began at 0 has gathered after so many steps."""
    return -torch.expm1(steps_U * math.log(beta))


def _touched(gradient: Tensor) -> tuple[Int[Tensor, "U"], Float[Tensor, "U E"]]:
    if not gradient.is_sparse:
        return torch.arange(len(gradient), device=gradient.device), gradient
    once = merged(gradient)
    return once.indices()[0], once.values()
