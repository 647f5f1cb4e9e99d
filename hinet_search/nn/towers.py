"""Towers: from a row's representation to one logit per task.

Shape legend: M scenarios, T tasks, B rows, H inputs.
"""

from collections.abc import Sequence
from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Frozen
from hinet_search.nn.experts import Experts
from hinet_search.nn.stacked import StackedLinear


class TowerConfig(Frozen):
    """Hidden widths of a tower; none = linear."""

    widths: tuple[Annotated[int, Field(ge=1)], ...] = (16,)


class Towers(nn.Module):
    """One MLP with a linear output per (scenario, task); without `widths` the tower is the linear output alone."""

    def __init__(self, in_width: int, widths: Sequence[int], num_tasks: int, *, num_scenarios: int) -> None:
        super().__init__()
        self.hidden = Experts(in_width, widths, num_tasks, num_groups=num_scenarios)
        self.output = StackedLinear([in_width, *widths][-1], 1, num_tasks, num_groups=num_scenarios)

    def forward(self, x: Float[Tensor, "*stack B H"], sizes: Sequence[int] | None = None) -> Float[Tensor, "B towers"]:
        """Logits of each row's own scenario, (B, T). x is (B, H) or (T, B, H); rows come sorted, see StackedLinear.

        Without `sizes` those of all scenarios, (B, M * T), scenario by scenario; x is then (B, H) or (M * T, B, H).
        """
        logits: Tensor = self.output(self.hidden(x, sizes), sizes)
        return logits[:, :, 0].T
