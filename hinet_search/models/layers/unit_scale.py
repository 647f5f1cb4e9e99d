"""Unit scale: divide all of x by one number, so that its mean square over the batch is 1.

A penalty can then keep embeddings small without making x small, and embeddings stay as small
beside numeric inputs as it makes them: normalising each column would undo that.
Shape legend: B rows, D width of x, N numbers of all rows.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPSILON = 1e-10  # keeps inputs finite that are all 0; those of new embeddings have 1e-4
MOMENTUM = 0.01  # the share of the newest batch in the moving mean square


class UnitScale(nn.Module):
    """Divide by the root of the batch's mean square; in evaluation, of its mean over training.

    Gradients take the root for a constant: x alone is learned, and a step costs hardly more.
    For the first 1 / MOMENTUM batches that is a plain mean over them.
    """

    mean_square: Tensor
    num_batches: Tensor
    reads_batch = True  # models/layers/contracts.py

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_square", torch.ones(1))
        self.register_buffer("num_batches", torch.zeros(1, dtype=torch.int64))

    def forward(self, x_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the scaled inputs; in training mode this updates the moving mean square."""
        mean_square = self.mean_square
        if self.training:
            mean_square = _mean_square(x_BD.detach().reshape(-1))
            self._move(mean_square)
        return x_BD * torch.rsqrt(mean_square + EPSILON)

    @torch.no_grad()
    def _move(self, mean_square: Float[Tensor, ""]) -> None:
        self.num_batches += 1
        share = (1 / self.num_batches.to(mean_square.dtype)).clamp(min=MOMENTUM)
        self.mean_square += share * (mean_square - self.mean_square)


def _mean_square(x_N: Float[Tensor, "N"]) -> Float[Tensor, ""]:
    """Return the mean square over the batch."""
    return torch.dot(x_N, x_N) / x_N.numel()
