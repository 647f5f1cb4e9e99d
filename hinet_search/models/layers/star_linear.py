"""Star layers: weights of a scenario are its own times shared ones (STAR; Sheng et al., CIKM 2021).

    x (W_p (elementwise) W) + b_p + b    for the rows of scenario p

Shape legend: M scenarios, T tasks, B rows sorted by scenario, I inputs and O outputs of a layer.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.models.layers.linear import linear


class StarLinear(nn.Module):
    """A linear layer per (scenario, task), with weights that are a product W_p W.

    Shared weights start like those of nn.Linear; W_p starts at 1 and b_p at 0, so all scenarios
    start as the shared layer.
    """

    def __init__(
        self, in_width: int, out_width: int, num_tasks: int, *, num_scenarios: int
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_width)
        self.weight_TIO = nn.Parameter(
            torch.empty(num_tasks, in_width, out_width).uniform_(-bound, bound)
        )
        self.bias_TO = nn.Parameter(torch.empty(num_tasks, out_width).uniform_(-bound, bound))
        # Stored as W_p - 1, so that weight decay pulls a scenario to the shared layer, not to 0.
        self.weight_change_MTIO = nn.Parameter(
            torch.zeros(num_scenarios, num_tasks, in_width, out_width)
        )
        self.bias_change_MTO = nn.Parameter(torch.zeros(num_scenarios, num_tasks, out_width))

    def forward(
        self, x: Float[Tensor, "*tasks B I"], sizes: Sequence[int]
    ) -> Float[Tensor, "T B O"]:
        """Apply the layers of its own scenario to each row.

        x is (B, I), the same for all tasks, or (T, B, I). Rows are sorted by scenario, `sizes[m]`
        of them for scenario m. Weights of absent scenarios are not merged.
        """
        # Unbind once: indexing a stacked parameter per scenario would write a full-size gradient
        # for each scenario.
        weight_changes = self.weight_change_MTIO.unbind(0)
        bias_changes = self.bias_change_MTO.unbind(0)
        runs = torch.split(x, list(sizes), dim=-2)
        outputs = []
        for run, weight_TIO, bias_TO in zip(runs, weight_changes, bias_changes, strict=True):
            if run.shape[-2] > 0:
                merged_weight_TIO = (1 + weight_TIO) * self.weight_TIO
                outputs.append(linear(run, merged_weight_TIO, bias_TO + self.bias_TO))
        return torch.cat(outputs, dim=-2)
