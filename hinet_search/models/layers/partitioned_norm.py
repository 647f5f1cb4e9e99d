"""Partitioned normalisation: every scenario by its own statistics (STAR; Sheng et al., CIKM 2021).

    training     (x - mean of the scenario's rows in the batch) / sqrt(their variance + EPSILON)
    evaluation   the same with the scenario's moving mean and variance
    then         * gamma gamma_p + (beta + beta_p), where gamma_p starts at 1 and beta_p at 0

With one scenario and no gamma_p and beta_p it is batch normalisation.
Shape legend: M scenarios, B rows sorted by scenario, R rows of one scenario, D width of x.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPSILON = 1e-5
MOMENTUM = 0.1  # the share of the newest batch in the moving statistics


class PartitionedNorm(nn.Module):
    """Normalise every column of x within each scenario.

    A single row of a scenario in a training batch has no variance: it is normalised with the
    scenario's moving statistics (mean 0 and variance 1 before the first update), which are not
    updated. Statistics of absent scenarios are not updated either. For the first 1 / MOMENTUM
    updates the moving statistics are a plain mean over batches: new embeddings have a variance near
    1e-4, and an initial 1 would dominate it for a hundred batches. With `is_fused` training takes
    torch's own kernel, in a quarter of the time, with other rounding.
    """

    mean_MD: Tensor
    variance_MD: Tensor
    num_updates_M: Tensor
    reads_batch = True  # models/layers/contracts.py

    def __init__(
        self, width: int, num_scenarios: int, *, has_own_gains: bool = True, is_fused: bool = False
    ) -> None:
        super().__init__()
        self.is_fused = is_fused
        self.gamma_D = nn.Parameter(torch.ones(width))
        self.beta_D = nn.Parameter(torch.zeros(width))
        shape = (num_scenarios, width)
        # Stored as gamma_p - 1, so that weight decay pulls it to 1 and not to 0.
        self.gamma_change_MD = nn.Parameter(torch.zeros(shape)) if has_own_gains else None
        self.beta_change_MD = nn.Parameter(torch.zeros(shape)) if has_own_gains else None
        self.register_buffer("mean_MD", torch.zeros(num_scenarios, width))
        self.register_buffer("variance_MD", torch.ones(num_scenarios, width))
        self.register_buffer("num_updates_M", torch.zeros(num_scenarios, dtype=torch.int64))

    def forward(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "B D"]:
        """Normalise rows sorted by scenario, `sizes[m]` of them for scenario m, which may be 0.

        In training mode this updates the moving statistics.
        """
        gamma_MD, beta_MD = self._gains(len(sizes))
        runs = torch.split(x_BD, list(sizes))
        of_runs = zip(runs, gamma_MD.unbind(0), beta_MD.unbind(0), strict=True)
        normalised = [
            self._normalised(scenario, run_RD, gamma_D, beta_D)
            for scenario, (run_RD, gamma_D, beta_D) in enumerate(of_runs)
            if run_RD.shape[0] > 0
        ]
        return torch.cat(normalised)

    def _normalised(
        self,
        scenario: int,
        run_RD: Float[Tensor, "R D"],
        gamma_D: Float[Tensor, "D"],
        beta_D: Float[Tensor, "D"],
    ) -> Float[Tensor, "R D"]:
        """Normalise a scenario's rows; in training mode, move its moving statistics."""
        if self.is_fused and self.training and run_RD.shape[0] > 1:
            y_RD, mean_D, root_D = torch.native_batch_norm(
                run_RD, gamma_D, beta_D, None, None, True, MOMENTUM, EPSILON
            )
            self._move(scenario, mean_D, root_D.detach() ** -2 - EPSILON, len(run_RD))
            return y_RD
        mean_D, variance_D = self._statistics(run_RD, scenario)
        return (run_RD - mean_D) * torch.rsqrt(variance_D + EPSILON) * gamma_D + beta_D

    def _gains(self, num_scenarios: int) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M D"]]:
        """Return gamma and beta of every scenario."""
        if self.gamma_change_MD is None or self.beta_change_MD is None:
            shape = (num_scenarios, len(self.gamma_D))
            return self.gamma_D.expand(shape), self.beta_D.expand(shape)
        return self.gamma_D * (1 + self.gamma_change_MD), self.beta_D + self.beta_change_MD

    def _statistics(
        self, run_RD: Float[Tensor, "R D"], scenario: int
    ) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
        """Return mean and variance of a scenario's rows; in training mode, move its moving ones."""
        if not self.training or run_RD.shape[0] < 2:
            return self.mean_MD[scenario], self.variance_MD[scenario]
        variance_D, mean_D = torch.var_mean(run_RD, dim=0, correction=0)
        self._move(scenario, mean_D, variance_D, len(run_RD))
        return mean_D, variance_D

    @torch.no_grad()
    def _move(
        self,
        scenario: int,
        mean_D: Float[Tensor, "D"],
        variance_D: Float[Tensor, "D"],
        num_rows: int,
    ) -> None:
        """Move the moving statistics towards a batch's mean and unbiased variance."""
        self.num_updates_M[scenario] += 1
        share = (1 / self.num_updates_M[scenario].to(mean_D.dtype)).clamp(min=MOMENTUM)
        unbiased_D = variance_D * (num_rows / (num_rows - 1))
        self.mean_MD[scenario] += share * (mean_D - self.mean_MD[scenario])
        self.variance_MD[scenario] += share * (unbiased_D - self.variance_MD[scenario])
