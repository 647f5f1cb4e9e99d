"""Team: processes that train one model together, each on its share of the rows of every batch.

All have the same weights and take the same steps. A process computes the scores of its rows; the
scores of all are gathered, so every process has the loss of the whole batch, whatever the loss is,
and its gradient for the own rows. Added over processes these are the gradients of one process, up
to the order of sums. Only dropout differs: every process draws its own. Evaluations are shared
alike, and every process measures all scores, so all decide the same about the best weights,
patience and divergence; the leader alone asks whether to stop, and reads and writes checkpoints.

Collectives are those of torch.distributed: gloo on the CPU, NCCL on GPUs.
Shape legend: B rows of a batch, S rows of the largest share, H heads, P processes, R rows of a
split, T tasks, U touched rows of a table, N = 1 + its width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from hinet_search.models.layers.batch import count_by_scenario
from hinet_search.models.layers.shares import Share
from hinet_search.training.feed import Feed
from hinet_search.training.predict import predict
from hinet_search.training.touched_rows import merged

LEADER = 0


class Next(IntEnum):
    """What all processes do before the next step."""

    STEP = 0
    CHECKPOINT = 1  # and then the step
    STOP = 2


@dataclass(frozen=True)
class Team:
    """This process in the default process group of torch.distributed, which must have begun."""

    rank: int
    size: int

    @property
    def is_leader(self) -> bool:
        """Whether this process talks to the coordinator and writes checkpoints."""
        return self.rank == LEADER

    def agree(self, what: Next) -> Next:
        """Return what the leader does next."""
        chosen = torch.tensor(what)
        dist.broadcast(chosen, LEADER)
        return Next(int(chosen))

    def of_leader(self, own: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the plain values and tensors that the leader has, None if it has none."""
        packed = BytesIO()
        if self.is_leader and own is not None:
            torch.save(dict(own), packed)
        size = torch.tensor(packed.tell())
        dist.broadcast(size, LEADER)
        if not size:
            return None
        sent = packed.getbuffer() if self.is_leader else bytearray(int(size))
        dist.broadcast(torch.frombuffer(sent, dtype=torch.uint8), LEADER)
        if self.is_leader:
            return own
        received: Mapping[str, Any] = torch.load(BytesIO(sent), weights_only=True)
        return received

    def shares(self, rows_B: Int[Tensor, "B"]) -> bool:
        """Return whether a batch is shared: with fewer rows than processes, each takes all."""
        return len(rows_B) >= self.size

    def weight(self, rows_B: Int[Tensor, "B"]) -> float:
        """Return what the gradient of this process counts: all have that of a batch not shared."""
        return 1.0 if self.shares(rows_B) else 1 / self.size

    def rows(self, rows_B: Int[Tensor, "B"]) -> Int[Tensor, "S"]:
        """Return the rows of this process, which are still in order of scenarios."""
        return rows_B[self.rank :: self.size]

    def share(self, feed: Feed, rows_B: Int[Tensor, "B"]) -> Share:
        """Return what layers must know of this batch."""
        sizes = count_by_scenario(feed.scenario_R.index_select(0, rows_B).long())
        return Share(sizes, _sum_of_all)

    def scores_of_all(self, own_SH: Float[Tensor, "S H"], num_rows: int) -> Float[Tensor, "B H"]:
        """Return the scores of all rows; gradients flow to those of this process."""
        missing = _share(num_rows, self.size) - len(own_SH)
        padded_SH = pad(own_SH, (0, 0, 0, missing)).contiguous()
        gathered = self._gathered(padded_SH.detach())
        gathered[self.rank] = padded_SH
        return torch.stack(gathered, dim=1).flatten(0, 1)[:num_rows]

    def add_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Add the gradients of all processes; one that no process has stays None."""
        for weight in weights:
            if weight.grad is not None and weight.grad.is_sparse:
                weight.grad = merged(weight.grad)
        kinds_PW = torch.stack(self._gathered(torch.tensor([_kind(weight) for weight in weights])))
        has_dense, touched_PW = (kinds_PW == DENSE).any(dim=0), kinds_PW.clamp(min=0)
        dense = [weight for weight, has in zip(weights, has_dense.tolist(), strict=True) if has]
        _add_dense(dense)
        for weight, counts in zip(weights, touched_PW.T.tolist(), strict=True):
            if any(counts):
                self._join_touched_rows(weight, counts)

    def _join_touched_rows(self, table: nn.Parameter, counts: Sequence[int]) -> None:
        """Join the rows that all processes touched; `clip_gradients` adds those of several."""
        packed = _packed(table)
        padded = pad(packed, (0, 0, 0, max(counts) - len(packed)))
        gathered = self._gathered(padded)
        joined = torch.cat([each[:count] for each, count in zip(gathered, counts, strict=True)])
        rows_1U = joined[:, :1].contiguous().view(INTEGERS[joined.dtype]).long().T
        table.grad = torch.sparse_coo_tensor(
            rows_1U, joined[:, 1:], table.shape, check_invariants=False
        )

    def predict(self, model: nn.Module, feed: Feed) -> NDArray[np.float32]:
        """Return the logits (R, T) of all rows, of which each process scores a run.

        Errors: RuntimeError if the weights of the processes are no longer the same.
        """
        self._refuse_apart(model)
        most = _share(len(feed), self.size)
        first = min(self.rank * most, len(feed) - 1)  # the last process may have no rows of its own
        own_RT = torch.from_numpy(predict(model, feed.run(first, first + most)))
        runs = self._gathered(pad(own_RT, (0, 0, 0, most - len(own_RT))))
        scores_RT: NDArray[np.float32] = torch.cat(runs)[: len(feed)].numpy()
        return scores_RT

    def _refuse_apart(self, model: nn.Module) -> None:
        total = torch.zeros((), dtype=torch.float64)
        for weight in model.parameters():
            total += weight.detach().double().sum().cpu()
        sums = [float(each) for each in self._gathered(total)]
        if len(set(sums)) > 1:
            raise RuntimeError(
                f"the weights of {self.size} processes must be the same, their sums are {sums}"
            )

    def generators(self, own: Sequence[Tensor]) -> list[list[Tensor]]:
        """Return the states of the random generators of every process, given those of this one."""
        of_all = [self._gathered(state) for state in own]
        return [list(states) for states in zip(*of_all, strict=True)]

    def _gathered(self, own: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, which have one shape."""
        gathered = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(gathered, own.contiguous())
        return gathered


NO_GRADIENT, DENSE = 0, -1  # of a sparse gradient, the number of touched rows is sent
# Numbers of rows travel beside their values, as the same bits.
INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64}


def _kind(weight: nn.Parameter) -> int:
    if weight.grad is None:
        return NO_GRADIENT
    return weight.grad.indices().shape[1] if weight.grad.is_sparse else DENSE


def _packed(table: nn.Parameter) -> Float[Tensor, "U N"]:
    """Return the touched rows of a table: their numbers, as bits of a float, and gradients."""
    dtype = table.grad_dtype or table.dtype
    if table.grad is None:
        return table.new_empty(0, table.shape[1] + 1, dtype=dtype)
    rows_U1 = table.grad.indices().T.to(INTEGERS[dtype]).contiguous().view(dtype)
    return torch.cat([rows_U1, table.grad.values()], dim=1)


def _add_dense(weights: Sequence[nn.Parameter]) -> None:
    if not weights:
        return
    grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    sums = torch.split(flat, [weight.numel() for weight in weights])
    for weight, summed in zip(weights, sums, strict=True):
        weight.grad = summed.view_as(weight)


def _share(number: int, size: int) -> int:
    """Return the largest share of that many among `size` processes."""
    return -(-number // size)


class _SumOfAll(torch.autograd.Function):
    """Adds the tensors of all processes, and in the backward pass their gradients."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # noqa: ARG004  nothing is kept
        """Return the sum."""
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004  nothing was kept
        """Return the sum of the gradients, since every process reads the sum."""
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _sum_of_all(own: Tensor) -> Tensor:
    total: Tensor = _SumOfAll.apply(own)  # type: ignore[no-untyped-call]
    return total
