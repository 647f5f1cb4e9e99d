"""Pairs within scenarios: cross entropy, and `train.ranking_weight` times that of its pairs.

For rankings of all rows of a scenario; training/pairs.py has the equation and its sources. Pairs
grow with the square of the batch: a step of HiNet on 4,096 rows of six scenarios is 13 % longer.
Shape legend: B rows of a batch, H heads.
"""

from jaxtyping import Float
from torch import Tensor

from hinet_search.training.losses import LabelledRows, Loss
from hinet_search.training.pairs import with_pairs


def pairs_within_scenarios(
    scores_BH: Float[Tensor, "B H"], rows: LabelledRows, ranking_weight: float | Tensor
) -> Float[Tensor, ""]:
    """Return the mean over the labels, and the weighted mean over the pairs."""
    return with_pairs(scores_BH, rows, ranking_weight, rows.columns.scenario_R)


LOSS = Loss(pairs_within_scenarios, pairs_within="scenarios")
