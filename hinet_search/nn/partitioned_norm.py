"""Partitioned normalisation: batch normalisation with statistics per scenario (Sheng et al., CIKM 2021).

    training     (x - mean of the scenario's rows in the batch) / sqrt(their variance + EPSILON)
    evaluation   the same with the scenario's moving mean and variance
    then         * gamma gamma_p + (beta + beta_p), gamma_p near 1 and beta_p near 0 at first

Shape legend: M scenarios, B rows sorted by scenario, R rows of one scenario, D width of x.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPSILON = 1e-5
MOMENTUM = 0.1  # the share of the newest batch in the moving statistics


class PartitionedNorm(nn.Module):
    """Normalises every column of x within each scenario.

    A scenario with a single row in a training batch has no variance there: the row is normalised with the scenario's
    moving statistics (mean 0 and variance 1 before the first update), which stay as they are. So do the statistics of
    an absent scenario. Until a scenario has had 1 / MOMENTUM updates its moving statistics are their plain mean: young
    embeddings have a variance near 1e-4, and a start at 1 would outweigh it for a hundred batches.
    """

    mean_MD: Tensor
    variance_MD: Tensor
    num_updates_M: Tensor

    def __init__(self, width: int, num_scenarios: int) -> None:
        super().__init__()
        self.gamma_D = nn.Parameter(torch.ones(width))
        self.beta_D = nn.Parameter(torch.zeros(width))
        # kept as a distance from 1, so that weight decay draws a scenario to what all share and not to 0
        self.gamma_change_MD = nn.Parameter(torch.zeros(num_scenarios, width))
        self.beta_change_MD = nn.Parameter(torch.zeros(num_scenarios, width))
        self.register_buffer("mean_MD", torch.zeros(num_scenarios, width))
        self.register_buffer("variance_MD", torch.ones(num_scenarios, width))
        self.register_buffer("num_updates_M", torch.zeros(num_scenarios, dtype=torch.int64))

    def forward(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "B D"]:
        """Rows come sorted by scenario, `sizes[m]` of them for scenario m, which may be 0. Training moves statistics."""
        gammas = (self.gamma_D * (1 + self.gamma_change_MD)).unbind(0)
        betas = (self.beta_D + self.beta_change_MD).unbind(0)
        runs = enumerate(zip(torch.split(x_BD, list(sizes)), gammas, betas, strict=True))
        normalised = [
            self._standardise(run_RD, scenario) * gamma_D + beta_D
            for scenario, (run_RD, gamma_D, beta_D) in runs
            if len(run_RD) > 0
        ]
        return torch.cat(normalised)

    def _standardise(self, run_RD: Float[Tensor, "R D"], scenario: int) -> Float[Tensor, "R D"]:
        mean_D, variance_D = self.mean_MD[scenario], self.variance_MD[scenario]
        if self.training and len(run_RD) > 1:
            variance_D, mean_D = torch.var_mean(run_RD, dim=0, correction=0)
            self._move(scenario, mean_D, variance_D, len(run_RD))
        return (run_RD - mean_D) * torch.rsqrt(variance_D + EPSILON)

    @torch.no_grad()
    def _move(self, scenario: int, mean_D: Float[Tensor, "D"], variance_D: Float[Tensor, "D"], num_rows: int) -> None:
        """Bring the moving statistics nearer to those of a batch; the variance moves to the unbiased one."""
        self.num_updates_M[scenario] += 1
        share = (1 / self.num_updates_M[scenario].to(mean_D.dtype)).clamp(min=MOMENTUM)
        self.mean_MD[scenario].lerp_(mean_D, share)
        self.variance_MD[scenario].lerp_(variance_D * (num_rows / (num_rows - 1)), share)
